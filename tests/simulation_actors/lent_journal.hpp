// The journal as one simulated process has it: a journal that outlives the process, until the process is lost.
//
// Fair faults: a read that fails (`fails_to_read`); a store that is not there any more (the process was lost).
#pragma once

#include <functional>
#include <memory>

#include "support/forwarding_journal.hpp"

namespace perdure::sim {

class lent_journal final : public test::forwarding_journal {
 public:
  using test::forwarding_journal::forwarding_journal;

  /// Asked before each read of a run.
  std::function<bool()> fails_to_read;
  /// Told of every batch after its commit, before the writer tells anybody.
  std::function<void(std::span<persistence::append_item>, const std::vector<persistence::verdict>&)> appended;
  /// Called before every commit.
  std::function<void(std::size_t items)> before_append;

  using persistence::journal::append;
  std::vector<persistence::verdict> append(std::span<persistence::append_item> items, persistence::upkeep_plan* along) override {
    if (before_append) before_append(items.size());
    auto out = held_->append(items, along);
    if (appended) appended(items, out);
    return out;
  }
  result<std::vector<core::record>> read_run(const run_id& run, run_seq after, std::size_t limit) const override {
    if (fails_to_read && fails_to_read()) return error{errc::io_error, "a read that fails"};
    return held_->read_run(run, after, limit);
  }
};

}  // namespace perdure::sim
