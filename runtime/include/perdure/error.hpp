// What can go wrong when talking to the engine (`error`, `result<T>`), and why a run or attempt failed (`failure`).
#pragma once

#include <boost/describe/class.hpp>
#include <boost/system/result.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/time.hpp"

namespace perdure {

/// Errors of engine calls. The comment of each says whether trying again can help.
enum class errc : std::uint8_t {
  invalid_argument = 1,  ///< the call's arguments are wrong; never by itself
  not_found,             ///< no such run, workflow, request …; not by itself
  already_exists,        ///< the key or name is taken by something else; never
  conflict,              ///< the state does not allow it (a terminal run, say); never
  workflow_unknown,      ///< the workflow is not registered; after it is registered
  payload_too_large,     ///< over a named limit; never
  limit_exceeded,        ///< another named limit; when load or size goes down
  overloaded,            ///< the node refuses new work for now; yes, later
  disk_full,             ///< no room in the journal; after space was made
  locked,                ///< another process holds the data directory; after it ended
  newer_format,          ///< the directory was written by a newer version; with that version
  corrupt,               ///< stored data fails its checks; never
  fenced,                ///< another owner has the shard; at the other owner
  io_error,              ///< the system refused; depends on the message
  timeout,               ///< the call's own time limit passed; yes
  shutting_down,         ///< the node is closing; at the next open
  nondeterminism,        ///< the code did something else than the journal says; with the right code
  unsupported,           ///< not available here; never
  internal,              ///< a bug in Perdure; report it
};

/// "not_found", "disk_full" …: stable, for machines.
[[nodiscard]] std::string_view to_string(errc code) noexcept;

/// An engine call's error: a code for programs and a message that says what was wrong, where, and what to do.
struct error {
  errc code = errc::internal;
  std::string message;
};

/// "not_found: no run …"
std::ostream& operator<<(std::ostream& out, const error& what);

template <class T>
using result = boost::system::result<T, error>;

/// Thrown by `result<T>::value()` on an error (and by nothing inside the engine).
class bad_result : public std::runtime_error {
 public:
  explicit bad_result(error what) : std::runtime_error(what.message), error_(std::move(what)) {}
  [[nodiscard]] const error& get() const noexcept { return error_; }

 private:
  error error_;
};

[[noreturn]] void throw_exception_from_error(const error& what, const boost::source_location& where);

/// Why an attempt, step or run failed. `code` is short and stable ("timeout", "exception", a user's own);
/// the other members follow RFC 7807 as the Serverless Workflow DSL uses it.
struct failure {
  std::string code;                     ///< for retry policies and programs; never empty
  std::string message;                  ///< what happened, for people (RFC 7807 "detail")
  std::string type;                     ///< error type URI, or empty
  std::int32_t status = 0;              ///< HTTP-like status, or 0
  std::string title;                    ///< short summary, or empty
  std::string instance;                 ///< JSON pointer or reference of where it arose, or empty
  std::string executor;                 ///< executor that failed, or empty
  std::uint32_t attempt = 0;            ///< its attempt, from 1; 0 = none
  std::optional<duration> retry_after;  ///< the failing side's hint when to try again
  std::vector<failure> causes;          ///< what led to it, nearest first

  bool operator==(const failure&) const = default;
};
BOOST_DESCRIBE_STRUCT(failure, (), (code, message, type, status, title, instance, executor, attempt, retry_after, causes))

/// Codes of failures that the engine itself makes.
namespace failure_code {
inline constexpr std::string_view exception = "exception";            ///< user code threw something
inline constexpr std::string_view timeout = "timeout";                ///< a step's, attempt's, or run's deadline passed
inline constexpr std::string_view cancelled = "cancelled";            ///< the run was cancelled
inline constexpr std::string_view nondeterminism = "nondeterminism";  ///< replay and code disagree
inline constexpr std::string_view limit = "limit";                    ///< a named limit was passed
inline constexpr std::string_view quarantined = "quarantined";        ///< it took the node down too often
inline constexpr std::string_view corrupt = "corrupt";                ///< its journal fails its checks
inline constexpr std::string_view bad_message = "bad_message";        ///< a payload does not fit the expected type
inline constexpr std::string_view process = "process";                ///< a program could not run or failed
inline constexpr std::string_view expression = "expression";          ///< an expression could not be evaluated
inline constexpr std::string_view child_failed = "child_failed";      ///< a child run did not succeed; its failure is the cause
inline constexpr std::string_view compensation =
    "compensation_failed";                                          ///< work to undo failed; causes: the run's failure, then that
inline constexpr std::string_view not_delivered = "not_delivered";  ///< a message to another run was refused
inline constexpr std::string_view job_failed = "job_failed";        ///< a job of a backend did not succeed
inline constexpr std::string_view job_refused = "job_refused";      ///< the backend did not take it
inline constexpr std::string_view job_lost = "job_lost";            ///< the backend does not know it any more
inline constexpr std::string_view job_cancelled = "job_cancelled";  ///< it was asked to end
inline constexpr std::string_view job_timed_out = "job_timed_out";  ///< it took longer than its time limit
inline constexpr std::string_view job_ambiguous = "job_ambiguous";  ///< nobody can tell whether it was accepted
inline constexpr std::string_view job_question = "job_question";    ///< the same, and a person is asked how it goes on
}  // namespace failure_code

/// Throw it in a handler or a call body to fail with a code of your own; the engine throws it out of
/// `co_await` when a step failed.
class step_error : public std::runtime_error {
 public:
  step_error(std::string code, std::string message);
  explicit step_error(failure why);
  [[nodiscard]] const failure& why() const noexcept { return why_; }

 private:
  failure why_;
};
/// A step's deadline passed (code "timeout").
class timeout_error : public step_error {
  using step_error::step_error;
};
/// The run is being cancelled (code "cancelled"); let it pass, or clean up and end. C++ has no co_await inside of a catch
/// block: note there what happened, and clean up after it.
class cancelled_error : public step_error {
  using step_error::step_error;
};

}  // namespace perdure
