// A journal that hands every call on to another one: for tests that come between in a few of them.
#pragma once

#include <memory>

#include "persistence/journal.hpp"

namespace perdure::test {

class forwarding_journal : public persistence::journal {
 public:
  explicit forwarding_journal(std::shared_ptr<persistence::journal> to) : held_(std::move(to)) {}

  using persistence::journal::append;
  std::vector<persistence::verdict> append(std::span<persistence::append_item> items, persistence::upkeep_plan* along) override {
    return held_->append(items, along);
  }
  [[nodiscard]] bool fatal() const override { return held_->fatal(); }
  result<void> flush() override { return held_->flush(); }
  [[nodiscard]] std::unique_ptr<persistence::upkeep_plan> plan_upkeep(timestamp now) override { return held_->plan_upkeep(now); }
  [[nodiscard]] persistence::archive_figures archive(bool with_sizes) const override { return held_->archive(with_sizes); }
  [[nodiscard]] std::optional<persistence::checkpoint_place> newest_checkpoint() const override {
    return held_->newest_checkpoint();
  }
  result<persistence::epoch_t> acquire(persistence::shard_id shard) override { return held_->acquire(shard); }
  [[nodiscard]] result<std::vector<core::record>> read_run(const run_id& run, run_seq after, std::size_t limit) const override {
    return held_->read_run(run, after, limit);
  }
  [[nodiscard]] result<std::vector<core::record>> scan(lsn_t from, std::size_t limit) const override {
    return held_->scan(from, limit);
  }
  [[nodiscard]] lsn_t last_lsn() const override { return held_->last_lsn(); }
  [[nodiscard]] std::optional<std::pair<run_seq, std::string>> snapshot(const run_id& run, run_seq at_most) const override {
    return held_->snapshot(run, at_most);
  }
  [[nodiscard]] std::optional<persistence::run_row> row(const run_id& run) const override { return held_->row(run); }
  [[nodiscard]] std::optional<std::string> damage_of(const run_id& run) const override { return held_->damage_of(run); }
  [[nodiscard]] std::vector<std::pair<run_id, std::string>> damaged_runs() const override { return held_->damaged_runs(); }
  [[nodiscard]] std::optional<run_id> find_key(std::string_view scope, std::string_view key) const override {
    return held_->find_key(scope, key);
  }
  [[nodiscard]] std::vector<persistence::run_row> rows(const persistence::row_query& query) const override {
    return held_->rows(query);
  }
  void for_each_active(const std::function<void(const persistence::run_row&)>& take) const override {
    held_->for_each_active(take);
  }
  [[nodiscard]] std::vector<std::pair<timestamp, run_id>> wakeups(timestamp until,
                                                                  std::optional<std::pair<timestamp, run_id>> after,
                                                                  std::size_t limit) const override {
    return held_->wakeups(until, after, limit);
  }
  [[nodiscard]] std::uint64_t open_runs() const override { return held_->open_runs(); }
  [[nodiscard]] std::uint64_t total_runs() const override { return held_->total_runs(); }
  [[nodiscard]] std::uint64_t redone_records() const override { return held_->redone_records(); }
  [[nodiscard]] timestamp last_time() const override { return held_->last_time(); }
  [[nodiscard]] bool was_closed() const override { return held_->was_closed(); }
  void mark_closed() override { held_->mark_closed(); }
  [[nodiscard]] core::blob_port& blobs() override { return held_->blobs(); }
  [[nodiscard]] persistence::space space() const override { return held_->space(); }
  [[nodiscard]] persistence::verify_report verify(const std::function<bool(const run_id&)>& waits,
                                                  const std::optional<core::digest>& anchor = std::nullopt) const override {
    return held_->verify(waits, anchor);
  }
  result<void> put_inbox(std::string_view command) override { return held_->put_inbox(command); }
  [[nodiscard]] std::vector<persistence::inbox_entry> inbox() const override { return held_->inbox(); }
  result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) override { return held_->drop_from_inbox(numbers); }

 protected:
  std::shared_ptr<persistence::journal> held_;
};

}  // namespace perdure::test
