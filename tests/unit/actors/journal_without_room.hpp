// A journal in memory whose room a test takes away and gives back: for steps as their limit says, for large payloads as on a
// disk that is full to the last byte.
#pragma once

#include <atomic>

#include "persistence/journal.hpp"

namespace perdure::test {

class journal_without_room : public persistence::journal, private core::blob_port {
 public:
  std::atomic<bool> room_for_steps{true}, room_on_disk{true};
  std::atomic<int> blobs_put{0};

  std::vector<persistence::verdict> append(std::span<persistence::append_item> items) override {
    if (room_for_steps) return held_->append(items);
    std::vector<persistence::verdict> out;
    for (auto& each : items) {
      out.push_back(each.essential ? held_->append({&each, 1}).at(0)
                                   : persistence::verdict{error{errc::disk_full, "no room"}, 0, {}});
    }
    return out;
  }
  [[nodiscard]] persistence::space space() const override {
    auto out = held_->space();
    if (!room_for_steps) out.steps = out.new_runs = false;
    return out;
  }
  [[nodiscard]] core::blob_port& blobs() override { return *this; }

  [[nodiscard]] bool fatal() const override { return held_->fatal(); }
  result<void> flush() override { return held_->flush(); }
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
  [[nodiscard]] persistence::verify_report verify(const std::function<bool(const run_id&)>& waits) const override {
    return held_->verify(waits);
  }
  result<void> put_inbox(std::string_view command) override { return held_->put_inbox(command); }
  [[nodiscard]] std::vector<persistence::inbox_entry> inbox() const override { return held_->inbox(); }
  result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) override { return held_->drop_from_inbox(numbers); }

 private:
  result<core::digest> put(std::string_view text) override {
    if (!room_on_disk) return error{errc::disk_full, "No space left on device"};
    ++blobs_put;
    return held_->blobs().put(text);
  }
  result<payload> get(const core::digest& hash) override { return held_->blobs().get(hash); }

  std::unique_ptr<persistence::journal> held_ = persistence::make_memory_journal();
};

}  // namespace perdure::test
