// step_rules: what a test says about the bodies of steps: which fail, are answered for, are slow or never return; and how often
// each was called.
//
// Operation: of the rules that fit a body the youngest holds, for its end and for its pace apart.
// Concurrency: that of the node.
#pragma once

#include <map>
#include <variant>

#include "cluster/testing/attempt.hpp"
#include "perdure/testing.hpp"

namespace perdure::testing {

struct fails_before {
  failure why;
};
struct fails_after {
  failure why;
};
struct gives {
  payload value;
};
using body_end = std::variant<fails_before, fails_after, gives>;

class step_rules {
 public:
  void end(step_pattern which, body_end how) { ends_.emplace_back(std::move(which), std::move(how)); }
  /// No length: it never ends.
  void pace(step_pattern which, std::optional<duration> length) { paces_.emplace_back(std::move(which), length); }
  void clear();

  /// A body has begun. `broken` when a rule says of one that runs inside its turn that it takes time.
  void began(const sim::attempt::body& of);
  /// Runs the function, or what a rule says in its place.
  perdure::detail::body_result carry_out(sim::attempt::body& of, const perdure::detail::step_body& function);
  /// When its result comes; none = never.
  [[nodiscard]] std::optional<timestamp> due(const sim::attempt::body& of) const;

  [[nodiscard]] const std::vector<body_count>& counts() const { return counts_; }

 private:
  [[nodiscard]] const body_end* end_of(const sim::attempt::body& of) const;
  [[nodiscard]] body_count& count_of(const sim::attempt::body& of);

  std::vector<std::pair<step_pattern, body_end>> ends_;
  std::vector<std::pair<step_pattern, std::optional<duration>>> paces_;
  std::vector<body_count> counts_;  ///< in the order of first calls
  std::map<std::string, std::size_t> by_key_;
};

}  // namespace perdure::testing
