// POST /api/v1/events: CloudEvents 1.0 from outside, for the tenant's runs that listen.
//
// One event in the body (application/cloudevents+json), several (application/cloudevents-batch+json), or one in the headers ce-…
// with the body for its data (binary mode).
#include "cluster/event_broker.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"
#include "tools/gateway/http_text.hpp"
#include "tools/gateway/native_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t batch_events = 1'000;
constexpr std::string_view header_prefix = "ce-";

std::string media_type(const request& in) {
  const auto* type = in.header("content-type");
  if (type == nullptr) return {};
  auto out = lower(type->substr(0, type->find(';')));
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

bool is_json(std::string_view type) { return type == "application/json" || type.ends_with("+json"); }

/// Attributes of CloudEvents: lower-case letters and digits.
bool is_attribute(std::string_view name) {
  return !name.empty() && name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789") == std::string_view::npos;
}

/// What the specification wants of every event.
result<json::object> checked(json::object event) {
  const auto version = text_of(event, "specversion");
  if (version != "1.0") return error{errc::invalid_argument, "\"specversion\" has to be \"1.0\""};
  for (const auto* name : {"id", "source", "type"}) {
    if (text_of(event, name).empty())
      return error{errc::invalid_argument, std::string{"\""} + name + "\" has to be text that is not empty"};
  }
  for (const auto& [name, value] : event) {
    const std::string_view key = name;
    if (key == "data" || key == "data_base64") continue;
    if (!is_attribute(key) || value.is_object() || value.is_array())
      return error{errc::invalid_argument, "\"" + std::string{key} + "\" is no attribute of a CloudEvent"};
  }
  return event;
}

/// Percent-encoded UTF-8, as the HTTP binding writes header values.
std::optional<std::string> header_value(std::string_view text) {
  request decoded;
  std::string target = "/?v=";
  for (const auto c : text) {
    if (c == '+' || c == '&' || c == '#') {
      target += c == '+' ? "%2B" : c == '&' ? "%26" : "%23";
    } else {
      target += c;
    }
  }
  if (!read_target(target, decoded)) return std::nullopt;
  const auto* value = decoded.parameter("v");
  return value == nullptr ? std::string{} : *value;
}

result<json::object> event_of_headers(const request& in) {
  json::object out;
  for (const auto& each : in.headers) {
    if (!each.name.starts_with(header_prefix)) continue;
    const auto value = header_value(each.value);
    if (!value) return error{errc::invalid_argument, "header " + each.name + " is malformed"};
    out[each.name.substr(header_prefix.size())] = json::value(*value);
  }
  const auto type = media_type(in);
  if (!type.empty()) out["datacontenttype"] = json::value(type);
  if (in.body.empty()) return out;
  if (type.empty() || is_json(type)) {
    auto data = core::read_json_text(in.body);
    if (!data) return error{errc::invalid_argument, "the event's data is not JSON: " + data.error().message};
    out["data"] = std::move(*data);
  } else if (core::valid_utf8(in.body) == in.body) {
    out["data"] = json::value(in.body);
  } else {
    out["data_base64"] = json::value(core::to_base64(in.body));
  }
  return out;
}

result<std::vector<json::object>> events_of(const request& in) {
  std::vector<json::object> out;
  const auto type = media_type(in);
  const auto add = [&](result<json::object> event) -> result<void> {
    if (event) event = checked(std::move(*event));
    if (!event) return event.error();
    out.push_back(std::move(*event));
    return {};
  };
  if (in.header("ce-specversion") != nullptr) {
    if (auto added = add(event_of_headers(in)); !added) return added.error();
    return out;
  }
  const bool batch = type == "application/cloudevents-batch+json";
  if (!batch && type != "application/cloudevents+json" && type != "application/json")
    return error{errc::unsupported, "an event is application/cloudevents+json, or has the headers ce-…"};
  auto read = core::read_json_text(in.body);
  if (!read) return error{errc::invalid_argument, "the body is not JSON: " + read.error().message};
  if (!batch) {
    if (!read->is_object()) return error{errc::invalid_argument, "an event has to be a JSON object"};
    if (auto added = add(std::move(read->get_object())); !added) return added.error();
    return out;
  }
  if (!read->is_array() || read->get_array().size() > batch_events)
    return error{errc::invalid_argument, "a batch is a list of at most " + std::to_string(batch_events) + " events"};
  for (auto& each : read->get_array()) {
    if (!each.is_object()) return error{errc::invalid_argument, "an event has to be a JSON object"};
    if (auto added = add(std::move(each.get_object())); !added) return added.error();
  }
  return out;
}

result<response> take_events(const api_parts& parts, const call& of) {
  if (!of.who.workflow.empty()) return refusal(403, "this key is for one workflow; events are for all of a tenant's", of.in());
  auto events = events_of(of.in());
  if (!events) return events.error();
  json::array ids;
  for (auto& each : *events) {
    ids.push_back(json::value(text_of(each, "id")));
    if (auto told = cluster::emit_for(parts.engine, of.tenant(), std::move(each)); !told) return told.error();
  }
  return json_answer(json::object{{"accepted", std::move(ids)}}, 202);
}

}  // namespace

void add_event_routes(router& to, const api_parts& parts) {
  to.add_simple("POST", "/api/v1/events", right::run, [parts](const call& of) { return take_events(parts, of); });
}

}  // namespace perdure::tools::gateway
