// openapi, mcp and a2a calls.
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {
constexpr auto site = expression_site::in_task;
}

void reader::check_object_or_expression(const std::optional<cursor>& at) {
  if (!at || at->tree().is_object()) return;
  if (!at->tree().is_string() || !is_expression(at->tree().text())) to_.unfit(*at, "an object, or an expression in \"${ }\"");
}

void reader::read_openapi(const cursor& with, openapi_task& out) {
  properties all{to_, with, "the arguments of call: openapi"};
  if (auto document = read_resource(all.required("document"), "an OpenAPI document", site)) out.document = std::move(*document);
  const auto operation = all.required("operationId");
  if (check_string(to_, operation, false) && operation) out.operation = operation->tree().text();
  const auto parameters = all.optional("parameters");
  check_object_or_expression(parameters);
  out.parameters = parameters ? read_dynamic(*parameters, site) : dynamic_value{json::object{}};
  if (const auto policy = all.optional("authentication")) {
    check_authentication(policy, true);
    out.authentication = read_authentication(*policy);
  }
  const auto output = all.optional("output");
  if (check_enum(to_, output, {"raw", "content", "response"}) && output) out.output = output->tree().text();
  const auto redirect = all.optional("redirect");
  if (check_boolean(to_, redirect) && redirect) out.redirect = redirect->tree().scalar.get_bool();
  all.done();
}

void reader::read_mcp(const cursor& with, mcp_task& out) {
  properties all{to_, with, "the arguments of call: mcp"};
  const auto version = all.optional("protocolVersion");
  if (check_string(to_, version, false) && version) out.version = version->tree().text();
  const auto method = all.required("method");
  const bool known = check_enum(to_, method,
                                {"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
                                 "resources/templates/list"});
  if (known && method) out.method = method->tree().text();
  const auto parameters = all.optional("parameters");
  check_object_or_expression(parameters);
  out.parameters = parameters ? read_dynamic(*parameters, site) : dynamic_value{json::value{}};
  out.timeout = read_duration(all.optional("timeout"), site);
  if (const auto transport = all.required("transport")) read_mcp_transport(*transport, out);
  dynamic_value::map client;
  if (const auto given = all.optional("client")) {
    properties one{to_, *given, "a client"};
    read_member(one.required("name"), "name", client, false);
    read_member(one.required("version"), "version", client, false);
    one.done();
  } else {
    client.emplace_back("name", dynamic_value{json::value("perdure")});
    client.emplace_back("version", dynamic_value{json::value("1")});
  }
  out.client = dynamic_value{std::move(client)};
  all.done();
}

void reader::read_mcp_transport(const cursor& at, mcp_task& out) {
  properties one{to_, at, "a transport"};
  (void)one.one_of({"http", "stdio"});
  out.headers = dynamic_value{json::object{}};
  if (const auto http = one.optional("http")) {
    properties parts{to_, *http, "an HTTP transport"};
    out.http = read_endpoint(parts.required("endpoint"), site);
    const auto headers = parts.optional("headers");
    if (check_string_map(to_, headers) && headers) out.headers = read_dynamic(*headers, site);
    parts.done();
  }
  if (const auto stdio = one.optional("stdio")) {
    if (!options_.policy.may_run) to_.forbidden(*stdio, "an MCP server of this machine");
    properties parts{to_, *stdio, "a stdio transport"};
    dynamic_value::map server;
    read_member(parts.required("command"), "command", server, false);
    const auto arguments = parts.optional("arguments");
    const bool fits = check_strings(to_, arguments) && arguments;
    server.emplace_back("arguments", fits ? read_dynamic(*arguments, site) : dynamic_value{json::array{}});
    const auto environment = parts.optional("environment");
    const bool named = check_string_map(to_, environment) && environment;
    server.emplace_back("environment", named ? read_dynamic(*environment, site) : dynamic_value{json::object{}});
    parts.done();
    out.stdio = dynamic_value{std::move(server)};
  }
  check_string_map(to_, one.optional("options"));
  one.done();
}

void reader::read_a2a(const cursor& with, a2a_task& out) {
  properties all{to_, with, "the arguments of call: a2a"};
  const auto method = all.required("method");
  const bool known =
      check_enum(to_, method,
                 {"message/send", "message/stream", "tasks/get", "tasks/list", "tasks/cancel", "tasks/resubscribe",
                  "tasks/pushNotificationConfig/set", "tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list",
                  "tasks/pushNotificationConfig/delete", "agent/getAuthenticatedExtendedCard"});
  if (known && method) out.method = method->tree().text();
  const auto card = all.optional("agentCard"), server = all.optional("server");
  if (card) out.card = read_resource(card, "an agent card", site);
  if (server) out.server = read_endpoint(server, site);
  if (!card && !server) to_.invalid(with, "expected \"agentCard\" or \"server\"");
  const auto parameters = all.optional("parameters");
  check_object_or_expression(parameters);
  out.parameters = parameters ? read_dynamic(*parameters, site) : dynamic_value{json::object{}};
  all.done();
}

}  // namespace perdure::dsl
