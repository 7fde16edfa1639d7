// call in all its forms. HTTP and functions of the document run; the others are checked in full, not run by this version.
#include <algorithm>
#include <array>

#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {

/// An object of anything, or an expression that gives one.
void check_object_or_expression(checker& to, const std::optional<cursor>& at) {
  if (!at || at->tree().is_object()) return;
  if (!at->tree().is_string() || !is_expression(at->tree().text())) to.unfit(*at, "an object, or an expression in \"${ }\"");
}

void check_object_or_string(checker& to, const std::optional<cursor>& at) {
  if (at && !at->tree().is_object() && !at->tree().is_string()) to.unfit(*at, "an object or an expression");
}

}  // namespace

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
  if (function == "http") {
    http_task body;
    if (fits && with) read_http(*with, body);
    out.body = std::move(body);
    return;
  }
  if (built_in) {
    if (fits && with) check_call_with(*with, function);
    to_.unsupported(at, "call: " + std::string{function});
    return;
  }
  if (function.find("://") != std::string_view::npos || function.find('@') != std::string_view::npos) {
    to_.unsupported(at, "call of a function of a catalog");
    return;
  }
  function_task body;
  if (find_component(at, functions_, "a function") == nullptr) return;
  body.function = function;
  if (fits && with) body.arguments = read_dynamic(*with, expression_site::in_task);
  out.body = std::move(body);
}

void reader::check_call_with(const cursor& with, std::string_view function) {
  if (function == "asyncapi") return check_asyncapi(with);
  if (function == "mcp") return check_mcp(with);
  properties all{to_, with, "the arguments of call: " + std::string{function}};
  if (function == "openapi") {
    check_resource(all.required("document"));
    check_string(to_, all.required("operationId"), false);
    check_object(to_, all.optional("parameters"));
    check_authentication(all.optional("authentication"), true);
    check_enum(to_, all.optional("output"), {"raw", "content", "response"});
    check_boolean(to_, all.optional("redirect"));
  } else if (function == "grpc") {
    check_resource(all.required("proto"));
    if (const auto service = all.required("service")) {
      properties one{to_, *service, "a gRPC service"};
      check_string(to_, one.required("name"), false);
      check_string(to_, one.required("host"), false);
      const auto port = one.optional("port");
      if (check_integer(to_, port) && port) {
        const auto* number = port->tree().scalar.if_int64();
        if (number == nullptr || *number < 0 || *number > 65535) to_.unfit(*port, "a port from 0 to 65535");
      }
      check_authentication(one.optional("authentication"), true);
      one.done();
    }
    check_string(to_, all.required("method"), false);
    check_object(to_, all.optional("arguments"));
  } else {
    check_enum(to_, all.required("method"),
               {"message/send", "message/stream", "tasks/get", "tasks/list", "tasks/cancel", "tasks/resubscribe",
                "tasks/pushNotificationConfig/set", "tasks/pushNotificationConfig/get", "tasks/pushNotificationConfig/list",
                "tasks/pushNotificationConfig/delete", "agent/getAuthenticatedExtendedCard"});
    const auto card = all.optional("agentCard");
    const auto server = all.optional("server");
    check_resource(card);
    check_endpoint(server);
    if (!card && !server) to_.invalid(with, "expected \"agentCard\" or \"server\"");
    check_object_or_string(to_, all.optional("parameters"));
  }
  all.done();
}

void reader::read_http(const cursor& with, http_task& out) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, with, "the arguments of call: http"};
  dynamic_value::map request;
  read_member(all.required("method"), "method", request, false);
  if (auto at = read_endpoint(all.required("endpoint"), site)) out.at = std::move(*at);
  for (const auto* name : {"headers", "query"}) {
    const auto value = all.optional(name);
    check_object_or_expression(to_, value);
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

void reader::check_asyncapi(const cursor& with) {
  properties all{to_, with, "the arguments of call: asyncapi"};
  check_resource(all.required("document"));
  check_string(to_, all.optional("channel"), false);
  check_string(to_, all.optional("operation"), false);
  (void)all.one_of({"channel", "operation"});
  (void)all.one_of({"message", "subscription"});
  if (const auto server = all.optional("server")) {
    properties one{to_, *server, "a server"};
    check_string(to_, one.required("name"), false);
    check_object(to_, one.optional("variables"));
    one.done();
  }
  check_enum(to_, all.optional("protocol"),
             {"amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka", "mercure", "mqtt", "mqtt5", "nats",
              "pulsar", "redis", "sns", "solace", "sqs", "stomp", "ws"});
  if (const auto message = all.optional("message")) {
    properties one{to_, *message, "a message"};
    check_object_or_expression(to_, one.optional("payload"));
    check_object_or_expression(to_, one.optional("headers"));
    one.done();
  }
  if (const auto subscription = all.optional("subscription")) {
    properties one{to_, *subscription, "a subscription"};
    (void)read_expression(one.optional("filter"), expression_site::in_task);
    if (const auto consume = one.required("consume")) {
      properties life{to_, *consume, "a subscription's lifetime"};
      (void)life.one_of({"amount", "while", "until"});
      check_integer(to_, life.optional("amount"));
      (void)read_duration(life.optional("for"), expression_site::in_task);
      (void)read_expression(life.optional("while"), expression_site::in_task);
      (void)read_expression(life.optional("until"), expression_site::in_task);
      life.done();
    }
    (void)read_iterator(one.optional("foreach"));
    one.done();
  }
  check_authentication(all.optional("authentication"), true);
  all.done();
}

void reader::check_mcp(const cursor& with) {
  properties all{to_, with, "the arguments of call: mcp"};
  check_string(to_, all.optional("protocolVersion"), false);
  check_enum(to_, all.required("method"),
             {"tools/list", "tools/call", "prompts/list", "prompts/get", "resources/list", "resources/read",
              "resources/templates/list"});
  check_object_or_string(to_, all.optional("parameters"));
  (void)read_duration(all.optional("timeout"), expression_site::in_task);
  if (const auto transport = all.required("transport")) {
    properties one{to_, *transport, "a transport"};
    (void)one.one_of({"http", "stdio"});
    if (const auto http = one.optional("http")) {
      properties parts{to_, *http, "an HTTP transport"};
      check_endpoint(parts.required("endpoint"));
      check_string_map(to_, parts.optional("headers"));
      parts.done();
    }
    if (const auto stdio = one.optional("stdio")) {
      properties parts{to_, *stdio, "a stdio transport"};
      check_string(to_, parts.required("command"), false);
      check_strings(to_, parts.optional("arguments"));
      check_string_map(to_, parts.optional("environment"));
      parts.done();
    }
    check_string_map(to_, one.optional("options"));
    one.done();
  }
  if (const auto client = all.optional("client")) {
    properties one{to_, *client, "a client"};
    check_string(to_, one.required("name"), false);
    check_string(to_, one.required("version"), false);
    one.done();
  }
  all.done();
}

}  // namespace perdure::dsl
