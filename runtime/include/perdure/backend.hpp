// backend: the adapter to an external execution system. Who has another system derives from it, checks it with
// perdure/backend_check.hpp and gives it to node::add_backend.
//
// Operation: every call is asynchronous: it begins the work and answers through its last argument, exactly once, on any
// thread, maybe before it returns. It must not block for long. The node calls `submit` only after the key of the job is
// durable, and again with the same key when it does not know what became of it.
// Concurrency: calls come from several threads of the node at once.
// Errors: `submit` answers invalid_argument, unsupported, limit_exceeded, payload_too_large or not_found when the job is
// refused for good; overloaded, disk_full or locked when it was surely not accepted and may be later. Every other error means
// that it may have been accepted. The other calls answer not_found when there is no such job; their other errors are tried
// again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "perdure/ids.hpp"
#include "perdure/job.hpp"

namespace perdure {

struct backend_capabilities {
  bool find = false;        ///< a job is found by its submit key, as soon as it was accepted
  bool idempotent = false;  ///< a submit with the key of a job that is there gives that job's id
  bool cancel = false;
  bool logs = false;
  bool artifacts = false;
  bool estimate = false;
  bool notices = false;  ///< tells by itself when a job's status changes
};

/// Bounds of one call.
struct backend_call {
  std::stop_token stop;                              ///< fires when the answer is not wanted any more
  std::chrono::steady_clock::time_point deadline{};  ///< after it the answer is not waited for
};

template <class T>
using backend_answer = std::function<void(result<T>)>;

struct job_submission {
  std::string key;  ///< unique; the same for every try of the same submission
  run_id run;
  std::string executor, name, tenant;
  payload spec;  ///< in the backend's own form
  std::int32_t priority = 0;
};

/// A look at a job. Without `status` the backend does not know the raw one: it is reported, not guessed.
struct job_report {
  std::optional<job_status> status;
  std::string raw;
  std::optional<std::uint64_t> done, total;  ///< progress
  std::string text;                          ///< progress, in words
  std::optional<std::int32_t> exit_code;
  payload result;
  std::string message;  ///< why it did not succeed
};

struct log_query {
  std::string cursor;        ///< of the page before; empty = from the beginning
  std::size_t limit = 1000;  ///< lines
};

/// Reads an artifact piece by piece; one thread.
class artifact_reader {
 public:
  virtual ~artifact_reader() = default;
  [[nodiscard]] virtual const job_artifact& what() const = 0;
  /// At most `size` bytes from `offset` on; fewer only at the end, where it is 0.
  virtual result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) = 0;
};

class backend {
 public:
  virtual ~backend() = default;
  [[nodiscard]] virtual backend_capabilities capabilities() const = 0;

  /// Gives the job's id. When it has answered with an id, the job goes on by itself whatever becomes of this process.
  virtual void submit(job_submission what, backend_call how, backend_answer<std::string> done) = 0;
  virtual void status(std::string id, backend_call how, backend_answer<job_report> done) = 0;
  /// The id of the job that was submitted with the key; none when there is none.
  virtual void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done);
  /// Asks the job to end; success means that it was asked, or has ended. `status` tells what became of it.
  virtual void cancel(std::string id, backend_call how, backend_answer<void> done);
  virtual void logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done);
  virtual void artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done);
  virtual void open_artifact(std::string id, std::string name, backend_call how,
                             backend_answer<std::shared_ptr<artifact_reader>> done);
  virtual void estimate(payload spec, backend_call how, backend_answer<job_estimate> done);
  /// The job's run is removed: what is stored of the job may go.
  virtual void forget(std::string id, backend_call how, backend_answer<void> done);
  /// Whether the system is there: in words, or the error.
  virtual void check(backend_call how, backend_answer<std::string> done);

  /// Called once, before anything is submitted: whom to tell the key of a job whose status changed. Any thread; does not block.
  virtual void notify(std::function<void(std::string key)> /*changed*/) {}
  /// The node closes: calls that are under way may be left without an answer. Jobs go on.
  virtual void close() {}
};

/// What becomes of submits while the system cannot be reached.
enum class when_down : std::uint8_t {
  park,  ///< they wait until it is there again
  fail,  ///< the job is refused ("job_refused"); one that may have been accepted before still waits
};

struct backend_options {
  duration submit_timeout = std::chrono::seconds{60};                              ///< of one submit or look-up by key
  backoff retry = exponential(std::chrono::seconds{1}, std::chrono::seconds{60});  ///< while the system cannot be reached
  /// Jobs that it has at once, from this node; further ones wait in a queue. 0 = no limit. Of a tenant's jobs the one with the
  /// highest priority is next, then the oldest; of several tenants the one that has the fewest there.
  std::size_t running = 0;
  double submits_per_second = 0;  ///< 0 = no limit
  std::size_t burst = 1;          ///< with that: so many at once after a quiet time
  std::uint32_t down_after =
      5;  ///< so many calls in a row that did not reach it, and it counts as down: one call tries, others wait
  when_down down = when_down::park;
};

/// How a backend is doing, as its node sees it.
struct backend_health {
  bool up = true;
  std::uint32_t failures = 0;  ///< calls in a row that did not reach it
  std::string why;             ///< the last of them, or empty
  std::size_t running = 0;     ///< jobs that it has accepted and that have not ended, as far as this node has looked at them
  std::size_t waiting = 0;     ///< jobs that wait for a place, for the rate, or for the system
};

}  // namespace perdure
