#include "actors/user_pool.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <deque>
#include <exception>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "core/assert.hpp"

namespace perdure::actors {

namespace {
using clock = std::chrono::steady_clock;
using job = std::function<void()>;
}  // namespace

// Shared by the pool and its threads, so that a thread that was left behind still finds what it touches.
struct user_pool::state {
  // A thread and the job it is at. The hot path writes `job_number` only; how long a job runs is the watcher's business.
  struct worker {
    std::thread thread;
    std::uint64_t job_number = 0;      // of the job that runs; 0 = none
    std::uint64_t watched_number = 0;  // what the watcher saw last, and when it saw it first
    clock::time_point watched_since{};
    bool replaced = false;
    bool ended = false;
  };

  explicit state(options chosen) : config(std::move(chosen)) {}

  options config;
  mutable std::mutex mutex;
  std::condition_variable work;     // workers wait for jobs
  std::condition_variable changed;  // stop() waits for workers, the watcher for its next look
  std::deque<job> queue;
  std::list<worker> workers;  // addresses stay the same
  std::thread watcher;
  std::uint64_t next_job = 1;
  std::uint64_t failed = 0;
  std::uint64_t replaced = 0;
  std::size_t idle = 0;  // workers that wait and have not been notified
  std::size_t running = 0;
  std::size_t stuck = 0;
  bool stopping = false;
  std::atomic<bool> short_of_threads{false};
  std::atomic<bool> queue_high{false};

  static void start_worker(const std::shared_ptr<state>& self);  // with the mutex held
  void work_loop(worker& me);
  void watch_loop(const std::shared_ptr<state>& self);
  void look_for_stuck(const std::shared_ptr<state>& self, std::vector<std::string>& lines);
  void take_ended(std::vector<std::thread>& out);
  void note_queue() { queue_high.store(queue.size() >= config.queue_limit - config.queue_limit / 4, std::memory_order_relaxed); }
  void run(job& what) noexcept;
  void log(std::string_view line) const noexcept;
};

namespace {
// The pool whose job runs on this thread, for stop() from inside a job.
thread_local const void* current_pool = nullptr;
}  // namespace

void user_pool::state::log(std::string_view line) const noexcept {
  if (!config.log) return;
  try {
    config.log(line);
  } catch (...) {
    std::fprintf(stderr, "perdure: the log callback threw\n");
  }
}

void user_pool::state::start_worker(const std::shared_ptr<state>& self) {
  auto& me = self->workers.emplace_back();
  try {
    me.thread = std::thread([self, &me] { self->work_loop(me); });
  } catch (...) {
    self->workers.pop_back();
    throw;
  }
}

void user_pool::state::run(job& what) noexcept {
  std::string text;
  try {
    what();
    return;
  } catch (const std::exception& thrown) {
    text = std::string{"a job of the user pool threw: "} + thrown.what();
  } catch (...) {
    text = "a job of the user pool threw something that is no std::exception";
  }
  {
    const std::lock_guard lock(mutex);
    ++failed;
  }
  log(text);
}

void user_pool::state::work_loop(worker& me) {
  current_pool = this;
  std::unique_lock lock(mutex);
  while (!stopping && !me.replaced) {
    if (queue.empty()) {
      ++idle;  // post() takes it back; after a spurious wake-up it is one too many, which costs one notification in vain
      work.wait(lock);
      continue;
    }
    {
      job taken = std::move(queue.front());
      queue.pop_front();
      note_queue();
      me.job_number = next_job++;
      ++running;
      lock.unlock();
      run(taken);
      taken = nullptr;  // captures die here, outside the lock and before the job counts as ended
      lock.lock();
    }
    me.job_number = 0;
    --running;
    if (stopping) changed.notify_all();
  }
  if (me.replaced) {
    --stuck;
    short_of_threads.store(false, std::memory_order_relaxed);
  }
  me.ended = true;
  changed.notify_all();
}

void user_pool::state::look_for_stuck(const std::shared_ptr<state>& self, std::vector<std::string>& lines) {
  const auto at = clock::now();
  std::size_t wanted = 0;
  for (auto& each : workers) {
    if (each.job_number != each.watched_number) {
      each.watched_number = each.job_number;
      each.watched_since = at;
    }
    if (each.job_number == 0 || each.replaced || at - each.watched_since < config.stuck_after) continue;
    if (queue.empty()) continue;
    if (stuck >= config.max_stuck_replacements) {
      ++wanted;
      continue;
    }
    try {
      start_worker(self);
    } catch (const std::exception& refused) {
      lines.push_back(std::string{"the user pool cannot replace a stuck thread: "} + refused.what());
      ++wanted;
      continue;
    }
    each.replaced = true;
    ++stuck;
    ++replaced;
    lines.push_back("a job of the user pool has not returned for " +
                    std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(at - each.watched_since).count()) +
                    " ms while others wait: its thread is replaced (" + std::to_string(stuck) + " of " +
                    std::to_string(config.max_stuck_replacements) + ")");
  }
  if (wanted > 0 && !short_of_threads.load(std::memory_order_relaxed)) {
    lines.push_back("the user pool is overloaded: " + std::to_string(stuck) + " threads are stuck and replaced, " +
                    std::to_string(wanted) + " more are stuck");
  }
  short_of_threads.store(wanted > 0, std::memory_order_relaxed);
}

