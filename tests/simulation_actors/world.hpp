// world: one seeded schedule of real actors. A process with its runs on a disk with faults, clients, a clock; all in one thread
// and in virtual time. Everything that could happen next is an action; the seed chooses.
//
// Operation: run() goes through a phase with faults and one without, at whose end every run must have ended, every client must
// have an answer, and a process that closes must be left by all of its actors. Checkers run at commits, at the start of each
// body, at each answer; what they find ends the schedule. A body of the user pool is not a moment: other things happen in
// the middle of it.
// Limitations: capabilities, threads and the calls of cluster/node_impl.cpp are other tests' business.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>

#include "actors/definitions.hpp"
#include "cluster/testing/durable.hpp"
#include "persistence/memory_journal.hpp"
#include "simulation/outside.hpp"

namespace perdure::sim {

class process;
class steered_scheduler;

/// Which faults a schedule has. All are fair: a node is said to survive them.
struct profile {
  bool crashes = false;        ///< the process is lost with all its memory
  bool closes = false;         ///< the process closes, in the middle of work
  bool commit_faults = false;  ///< commits fail or are ambiguous (the process stops), the disk is full for a while
  bool read_faults = false;    ///< reading a run fails
  bool losses = false;         ///< the messages that doors.hpp says may get lost
  bool deaths = false;         ///< actors of runs and of executors die by an exception, or at once
  bool takeovers = false;      ///< another process takes the shard; the old one does not know
  bool unregistered = false;   ///< a process begins before its workflows are registered
  bool commands = false;       ///< clients signal, answer, cancel, pause, resume, above all while runs park
  bool clock_jumps = false;    ///< the system's clock is set, forward and back
  bool punctual = false;       ///< time passes only when nothing else can happen: then no deadline may be overlooked
  bool only_parkers = false;   ///< every run waits most of its time
  bool lone_run = false;       ///< there is one run, so that a second actor for it is seen
  int actions = 600;           ///< of the phase with faults

  /// Whether a client may be told that its run left memory before it could answer.
  [[nodiscard]] bool loses_actors() const { return crashes || closes || commit_faults || read_faults || deaths || takeovers; }
};

/// All faults, and clients.
inline constexpr profile everything{.crashes = true,
                                    .closes = true,
                                    .commit_faults = true,
                                    .read_faults = true,
                                    .losses = true,
                                    .deaths = true,
                                    .takeovers = true,
                                    .unregistered = true,
                                    .commands = true,
                                    .clock_jumps = true};

struct statistics {
  std::uint64_t schedules = 0, actions = 0, messages = 0, events = 0, bodies = 0, lost_processes = 0, closes = 0, takeovers = 0;
  std::uint64_t run_actors = 0, parked = 0, deaths = 0, lost_messages = 0, answers = 0;
  std::map<std::string, std::uint64_t> ends;
};

class world {
 public:
  world(std::uint64_t seed, profile how, bool verbose);
  ~world();
  world(const world&) = delete;
  world& operator=(const world&) = delete;

  void run();
  /// The last things that happened, for a failed schedule.
  [[nodiscard]] std::string last_events() const;
  /// Of everything that happened, in its order.
  [[nodiscard]] std::uint64_t fingerprint() const { return mixed(trace_hash_ ^ durable_.fingerprint); }
  void add_to(statistics& all) const;

 private:
  class question;
  struct client_command {
    run_id run;
    core::command what;
    std::string id;  ///< clients with one ask again until they have an answer
    int asked = 0;   ///< questions that are not answered
    bool answered = false;
    bool last_word = false;  ///< asks a run that has ended
  };
  struct planned_run {
    std::string workflow, key;
    core::start_command how;
    int asked = 0;
    bool answered = false;
    std::optional<run_id> run;
  };

  // Phases (world.cpp):
  void plan_runs();
  void step();
  bool act(std::uint64_t chosen);
  void idle();
  void finish();
  bool help_along();
  [[nodiscard]] bool all_ended() const;
  [[nodiscard]] bool all_answered() const;
  void ask_ended_runs();
  void settle(const char* what, const std::function<bool()>& done);

  // What may happen:
  void open_journal();
  void open_process(bool unclean);
  void lose_process();
  void close_process();
  void finish_closing();
  void take_over();
  void stop_zombie();
  void run_actor(std::size_t index);
  void run_job(process& of, std::size_t index);
  void kill_one();
  void jump_clock();
  void pass_time(duration length);
  void before_commit(std::size_t items);
  void after_commit(bool by_zombie, std::span<persistence::append_item> items, const std::vector<persistence::verdict>& verdicts);
  void body_begins(call_context& with);

  // Clients (clients.cpp):
  void make_command();
  void command(run_id run, core::command what, std::string id);
  void deliver(std::size_t index);
  void start(std::size_t index);
  void answered(std::size_t index, std::uint64_t by, const result<void>& answer);
  void started(std::size_t index, std::uint64_t by, const result<run_id>& answer, const std::optional<run_id>& holder);
  [[nodiscard]] std::vector<std::size_t> undelivered() const;
  [[nodiscard]] std::vector<std::size_t> unstarted() const;

  // Checkers (checks.cpp):
  void read_new_records();
  void check_body(const std::string& key);
  void check_answer(const client_command& of, const result<void>& answer);
  void check_punctual();
  void check_wakers();
  void check_end();
  void check_times(const run_id& id);
  void check_result(const run_id& id, const core::run_state& state);
  void fail(std::string what) {
    if (problem_.empty()) problem_ = std::move(what);
  }
  void throw_if_failed() const;
  void trace(std::string text);
  void tell(std::string text);

  std::uint64_t seed_;
  profile how_;
  bool verbose_;
  chance random_;
  outside outside_;
  statistics count_;
  std::deque<std::string> trace_;
  std::uint64_t trace_hash_ = 0;
  std::string problem_;

  std::unique_ptr<steered_scheduler> scheduler_;
  std::shared_ptr<persistence::memory_disk> disk_;
  std::shared_ptr<persistence::journal> journal_;
  timestamp wall_;
  std::map<std::string, actors::definition_ptr> workflows_;
  std::set<std::string> unregistered_;  ///< of the present process
  durable_runs durable_;

  std::shared_ptr<process> process_, zombie_;
  std::uint64_t next_process_ = 1;
  std::uint64_t losing_ = 0;  ///< the process that is lost right now: what it says, nobody hears
  bool faults_ = true, fatal_ = false, crash_wanted_ = false;
  enum class closing : std::uint8_t { no, begun, leaving, gone } closing_ = closing::no;
  bool last_close_ = false;  ///< no process comes after
  int hurts_ = 0;            ///< deaths that the process was made to see
  int depth_ = 0;            ///< bodies that other things happen in the middle of
  bool in_actor_ = false;

  std::vector<planned_run> planned_;
  std::vector<client_command> commands_;
  std::uint64_t next_command_ = 1, next_run_ = 1;
};

/// Runs the schedules of these seeds; a failure says how to repeat it. PERDURE_SIM_SEED runs one, verbosely;
/// PERDURE_SIM_COUNT that many.
void run_schedules(const char* name, const profile& how, std::uint64_t first_seed, std::uint64_t count);

}  // namespace perdure::sim
