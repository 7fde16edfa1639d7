#include "actors/answer_desk.hpp"

namespace perdure::actors {

std::optional<result<void>> answer_desk::judge(const core::run_state& state, const core::command& what, bool unregistered) const {
  const auto* said = std::get_if<core::respond_command>(&what);
  if (said == nullptr) return result<void>{};
  auto fits = checks_.judge(state, *said);
  if (!fits && unregistered) fits = flow::nobody_to_ask(state);
  return fits;
}

void answer_desk::note(const core::run_state& state, const core::command& what) {
  if (const auto* said = std::get_if<core::attempt_report>(&what)) {
    checks_.note(state, said->activation, said->attempt, said->asked);
  }
}

activation_id answer_desk::hold(const core::run_state& state, command_for_run what) {
  const auto place = core::step_answered(state, std::get<core::respond_command>(what.what));
  held_.push_back(std::move(what));
  return place->first;
}

void answer_desk::replay(user_pool& pool, definition_ptr definition, const core::run_state& state, activation_id id,
                         caf::actor self, std::function<void()> told) {
  if (!replayed_.insert(id).second) return;
  auto in = std::make_shared<const core::activation>(state.activations.at(id));
  // `this`, `state` and what `told` has are the actor's: they are touched by it alone, while it is there.
  const bool begun = pool.post([this, definition = std::move(definition), &state, run = state.id, in = std::move(in),
                                self = std::move(self), told = std::move(told)] {
    tell(self, run_later{[this, &state, in, told, asked = flow::asked_when_replayed(*definition, run, *in)] {
           replayed_.erase(in->id);
           checks_.note(state, in->id, in->attempt, asked);
           told();
         }});
  });
  if (begun) return;
  replayed_.erase(id);
  refuse({errc::overloaded, "all threads for user code are busy or stuck; answer again later"});
}

void answer_desk::refuse(const error& why) {
  for (auto& each : let_go()) {
    if (each.answer) each.answer(why);
  }
}

}  // namespace perdure::actors
