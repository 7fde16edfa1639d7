// node::impl: the composition root. Makes the journal, the services and the actors of a node, and takes them down.
#pragma once

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <variant>

#include "actors/backends/artifact_store.hpp"
#include "actors/backends/job_service.hpp"
#include "actors/caf_support.hpp"
#include "actors/messages.hpp"
#include "actors/services.hpp"
#include "cluster/control_server.hpp"
#include "cluster/run_access.hpp"

namespace perdure {

namespace actors {
class process_backend;
}

class node::impl : public detail::run_access, public std::enable_shared_from_this<node::impl> {
 public:
  static result<std::shared_ptr<impl>> open(node_options options);
  ~impl() override;

  result<void> add(const workflow& definition);
  /// A start with all that may be said of it.
  struct start_request {
    std::string workflow;
    std::string version;  ///< empty = the newest
    std::string_view message;
    payload input;
    start_options options;
    std::string tenant;           ///< keys are its own
    std::uint64_t open_runs = 0;  ///< most runs of the tenant that have not ended; 0 = no such limit
    std::string trace;            ///< W3C traceparent, or empty
    duration key_life{0};         ///< a key lets go of an ended run that is as old; 0 = it never does
  };
  struct begun {
    run_ref run;
    bool fresh = true;  ///< false: its key had begun it before
  };
  result<begun> start(const start_request& what);
  /// Tells once it is durable or refused; on a thread that must not be blocked.
  void start(start_request what, std::function<void(result<begun>)> told);
  /// All of them, in order; returns when each is durable or refused, or none was for the call timeout.
  std::vector<result<run_ref>> start_many(std::vector<start_request> what);
  [[nodiscard]] const std::shared_ptr<actors::job_service>& jobs() const { return jobs_; }
  result<std::shared_ptr<artifact_reader>> open_artifact(const run_id& run, std::uint32_t job, const std::string& name);
  result<run_ref> get(const run_id& id);
  result<run_ref> find(std::string_view key);
  result<run_page> list(const list_options& options);
  node_stats stats() const;
  void close();

  result<run_info> status(const run_id& run) override;
  result<run_info> wait(const run_id& run, duration limit) override;
  result<void> command(const run_id& run, core::command what) override;
  result<run_ref> retry(const run_id& run) override;
  result<run_ref> fork(const run_id& run, run_seq from) override;
  /// With a command id the linked run is always the same one: cluster::linked_id.
  result<run_ref> retry(const run_id& run, std::string_view command_id);
  result<run_ref> fork(const run_id& run, run_seq from, std::string_view command_id);
  result<subscription> subscribe(const run_id& run, std::function<void(const run_event&)> on_event, run_seq after) override;
  /// `broken` is told why, after the last event that can be read, when one cannot; on the thread that `on_event` is called on.
  result<subscription> subscribe(const run_id& run, std::function<void(const run_event&)> on_event, run_seq after,
                                 std::function<void(const error&)> broken);
  result<std::vector<run_event>> events(const run_id& run, run_seq after, std::size_t limit) override;

  /// Without blocking: `answer` comes from an actor once the command is durable or refused.
  void post_command(const run_id& run, core::command what, actors::reply answer);
  /// Calls back once soon and after every commit of the run, until the token ends.
  [[nodiscard]] std::shared_ptr<void> watch(const run_id& run, std::function<void()> wake);

  [[nodiscard]] run_summary summary_of(const persistence::run_row& row) const;
  /// Held by whoever reads the journal on a caller's thread; close() waits for them. Not held: the node is closed.
  using visit = std::shared_lock<std::shared_mutex>;
  [[nodiscard]] visit enter() const;

  [[nodiscard]] actors::services& shared() { return *shared_; }
  [[nodiscard]] const caf::actor& router() const { return router_; }
  [[nodiscard]] const node_options& options() const { return options_; }

 private:
  explicit impl(node_options options) : options_(std::move(options)) {}
  result<void> bring_up();
  void take_inbox_in();
  result<void> carry_out_left(std::string_view entry);
  void fail_stop();
  void tell_damage() const;
  void start_jobs();
  result<run_ref> begin(actors::start_run what);
  /// A run that the key began, or the order for a new one.
  result<std::variant<begun, actors::start_run>> order_for(const start_request& what);
  result<begun> outcome_of(const start_request& what, const result<run_id>& started);
  result<begun> attach(const run_id& holder, const start_request& what);
  bool has_lapsed(const run_id& holder, duration life) const;
  /// Begins a run that takes over a state made of another's events.
  using make_state =
      std::function<result<core::run_state>(const std::vector<std::pair<core::event, timestamp>>&, run_id, const core::plan*)>;
  result<run_ref> begin_linked(const run_id& run, std::string_view command_id, core::restore_link link, const make_state& make);
  result<run_info> wait_for_one(const run_id& run, duration limit, bool began_elsewhere);
  result<run_info> info_of(const persistence::run_row& row);

  node_options options_;
  std::shared_ptr<actors::services> shared_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  caf::actor writer_, keeper_, timer_, router_;
  std::shared_ptr<actors::job_service> jobs_;
  std::shared_ptr<actors::process_backend> process_jobs_;  ///< null: there is no folder for them
  std::shared_ptr<actors::artifact_store> artifacts_;      ///< likewise
  std::unique_ptr<cluster::control_server> control_;
  duration recovery_time_{0};
  mutable std::shared_mutex gate_;
  std::mutex close_mutex_;
  std::atomic<bool> closed_{false};
  std::atomic<bool> failed_{false};
  std::mutex inbox_mutex_;                ///< one thread takes the inbox in
  std::atomic<bool> inbox_waits_{false};  ///< entries for workflows that are not registered yet
};

}  // namespace perdure
