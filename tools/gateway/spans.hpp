// spans: what a node did as OpenTelemetry shows it: a run, the executors in it, their steps, its jobs.
//
// Operation: `take` is given every event in the journal's order, and appends the spans that end with it. A run's trace is
// the one it came with (core/trace.hpp), else one that is named by the run's id; ids of spans follow from what they are of, as
// those that effects hand on do. What came of a run before the first event that was taken is asked for when the run is met.
// Concurrency: one thread.
// Limitations: remembers `most_runs` runs that have not ended; those beyond have no spans.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/events.hpp"
#include "core/record.hpp"

namespace perdure::tools::gateway {

struct span {
  std::string trace, id, parent, name;  ///< an empty parent: none
  timestamp began{}, ended{};
  bool failed = false;
  std::string message;                                          ///< of the failure
  std::vector<std::pair<std::string, std::string>> attributes;  ///< texts
};

/// A traceparent for a run whose client sent none. Its span has no parent, which `span_maker` tells by the ids.
[[nodiscard]] std::string fresh_traceparent();

class span_maker {
 public:
  /// Gives a run's events in order, until the function that takes them says false.
  using taker = std::function<bool(const core::record& at, const core::event& what)>;
  using history = std::function<void(const run_id& run, const taker& take)>;
  /// Without a history, runs that were begun before are passed over.
  explicit span_maker(std::size_t most_runs, history of = {}) : most_runs_(most_runs), history_(std::move(of)) {}
  void take(const core::record& at, const core::event& what, std::vector<span>& out);
  [[nodiscard]] std::size_t open_runs() const { return runs_.size(); }

 private:
  struct step_facts {
    detail::step_kind kind{};
    std::string name;
    timestamp began{};
  };
  struct executor_facts {
    std::string name;
    timestamp began{}, last{};
    std::map<step_ordinal, step_facts> steps;
  };
  struct run_facts {
    std::string trace, id, parent, workflow, version, tenant;
    timestamp began{};
    std::map<activation_id, executor_facts> executors;
    std::map<core::job_number, timestamp> jobs;
  };
  struct one_event;  // carries one event into the facts
  void visit(const core::record& at, const core::event& what, std::vector<span>& out);
  void catch_up(const core::record& before);
  void pass_over(const run_id& run);

  const std::size_t most_runs_;
  const history history_;
  std::unordered_map<run_id, run_facts> runs_;
  std::unordered_set<run_id> passed_over_;  ///< that are known to have no spans any more, or none at all
};

/// The body of an OTLP/HTTP request in JSON.
[[nodiscard]] std::string otlp_json(const std::vector<span>& spans, const std::string& service);

}  // namespace perdure::tools::gateway
