// batch: what a run's actor appends at once; and what it says to commands that it does not take.
#pragma once

#include <vector>

#include "actors/messages.hpp"
#include "core/effects.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

/// What goes with one append, and what is let out when it is durable.
struct batch {
  std::vector<core::record> records;
  std::vector<core::effect_change> changes;
  std::vector<reply> answers;
  bool essential = false;
  std::size_t durable = 0;    ///< so many records are
  std::size_t in_append = 0;  ///< so many after them are being appended

  /// The journal takes only so much at once; a longer batch goes in pieces and is let out after the last.
  [[nodiscard]] std::size_t next_piece() const {
    std::size_t count = 0, bytes = 0;
    for (auto i = durable; i < records.size() && count < limits::commit_records; ++i, ++count) {
      bytes += records[i].bytes.size();
      if (count > 0 && bytes > limits::commit_bytes) break;
    }
    return count;
  }
  [[nodiscard]] bool empty() const { return records.empty() && answers.empty() && changes.empty(); }
  void join(batch&& later) {
    std::move(later.records.begin(), later.records.end(), std::back_inserter(records));
    std::move(later.changes.begin(), later.changes.end(), std::back_inserter(changes));
    std::move(later.answers.begin(), later.answers.end(), std::back_inserter(answers));
    essential = essential || later.essential;
    later = {};
  }
};

/// What must get through however many wait: a cancel, and a wake-up, which the timer has forgotten.
[[nodiscard]] inline bool may_be_refused(const core::command& what) {
  return !std::holds_alternative<core::cancel_command>(what) && !std::holds_alternative<core::wake>(what);
}
/// What is answered for a run that has a damaged record.
[[nodiscard]] inline error blocked(const run_id& run, const error& why) {
  return {errc::corrupt, "run " + run.str() + " is blocked: " + why.message + "; restore the directory from a copy"};
}

}  // namespace perdure::actors
