#include "cluster/testing/step_rules.hpp"

#include <algorithm>

namespace perdure::testing {

namespace {

bool fits(const std::vector<std::uint32_t>& wanted, std::uint32_t number) {
  return wanted.empty() || std::find(wanted.begin(), wanted.end(), number) != wanted.end();
}
bool fits(const step_pattern& which, const sim::attempt::body& of) {
  return (which.executor.empty() || which.executor == of.executor) && (which.step.empty() || which.step == of.request.name) &&
         fits(which.tries, of.tries) && fits(which.attempts, of.of_attempt);
}
template <class Rules>
auto youngest(Rules& rules, const sim::attempt::body& of) {
  return std::find_if(rules.rbegin(), rules.rend(), [&](const auto& rule) { return fits(rule.first, of); });
}
std::string name_of(const sim::attempt::body& of) {
  return "step \"" + of.request.name + "\" of executor \"" + of.executor + "\"";
}

}  // namespace

void step_rules::clear() {
  ends_.clear();
  paces_.clear();
}

void step_rules::began(const sim::attempt::body& of) {
  ++count_of(of).calls;
  if (of.inside_turn && youngest(paces_, of) != paces_.rend()) {
    throw sim::broken(name_of(of) + " cannot be slow or hang: the executor is cooperative, its bodies run inside the turn");
  }
}

body_count& step_rules::count_of(const sim::attempt::body& of) {
  const auto [at, fresh] = by_key_.emplace(of.key, counts_.size());
  if (fresh) counts_.push_back({.key = of.key, .run = of.run, .executor = of.executor, .step = of.request.name});
  return counts_[at->second];
}

const body_end* step_rules::end_of(const sim::attempt::body& of) const {
  const auto rule = youngest(ends_, of);
  return rule == ends_.rend() ? nullptr : &rule->second;
}

std::optional<timestamp> step_rules::due(const sim::attempt::body& of) const {
  const auto rule = youngest(paces_, of);
  if (rule == paces_.rend()) return of.began;
  if (!rule->second) return std::nullopt;
  return of.began + *rule->second;
}

perdure::detail::body_result step_rules::carry_out(sim::attempt::body& of, const perdure::detail::step_body& function) {
  const auto* rule = end_of(of);
  if (const auto* early = rule == nullptr ? nullptr : std::get_if<fails_before>(rule)) {
    ++count_of(of).failed;
    throw step_error(early->why);
  }
  if (const auto* given = rule == nullptr ? nullptr : std::get_if<gives>(rule)) {
    ++count_of(of).succeeded;
    return {given->value, true};
  }
  if (of.request.kind == perdure::detail::step_kind::capability) {
    throw sim::broken(name_of(of) + " is work outside of the process, which the test kit does not do: say with " +
                      "answer_step() what it gives, or with fail_step() that it fails");
  }
  try {
    auto out = function(of);
    if (const auto* late = rule == nullptr ? nullptr : std::get_if<fails_after>(rule)) throw step_error(late->why);
    ++count_of(of).succeeded;
    return out;
  } catch (...) {
    ++count_of(of).failed;
    throw;
  }
}

}  // namespace perdure::testing
