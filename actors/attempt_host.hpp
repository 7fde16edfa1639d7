// attempt_host: runs one attempt on the node's threads.
//
// Operation: everything that touches the driver and the book of the attempt is done in order, by whichever thread has it (inline:
// the run's actor; pooled: a thread of the user pool). Bodies of calls run beside it.
// Concurrency: all public members from any thread. Jobs co-own the host, so a frame outlives the body that uses it.
// Limitations: knows no actor; reports go through `ports::report`.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>

#include "actors/services.hpp"
#include "core/command.hpp"
#include "flow/attempt_turns.hpp"

namespace perdure::actors {

class attempt_host : public std::enable_shared_from_this<attempt_host>, private flow::attempt_turns {
 public:
  struct ports {
    std::function<void(core::command)> report;                   ///< pooled: any thread; inline: the actor's
    std::function<void(duration, std::function<void()>)> later;  ///< calls back after a while on the actor's thread
    std::function<void(std::function<void()>)> post;             ///< calls back on the actor's thread
    std::string trace;                                           ///< the run's traceparent, for effects
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
  bool run_beside(const std::shared_ptr<flow::body_run>& running);
  void on_its_thread(std::function<void()> what);
  void run_now(const std::shared_ptr<flow::body_run>& running);
  void count_try(std::chrono::steady_clock::time_point began);
  void start_capability(const std::shared_ptr<flow::body_run>& running);
  void body_done(const std::shared_ptr<flow::body_run>& ended, detail::body_result value, std::optional<failure> why);
  job done_job(const std::shared_ptr<flow::body_run>& ended, detail::body_result value, std::optional<failure> why);

  std::shared_ptr<flow::body_run> make_body(const detail::step_request& request) override;
  std::optional<failure> run_in_turn(flow::body_run& of, const detail::step_body& function, detail::body_result& value) override;
  void launch(const std::shared_ptr<flow::body_run>& running, bool lone) override;
  void send(core::attempt_report report) override;
  void note_progress(std::uint64_t done, std::uint64_t total, std::string_view text);
  void note_told(const std::shared_ptr<body>& of, told_text what);
  void tell_gathered(body& of);

  std::shared_ptr<services> shared_;
  definition_ptr definition_;
  run_id run_;
  const activation_id activation_;
  const std::uint32_t attempt_;
  const std::string executor_;
  std::shared_ptr<const core::activation> what_;  ///< until it has begun: a long history would be kept for nothing
  ports out_;
  std::atomic<bool> stopped_{false};
  std::stop_source all_bodies_;

  std::mutex mutex_;  // guards jobs_ and busy_
  std::deque<job> jobs_;
  bool busy_ = false;

  std::shared_ptr<flow::body_run> own_thread_;  ///< to be run by the thread that has the jobs; touched by the job that runs

  std::mutex progress_mutex_;
  timestamp last_progress_{};
  std::uint64_t best_done_ = 0;
};

}  // namespace perdure::actors
