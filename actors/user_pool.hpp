// user_pool: the threads on which user code runs (handlers' coroutines and call bodies), so that code that blocks never
// holds up an actor.
//
// Operation: jobs are taken in the order they were posted. A watcher looks for jobs that run longer than
// `options::stuck_after` while others wait; such a thread gets a replacement, up to `max_stuck_replacements` at a time,
// and ends when its job returns at last. Past that number the pool says `overloaded`.
// Concurrency: every member may be called from any thread, also from inside a job.
// Limitations: a job cannot be interrupted; after `stop` gave up on one, its thread goes on until the process ends and
// must use nothing that it does not own.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "perdure/limits.hpp"

namespace perdure::actors {

class user_pool {
 public:
  struct options {
    std::size_t threads = 0;  ///< 0 = four for each core, at least eight: user code may block
    std::size_t max_stuck_replacements = 16;
    std::chrono::milliseconds stuck_after{60'000};
    std::size_t queue_limit = limits::pool_queue;
    /// When set, the pool has no threads: it hands each job to this, which runs it when it likes, or says false to refuse it.
    /// For tests that choose when user code gets on. Called on the poster's thread.
    std::function<bool(std::function<void()>)> host;
    std::function<void(std::string_view)> log;  ///< told of jobs that threw and of stuck threads; any thread, must not throw
  };
  struct figures {
    std::size_t queued = 0;      ///< jobs that wait
    std::size_t running = 0;     ///< jobs that run, stuck ones among them
    std::size_t stuck = 0;       ///< replaced threads whose job has not returned
    std::uint64_t failed = 0;    ///< jobs that threw, ever
    std::uint64_t replaced = 0;  ///< threads replaced, ever
  };

  explicit user_pool(options chosen);
  /// Stops without waiting: jobs that run keep their threads.
  ~user_pool();
  user_pool(const user_pool&) = delete;
  user_pool& operator=(const user_pool&) = delete;

  /// False when the pool was stopped or the queue is full (`overloaded` says so well before); the job is dropped then.
  [[nodiscard]] bool post(std::function<void()> job);
  /// True while the queue is three quarters full, or jobs wait on a stuck thread and no replacement is left. New work
  /// should be refused at the edge then; what runs already may go on posting.
  [[nodiscard]] bool overloaded() const noexcept;
  [[nodiscard]] bool stopped() const;
  [[nodiscard]] figures now() const;

  /// Takes no new jobs, drops those that have not begun, and waits for those that run. False when some still ran at the
  /// deadline: they are left behind. Called from inside a job it does not wait for that one. May be called again.
  bool stop(std::chrono::milliseconds deadline);

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace perdure::actors
