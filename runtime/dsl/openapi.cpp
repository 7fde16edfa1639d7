// Operation: an operation's parameters (and those of its path) take the values of their names; what is left is the body: the
// value named "body", else an object of all that is left.
// Limitations: references lead into the document itself; of servers the first; styles of parameters are those that are the
// default of their place.
#include "dsl/openapi.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "dsl/jq_values.hpp"
#include "dsl/resource.hpp"
#include "dsl/uri_template.hpp"

namespace perdure::dsl {

namespace {

constexpr std::array<std::string_view, 8> methods{"get", "put", "post", "delete", "options", "head", "patch", "trace"};
constexpr int most_references = 20;

const json::value* member(const json::value* of, std::string_view name) {
  const auto* members = of == nullptr ? nullptr : of->if_object();
  return members == nullptr ? nullptr : members->if_contains(name);
}

std::string text_at(const json::value* of, std::string_view name) {
  const auto* found = member(of, name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

/// A value, or what it refers to.
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

struct found_operation {
  std::string method, path;
  const json::value* item = nullptr;  ///< of the path
  const json::value* what = nullptr;
};

std::optional<found_operation> find_operation(const json::value& document, const std::string& id) {
  const auto* paths = member(&document, "paths");
  if (paths == nullptr || !paths->is_object()) return std::nullopt;
  for (const auto& [path, each] : paths->get_object()) {
    const auto* item = resolved(document, &each);
    for (const auto method : methods) {
      const auto* operation = member(item, method);
      if (operation != nullptr && text_at(operation, "operationId") == id)
        return found_operation{std::string{method}, std::string{path}, item, operation};
    }
  }
  return std::nullopt;
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

/// "https://host" of an address.
std::string origin_of(const std::string& address) {
  const auto begin = address.find("://");
  if (begin == std::string::npos) return {};
  return address.substr(0, std::min(address.find('/', begin + 3), address.size()));
}

std::string absolute(const std::string& address, const std::string& from) {
  if (!scheme_of(address).empty()) return address;
  if (address.starts_with('/')) return origin_of(from) + address;
  const auto folder = from.substr(0, from.rfind('/') + 1);
  return folder + address;
}

std::string first_server(const json::value* of) {
  const auto* servers = member(of, "servers");
  if (servers == nullptr || !servers->is_array() || servers->get_array().empty()) return {};
  const auto* server = &servers->get_array()[0];
  auto url = text_at(server, "url");
  const auto* variables = member(server, "variables");
  if (variables == nullptr || !variables->is_object()) return url;
  for (const auto& [name, variable] : variables->get_object()) {
    const auto slot = "{" + std::string{name} + "}";
    const auto value = text_at(&variable, "default");
    for (auto at = url.find(slot); at != std::string::npos; at = url.find(slot, at + value.size()))
      url.replace(at, slot.size(), value);
  }
  return url;
}

std::string base_of(const json::value& document, const found_operation& operation, const std::string& from) {
  if (member(&document, "swagger") != nullptr) {
    auto host = text_at(&document, "host");
    const auto* schemes = member(&document, "schemes");
    auto scheme = std::string{scheme_of(from)};
    if (schemes != nullptr && schemes->is_array() && !schemes->get_array().empty()) scheme = jq::text(schemes->get_array()[0]);
    if (scheme.empty() || scheme == "file") scheme = "https";
    const auto origin = host.empty() ? origin_of(from) : scheme + "://" + host;
    return without_slash(origin + text_at(&document, "basePath"));
  }
  for (const auto* of : {operation.what, operation.item, &document}) {
    const auto url = first_server(of);
    if (!url.empty()) return without_slash(absolute(url, from));
  }
  return origin_of(from);
}

/// Of a path: the operation's parameters stand for those of the path with the same name and place.
std::vector<const json::value*> parameters_of(const json::value& document, const found_operation& operation) {
  std::vector<const json::value*> out;
  std::set<std::pair<std::string, std::string>> known;
  for (const auto* of : {operation.what, operation.item}) {
    const auto* list = member(of, "parameters");
    if (list == nullptr || !list->is_array()) continue;
    for (const auto& each : list->get_array()) {
      const auto* one = resolved(document, &each);
      if (one != nullptr && known.emplace(text_at(one, "name"), text_at(one, "in")).second) out.push_back(one);
    }
  }
  return out;
}

std::string joined(const json::value& value) {
  if (!value.is_array()) return jq::text(value);
  std::string out;
  for (const auto& each : value.get_array()) out += (out.empty() ? "" : ",") + jq::text(each);
  return out;
}

/// The media type to send: JSON where it may be.
std::string content_type(const json::value* body) {
  const auto* content = member(body, "content");
  if (content == nullptr || !content->is_object() || content->get_object().empty()) return "application/json";
  for (const auto& [type, media] : content->get_object()) {
    if (type == "application/json") return "application/json";
  }
  return std::string{content->get_object().begin()->key()};
}

error wrong(const std::string& operation, const std::string& what) {
  return {errc::invalid_argument, "operation \"" + operation + "\": " + what};
}

}  // namespace

result<json::object> openapi_request(const json::value& document, const std::string& id, const json::object& parameters,
                                     const std::string& from) {
  if (member(&document, "openapi") == nullptr && member(&document, "swagger") == nullptr)
    return error{errc::invalid_argument, from + " is no OpenAPI document: it has neither \"openapi\" nor \"swagger\""};
  const auto operation = find_operation(document, id);
  if (!operation) return error{errc::not_found, from + " has no operation \"" + id + "\""};
  auto path = operation->path;
  auto left = parameters;
  json::object query, headers, form;
  json::value body;
  bool has_body = false;
  std::string cookies;
  for (const auto* each : parameters_of(document, *operation)) {
    const auto name = text_at(each, "name"), in = text_at(each, "in");
    const auto* found = parameters.if_contains(name);
    if (found == nullptr || found->is_null()) {
      const auto* required = member(each, "required");
      if (in == "path" || (required != nullptr && required->is_bool() && required->get_bool()))
        return wrong(id, "the parameter \"" + name + "\" (in " + in + ") is missing");
      continue;
    }
    left.erase(name);
    if (in == "path") {
      const auto slot = "{" + name + "}";
      const auto value = url_part(joined(*found));
      for (auto at = path.find(slot); at != std::string::npos; at = path.find(slot, at + value.size()))
        path.replace(at, slot.size(), value);
    } else if (in == "query") {
      query.emplace(name, *found);
    } else if (in == "header") {
      headers.emplace(name, joined(*found));
    } else if (in == "cookie") {
      cookies += (cookies.empty() ? "" : "; ") + name + "=" + joined(*found);
    } else if (in == "body") {
      body = *found;
      has_body = true;
    } else if (in == "formData") {
      form.emplace(name, *found);
    }
  }
  if (!cookies.empty()) headers.emplace("Cookie", cookies);
  if (!form.empty()) {
    body = std::move(form);
    has_body = true;
    headers.emplace("Content-Type", "application/x-www-form-urlencoded");
  }
  if (const auto* wanted = resolved(document, member(operation->what, "requestBody")); wanted != nullptr && !left.empty()) {
    const auto* whole = left.if_contains("body");
    body = whole != nullptr && left.size() == 1 ? *whole : json::value(left);
    has_body = true;
    left.clear();
    headers.emplace("Content-Type", content_type(wanted));
  }
  if (!left.empty()) return wrong(id, "it has no parameter \"" + std::string{left.begin()->key()} + "\"");
  json::object out{{"method", operation->method}, {"url", base_of(document, *operation, from) + path}};
  if (!query.empty()) out.emplace("query", std::move(query));
  if (!headers.empty()) out.emplace("headers", std::move(headers));
  if (has_body) out.emplace("body", std::move(body));
  return out;
}

}  // namespace perdure::dsl
