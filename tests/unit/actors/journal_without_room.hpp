// A journal in memory whose room a test takes away and gives back: for steps as their limit says, for large payloads as on a
// disk that is full to the last byte.
#pragma once

#include <atomic>

#include "support/forwarding_journal.hpp"

namespace perdure::test {

class journal_without_room : public forwarding_journal, private core::blob_port {
 public:
  journal_without_room() : forwarding_journal(persistence::make_memory_journal()) {}

  std::atomic<bool> room_for_steps{true}, room_on_disk{true};
  std::atomic<int> blobs_put{0};

  using persistence::journal::append;
  std::vector<persistence::verdict> append(std::span<persistence::append_item> items, persistence::upkeep_plan* along) override {
    if (room_for_steps) return held_->append(items, along);
    if (along != nullptr) along->outcome = error{errc::disk_full, "no room"};
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

 private:
  result<core::digest> put(std::string_view text) override {
    if (!room_on_disk) return error{errc::disk_full, "No space left on device"};
    ++blobs_put;
    return held_->blobs().put(text);
  }
  result<payload> get(const core::digest& hash) override { return held_->blobs().get(hash); }
};

}  // namespace perdure::test
