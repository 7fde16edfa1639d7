// Names of error codes, and the exceptions of the public API.
#include "perdure/error.hpp"

#include <ostream>

namespace perdure {

std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::invalid_argument: return "invalid_argument";
    case errc::not_found: return "not_found";
    case errc::already_exists: return "already_exists";
    case errc::conflict: return "conflict";
    case errc::workflow_unknown: return "workflow_unknown";
    case errc::payload_too_large: return "payload_too_large";
    case errc::limit_exceeded: return "limit_exceeded";
    case errc::overloaded: return "overloaded";
    case errc::disk_full: return "disk_full";
    case errc::locked: return "locked";
    case errc::newer_format: return "newer_format";
    case errc::corrupt: return "corrupt";
    case errc::fenced: return "fenced";
    case errc::io_error: return "io_error";
    case errc::timeout: return "timeout";
    case errc::shutting_down: return "shutting_down";
    case errc::nondeterminism: return "nondeterminism";
    case errc::unsupported: return "unsupported";
    case errc::internal: return "internal";
  }
  return "unknown";
}

void throw_exception_from_error(const error& what, const boost::source_location&) { throw bad_result(what); }

namespace {
failure make_failure(std::string code, std::string message) {
  failure out;
  out.code = code.empty() ? std::string{failure_code::exception} : std::move(code);
  out.message = std::move(message);
  return out;
}
}  // namespace

step_error::step_error(std::string code, std::string message) : step_error(make_failure(std::move(code), std::move(message))) {}

// A failure's code is never empty: retry policies and programs go by it.
step_error::step_error(failure why) : std::runtime_error(why.message), why_(std::move(why)) {
  if (why_.code.empty()) why_.code = failure_code::exception;
}

std::ostream& operator<<(std::ostream& out, const error& what) { return out << to_string(what.code) << ": " << what.message; }

}  // namespace perdure
