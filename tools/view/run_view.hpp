// run_view: one run as people and programs look at it, folded from its events.
//
// Operation: `add` every event of the run in order; then read. The executors of a C++ workflow are its activations.
// A document's tasks are told by its interpreter as scopes inside turns; they are the executors then, and the
// activation that interprets is left out.
// Concurrency: one thread. Limitations: a run whose events before some seq are unknown is shown without them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "perdure/run.hpp"
#include "tools/view/jobs_view.hpp"
#include "tools/view/relations_view.hpp"

namespace perdure::tools {

/// One executor that was started, or waits for that.
struct executor_view {
  std::string name;
  std::string reference;  ///< JSON pointer of a document's task, else empty
  activation_id activation = 0;
  std::string status;  ///< pending, running, waiting, retrying, succeeded, failed, cancelled, timed_out, skipped
  std::uint32_t attempts = 0;
  run_seq started_seq = 0;           ///< 0 = not started
  std::string started_at, ended_at;  ///< RFC 3339, or empty
  json::value input, output, error, progress;

  [[nodiscard]] bool ended() const { return !ended_at.empty(); }
};

/// A deadline that is still to come.
struct timer_view {
  /// sleep, poll, step_retry, attempt_retry, and task_, step_, start_, attempt_, executor_ and run_timeout
  std::string kind;
  std::string executor;
  activation_id activation = 0;  ///< 0 = the whole run
  std::optional<step_ordinal> step;
  std::string due;  ///< RFC 3339
};

/// A question that nobody has answered.
struct request_view {
  std::string id;
  std::string executor;
  std::string reference;  ///< JSON pointer of a document's task, else empty
  json::value question;
  std::string asked_at, due;
};

class run_view {
 public:
  void add(const run_event& event);
  /// A run whose events cannot be read, or not any further: for the rest it stands as listings know it.
  void cut_off(const run_summary& known);

  [[nodiscard]] const std::string& id() const { return id_; }
  [[nodiscard]] run_seq seq() const { return seq_; }
  [[nodiscard]] std::string status() const;
  [[nodiscard]] bool ended() const { return !ended_at_.empty(); }
  [[nodiscard]] const std::string& workflow() const { return workflow_; }
  [[nodiscard]] const std::string& version() const { return version_; }
  [[nodiscard]] const std::string& definition_hash() const { return hash_; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const std::string& created_at() const { return created_at_; }
  [[nodiscard]] const std::string& started_at() const { return started_at_; }
  [[nodiscard]] const std::string& ended_at() const { return ended_at_; }
  [[nodiscard]] const json::value& input() const { return input_; }
  [[nodiscard]] const json::value& output() const { return output_; }
  [[nodiscard]] const json::value& error() const { return error_; }
  /// In the order they started; those that have not come last.
  [[nodiscard]] std::vector<executor_view> executors() const;
  [[nodiscard]] std::vector<timer_view> timers() const;
  [[nodiscard]] std::vector<request_view> requests() const;

  [[nodiscard]] const relations_view& relations() const { return relations_; }
  [[nodiscard]] const jobs_view& jobs() const { return jobs_; }

  /// An executor after the last event, without copies: for those who draw what it did over time.
  struct glance {
    std::size_t number = 0;  ///< stays the same; those of tasks and of activations are counted apart
    bool task = false;       ///< of a document
    const executor_view* what = nullptr;
    std::string status;  ///< as in `executors`, but a task that waits beside others that work says so too
  };
  /// Every executor of an activation, in no order.
  void look_at(activation_id activation, const std::function<void(const glance&)>& take) const;
  /// Whether the activation interprets a document: then its tasks are the executors, not itself.
  [[nodiscard]] bool interprets(activation_id activation) const { return interprets_.contains(activation); }

  /// {"run_id","workflow","version","status","output","error"}: what `run` and `runs wait` give.
  [[nodiscard]] json::object outcome() const;
  /// The object of `runs show`.
  [[nodiscard]] json::object show() const;

 private:
  struct wait {
    std::string kind, name;
    json::value args;
    std::string since, due, retry_at;
    std::optional<std::size_t> scope;  ///< the task of a document that it most likely belongs to
  };
  struct live {
    std::size_t entry = 0;  ///< in `activations_`
    bool waits = false;     ///< nothing but recorded waits in flight
    std::string start_close_by, close_by, retry_at;
    std::map<step_ordinal, wait> pending;
  };

  void run_started(const run_event& event);
  void run_restored(const run_event& event);
  void turn(const run_event& event);
  void step_event(const run_event& event);
  void attempt_event(const run_event& event);
  void run_ended(const run_event& event);
  void outputs_of(const run_event& event, executor_view& from);
  void scope(const run_event& event, activation_id activation, const json::object& what);
  [[nodiscard]] std::optional<std::size_t> earlier_attempt(activation_id activation, const json::object& what) const;
  void schedule(const run_event& event, const json::object& next);
  void finish(executor_view& which, std::string status, const run_event& event);
  void end_activation(activation_id id, std::string status, const run_event& event);
  [[nodiscard]] std::string executor_status(const executor_view& entry) const;
  [[nodiscard]] bool in_backoff(std::size_t scope) const;
  void give_owners(const json::object& turn, activation_id activation, live& state) const;
  [[nodiscard]] const executor_view* owner_of(const wait& step, activation_id activation) const;
  [[nodiscard]] std::string owner_name(const wait& step, activation_id activation) const;

  std::string id_, workflow_, version_, hash_, key_;
  std::string created_at_, started_at_, ended_at_, end_status_, run_deadline_;
  json::value input_, output_, error_;
  run_seq seq_ = 0;
  bool paused_ = false, cancelling_ = false;
  activation_id compensating_ = 0;
  relations_view relations_;
  jobs_view jobs_;
  std::vector<executor_view> activations_, scopes_;
  std::map<activation_id, live> live_;
  std::map<activation_id, std::size_t> entries_;                 ///< in `activations_`
  std::map<activation_id, std::vector<std::size_t>> scopes_of_;  ///< in `scopes_`
  std::map<std::pair<activation_id, std::uint64_t>, std::size_t> scope_numbers_;
  std::map<activation_id, bool> interprets_;
};

}  // namespace perdure::tools
