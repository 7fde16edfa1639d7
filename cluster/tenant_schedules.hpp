// What happens by itself for a tenant: schedules of documents, and the deadlines of runs.
// Concurrency: any thread; all calls block until what they say is durable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/tenants.hpp"

namespace perdure::cluster {

/// Begins the schedule of a registered document for the tenant, or attaches to the one that goes on. `missed`: "skip", "once",
/// "all".
[[nodiscard]] result<tenant_started> begin_schedule_for(const node& at, std::string_view tenant, const std::string& workflow,
                                                        const std::string& version, const std::string& missed);
/// Runs of the tenant that carry out schedules and have not ended; of one workflow, or of all (empty).
[[nodiscard]] result<std::vector<run_summary>> schedules_for(const node& at, std::string_view tenant,
                                                             const std::string& workflow = {});

struct tenant_timer {
  timestamp due{};  ///< the earliest deadline of the run
  run_summary run;
};
struct timer_query {
  std::optional<timestamp> until;  ///< due before
  std::size_t limit = 100;
  std::string cursor;         ///< of the page before
  std::size_t scan = 20'000;  ///< deadlines that are looked at; beyond, the page is short and its cursor goes on
  std::function<bool(const std::string& workflow)> sees;
};
struct timer_page {
  std::vector<tenant_timer> timers;  ///< the soonest first
  std::string next_cursor;           ///< empty = that is all
};
[[nodiscard]] result<timer_page> timers_for(const node& at, std::string_view tenant, const timer_query& what);

}  // namespace perdure::cluster
