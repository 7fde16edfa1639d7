// engine: a virtual_node's inside. Decides what happens next, in one thread and in virtual time, and checks after each thing.
//
// Operation: step() does one operation of those that are possible, the first of them or one that the seed chooses. What
// clients ask for is kept until it is answered, over crashes, as a client with a command id would do.
// Concurrency: none.
// Limitations: one node, one journal, in memory.
#pragma once

#include <deque>

#include "cluster/testing/job_desk.hpp"
#include "cluster/testing/node_host.hpp"
#include "cluster/testing/step_rules.hpp"
#include "persistence/memory_journal.hpp"

namespace perdure::testing {

class engine final : public sim::node_host {
 public:
  explicit engine(const node_options& options);
  ~engine() override;

  // Workflows and clients:
  void add(const workflow& definition);
  result<run_id> start(std::string_view workflow, std::string_view message, payload input, const start_options& options);
  result<run_id> retry(const run_id& of);
  result<void> command(const run_id& to, core::command what);
  void post(const run_id& to, core::command what);
  void kill_executor(const run_id& in, std::string_view executor);
  /// A fresh one for a command.
  [[nodiscard]] std::string next_command_id() { return "c" + std::to_string(++command_ids_); }

  // Driving:
  void settle();
  void skip(duration length);
  void run_until(const std::function<bool()>& condition, duration limit, std::string_view what);
  void crash();
  void restart();

  // Looking:
  [[nodiscard]] const core::run_state& stored(const run_id& id) const;
  /// The run, or the one that goes on from it.
  [[nodiscard]] run_id last_of(run_id id) const;
  [[nodiscard]] std::vector<core::record> records(const run_id& id) const;
  [[nodiscard]] std::vector<std::pair<core::event, timestamp>> recorded(const run_id& id) const;
  /// Today's code of the run; null when it is not registered.
  [[nodiscard]] const perdure::detail::definition* code_of(const core::run_state& state) const;
  [[nodiscard]] persistence::journal& journal() { return *journal_; }
  [[nodiscard]] std::uint64_t seed() const { return options_.seed; }
  /// Throws test_failure: `what`, where the node is, and the last things that happened.
  [[noreturn]] void fail(const std::string& what) const;

  // sim::run_neighbours:
  timestamp now() override { return wall_; }
  const sim::durable_run& durable(const run_id& id) override { return durable_.runs[id]; }
  sim::definition_ptr find(const core::run_state& of) override;
  sim::definition_ptr newest(const std::string& workflow) override {
    const auto at = newest_.find(workflow);
    return at == newest_.end() ? nullptr : at->second;
  }
  void left(const sim::run_host& run) override;
  void died(const sim::run_host& run, const error& why) override;
  void trace(const std::function<std::string()>& text) override;
  bool snapshot_now() override { return options_.seed != 0 && random_.one_in(6); }
  void body_begins(sim::attempt::body& of) override { rules.began(of); }
  perdure::detail::body_result execute(sim::attempt::body& of, const perdure::detail::step_body& function) override {
    return rules.carry_out(of, function);
  }
  void log(const run_id& run, const std::string& executor, std::string_view level, std::string_view text) override {
    log_lines.push_back({run, executor, std::string{level}, std::string{text}});
  }

  void carry_on(sim::run_host& from, core::job_order what) override { jobs.carry_on(from.id(), std::move(what), wall_); }
  void leave_job(sim::run_host& from, const core::job_effect& what) override { jobs.leave(from.id(), what); }

  step_rules rules;
  job_desk jobs;
  std::vector<log_line> log_lines;
  std::optional<std::uint64_t> crash_at;  ///< an operation
  std::uint64_t crash_one_in = 0;
  duration late{0};
  bool duplicates = false;
  std::uint64_t operations = 0, crashes = 0;

 private:
  struct operation {
    std::string what;
    std::function<void()> act;
  };
  /// Something a client asked for. It asks again until it has an answer.
  struct request {
    run_id run;
    core::command what;
    std::string id;  ///< of the command, or empty
    std::optional<core::start_command> begins;
    sim::definition_ptr definition;
    std::optional<core::event> first;  ///< of a run that takes another one over
    bool under_way = false;
    bool twice = false;  ///< another one of it is to be sent
    std::optional<result<void>> answer;
  };

  void open(bool unclean);
  void guarded(const std::function<void()>& drive);
  bool step();
  void collect(std::vector<operation>& all);
  void collect_run(std::vector<operation>& all, const run_id& id, const std::shared_ptr<sim::run_host>& run);
  void collect_bodies(std::vector<operation>& all, const std::shared_ptr<sim::attempt>& of);
  [[nodiscard]] bool enough(const std::vector<operation>& all) const { return options_.seed == 0 && !all.empty(); }
  void deliver(const std::shared_ptr<request>& what);
  void begin(const std::shared_ptr<request>& what);
  [[nodiscard]] result<void> answer_of_ended(const request& what);
  [[nodiscard]] result<void> await(const std::shared_ptr<request>& what);
  void lost_by(const sim::run_host& run);
  void write();
  void crash_now();
  [[nodiscard]] bool crash_comes();
  void check(const run_id& id);
  void check_all();
  void unload();
  [[nodiscard]] timestamp due(const run_id& id, timestamp at) const;
  [[nodiscard]] std::optional<timestamp> next_due() const;
  [[nodiscard]] std::string all_runs();

  node_options options_;
  sim::chance random_;
  timestamp wall_;
  std::shared_ptr<persistence::memory_disk> disk_;
  std::unique_ptr<persistence::journal> journal_;
  sim::durable_runs durable_;
  std::map<std::pair<std::string, std::string>, sim::definition_ptr> by_version_;
  std::map<std::string, sim::definition_ptr, std::less<>> newest_;
  std::deque<std::shared_ptr<request>> requests_;
  std::deque<std::string> trace_;
  std::uint64_t runs_made_ = 0, command_ids_ = 0;
};

}  // namespace perdure::testing
