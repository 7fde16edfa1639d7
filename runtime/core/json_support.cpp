// The parts of the JSON conversion and of steps that need no template.
#include "perdure/context.hpp"
#include "perdure/limits.hpp"
#include "perdure/step.hpp"

namespace perdure::detail {

void throw_not_finite() {
  throw step_error(std::string{failure_code::bad_message}, "NaN and infinities cannot be stored as JSON");
}

void throw_no_name(std::int64_t value) {
  throw step_error(std::string{failure_code::bad_message},
                   "the value " + std::to_string(value) + " is not described in its enumeration and cannot be stored as JSON");
}

std::string kind_name(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null: return "null";
    case json::kind::bool_: return value.get_bool() ? "true" : "false";
    case json::kind::int64:
    case json::kind::uint64:
    case json::kind::double_: return "the number " + std::string{payload{value}.text()};
    case json::kind::string: return "a string";
    case json::kind::array: return "an array";
    case json::kind::object: return "an object";
  }
  return "nothing";
}

payload batch_args(std::size_t most) {
  if (most == 0 || most > limits::signal_batch) {
    throw step_error(std::string{failure_code::limit}, "wait_signals: most is " + std::to_string(most) + "; it has to be 1 to " +
                                                           std::to_string(limits::signal_batch) + " (limit signal_batch)");
  }
  return payload{json::value{{"most", most}}};
}

payload checked_result(payload value) {
  if (value.size() > limits::payload_bytes) {
    throw step_error(std::string{failure_code::limit},
                     "a result of " + std::to_string(value.size()) +
                         " bytes is over payload_bytes = " + std::to_string(limits::payload_bytes));
  }
  return value;
}

void throw_failure(failure why) {
  if (why.code == failure_code::timeout) throw timeout_error(std::move(why));
  if (why.code == failure_code::cancelled) throw cancelled_error(std::move(why));
  throw step_error(std::move(why));
}

}  // namespace perdure::detail
