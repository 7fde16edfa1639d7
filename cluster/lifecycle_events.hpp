// What a run's stored events say as lifecycle events of the Serverless Workflow DSL: CloudEvents 1.0 about workflows and tasks.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/events.hpp"
#include "core/record.hpp"

namespace perdure::cluster {

/// The run that a record belongs to.
struct lifecycle_subject {
  std::string workflow, version, tenant;
};

/// The tasks of a run that have begun and not ended, as JSON pointers; learnt from its events in order.
class open_tasks {
 public:
  void learn(const core::event& what);
  [[nodiscard]] std::vector<std::string> list() const;

 private:
  void hand_over(activation_id from, activation_id to);
  std::map<std::pair<activation_id, std::uint32_t>, std::string> open_;
};

/// Kinds of records that may say something.
[[nodiscard]] bool may_tell(core::event_kind kind);
/// It also concerns the tasks that are going on: they are suspended, resumed or cut off with the run.
[[nodiscard]] bool concerns_open_tasks(const core::event& what);
/// The CloudEvents of one record, in order; most records have none. Their ids are the same each time.
[[nodiscard]] std::vector<json::object> lifecycle_events(const core::record& stored, const core::event& what,
                                                         const lifecycle_subject& of, const std::vector<std::string>& open);

}  // namespace perdure::cluster
