// Operation: 3.x has operations that name a channel, 2.x has channels with a "publish" and a "subscribe" operation; both have
// servers by name, whose addresses hold variables. A channel's address holds parameters, which the variables fill too.
// Limitations: references lead into the document itself.
#include "dsl/asyncapi.hpp"

#include <algorithm>

#include "dsl/resource.hpp"
#include "dsl/uri_template.hpp"

namespace perdure::dsl {

namespace {

constexpr int most_references = 20;

const json::value* member(const json::value* of, std::string_view name) {
  const auto* members = of == nullptr ? nullptr : of->if_object();
  return members == nullptr ? nullptr : members->if_contains(name);
}

std::string text_at(const json::value* of, std::string_view name) {
  const auto* found = member(of, name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

const json::value* resolved(const json::value& document, const json::value* what) {
  for (int i = 0; i < most_references && what != nullptr; ++i) {
    const auto reference = text_at(what, "$ref");
    if (reference.empty()) return what;
    if (!reference.starts_with("#/")) return nullptr;
    boost::system::error_code bad;
    what = document.find_pointer(reference.substr(1), bad);
    if (bad) return nullptr;
  }
  return nullptr;
}

struct server {
  std::string name, url, protocol;
};

/// "{name}" in an address: what the caller gave, else the default.
result<std::string> fill(std::string text, const json::value* declared, const json::object& given, const std::string& where) {
  for (auto at = text.find('{'); at != std::string::npos; at = text.find('{', at)) {
    const auto end = text.find('}', at);
    if (end == std::string::npos) break;
    const auto name = text.substr(at + 1, end - at - 1);
    auto value = text_at(member(declared, name), "default");
    if (const auto* own = given.if_contains(name))
      value = own->is_string() ? std::string{own->get_string()} : json::serialize(*own);
    if (value.empty()) return error{errc::invalid_argument, where + " needs a value for the variable \"" + name + "\""};
    text.replace(at, end - at + 1, value);
    at += value.size();
  }
  return text;
}

/// "http" of "http" and "https", "ws" of "ws" and "wss", nothing of others.
std::string_view family_of(std::string_view protocol) {
  if (protocol == "http" || protocol == "https") return "http";
  return protocol == "ws" || protocol == "wss" ? "ws" : "";
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

result<server> server_of(const json::value& document, const std::string& name, const json::value& what,
                         const asyncapi_wish& wish) {
  server out{name, text_at(&what, "url"), text_at(&what, "protocol")};
  if (out.url.empty()) out.url = text_at(&what, "host") + text_at(&what, "pathname");
  const auto* variables = member(&what, "variables");
  auto filled = fill(out.url, resolved(document, variables), wish.variables, "the server \"" + name + "\"");
  if (!filled) return filled.error();
  out.url = without_slash(std::move(*filled));
  // An address of HTTP leads to WebSockets too.
  if (family_of(out.protocol) == "ws" && family_of(scheme_of(out.url)) == "http") out.url.replace(0, 4, "ws");
  if (scheme_of(out.url).empty()) out.url = out.protocol + "://" + out.url;
  return out;
}

/// The servers that a channel is at: names in 2.x, references in 3.x; none = all.
bool is_at(const json::value* channel, const std::string& name) {
  const auto* list = member(channel, "servers");
  if (list == nullptr || !list->is_array() || list->get_array().empty()) return true;
  return std::any_of(list->get_array().begin(), list->get_array().end(), [&](const json::value& each) {
    if (each.is_string()) return std::string_view{each.get_string()} == name;
    return text_at(&each, "$ref") == "#/servers/" + name;
  });
}

result<server> choose_server(const json::value& document, const json::value* channel, const asyncapi_wish& wish,
                             const std::string& from) {
  const auto* servers = member(&document, "servers");
  if (servers == nullptr || !servers->is_object() || servers->get_object().empty())
    return error{errc::invalid_argument, from + " has no servers"};
  std::string others;
  for (const auto& [key, each] : servers->get_object()) {
    const std::string name{key};
    if (!wish.server.empty() ? name != wish.server : !is_at(channel, name)) continue;
    const auto* what = resolved(document, &each);
    if (what == nullptr) continue;
    const auto protocol = text_at(what, "protocol");
    const bool fits = !wish.server.empty() || wish.protocol.empty() || wish.protocol == family_of(protocol);
    if (fits && !family_of(protocol).empty()) return server_of(document, name, *what, wish);
    others += (others.empty() ? "" : ", ") + name + " (" + protocol + ")";
  }
  if (others.empty() && !wish.server.empty()) return error{errc::not_found, from + " has no server \"" + wish.server + "\""};
  return error{errc::unsupported,
               "call: asyncapi needs a server of " +
                   (wish.protocol.empty() ? std::string{"HTTP or WebSockets"} : "the protocol \"" + wish.protocol + "\"") + "; " +
                   from + " has " + (others.empty() ? "none" : others)};
}

std::string method_of(const json::value& document, const json::value* operation, bool publishes) {
  const auto* bindings = resolved(document, member(operation, "bindings"));
  auto method = text_at(resolved(document, member(bindings, "http")), "method");
  std::transform(method.begin(), method.end(), method.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return !method.empty() ? method : publishes ? "POST" : "GET";
}

/// Of the operation's messages, else of its channel's: one, a list of them, by name, or several as "oneOf".
void add_correlations(const json::value& document, const json::value* from, std::vector<std::string>& to, int depth = 0) {
  constexpr int most_depth = 3;
  if (from == nullptr || depth > most_depth) return;
  if (const auto* list = from->if_array()) {
    for (const auto& each : *list) add_correlations(document, &each, to, depth + 1);
    return;
  }
  const auto* message = resolved(document, from);
  if (const auto* several = member(message, "oneOf")) return add_correlations(document, several, to, depth + 1);
  auto location = text_at(resolved(document, member(message, "correlationId")), "location");
  if (!location.empty() && std::find(to.begin(), to.end(), location) == to.end()) to.push_back(std::move(location));
}

std::vector<std::string> correlations_of(const json::value& document, const json::value* channel, const json::value* operation) {
  std::vector<std::string> out;
  for (const auto* each : {member(operation, "messages"), member(operation, "message")}) add_correlations(document, each, out);
  if (!out.empty()) return out;
  if (const auto* named = resolved(document, member(channel, "messages")); named != nullptr && named->is_object()) {
    for (const auto& [name, each] : named->get_object()) add_correlations(document, &each, out);
  }
  return out;
}

std::string in_small_letters(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

json::value value_at(const std::string& location, const json::value& payload, const json::value& headers) {
  constexpr std::string_view in_payload = "$message.payload#", in_header = "$message.header#";
  const bool header = location.starts_with(in_header);
  if (!header && !location.starts_with(in_payload)) return {};
  const auto pointer = location.substr((header ? in_header : in_payload).size());
  const auto& from = header ? headers : payload;
  boost::system::error_code bad;
  const auto* found = from.find_pointer(pointer, bad);
  if (found != nullptr && !bad) return *found;
  if (!header || !pointer.starts_with('/') || !headers.is_object()) return {};
  // Names of headers are the same in capitals.
  for (const auto& [name, value] : headers.get_object()) {
    if (in_small_letters(name) == in_small_letters(std::string_view{pointer}.substr(1))) return value;
  }
  return {};
}

result<asyncapi_target> find_asyncapi_target(const json::value& document, const asyncapi_wish& wish, const std::string& from) {
  const auto version = text_at(&document, "asyncapi");
  if (version.empty()) return error{errc::invalid_argument, from + " is no AsyncAPI document: it has no \"asyncapi\""};
  const bool old = version.starts_with("2.");
  const auto& named = old ? wish.channel : wish.operation;
  if (named.empty()) {
    return error{errc::invalid_argument, from + " is of AsyncAPI " + version + ", where " +
                                             (old ? "a \"channel\"" : "an \"operation\"") + " has to be named"};
  }
  const json::value *channel = nullptr, *operation = nullptr;
  std::string address;
  const auto* channels = member(&document, "channels");
  if (old) {
    channel = resolved(document, member(channels, named));
    if (channel == nullptr) return error{errc::not_found, from + " has no channel \"" + named + "\""};
    operation = resolved(document, member(channel, wish.publishes ? "publish" : "subscribe"));
    if (operation == nullptr) {
      return error{errc::invalid_argument,
                   "the channel \"" + named + "\" has no operation \"" + (wish.publishes ? "publish" : "subscribe") + "\""};
    }
    address = named;
  } else {
    operation = resolved(document, member(member(&document, "operations"), named));
    if (operation == nullptr) return error{errc::not_found, from + " has no operation \"" + named + "\""};
    channel = resolved(document, member(operation, "channel"));
    if (channel == nullptr) return error{errc::invalid_argument, "the operation \"" + named + "\" has no channel"};
    address = text_at(channel, "address");
  }
  const auto at = choose_server(document, channel, wish, from);
  if (!at) return at.error();
  const auto filled = fill(std::move(address), resolved(document, member(channel, "parameters")), wish.variables,
                           "the channel of \"" + named + "\"");
  if (!filled) return filled.error();
  const auto path = filled->empty() || filled->starts_with('/') ? *filled : "/" + *filled;
  return asyncapi_target{at->url + path, method_of(document, operation, wish.publishes),
                         correlations_of(document, channel, operation)};
}

}  // namespace perdure::dsl
