// What job_service keeps: one entry for each job that is looked after, and each backend with its gate. Included by the
// service's own files only; every function is called with the mutex held.
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "actors/backends/backend_gate.hpp"
#include "actors/backends/job_service.hpp"

namespace perdure::actors {

struct job_service::state : std::enable_shared_from_this<job_service::state> {
  using clock = std::chrono::steady_clock;
  explicit state(options chosen) : config(std::move(chosen)) {}

  /// What many jobs have in common.
  struct way {
    std::string backend;
    perdure::backoff poll;
    duration poll_timeout{0};

    bool operator==(const way&) const = default;
  };
  /// What is kept of a core::job_order. There may be very many that are only looked at.
  struct kept_order {
    /// What a submit says.
    struct submission {
      std::string name, executor, tenant;
      payload spec;
      std::int32_t priority = 0;
    };
    kept_order() = default;
    kept_order(core::job_order&& what, std::shared_ptr<const way> how);

    std::shared_ptr<const way> how;
    run_id run;
    std::string id, raw;
    payload progress;
    std::unique_ptr<submission> asked;  ///< gone once it is there and its backend is known
    core::job_number number = 0;
    core::job_action action = core::job_action::submit;
    job_status status = job_status::queued;
    bool cancel = false, again = false, unsure = false;
  };
  static constexpr auto never = clock::time_point::max();
  /// With its key and what a map's node adds it fits in 256 bytes, which is what allocators have next.
  struct entry {
    const std::string* key = nullptr;  ///< where `entries` has it
    kept_order order;
    std::uint64_t version = 0;  ///< of the call that is under way; answers of others are late
    bool calling = false;
    bool asked_again = false;  ///< something came meanwhile that the call does not know
    bool parked = false;       ///< its run was told that it waits: it is submitted when the run asks again, not before
    std::uint32_t polls = 0;
    std::uint32_t failures = 0;  ///< in a row
    clock::time_point progress_told = never;
    clock::time_point since = clock::now();  ///< that it waits
    clock::time_point due = never;
    std::stop_source stop{std::nostopstate};  ///< of the call
  };
  static_assert(sizeof(entry) + sizeof(std::string) + 2 * sizeof(void*) <= 256);
  struct known_backend {
    std::string name;
    std::shared_ptr<backend> what;
    backend_gate gate;
    std::size_t calling = 0;
    std::deque<std::string> waiting;             ///< keys of jobs that wait for a call to end
    std::optional<clock::time_point> pump_at;    ///< when the gate may let somebody in
    std::optional<clock::time_point> miss_told;  ///< that a call did not reach it
  };

  options config;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::map<std::string, known_backend, std::less<>> backends;
  std::unordered_map<std::string, entry> entries;                       ///< by submit key
  std::set<std::pair<clock::time_point, const std::string*>> schedule;  ///< what is to be done next, when: keys of `entries`
  std::vector<std::shared_ptr<const way>> ways;                         ///< the newest ones
  std::uint64_t next_version = 1, next_way = 0;
  bool stopping = false;
  std::thread thread;

  // job_service.cpp: whose turn it is.
  void loop();
  /// Jobs that go the same way share it.
  [[nodiscard]] std::shared_ptr<const way> way_of(core::job_order& what);
  void plan(entry& of, clock::time_point at);
  void unplan(entry& of);
  /// Its place at the gate is as long as it is there.
  void hold_place(entry& of, known_backend& at);
  void act(std::unique_lock<std::mutex>& lock, const std::string& key);
  void without_backend(const std::string& key, entry& of);
  /// A submit takes a ticket, and waits for its turn.
  void stand_in_line(const std::string& key, entry& of, known_backend& at);
  void pump(known_backend& at);
  void reached(known_backend& at);
  void missed(known_backend& at, const error& why);
  void free_place(const std::string& key);
  void again(entry& of, const known_backend& at);
  void tell(entry& of, core::job_noticed what);
  void over(const std::string& key);
  void end_call(entry& of);
  void notice(const std::string& key);
  void log(std::string_view level, const std::string& text) const {
    if (config.log) config.log(level, text);
  }

  // job_calls.cpp: calls and their answers. The lock is open while a backend is called.
  template <class T, class F>
  backend_answer<T> answer(const std::string& key, std::uint64_t version, F then);
  void submit(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at);
  [[nodiscard]] bool current(const std::string& key, std::uint64_t version) const;
  void send(const std::string& key, std::uint64_t version, const std::shared_ptr<backend>& to, job_submission what,
            backend_call how);
  void submitted(const std::string& key, entry& of, const result<std::string>& id);
  void look(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at);
  void seen(const std::string& key, entry& of, const result<job_report>& what);
  /// The backend broke its promise to answer.
  void late(const std::string& key, entry& of, known_backend& at);
};

}  // namespace perdure::actors
