// world: one seeded schedule. Nodes with their runs, a journal on a disk with faults, clients, a clock; all in one thread and
// in virtual time. Everything that could happen next is an action; the seed chooses.
//
// The parts: world.cpp has the phases, world_actions.cpp what could happen next, world_faults.cpp nodes, disk and clock,
// world_jobs.cpp the backend, world_clients.cpp who sends commands, world_checks.cpp the checkers, world_node.hpp a node.
//
// Operation: run() goes through a phase with faults and one without, at whose end every run must have ended. The checkers
// run after each action; what they find is thrown as `broken`.
// Limitations: capabilities, the real actors and threads are other tests' business.
#pragma once

#include <deque>
#include <set>

#include "cluster/testing/node_host.hpp"
#include "persistence/memory_journal.hpp"
#include "simulation/outside.hpp"

namespace perdure::sim {

/// Which faults a schedule has.
struct profile {
  bool crashes = false;        ///< all memory is lost; also clean stops
  bool append_faults = false;  ///< commits fail or are ambiguous, the disk is full
  bool failing_store = false;  ///< commits fail often, most of all right after the store was opened
  bool time_faults = false;    ///< the clock jumps, wake-ups come twice, early, stale
  bool commands = false;       ///< clients signal, answer, cancel, pause, resume; twice, late, in another order
  bool takeovers = false;      ///< another node takes the shard; the old one does not know
  bool deaths = false;         ///< executors' actors die
  bool unregistered = false;   ///< a node opens before its workflows are registered
  int actions = 500;           ///< of the phase with faults
};

struct statistics {
  std::uint64_t schedules = 0, actions = 0, events = 0, crashes = 0, takeovers = 0, parked = 0, snapshots = 0, bodies = 0,
                questions = 0, looks_at_files = 0;
  std::map<std::string, std::uint64_t> kinds, ends;
};

class world {
 public:
  world(std::uint64_t seed, profile how, bool verbose);
  ~world();
  void run();
  /// The last things that happened, for a failed schedule.
  [[nodiscard]] std::string last_events() const;
  void add_to(statistics& all) const;
  [[nodiscard]] std::uint64_t fingerprint() const { return durable_.fingerprint; }

 private:
  class node;
  struct client_command {
    run_id run;
    core::command what;
    std::string id;
    int unanswered = 0;
    bool answered = false;
  };
  /// A job as the backend has it.
  struct outside_job {
    std::uint32_t accepted = 0;
    bool by_old = false;  ///< a node that had been taken over submitted it: nobody can keep it from that
    job_status status = job_status::queued;
    std::uint32_t files = 0;  ///< that it left; known at the first look at them
    bool looked_at = false;
  };
  struct action {
    unsigned weight = 1;
    std::function<void()> what;
  };

  // Phases:
  void start_runs();
  void step(bool faults);
  void collect(std::vector<action>& all, bool faults);
  void collect_node(std::vector<action>& all, const std::shared_ptr<node>& of, bool faults);
  void collect_jobs(std::vector<action>& all, const std::shared_ptr<node>& of, bool faults);
  void collect_faults(std::vector<action>& all);
  void finish();
  /// What clients do so that runs can end. False: nothing.
  bool help_along();
  [[nodiscard]] bool all_ended() const;
  [[nodiscard]] run_id next_run_id() const;

  // What may happen:
  void open_node(bool unclean);
  void crash(bool clean);
  void take_over();
  void commit(const std::shared_ptr<node>& of);
  void pass_time(duration length);
  void to_next_wakeup();
  void make_command();
  void retry_one();
  void fork_one();
  void deliver(std::size_t index);
  void take_submit(const std::shared_ptr<node>& of, const core::job_order& order, bool faults);
  void look_at_job(const std::shared_ptr<node>& of, const core::job_order& order, bool faults);
  void cancel_job(const std::shared_ptr<node>& of, const core::job_order& order);
  /// A person says how it goes on with a job of which nobody knows whether it was accepted. False: there is no such question.
  bool answer_question(const core::run_state& of, const char* what, std::string id);
  detail::body_result files_of(const attempt::body& of);
  void command(run_id run, core::command what, std::string id);

  // Checkers:
  void read_new_records();
  void check_run(const run_id& id);
  void check_waits();
  void check_answer(const client_command& of, const result<void>& answer);
  void check_end();
  const durable_run& last_of(const run_id& id);
  bool carried_out(const client_command& of);
  [[nodiscard]] std::string open_runs() const;
  void check_family(const core::run_state& state) const;
  void check_sender(const core::run_state& state, const std::vector<core::record>& records) const;

  void trace(const std::function<std::string()>& text);

  std::uint64_t seed_;
  profile how_;
  bool verbose_;
  chance random_;
  outside outside_;
  statistics count_;
  std::deque<std::string> trace_;

  std::shared_ptr<persistence::memory_disk> disk_;
  std::unique_ptr<persistence::journal> journal_;
  timestamp wall_;
  std::map<std::string, definition_ptr> workflows_;
  std::set<std::string> steady_;  ///< ids of runs whose result can be foretold
  durable_runs durable_;
  std::shared_ptr<node> node_, zombie_;
  std::vector<std::shared_ptr<node>> buried_;  ///< until the action that ended them is over
  struct planned_run {
    core::start_command how;
    std::string workflow;
    std::optional<core::event> first;  ///< of a run that takes another one over
    bool answered = false;
    int unanswered = 0;
  };
  std::vector<planned_run> planned_;
  std::vector<client_command> commands_;
  std::uint64_t next_command_ = 1;
  std::map<std::string, outside_job> jobs_;  ///< by submit key, which is their id as well
};

/// Runs the schedules of these seeds; a failure says how to repeat it. PERDURE_SIM_SEED runs one, verbosely;
/// PERDURE_SIM_COUNT that many.
statistics run_schedules(const char* name, const profile& how, std::uint64_t first_seed, std::uint64_t count);

}  // namespace perdure::sim
