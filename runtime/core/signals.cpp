#include "core/signals.hpp"

#include <algorithm>
#include <deque>

#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

/// The oldest signal that somebody waits for.
std::deque<buffered_signal>::const_iterator first_wanted(const run_state& state) {
  const auto& all = state.signals;
  if (state.signal_waiters.empty()) return all.end();
  return std::find_if(all.begin(), all.end(), [&](const auto& each) { return state.signal_waiters.contains(each.name); });
}

/// How many a step of the kind `signals` takes.
std::size_t most_of(const pending_step& step) {
  const auto args = step.args.value();
  const auto* most = args.is_object() ? args.get_object().if_contains("most") : nullptr;
  return most == nullptr ? 1 : most->to_number<std::size_t>();
}

}  // namespace

std::optional<step_completed> next_taken(const run_state& state) {
  const auto first = first_wanted(state);
  if (first == state.signals.end()) return std::nullopt;
  const auto& [activation, ordinal] = state.signal_waiters.at(first->name).begin()->second;
  const auto& step = state.activations.at(activation).pending.at(ordinal);
  step_completed out{
      .activation = activation, .ordinal = ordinal, .result = {first->value, std::nullopt}, .signal = first->number};
  if (step.kind != step_kind::signals) return out;
  std::string all{"["};
  all += first->value.text();
  auto left = most_of(step);
  for (auto next = first + 1; next != state.signals.end() && --left > 0; ++next) {
    if (next->name != first->name) {
      ++left;
      continue;
    }
    if (all.size() + next->value.size() > limits::signal_batch_bytes) break;
    all += ',';
    all += next->value.text();
    out.signal = next->number;
  }
  all += ']';
  out.result.value = payload::trusted(std::move(all));
  return out;
}

bool signal_for_somebody(const run_state& state) { return first_wanted(state) != state.signals.end(); }

bool take_signals(run_state& state, step_kind by, const std::string& name, std::uint64_t last) {
  auto& all = state.signals;
  const auto end = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.number == last; });
  if (end == all.end() || end->name != name) return false;
  if (by != step_kind::signals) {
    all.erase(end);
    return true;
  }
  const auto taken = std::remove_if(all.begin(), end + 1, [&](const auto& each) { return each.name == name; });
  all.erase(taken, end + 1);
  return true;
}

void give_back_signals(run_state& state, const activation& in, std::size_t from) {
  std::vector<buffered_signal> back;
  for (; from < in.history.size(); ++from) {
    const auto& item = in.history[from];
    if (item.what != history_kind::outcome || item.result.error) continue;
    if (item.kind == step_kind::signal) back.push_back({state.next_signal++, item.name, item.result.value});
    if (item.kind != step_kind::signals) continue;
    const auto all = item.result.value.value();
    for (const auto& each : all.as_array()) back.push_back({state.next_signal++, item.name, payload{each}});
  }
  state.signals.insert(state.signals.begin(), back.begin(), back.end());
}

}  // namespace perdure::core
