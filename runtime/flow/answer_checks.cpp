#include "flow/answer_checks.hpp"

#include <algorithm>

#include "flow/attempt_turns.hpp"

namespace perdure::flow {

void answer_checks::note(const core::run_state& state, activation_id activation, std::uint32_t attempt,
                         const std::vector<core::asked_request>& asked) {
  if (asked.empty()) return;
  std::erase_if(known_, [&](const auto& each) {
    const auto at = state.activations.find(each.first);
    return at == state.activations.end() || at->second.attempt != each.second.attempt;
  });
  const auto at = state.activations.find(activation);
  if (at == state.activations.end() || at->second.attempt != attempt) return;
  auto& of = known_[activation];
  of.attempt = attempt;
  std::erase_if(of.checks, [&](const auto& each) { return !at->second.pending.contains(each.first); });
  for (const auto& each : asked) of.checks[each.ordinal] = each.check;
}

std::optional<result<void>> answer_checks::judge(const core::run_state& state, const core::respond_command& what) const {
  const auto place = core::step_answered(state, what);
  if (!place) return result<void>{};
  const auto of = known_.find(place->first);
  const auto in = state.activations.find(place->first);
  if (of == known_.end() || in == state.activations.end() || of->second.attempt != in->second.attempt) return std::nullopt;
  const auto check = of->second.checks.find(place->second);
  if (check == of->second.checks.end()) return std::nullopt;
  if (check->second == nullptr) return result<void>{};
  result<void> fits;
  const auto thrown = guarded([&] { fits = check->second(what.answer); });
  if (thrown) fits = error{errc::invalid_argument, "answer: " + thrown->message};
  if (fits) return fits;
  return result<void>{error{fits.error().code,
                            fits.error().message + "; request " + what.request_id + " of run " + state.id.str() + " stays open"}};
}

std::vector<core::asked_request> asked_when_replayed(const detail::definition& of, const run_id& run,
                                                     const core::activation& what) {
  std::vector<core::pending_step> pending;
  for (const auto& [ordinal, step] : what.pending) pending.push_back(step);
  std::vector<core::asked_request> out;
  if (const auto index = of.plan.by_name.find(what.executor); index != of.plan.by_name.end()) {
    driver replay{of.factories[index->second], input_of(what, run, of.plan.name)};
    out = replay.start(what.history, pending).asked;
  }
  // A handler that does something else now fails when it goes on, whatever it is answered.
  for (const auto& step : pending) {
    const auto said = std::any_of(out.begin(), out.end(), [&](const auto& each) { return each.ordinal == step.ordinal; });
    if (step.kind == core::step_kind::request && !said) out.push_back({step.ordinal, nullptr});
  }
  return out;
}

error nobody_to_ask(const core::run_state& state) {
  return {errc::workflow_unknown, "workflow \"" + state.workflow + "\" " + state.version + " of run " + state.id.str() +
                                      " is not registered, so nobody can tell whether the answer fits; answer once it is"};
}

}  // namespace perdure::flow
