// attempt_host: runs one attempt. It feeds the driver, runs bodies, and turns both into reports for the run.
//
// Operation: everything that touches the driver is done in order, by whichever thread has it (inline: the run's actor;
// pooled: a thread of the user pool). Bodies of calls run beside it. A report goes out when a turn did something
// durable, and with each body's outcome; the coroutine goes on only when the run feeds that outcome back, durable.
// Concurrency: all public members from any thread. Jobs co-own the host, so a frame outlives the body that uses it.
// Limitations: knows no actor; reports go through `ports::report`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "actors/services.hpp"
#include "core/command.hpp"
#include "flow/driver.hpp"

namespace perdure::actors {

class attempt_host : public std::enable_shared_from_this<attempt_host> {
 public:
  struct ports {
    std::function<void(core::command)> report;                   ///< pooled: any thread; inline: the actor's
    std::function<void(duration, std::function<void()>)> later;  ///< calls back after a while on the actor's thread
    std::function<void(std::function<void()>)> post;             ///< calls back on the actor's thread
  };
  attempt_host(std::shared_ptr<services> shared, definition_ptr definition, run_id run,
               std::shared_ptr<const core::activation> what, ports out);
  ~attempt_host();

  void begin();
  void feed(core::history_item item);
  /// A step's backoff is over.
  void run_body(step_ordinal ordinal);
  /// Fences the attempt: no report goes out any more, bodies are asked to stop.
  void stop();

 private:
  struct body;
  class body_context;
  using job = std::function<void()>;

  void enqueue(job what);
  void drain();
  bool run_beside(const std::shared_ptr<body>& running);
  void on_its_thread(std::function<void()> what);
  void handle(flow::progress_report report);
  void launch(step_ordinal ordinal);
  void run_now(const std::shared_ptr<body>& running);
  void start_capability(const std::shared_ptr<body>& running);
  std::shared_ptr<body> make_body(step_ordinal ordinal);
  void body_done(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why);
  job done_job(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why);
  core::step_report report_on(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why);
  core::step_report end_body(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why);
  void fence(step_ordinal ordinal);
  void send(core::attempt_report report);
  void note_progress(std::uint64_t done, std::uint64_t total, std::string_view text);

  std::shared_ptr<services> shared_;
  definition_ptr definition_;
  const core::executor_plan* policy_;
  run_id run_;
  const activation_id activation_;
  const std::uint32_t attempt_;
  const std::string executor_;
  std::shared_ptr<const core::activation> what_;  ///< until it has begun: a long history would be kept for nothing
  ports out_;
  bool inline_;
  std::atomic<bool> stopped_{false};
  std::stop_source all_bodies_;

  std::mutex mutex_;  // guards jobs_ and busy_
  std::deque<job> jobs_;
  bool busy_ = false;

  // Touched only by the job that runs:
  std::unique_ptr<flow::driver> driver_;
  std::map<step_ordinal, std::shared_ptr<body>> bodies_;
  std::map<step_ordinal, std::uint32_t> tries_;  ///< of steps that were tried before
  std::size_t fed_ = 0;                          ///< history items it has seen
  std::set<step_ordinal> recorded_;              ///< calls that stand in the run's state
  std::set<step_ordinal> held_;                  ///< wait for run_body
  std::shared_ptr<body> own_thread_;             ///< to be run by the thread that has the jobs

  std::mutex progress_mutex_;
  timestamp last_progress_{};
  std::uint64_t best_done_ = 0;
};

/// Runs a body; whatever it throws becomes a failure.
[[nodiscard]] std::optional<failure> guarded(const std::function<void()>& what);

}  // namespace perdure::actors
