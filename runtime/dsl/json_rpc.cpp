#include "dsl/json_rpc.hpp"

#include "core/json_text.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

void add(json::array& to, std::string_view text) {
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) return;
  auto read = core::read_json_text(text);
  if (!read) return;
  if (read->is_object()) {
    to.push_back(std::move(*read));
  } else if (auto* items = read->if_array()) {
    for (auto& each : *items) to.push_back(std::move(each));
  }
}

}  // namespace

mcp_messages mcp_conversation(const std::string& version, const json::value& client, const std::string& method,
                              const json::value& parameters) {
  mcp_messages out;
  out.initialize = {
      {"jsonrpc", "2.0"},
      {"id", 1},
      {"method", "initialize"},
      {"params", json::object{{"protocolVersion", version}, {"capabilities", json::object{}}, {"clientInfo", client}}}};
  out.initialized = {{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}};
  out.request = {{"jsonrpc", "2.0"}, {"id", 2}, {"method", method}};
  if (!parameters.is_null()) out.request.emplace("params", parameters);
  return out;
}

std::string line_of(const json::object& message) {
  std::string out;
  core::write_json_text(out, json::value(message));
  return out + "\n";
}

json::array rpc_answers(const json::value& content) {
  if (content.is_object()) return json::array{content};
  if (const auto* items = content.if_array()) return *items;
  json::array out;
  if (!content.is_string()) return out;
  std::string_view text{content.get_string().data(), content.get_string().size()};
  std::string event;  // of a stream: its data, which may have several lines
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("data:")) {
      line.remove_prefix(5);
      if (line.starts_with(' ')) line.remove_prefix(1);
      event.append(event.empty() ? "" : "\n").append(line);
    } else if (line.empty()) {
      add(out, event);
      event.clear();
    } else if (line.starts_with('{') || line.starts_with('[')) {
      add(out, line);
    }
  }
  add(out, event);
  return out;
}

result<json::value> rpc_result(const json::array& answers, std::int64_t id) {
  for (const auto& each : answers) {
    const auto* members = each.if_object();
    const auto* found = members == nullptr ? nullptr : members->if_contains("id");
    if (found == nullptr || !found->is_number() || found->to_number<double>() != static_cast<double>(id)) continue;
    if (const auto* value = members->if_contains("result")) return *value;
    const auto* why = members->if_contains("error");
    if (why == nullptr) continue;
    const auto* parts = why->if_object();
    const auto* message = parts == nullptr ? nullptr : parts->if_contains("message");
    const auto* code = parts == nullptr ? nullptr : parts->if_contains("code");
    return error{errc::invalid_argument, "the server answered with error " +
                                             (code != nullptr ? jq::text(*code) + ": " : std::string{}) +
                                             (message != nullptr ? jq::text(*message) : jq::text(*why))};
  }
  return error{errc::invalid_argument, "the server gave no answer to the request"};
}

}  // namespace perdure::dsl