void user_pool::state::take_ended(std::vector<std::thread>& out) {
  for (auto it = workers.begin(); it != workers.end();) {
    if (it->ended && it->thread.joinable()) {
      out.push_back(std::move(it->thread));
      it = workers.erase(it);
    } else {
      ++it;
    }
  }
}

void user_pool::state::watch_loop(const std::shared_ptr<state>& self) {
  const auto pause = std::max<std::chrono::milliseconds>(config.stuck_after / 4, std::chrono::milliseconds{1});
  std::unique_lock lock(mutex);
  while (!stopping) {
    changed.wait_for(lock, pause);
    if (stopping) break;
    std::vector<std::string> lines;
    std::vector<std::thread> ended;
    look_for_stuck(self, lines);
    take_ended(ended);
    lock.unlock();
    for (const auto& line : lines) log(line);
    for (auto& each : ended) each.join();
    lock.lock();
  }
}

user_pool::user_pool(options chosen) {
  if (chosen.threads == 0) chosen.threads = std::max<std::size_t>(8, 4 * std::thread::hardware_concurrency());
  PERDURE_ASSERT(chosen.queue_limit > 0);
  state_ = std::make_shared<state>(std::move(chosen));
  if (state_->config.host) return;
  try {
    const std::lock_guard lock(state_->mutex);
    for (std::size_t i = 0; i < state_->config.threads; ++i) state::start_worker(state_);
    state_->watcher = std::thread([self = state_] { self->watch_loop(self); });
  } catch (...) {
    stop(std::chrono::seconds{1});
    throw;
  }
}

user_pool::~user_pool() { stop(std::chrono::milliseconds{0}); }

bool user_pool::post(std::function<void()> job) {
  auto& s = *state_;
  if (s.config.host) return !stopped() && s.config.host(std::move(job));
  {
    const std::lock_guard lock(s.mutex);
    if (s.stopping || s.queue.size() >= s.config.queue_limit) return false;
    s.queue.push_back(std::move(job));
    s.note_queue();
    if (s.idle == 0) return true;
    --s.idle;
  }
  s.work.notify_one();
  return true;
}

bool user_pool::overloaded() const noexcept {
  return state_->short_of_threads.load(std::memory_order_relaxed) || state_->queue_high.load(std::memory_order_relaxed);
}

bool user_pool::stopped() const {
  const std::lock_guard lock(state_->mutex);
  return state_->stopping;
}

user_pool::figures user_pool::now() const {
  const auto& s = *state_;
  const std::lock_guard lock(s.mutex);
  return {s.queue.size(), s.running, s.stuck, s.failed, s.replaced};
}

bool user_pool::stop(std::chrono::milliseconds deadline) {
  auto& s = *state_;
  const auto until = clock::now() + deadline;
  const std::size_t own = current_pool == &s ? 1 : 0;
  std::deque<job> dropped;
  std::vector<std::thread> ended;
  std::vector<std::thread> left;
  bool all_done = false;
  {
    std::unique_lock lock(s.mutex);
    s.stopping = true;
    dropped.swap(s.queue);
    s.note_queue();
    s.work.notify_all();
    s.changed.notify_all();
    all_done = s.changed.wait_until(lock, until, [&] { return s.running <= own; });
    if (all_done) {
      // What is left to do for these threads is to return.
      s.changed.wait(lock, [&] {
        return static_cast<std::size_t>(
                   std::count_if(s.workers.begin(), s.workers.end(), [](const auto& w) { return !w.ended; })) <= own;
      });
    }
    s.take_ended(ended);
    for (auto& each : s.workers) {
      if (each.thread.joinable()) left.push_back(std::move(each.thread));
    }
    if (s.watcher.joinable()) ended.push_back(std::move(s.watcher));
  }
  for (auto& each : ended) each.join();
  for (auto& each : left) each.detach();
  return all_done;
}

}  // namespace perdure::actors
