// call in all its forms.
#include <algorithm>
#include <array>

#include "dsl/reader.hpp"
#include "dsl/resource.hpp"

namespace perdure::dsl {

void reader::read_call(properties& all, const cursor& at, task& out) {
  if (!check_string(to_, at, false)) {
    (void)all.optional("with");
    return;
  }
  const auto function = at.tree().text();
  constexpr std::array<std::string_view, 6> known{"asyncapi", "grpc", "http", "openapi", "a2a", "mcp"};
  const bool built_in = std::find(known.begin(), known.end(), function) != known.end();
  const auto with = built_in ? all.required("with") : all.optional("with");
  const bool fits = check_object(to_, with);
  if (built_in) {
    if (fits && with) read_call_of(function, at, *with, out);
    return;
  }
  // A document may have a function of that name.
  const bool own = !functions_.contains(function);
  if (own && (function == "job" || function == "request") && !with)
    to_.invalid(at, "call: " + std::string{function} + " needs \"with\"");
  if (own && function == "job") {
    job_task body;
    if (fits && with) read_job(*with, body);
    out.body = std::move(body);
    return;
  }
  if (own && function == "request") {
    request_task body;
    if (fits && with) read_request(*with, body);
    out.body = std::move(body);
    return;
  }
  function_task body;
  body.function = function;
  const bool elsewhere = function.find("://") != std::string_view::npos || function.find('@') != std::string_view::npos;
  if (elsewhere && !functions_.contains(function)) {
    body.source = catalog_source(at);
    if (!body.source) return;
  } else if (find_component(at, functions_, "a function") == nullptr) {
    return;
  }
  if (fits && with) body.arguments = read_dynamic(*with, expression_site::in_task);
  out.body = std::move(body);
}

namespace {

constexpr std::string_view github = "https://github.com/", gitlab = "https://gitlab.com/";

/// Pages of GitHub and GitLab that show a file, as the addresses of the file itself.
std::string raw_address(std::string address) {
  for (const std::string_view view : {"/-/tree/", "/-/blob/"}) {
    const auto at = address.starts_with(gitlab) ? address.find(view) : std::string::npos;
    if (at != std::string::npos) return address.replace(at, view.size(), "/-/raw/");
  }
  if (!address.starts_with(github)) return address;
  auto rest = address.substr(github.size());
  for (const std::string_view view : {"/tree/", "/blob/"}) {
    if (const auto at = rest.find(view); at != std::string::npos)
      return "https://raw.githubusercontent.com/" + rest.replace(at, view.size(), "/refs/heads/");
  }
  return address;
}

/// What can be the name of a folder of the default catalog.
bool is_entry(std::string_view text) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && text.front() != '.' && std::all_of(text.begin(), text.end(), fits);
}

/// The root of a repository shows its main branch.
std::string with_branch(std::string root) {
  if (root.starts_with(github) && root.find("/tree/") == std::string::npos) return root + "/tree/main";
  if (root.starts_with(gitlab) && root.find("/-/") == std::string::npos) return root + "/-/tree/main";
  return root;
}

}  // namespace

/// Where "name:version@catalog" is, or a whole address.
std::optional<endpoint> reader::catalog_source(const cursor& at) {
  const auto text = std::string{at.tree().text()};
  if (!scheme_of(text).empty()) {
    endpoint out;
    out.uri = dynamic_value{json::value(raw_address(text))};
    check_kind_of_address(at, out, "a function");
    return out;
  }
  const auto sign = text.rfind('@'), colon = text.rfind(':', sign);
  if (colon == std::string::npos || colon == 0 || colon + 1 >= sign || sign + 1 >= text.size()) {
    to_.unfit(at, "a function of a catalog: \"name:version@catalog\"");
    return std::nullopt;
  }
  const auto name = text.substr(sign + 1);
  const auto found = catalogs_.find(name);
  if (found == catalogs_.end() && name == "default") {
    const auto function = text.substr(0, colon), version = text.substr(colon + 1, sign - colon - 1);
    if (!is_entry(function) || !is_entry(version)) {
      to_.unfit(at,
                "a name and a version of letters, digits, \"-\", \"_\" and \".\", as functions of the default catalog have them");
      return std::nullopt;
    }
    endpoint out;
    out.uri = dynamic_value{json::value("catalog://" + function + "/" + version)};
    return out;
  }
  if (found == catalogs_.end()) {
    to_.invalid(at, "expected the name of a catalog defined in \"use\" after \"@\", found \"" + name + "\"");
    return std::nullopt;
  }
  const auto* where = found->second.at.tree().is_object() ? found->second.at.tree().find("endpoint") : nullptr;
  if (where == nullptr) return std::nullopt;
  auto root = read_endpoint(cursor{found->second.at, *where}, expression_site::in_task);
  const auto* fixed = root ? root->uri.constant() : nullptr;
  if (fixed == nullptr || !fixed->is_string()) {
    to_.invalid(at, "the catalog \"" + name + "\" has no plain address");
    return std::nullopt;
  }
  std::string base{fixed->get_string()};
  while (base.ends_with('/')) base.pop_back();
  root->uri = dynamic_value{json::value(raw_address(with_branch(std::move(base)) + "/functions/" + text.substr(0, colon) + "/" +
                                                    text.substr(colon + 1, sign - colon - 1) + "/function.yaml"))};
  root->is_template = false;
  check_kind_of_address(at, *root, "a function");
  return root;
}

