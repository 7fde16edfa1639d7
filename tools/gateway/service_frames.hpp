// The events of the workflow service API, made of a run's events as they come.
//
// Operation: `take` gives the frames that an event stands for. Tasks of the document are the nodes. A failed try waits for what
// comes next: the same task again makes it a node_retry, another task an `exception` (its error was handled), the run's end the
// rest. A `for` with `while` is a loop, one without, and `foreach`, an iteration. What calls tell while they go on is text_chunk
// and agent_log; so are the states of a task's jobs. Concurrency: one thread at a time. Limitations: branches are told as the
// nodes in them, not by events of their own; a round is told when its first task begins.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/gateway/event_stream.hpp"
#include "tools/gateway/forms.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::gateway {

struct service_frames_options {
  bool until_pause = true;  ///< a pause ends what is told
  lsn_t live_from = 0;      ///< pauses that began in an event before this one are over
  const signing_key* signer = nullptr;
  std::shared_ptr<const json::value> document{};  ///< of the run; null = none is known, then no rounds are told
};

class service_frames {
 public:
  /// The signer outlives it.
  explicit service_frames(const service_frames_options& how) : how_(how) {}
  [[nodiscard]] frames take(const run_event& event);

 private:
  struct service_node {
    std::string id, name, reference, started_at, predecessor;
    json::value input;
    std::size_t index = 0;
    bool ended = false;
    enum class rounds : std::uint8_t { none, iteration, loop } does = rounds::none;
    std::string body;             ///< reference of what is done in each round
    std::size_t round = 0;        ///< so many have begun
    std::string iteration, loop;  ///< ids of the nearest ones around it
    /// A failed try that nothing has been told of.
    struct failure {
      json::value error;
      std::string at;
      std::uint64_t attempt = 0;
    };
    std::optional<failure> failed;
  };
  /// A job of a node, as it was last told.
  struct service_job {
    std::size_t node = 0;
    std::string backend;
    json::object data;
  };
  using rounds = service_node::rounds;
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
  void find_rounds(service_node& of) const;
  [[nodiscard]] static std::string_view type_of(const service_node& of);
  void put_rounds(frames& to, const service_node& of, std::string_view what, json::object data) const;
  void put_log(frames& to, const service_node& of, std::string id, std::string label, std::string_view status, json::object data,
               const json::value& error) const;
  void tell_told(frames& to, const run_event& event);
  void tell_job(frames& to, const run_event& event);
  void tell_round(frames& to, service_node& next, const std::string& at);
  void tell_forms(frames& to, const run_event& event);
  void tell_pause(frames& to, const run_event& event);

  const service_frames_options how_;
  run_view run_;
  form_watch forms_;
  bool paused_ = false, begun_ = false;
  std::string last_ended_;
  std::vector<service_node> nodes_;
  std::map<std::uint64_t, std::size_t> by_number_;  ///< scope → its node
  std::map<std::uint64_t, service_job> jobs_;
  std::uint64_t notes_ = 0;
};

/// workflow_finished, alone, of a run that has ended.
[[nodiscard]] std::string finished_frame(const run_view& run);

}  // namespace perdure::tools::gateway
