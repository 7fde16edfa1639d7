// What the journal says about the steps of an activation, for a replay to be held against.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/state.hpp"

namespace perdure::flow {

/// `call "charge"`: a step as messages show it.
[[nodiscard]] std::string step_text(core::step_kind kind, std::string_view name);

/// Refers to what it was filled from.
class expected_steps {
 public:
  /// A problem when an ordinal is beyond every limit (a damaged journal).
  std::optional<std::string> fill(std::span<const core::history_item> history, std::span<const core::pending_step> pending);
  void clear() { steps_ = {}; }
  [[nodiscard]] bool empty() const { return steps_.empty(); }

  /// The step stands in the journal.
  [[nodiscard]] bool known(step_ordinal ordinal) const { return ordinal < steps_.size() && steps_[ordinal].name != nullptr; }
  /// The journal has the step or a later one.
  [[nodiscard]] bool known_from(step_ordinal ordinal) const { return ordinal < steps_.size(); }
  /// It stands there without an outcome.
  [[nodiscard]] bool waits(step_ordinal ordinal) const { return known(ordinal) && steps_[ordinal].waits; }
  /// Both sides, when the code issues another step than the journal has.
  [[nodiscard]] std::optional<std::string> mismatch(step_ordinal ordinal, core::step_kind kind, std::string_view name) const;

 private:
  struct expectation {
    const std::string* name = nullptr;
    core::step_kind kind = core::step_kind::call;
    bool waits = false;
  };
  bool add(step_ordinal ordinal, expectation what);
  std::vector<expectation> steps_;
};

}  // namespace perdure::flow