void reader::read_call_of(std::string_view function, const cursor& at, const cursor& with, task& out) {
  const auto take = [&](auto body, auto read) {
    (this->*read)(with, body);
    out.body = std::move(body);
  };
  if (function == "http") return take(http_task{}, &reader::read_http);
  if (function == "openapi") return take(openapi_task{}, &reader::read_openapi);
  if (function == "mcp") return take(mcp_task{}, &reader::read_mcp);
  if (function == "a2a") return take(a2a_task{}, &reader::read_a2a);
  if (function == "asyncapi") return take(asyncapi_task{}, &reader::read_asyncapi);
  grpc_task body;
  read_grpc(at, with, body);
  out.body = std::move(body);
}

void reader::read_http(const cursor& with, http_task& out) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, with, "the arguments of call: http"};
  dynamic_value::map request;
  read_member(all.required("method"), "method", request, false);
  if (auto at = read_endpoint(all.required("endpoint"), site)) out.at = std::move(*at);
  for (const auto* name : {"headers", "query"}) {
    const auto value = all.optional(name);
    check_object_or_expression(value);
    if (value) request.emplace_back(name, read_dynamic(*value, site));
  }
  if (const auto body = all.optional("body")) request.emplace_back("body", read_dynamic(*body, site));
  const auto output = all.optional("output");
  if (check_enum(to_, output, {"raw", "content", "response"}) && output) out.output = output->tree().text();
  const auto redirect = all.optional("redirect");
  if (check_boolean(to_, redirect) && redirect) out.redirect = redirect->tree().scalar.get_bool();
  all.done();
  out.request = dynamic_value{std::move(request)};
}

void reader::read_job(const cursor& with, job_task& out) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, with, "the arguments of call: job"};
  const auto backend = all.required("backend");
  if (check_string(to_, backend, false) && backend) out.backend = backend->tree().text();
  if (out.backend == "process" && !options_.policy.may_run) to_.forbidden(*backend, "a job of this machine");
  if (const auto spec = all.required("spec")) out.spec = read_dynamic(*spec, site);
  if (const auto artifacts = all.optional("artifacts")) {
    if (check_strings(to_, artifacts)) out.artifacts = read_dynamic(*artifacts, site);
  }
  if (const auto poll = all.optional("poll"); check_object(to_, poll) && poll) {
    properties how{to_, *poll, "how often a job is looked at"};
    out.interval = read_duration(how.required("interval"), site);
    out.longest_interval = read_duration(how.optional("longest"), site);
    how.done();
  }
  out.timeout = read_duration(all.optional("timeout"), site);
  const auto ambiguous = all.optional("ambiguous");
  if (check_enum(to_, ambiguous, {"retry", "fail", "ask"}) && ambiguous) out.ambiguous = ambiguous->tree().text();
  all.done();
}

void reader::read_grpc(const cursor& at, const cursor& with, grpc_task& out) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, with, "the arguments of call: grpc"};
  dynamic_value::map call;
  const auto text = [&](const std::optional<cursor>& value, std::string_view name) -> std::string {
    if (!check_string(to_, value, false) || !value) return {};
    call.emplace_back(name, read_text(*value, site));
    const auto* fixed = call.back().second.constant();
    return fixed != nullptr && fixed->is_string() ? std::string{fixed->get_string()} : std::string{};
  };
  std::string service_name;
  if (auto proto = read_resource(all.required("proto"), "a proto file", site)) out.proto = std::move(*proto);
  if (const auto service = all.required("service")) {
    properties one{to_, *service, "a gRPC service"};
    service_name = text(one.required("name"), "service");
    text(one.required("host"), "host");
    const auto port = one.optional("port");
    if (check_integer(to_, port) && port) {
      const auto* number = port->tree().scalar.if_int64();
      if (number == nullptr || *number < 0 || *number > 65535) to_.unfit(*port, "a port from 0 to 65535");
      call.emplace_back("port", dynamic_value{port->tree().scalar});
    }
    if (const auto policy = one.optional("authentication")) {
      check_authentication(policy, true);
      out.authentication = read_authentication(*policy);
    }
    one.done();
  }
  const auto method = all.required("method");
  const auto method_name = text(method, "method");
  if (const auto arguments = all.optional("arguments")) {
    check_object_or_expression(arguments);
    call.emplace_back("arguments", read_dynamic(*arguments, site));
  }
  all.done();
  out.call = dynamic_value{std::move(call)};
#ifndef PERDURE_GRPC
  to_.lacks(at,
            "call: grpc is not part of this build: libprotobuf (packages libprotobuf-dev and libprotoc-dev) was not there when "
            "it was made");
#else
  (void)at;
  const auto* address = out.proto.uri.constant();
  const auto file = address != nullptr && address->is_string() ? file_of(std::string_view{address->get_string()}) : std::nullopt;
  if (!options_.grpc_problem || !options_.policy.may_read_files || !file || service_name.empty() || method_name.empty()) return;
  if (auto why = options_.grpc_problem(*file, service_name, method_name)) to_.invalid(*method, std::move(*why));
#endif
}

}  // namespace perdure::dsl
