#include "flow/expected_steps.hpp"

#include "perdure/limits.hpp"

namespace perdure::flow {

std::string step_text(core::step_kind kind, std::string_view name) {
  return std::string{boost::describe::enum_to_string(kind, "unknown")} + " \"" + std::string{name} + "\"";
}

bool expected_steps::add(step_ordinal ordinal, expectation what) {
  if (ordinal >= limits::activation_steps) return false;
  if (ordinal >= steps_.size()) steps_.resize(ordinal + 1);
  if (steps_[ordinal].name == nullptr) steps_[ordinal] = what;
  return true;
}

std::optional<std::string> expected_steps::fill(std::span<const core::history_item> history,
                                                std::span<const core::pending_step> pending) {
  const auto problem = [](step_ordinal ordinal) {
    return "the journal has a step " + std::to_string(ordinal) +
           ", more than activation_steps = " + std::to_string(limits::activation_steps) + " allows";
  };
  for (const auto& item : history) {
    if (item.what != core::history_kind::outcome) continue;
    if (!add(item.ordinal, {&item.name, item.kind, false})) return problem(item.ordinal);
  }
  for (const auto& step : pending) {
    if (!add(step.ordinal, {&step.name, step.kind, true})) return problem(step.ordinal);
  }
  return std::nullopt;
}

std::optional<std::string> expected_steps::mismatch(step_ordinal ordinal, core::step_kind kind, std::string_view name) const {
  if (!known(ordinal)) return std::nullopt;
  const auto& recorded = steps_[ordinal];
  if (recorded.kind == kind && *recorded.name == name) return std::nullopt;
  const auto number = "step " + std::to_string(ordinal) + ": ";
  return "the journal has " + number + step_text(recorded.kind, *recorded.name) + "; the code now issues " + number +
         step_text(kind, name);
}

}  // namespace perdure::flow
