// Jobs: work on an external execution system that a run submits, tracks and collects. What handlers say of them, and what
// can be read of them. The system itself is reached through perdure/backend.hpp.
#pragma once

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <boost/json.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "perdure/child.hpp"
#include "perdure/error.hpp"
#include "perdure/payload.hpp"
#include "perdure/policy.hpp"

namespace perdure {

/// The numbers are stored; never reuse one.
enum class job_status : std::uint8_t {
  queued = 1,  ///< submitted, or about to be
  running = 2,
  succeeded = 3,
  failed = 4,
  cancelled = 5,
  timed_out = 6,  ///< its own time limit, or the system's
  lost = 7,       ///< the system does not know it any more
};
BOOST_DESCRIBE_ENUM(job_status, queued, running, succeeded, failed, cancelled, timed_out, lost)
[[nodiscard]] constexpr bool is_terminal(job_status status) noexcept { return status >= job_status::succeeded; }

/// What follows when it is not known whether a submit was accepted, and the backend can neither look it up by its key nor
/// tell a repeated one. The numbers are stored; never reuse one.
enum class ambiguous_submit : std::uint8_t {
  retry = 1,  ///< it is submitted again: at least once
  fail = 2,   ///< the job fails with the code "job_ambiguous": at most once
  ask = 3,    ///< a person is asked, as by a request ("job.NUMBER" in the run's requests): the answer is "retry" or "fail"
};

/// Trivially destructible, so it may stand inside co_await expressions.
struct job_options {
  duration timeout{0};  ///< from the submit to the end; then it is cancelled and counts as timed_out. 0 = none
  retry_policy retry{};  ///< of the whole job: one that did not succeed is submitted anew, under another key. Codes: job_failed …
  perdure::backoff poll = exponential(std::chrono::seconds{1}, std::chrono::seconds{60});  ///< between looks at its status
  duration poll_timeout = std::chrono::seconds{30};                                        ///< of one look
  background_end at_end = background_end::cancel;  ///< what becomes of it when the run ends
  ambiguous_submit ambiguous = ambiguous_submit::retry;
  std::int32_t priority = 0;  ///< the higher, the sooner, where many wait
};

/// Trivially destructible, too.
struct job_wait_options {
  std::optional<perdure::backoff> backoff;           ///< between looks at its status from now on; none = as it was submitted
  duration max_duration{0};                          ///< 0 = for ever; after it timeout_error, and the job goes on
  duration poll_timeout = std::chrono::seconds{30};  ///< of one look, with a backoff
};

/// A job that was accepted: a value, which may be kept in messages and in run-wide state of its run.
struct job_handle {
  std::uint32_t number = 0;  ///< within the run
  std::string key;           ///< its first submit key: stable, unique
  std::string backend;
  std::string id;  ///< the backend's own
};
BOOST_DESCRIBE_STRUCT(job_handle, (), (number, key, backend, id))

/// How a job ended.
struct job_end {
  std::uint32_t number = 0;
  std::string key, backend, id;
  job_status status = job_status::succeeded;
  std::string raw;                        ///< the status in the backend's own words
  std::optional<std::int32_t> exit_code;  ///< where there is one; 128 + signal number when a signal ended it
  boost::json::value result;              ///< what the backend says of the result, or null
  std::optional<failure> error;           ///< why it did not succeed
};
BOOST_DESCRIBE_STRUCT(job_end, (), (number, key, backend, id, status, raw, exit_code, result, error))

/// A job of a run, as it is known now.
struct job_info {
  std::uint32_t number = 0;
  std::string key, name, executor, backend;
  std::string id;  ///< empty until it was accepted
  job_status status = job_status::queued;
  std::string raw;
  payload progress;              ///< {"done","total","text"}, or null
  std::uint32_t submission = 1;  ///< grows each time it is submitted anew
  bool accepted = false;
  bool cancel_wanted = false;
  bool asks = false;  ///< nobody knows whether it was accepted, and a person is to say how it goes on
  timestamp created_at{};
  std::optional<timestamp> ended_at, due;
  std::optional<std::int32_t> exit_code;
  payload result;
  std::optional<failure> error;  ///< why it did not succeed, or what held up its submit last
};

/// One line that a job wrote.
struct job_log_line {
  timestamp time{};
  std::string stream;      ///< "stdout", "stderr", or the backend's own
  std::string text;        ///< without the end of the line; bytes, not always UTF-8
  bool continues = false;  ///< the line goes on in the next one of its stream (it is very long, or not complete yet)
};
BOOST_DESCRIBE_STRUCT(job_log_line, (), (time, stream, text, continues))

struct job_log_page {
  std::vector<job_log_line> lines;
  std::string next_cursor;      ///< opaque; the same cursor gives the same lines again, also after the job's end
  bool has_more = false;        ///< there is more already
  std::uint64_t cut_bytes = 0;  ///< before these lines: what was dropped by the backend's limits
};
BOOST_DESCRIBE_STRUCT(job_log_page, (), (lines, next_cursor, has_more, cut_bytes))

/// A file that a job left.
struct job_artifact {
  std::string name;  ///< relative, with "/" between folders
  std::string media_type;
  std::uint64_t size_bytes = 0;
  std::string sha256;  ///< lower-case hex, or empty where the backend has none
};
BOOST_DESCRIBE_STRUCT(job_artifact, (), (name, media_type, size_bytes, sha256))

/// What a job would take; asking never starts it.
struct job_estimate {
  bool can_submit = true;
  std::string reason;  ///< why not
  std::optional<double> cost_min_usd, cost_max_usd;
  std::optional<double> minutes_min, minutes_max;
};
BOOST_DESCRIBE_STRUCT(job_estimate, (), (can_submit, reason, cost_min_usd, cost_max_usd, minutes_min, minutes_max))

/// A job of the backend "process": a program of this machine, in a folder of its own. It survives the node.
struct process_job {
  explicit process_job(std::string program_path) : program(std::move(program_path)) {}
  process_job() = default;
  std::string program;  ///< a path, or a name that is looked up in PATH; no shell is involved
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  ///< added to PATH, HOME, LANG, PERDURE_JOB_KEY and PERDURE_JOB_DIR
  std::map<std::string, std::string> files;        ///< put into its folder before it starts: name, content
  std::vector<std::string> artifacts;              ///< patterns of files in its folder: *, ?, [...], ** for any folders
  std::optional<std::string> input;                ///< standard input; none = empty
  std::optional<std::string> directory;            ///< where it runs; none = its own folder
  /// Limits of all its processes together where the system allows that (cgroup v2), else of each; the result says which.
  std::optional<std::uint64_t> memory_bytes;  ///< memory; of each process: address space
  std::optional<std::uint64_t> cpu_seconds;
  std::optional<std::uint64_t> processes;  ///< so many at once; only where the system allows it
  std::optional<std::uint64_t> open_files;
  std::optional<std::uint64_t> file_bytes;  ///< largest file that it may write
  std::optional<std::uint64_t> log_bytes;   ///< what is kept of its output: the last so many; default and most 256 MiB
  std::optional<std::int64_t> wall_ms;      ///< longest run time; then it is ended as timed_out
  std::optional<std::int64_t> silent_ms;    ///< longest time without a word of it; then it is ended as timed_out
  std::optional<std::int64_t> grace_ms;     ///< from SIGTERM to SIGKILL; default 5000

  process_job& arg(std::string value) & {
    arguments.push_back(std::move(value));
    return *this;
  }
  process_job arg(std::string value) && {
    arguments.push_back(std::move(value));
    return std::move(*this);
  }
};
BOOST_DESCRIBE_STRUCT(process_job, (),
                      (program, arguments, environment, files, artifacts, input, directory, memory_bytes, cpu_seconds, processes, open_files,
                       file_bytes, log_bytes, wall_ms, silent_ms, grace_ms))

namespace detail {
/// What a step of the kind `job` carries.
[[nodiscard]] payload job_args(std::string_view what, std::string_view backend, std::string_view name,
                               const boost::json::value& spec, const job_options& options);
[[nodiscard]] payload job_args(std::string_view what, const job_handle& which);
[[nodiscard]] payload job_args(const job_handle& which, const job_wait_options& options);
/// The same for the capability that reads of jobs.
[[nodiscard]] payload job_query_args(std::string_view what, std::string_view backend, json::object more);
}  // namespace detail

}  // namespace perdure
