// The journal as one simulated process has it: a journal that outlives the process, until the process is lost.
//
// Fair faults: a read that fails (`fails_to_read`); a store that is not there any more (the process was lost).
#pragma once

#include <functional>
#include <memory>

#include "persistence/journal.hpp"

namespace perdure::sim {

class lent_journal final : public persistence::journal {
 public:
  explicit lent_journal(std::shared_ptr<persistence::journal> to) : to_(std::move(to)) {}

  /// Asked before each read of a run.
  std::function<bool()> fails_to_read;
  /// Told of every batch after its commit, before the writer tells anybody.
  std::function<void(std::span<persistence::append_item>, const std::vector<persistence::verdict>&)> appended;
  /// Called before every commit.
  std::function<void(std::size_t items)> before_append;

  std::vector<persistence::verdict> append(std::span<persistence::append_item> items) override {
    if (before_append) before_append(items.size());
    auto out = to_->append(items);
    if (appended) appended(items, out);
    return out;
  }
  bool fatal() const override { return to_->fatal(); }
  result<void> flush() override { return to_->flush(); }
  result<persistence::epoch_t> acquire(persistence::shard_id shard) override { return to_->acquire(shard); }
  result<std::vector<core::record>> read_run(const run_id& run, run_seq after, std::size_t limit) const override {
    if (fails_to_read && fails_to_read()) return error{errc::io_error, "a read that fails"};
    return to_->read_run(run, after, limit);
  }
  result<std::vector<core::record>> scan(lsn_t from, std::size_t limit) const override { return to_->scan(from, limit); }
  lsn_t last_lsn() const override { return to_->last_lsn(); }
  std::optional<std::pair<run_seq, std::string>> snapshot(const run_id& run, run_seq at_most) const override {
    return to_->snapshot(run, at_most);
  }
  std::optional<persistence::run_row> row(const run_id& run) const override { return to_->row(run); }
  std::optional<run_id> find_key(std::string_view scope, std::string_view key) const override {
    return to_->find_key(scope, key);
  }
  std::vector<persistence::run_row> rows(const persistence::row_query& query) const override { return to_->rows(query); }
  void for_each_active(const std::function<void(const persistence::run_row&)>& take) const override {
    to_->for_each_active(take);
  }
  std::vector<std::pair<timestamp, run_id>> wakeups(timestamp until, std::optional<std::pair<timestamp, run_id>> after,
                                                    std::size_t limit) const override {
    return to_->wakeups(until, after, limit);
  }
  std::uint64_t open_runs() const override { return to_->open_runs(); }
  std::uint64_t total_runs() const override { return to_->total_runs(); }
  std::uint64_t redone_records() const override { return to_->redone_records(); }
  timestamp last_time() const override { return to_->last_time(); }
  bool was_closed() const override { return to_->was_closed(); }
  void mark_closed() override { to_->mark_closed(); }
  core::blob_port& blobs() override { return to_->blobs(); }
  persistence::space space() const override { return to_->space(); }
  persistence::verify_report verify(const std::function<bool(const run_id&)>& waits,
                                    const std::optional<core::digest>& anchor) const override {
    return to_->verify(waits, anchor);
  }
  std::unique_ptr<persistence::upkeep_plan> plan_upkeep(timestamp now) override { return to_->plan_upkeep(now); }
  result<void> commit_upkeep(persistence::upkeep_plan& plan) override { return to_->commit_upkeep(plan); }
  persistence::archive_figures archive(bool with_sizes) const override { return to_->archive(with_sizes); }
  std::optional<persistence::checkpoint_place> newest_checkpoint() const override { return to_->newest_checkpoint(); }
  result<void> put_inbox(std::string_view command) override { return to_->put_inbox(command); }
  std::vector<persistence::inbox_entry> inbox() const override { return to_->inbox(); }
  result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) override { return to_->drop_from_inbox(numbers); }

 private:
  std::shared_ptr<persistence::journal> to_;
};

}  // namespace perdure::sim
