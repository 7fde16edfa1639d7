// call in all its forms. gRPC and AsyncAPI are checked in full, and not run by this version.
#include <algorithm>
#include <array>

#include "dsl/reader.hpp"

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
  if (function.find("://") != std::string_view::npos || function.find('@') != std::string_view::npos) {
    to_.unsupported(at, "call of a function of a catalog");
    return;
  }
  // A document may have a function of that name.
  if (function == "job" && !functions_.contains("job")) {
    job_task body;
    if (fits && with) read_job(*with, body);
    if (!with) to_.invalid(at, "call: job needs \"with\"");
    out.body = std::move(body);
    return;
  }
  function_task body;
  if (find_component(at, functions_, "a function") == nullptr) return;
  body.function = function;
  if (fits && with) body.arguments = read_dynamic(*with, expression_site::in_task);
  out.body = std::move(body);
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
  if (function == "grpc") check_grpc(with);
  if (function == "asyncapi") check_asyncapi(with);
  to_.unsupported(at, "call: " + std::string{function});
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
  all.done();
}

void reader::check_grpc(const cursor& with) {
  properties all{to_, with, "the arguments of call: grpc"};
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
  all.done();
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
    check_object_or_expression(one.optional("payload"));
    check_object_or_expression(one.optional("headers"));
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

}  // namespace perdure::dsl
