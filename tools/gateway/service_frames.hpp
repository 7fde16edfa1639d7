// The events of the workflow service API, made of a run's events as they come.
//
// Operation: `take` gives the frames that an event stands for. Tasks of the document are the nodes. A failed try waits for what
// comes next: the same task again makes it a node_retry, another task an `exception` (its error was handled), the run's end the
// rest. Concurrency: one thread at a time. Limitations: iterations and branches are told as the nodes in them, not by events of
// their own.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/gateway/event_stream.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::gateway {

class service_frames {
 public:
  /// `until_pause`: a pause ends what is told.
  explicit service_frames(bool until_pause) : until_pause_(until_pause) {}
  [[nodiscard]] frames take(const run_event& event);

 private:
  struct service_node {
    std::string id, name, reference, started_at, predecessor;
    json::value input;
    std::size_t index = 0;
    bool ended = false;
    /// A failed try that nothing has been told of.
    struct failure {
      json::value error;
      std::string at;
      std::uint64_t attempt = 0;
    };
    std::optional<failure> failed;
  };
  void put(frames& to, std::string_view event, json::object data) const;
  void scope_started(frames& to, const run_event& event, const json::object& what);
  void scope_ended(frames& to, const run_event& event, const json::object& what);
  [[nodiscard]] json::object members(const service_node& of) const;
  [[nodiscard]] json::object end_members(const service_node& of, std::string_view status, const json::value& output,
                                         const json::value& error, const std::string& at) const;
  void end_node(frames& to, service_node& which, std::string_view status, const json::value& output, const json::value& error,
                const std::string& at);
  void settle(frames& to, const service_node* but_for);
  void run_over(frames& to, const run_event& event);

  const bool until_pause_;
  run_view run_;
  bool paused_ = false, begun_ = false;
  std::string last_ended_;
  std::vector<service_node> nodes_;
  std::map<std::uint64_t, std::size_t> by_number_;  ///< scope → its node
};

/// workflow_finished, alone, of a run that has ended.
[[nodiscard]] std::string finished_frame(const run_view& run);

}  // namespace perdure::tools::gateway
