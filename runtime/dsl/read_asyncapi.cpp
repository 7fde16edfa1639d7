// call: asyncapi.
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {
constexpr auto site = expression_site::in_task;
}

void reader::read_asyncapi(const cursor& with, asyncapi_task& out) {
  properties all{to_, with, "the arguments of call: asyncapi"};
  const auto text = [&](const std::optional<cursor>& at, std::string& into) {
    if (check_string(to_, at, false) && at) into = at->tree().text();
  };
  if (auto document = read_resource(all.required("document"), "an AsyncAPI document", site)) out.document = std::move(*document);
  text(all.optional("channel"), out.channel);
  text(all.optional("operation"), out.operation);
  (void)all.one_of({"channel", "operation"});
  (void)all.one_of({"message", "subscription"});
  out.variables = dynamic_value{json::object{}};
  if (const auto server = all.optional("server")) {
    properties one{to_, *server, "a server"};
    text(one.required("name"), out.server);
    const auto variables = one.optional("variables");
    if (check_object(to_, variables) && variables) out.variables = read_dynamic(*variables, site);
    one.done();
  }
  const auto protocol = all.optional("protocol");
  const bool known = check_enum(to_, protocol,
                                {"amqp", "amqp1", "anypointmq", "googlepubsub", "http", "ibmmq", "jms", "kafka", "mercure",
                                 "mqtt", "mqtt5", "nats", "pulsar", "redis", "sns", "solace", "sqs", "stomp", "ws"});
  if (known && protocol && out.server.empty()) {
    out.protocol = protocol->tree().text();
    if (out.protocol != "http" && out.protocol != "ws")
      to_.unsupported(*protocol, "call: asyncapi over the protocol \"" + out.protocol + "\" (\"http\" and \"ws\" are)");
  }
  if (const auto message = all.optional("message")) {
    properties one{to_, *message, "a message"};
    const auto payload = one.optional("payload"), headers = one.optional("headers");
    check_object_or_expression(payload);
    check_object_or_expression(headers);
    one.done();
    dynamic_value::map parts;
    parts.emplace_back("payload", payload ? read_dynamic(*payload, site) : dynamic_value{json::value{}});
    parts.emplace_back("headers", headers ? read_dynamic(*headers, site) : dynamic_value{json::object{}});
    out.message = dynamic_value{std::move(parts)};
  }
  if (const auto subscription = all.optional("subscription")) read_subscription(*subscription, out.subscription.emplace());
  if (const auto policy = all.optional("authentication")) {
    check_authentication(policy, true);
    out.authentication = read_authentication(*policy);
    const auto* found = find_policy(*policy);
    const auto kind = found != nullptr ? found->tree().members[0].key : std::string{};
    if (out.protocol == "ws" && (kind == "digest" || kind == "certificate"))
      to_.unsupported(*policy, "the authentication \"" + kind + "\" over WebSockets");
  }
  all.done();
}

void reader::read_subscription(const cursor& at, message_subscription& out) {
  properties one{to_, at, "a subscription"};
  out.filter = read_expression(one.optional("filter"), site);
  if (const auto consume = one.required("consume")) {
    properties life{to_, *consume, "a subscription's lifetime"};
    (void)life.one_of({"amount", "while", "until"});
    const auto amount = life.optional("amount");
    if (check_integer(to_, amount) && amount) {
      const auto* number = amount->tree().scalar.if_int64();
      if (number == nullptr || *number < 1) {
        to_.unfit(*amount, "an integer from 1");
      } else {
        out.amount = static_cast<std::uint64_t>(*number);
      }
    }
    out.length = read_duration(life.optional("for"), site);
    out.condition = read_expression(life.optional("while"), site);
    out.until = read_expression(life.optional("until"), site);
    life.done();
  }
  out.each = read_iterator(one.optional("foreach"));
  one.done();
}

}  // namespace perdure::dsl
