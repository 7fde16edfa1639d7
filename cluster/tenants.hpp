// What a service asks of a node on behalf of its tenants: runs that belong to one, and look-ups that see only its own.
//
// The empty tenant is the node's own: runs that the library or the command line started. Keys are each tenant's own.
// Concurrency: any thread; all calls block until what they say is durable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cluster/control_protocol.hpp"
#include "core/record.hpp"
#include "perdure/node.hpp"

namespace perdure::cluster {

struct tenant_start {
  std::string tenant;
  std::string workflow;
  std::string version;  ///< empty = the one registered last
  payload input;
  start_options options;
  std::uint64_t open_runs = 0;  ///< refused when the tenant has so many runs that have not ended; 0 = no such limit
  std::string trace;            ///< W3C traceparent that the run's effects hand on; anything else is an error
  duration key_life{0};         ///< a key begins another run once its run has ended and is as old; 0 = never
};
struct tenant_started {
  run_ref run;
  bool fresh = false;  ///< false: its key had begun it before
};
/// As node::start. limit_exceeded: the tenant has as many open runs as it may. A key that began a run before gives that one
/// all the same. workflow_unknown: also when the version is not registered.
[[nodiscard]] result<tenant_started> start_for(node& at, const tenant_start& what);

/// The same without waiting: `told` is called once, on a thread that must not be blocked.
void start_for(node& at, const tenant_start& what, std::function<void(result<tenant_started>)> told);

/// not_found: no such run, or another tenant's.
[[nodiscard]] result<run_summary> summary_for(node& at, std::string_view tenant, const run_id& run);
/// The run that a key of the tenant's began; not_found.
[[nodiscard]] result<run_id> find_for(node& at, std::string_view tenant, std::string_view key);

struct tenant_query {
  list_options options;  ///< `limit` at least 1
  std::optional<timestamp> created_after, created_before;
  std::function<bool(const std::string& workflow)> sees;  ///< empty = every workflow
  std::size_t scan = 20'000;  ///< runs that are looked at; beyond, the page is short and its cursor goes on
};
[[nodiscard]] result<run_page> runs_for(node& at, std::string_view tenant, const tenant_query& what);

/// carry_out of control_protocol.hpp through this node; whose run it is has been checked.
[[nodiscard]] result<json::object> carry_out(node& at, const run_command& command);

/// Open runs that nothing but their own work will move: not taken up and made before `scheduled`, or with an attempt in flight
/// and without any event since `idle`. Of the node's own workflows none.
[[nodiscard]] result<std::vector<run_summary>> idle_since(node& at, std::optional<timestamp> scheduled,
                                                          std::optional<timestamp> idle);
/// Ends it as failed, as a cancel does: with a grace for its handlers. conflict: it has ended.
[[nodiscard]] result<void> fail_run(node& at, const run_id& run, const std::string& why);

/// Every stored event of a run with seq > `after`, in order, until `take` says false.
[[nodiscard]] result<void> events_of(node& at, const run_id& run, run_seq after,
                                     const std::function<bool(const run_event&)>& take);
/// LSN of a run's last event.
[[nodiscard]] result<lsn_t> head_of(node& at, const run_id& run);
/// Every stored record of a run with seq > `after`, in order, until `take` says false.
[[nodiscard]] result<void> records_of(node& at, const run_id& run, run_seq after,
                                      const std::function<bool(const core::record&, core::blob_port&)>& take);

/// The node's last LSN, and stored records of all runs from an LSN on, at most so many.
[[nodiscard]] result<lsn_t> last_lsn(node& at);
[[nodiscard]] result<std::vector<core::record>> records_from(node& at, lsn_t from, std::size_t limit);

/// A workflow that is registered.
struct workflow_facts {
  std::string name, version, hash;
  bool newest = false;  ///< what the name alone starts
};
[[nodiscard]] std::vector<workflow_facts> workflows_of(node& at);

}  // namespace perdure::cluster
