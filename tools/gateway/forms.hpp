// The durable questions of a run as the forms of the workflow service API.
//
// A question is any JSON. Of an object "content" (or "text") is what is asked, "inputs" a list of {name, type, label, required,
// default, options} and "actions" one of {id, title, style}; anything else is shown as it is, with one action, "submit". The
// answer that the run gets is {"action", "inputs", "user"}.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tools/gateway/signing_key.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::gateway {

struct form_input {
  std::string name, type, label;
  bool required = true;
  json::value fallback;  ///< null = none
  std::vector<std::string> options;
};
struct form_action {
  std::string id, title, style;
};
struct form {
  std::string run, request;  ///< ids
  std::string node_id, node_title, content;
  std::vector<form_input> inputs;
  std::vector<form_action> actions;
  std::string expires_at;  ///< RFC 3339, or empty

  /// A UUID like any other.
  [[nodiscard]] std::string id() const;
  [[nodiscard]] std::string token(const signing_key& by) const;
  /// {form_content, inputs, resolved_default_values, user_actions, expiration_time}
  [[nodiscard]] json::object shown() const;
  [[nodiscard]] const form_action* action(std::string_view id) const;
  /// What of the answer does not fit, in one sentence; nothing when it does.
  [[nodiscard]] std::optional<std::string> problem(const json::object& given, std::string_view action) const;
  /// What the run gets. Inputs that were not given have their defaults.
  [[nodiscard]] json::value answer(const json::object& given, const std::string& action, const std::string& user) const;
};
[[nodiscard]] form form_of(const std::string& run, const request_view& from);

/// The run and the request that a token was made for.
struct form_place {
  run_id run;
  std::string request;
};
[[nodiscard]] std::optional<form_place> read_form_token(std::string_view token, const signing_key& by);

/// A form's life: waiting → submitted, timeout (of the task; the run goes on) or expired (the run does not).
enum class form_state : std::uint8_t { waiting, submitted, timeout, expired };
struct form_change {
  form what;
  form_state now = form_state::waiting;
  json::value answer;  ///< submitted
};

/// Tells what becomes of a run's questions. One thread.
class form_watch {
 public:
  /// `after`: the run with this event.
  [[nodiscard]] std::vector<form_change> take(const run_event& event, const run_view& after);
  /// Those that wait, and how the others ended, by request.
  [[nodiscard]] const std::map<std::string, form_change>& all() const { return all_; }
  [[nodiscard]] std::vector<form> waiting() const;

 private:
  std::map<std::string, form_change> all_;
};

}  // namespace perdure::tools::gateway
