#include "tools/gateway/forms.hpp"

#include <algorithm>

#include "core/record.hpp"
#include "tools/gateway/answers.hpp"
#include "tools/gateway/service_run.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::string_view token_purpose = "form";
constexpr std::size_t signature_digits = 64, run_chars = 36;

std::string text_or(const json::object& in, std::string_view name, std::string otherwise) {
  auto text = text_of(in, name);
  return text.empty() ? otherwise : text;
}

form_input input_of(const json::object& from) {
  form_input out;
  out.name = text_of(from, "name");
  out.type = text_or(from, "type", "text-input");
  out.label = text_or(from, "label", out.name);
  out.fallback = value_of(from, "default");
  const auto& required = value_of(from, "required");
  out.required = required.is_bool() ? required.get_bool() : out.fallback.is_null();
  for (const auto& each : list_of(from, "options")) {
    if (each.is_string()) out.options.emplace_back(each.get_string());
  }
  return out;
}

bool fits_type(const form_input& input, const json::value& given) {
  if (input.type == "number") return given.is_number();
  if (input.type == "checkbox") return given.is_bool();
  if (input.type == "select") {
    return given.is_string() && (input.options.empty() || std::find(input.options.begin(), input.options.end(),
                                                                    std::string_view{given.get_string()}) != input.options.end());
  }
  return given.is_string();
}

/// The request that the event ended, as its id.
std::string request_of(const run_event& event) {
  return std::to_string(number_of(event.data, "activation")) + "." + std::to_string(number_of(event.data, "step"));
}

}  // namespace

form form_of(const std::string& run, const request_view& from) {
  form out{.run = run,
           .request = from.id,
           .node_id = from.reference.empty() ? from.executor : from.reference,
           .node_title = from.executor,
           .expires_at = from.due};
  const auto question = from.question.is_object() ? from.question.get_object() : json::object{};
  out.content = text_or(question, "content", text_of(question, "text"));
  if (out.content.empty()) {
    out.content = from.question.is_string() ? std::string{from.question.get_string()} : json_text(from.question);
  }
  for (const auto& each : list_of(question, "inputs")) {
    if (each.is_object() && !text_of(each.get_object(), "name").empty()) out.inputs.push_back(input_of(each.get_object()));
  }
  for (const auto& each : list_of(question, "actions")) {
    if (!each.is_object()) continue;
    const auto id = text_of(each.get_object(), "id");
    if (!id.empty())
      out.actions.push_back({id, text_or(each.get_object(), "title", id), text_or(each.get_object(), "style", "default")});
  }
  if (out.actions.empty()) out.actions.push_back({"submit", "Submit", "primary"});
  return out;
}

std::string form::id() const { return service_workflow_id("form", run, request); }

std::string form::token(const signing_key& by) const {
  return run + "." + request + "." + by.sign({token_purpose, run, request});
}

std::optional<form_place> read_form_token(std::string_view token, const signing_key& by) {
  // RUN.ACTIVATION.STEP.SIGNATURE
  if (token.size() < run_chars + 3 + signature_digits) return std::nullopt;
  const auto run = token.substr(0, run_chars);
  const auto signature = token.substr(token.size() - signature_digits);
  const auto request = token.substr(run_chars + 1, token.size() - run_chars - signature_digits - 2);
  const auto id = run_id::parse(run);
  if (!id || token[run_chars] != '.' || token[token.size() - signature_digits - 1] != '.' ||
      !by.fits({token_purpose, run, request}, signature))
    return std::nullopt;
  return form_place{*id, std::string{request}};
}

json::object form::shown() const {
  json::array fields, choices;
  json::object defaults;
  for (const auto& each : inputs) {
    json::object field{{"type", each.type},
                       {"output_variable_name", each.name},
                       {"label", each.label},
                       {"required", each.required},
                       {"default", each.fallback}};
    json::array options;
    for (const auto& option : each.options) options.push_back(json::value(option));
    if (!options.empty()) field.emplace("options", std::move(options));
    fields.push_back(std::move(field));
    if (!each.fallback.is_null()) defaults.emplace(each.name, each.fallback);
  }
  for (const auto& each : actions)
    choices.push_back(json::object{{"id", each.id}, {"title", each.title}, {"button_style", each.style}});
  return {{"form_content", content},
          {"inputs", std::move(fields)},
          {"resolved_default_values", std::move(defaults)},
          {"user_actions", std::move(choices)},
          {"expiration_time", unix_seconds(expires_at)}};
}

const form_action* form::action(std::string_view id) const {
  const auto found = std::find_if(actions.begin(), actions.end(), [&](const auto& each) { return each.id == id; });
  return found == actions.end() ? nullptr : &*found;
}

std::optional<std::string> form::problem(const json::object& given, std::string_view chosen) const {
  if (action(chosen) == nullptr) return "Invalid action: " + std::string{chosen};
  std::string missing;
  for (const auto& each : inputs) {
    const auto& value = value_of(given, each.name);
    const bool empty = value.is_null() || (value.is_string() && value.get_string().empty());
    if (each.required && empty && each.fallback.is_null()) missing += (missing.empty() ? "" : ", ") + each.name;
  }
  if (!missing.empty()) return "Missing required inputs: " + missing;
  for (const auto& [name, value] : given) {
    const std::string_view key = name;
    const auto known = std::find_if(inputs.begin(), inputs.end(), [&](const auto& each) { return each.name == key; });
    if (known == inputs.end()) return "Unknown input: " + std::string{key};
    if (!value.is_null() && !fits_type(*known, value)) return "Invalid value of input: " + std::string{key};
  }
  return std::nullopt;
}

json::value form::answer(const json::object& given, const std::string& chosen, const std::string& user) const {
  json::object values;
  for (const auto& each : inputs) {
    const auto& value = value_of(given, each.name);
    values.emplace(each.name, value.is_null() ? each.fallback : value);
  }
  return json::object{{"action", chosen}, {"inputs", std::move(values)}, {"user", user}};
}

std::vector<form_change> form_watch::take(const run_event& event, const run_view& after) {
  std::vector<form_change> out;
  const auto open = after.requests();
  for (const auto& each : open) {
    const auto [place, fresh] = all_.try_emplace(each.id);
    if (!fresh && place->second.now == form_state::waiting) continue;
    place->second = {form_of(after.id(), each), form_state::waiting, nullptr};
    out.push_back(place->second);
  }
  for (auto& [id, each] : all_) {
    const auto same = [&id = id](const request_view& other) { return other.id == id; };
    if (each.now != form_state::waiting || std::any_of(open.begin(), open.end(), same)) continue;
    each.now = form_state::expired;
    if (event.kind == "step_completed" && request_of(event) == id) {
      const auto& error = value_of(event.data, "error");
      const bool timed_out = error.is_object() && text_of(error.get_object(), "code") == failure_code::timeout;
      each.now = timed_out ? form_state::timeout : error.is_null() ? form_state::submitted : form_state::expired;
      each.answer = value_of(event.data, "output");
    }
    out.push_back(each);
  }
  return out;
}

std::vector<form> form_watch::waiting() const {
  std::vector<form> out;
  for (const auto& [id, each] : all_) {
    if (each.now == form_state::waiting) out.push_back(each.what);
  }
  return out;
}

}  // namespace perdure::tools::gateway
