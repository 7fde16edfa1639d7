// call: asyncapi: a message is published by a request; a subscription asks for messages, one answer after the other.
//
// Operation: to subscribe, the channel's address is asked again and again: an answer without content means that there is nothing
// for now, an array is several messages, anything else is one. Over WebSockets the question is put to the capability, which keeps
// the connection. Each question is a durable step, so a message that was taken stays taken.
#include "dsl/asyncapi.hpp"
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

using namespace std::chrono_literals;
constexpr auto ask_again_after = 1s;

const json::value& member(const json::value& of, std::string_view name) {
  static const json::value none;
  const auto* members = of.if_object();
  const auto* found = members == nullptr ? nullptr : members->if_contains(name);
  return found == nullptr ? none : *found;
}

/// The messages of an answer, as the DSL describes inbound messages. `correlations`: where the AsyncAPI document says that they
/// have their correlation id; where it says nothing, or nothing is there, a header has it.
json::array messages_of(const json::value& answer, const std::vector<std::string>& correlations) {
  json::array out;
  const auto& content = member(answer, "content");
  if (content.is_null()) return out;
  const auto& headers = member(answer, "headers");
  json::value correlation;
  if (headers.is_object()) {
    for (const auto& [name, value] : headers.get_object()) {
      std::string small{name};
      for (auto& c : small) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      if (small == "correlation-id" || small == "x-correlation-id") correlation = value;
    }
  }
  const auto add = [&](const json::value& payload) {
    json::object one{{"payload", payload}, {"headers", headers}};
    json::value own;
    for (const auto& each : correlations) {
      if (own.is_null()) own = value_at(each, payload, headers);
    }
    if (own.is_null()) own = correlation;
    if (!own.is_null()) one.emplace("correlationId", own.is_string() ? std::move(own) : json::value(jq::text(own)));
    out.push_back(std::move(one));
  };
  if (!content.is_array()) {
    add(content);
    return out;
  }
  for (const auto& each : content.get_array()) add(each);
  return out;
}

/// The capability that carries a request out.
std::string carrier_of(const json::object& spec) {
  return std::string_view{spec.at("url").as_string()}.starts_with("ws") ? "websocket" : "http";
}

}  // namespace

async<interpreter::asyncapi_order> interpreter::asyncapi_request(running& now, const asyncapi_task& body) {
  auto where = address_of(body.document, now.input, &now);
  const auto from = co_await where;
  auto reading = read_resource("asyncapi", from, now.what->reference);
  const auto text = co_await reading;
  const auto document = read_value(text, from.url);
  if (!document) throw step_error(make_error("configuration", document.error().message, now.what->reference));
  auto evaluated = evaluate("server", program(body.variables), now.input, &now, now.around.variables);
  const auto variables = co_await evaluated;
  asyncapi_wish wish;
  wish.operation = body.operation;
  wish.channel = body.channel;
  wish.publishes = body.message.has_value();
  wish.server = body.server;
  wish.protocol = body.protocol;
  if (variables->value().is_object()) wish.variables = variables->value().get_object();
  const auto target = find_asyncapi_target(*document, wish, from.url);
  if (!target) throw step_error(make_error("configuration", target.error().message, now.what->reference));
  json::object spec{{"method", target->method}, {"url", target->url}, {"output", "response"}, {"redirect", false}};
  if (body.authentication) {
    auto policy = evaluate("authentication", program(*body.authentication), now.input, &now, now.around.variables);
    const auto given = co_await policy;
    now.authorization = describe_authorization(given->value());
    spec.emplace("authentication", given->value());
  }
  asyncapi_order out;
  out.spec = std::move(spec);
  out.correlations = target->correlations;
  co_return out;
}

async<interpreter::given> interpreter::run_asyncapi(running& now, const asyncapi_task& body) {
  auto making = asyncapi_request(now, body);
  auto order = co_await making;
  auto& spec = order.spec;
  given out;
  if (body.message) {
    auto evaluated = evaluate("message", program(*body.message), now.input, &now, now.around.variables);
    const auto message = co_await evaluated;
    const auto& headers = member(message->value(), "headers");
    if (headers.is_object()) spec["headers"] = headers;
    const auto& payload = member(message->value(), "payload");
    if (!payload.is_null()) spec["body"] = payload;
    const auto carrier = carrier_of(spec);
    auto asked = perform(now.what->name, carrier, std::move(spec));
    const auto stored = co_await asked;
    out.value = make_data(member(stored.value(), "content"));
    co_return out;
  }
  if (carrier_of(spec) == "http") {
    auto subscribed = follow(now, *body.subscription, std::move(order));
    out = co_await subscribed;
    co_return out;
  }
  // The connection is closed when nobody goes on with it: here, or by the one who cuts this task off.
  spec["subscription"] = json::value(ctx_->uuid());
  const json::object closing{{"url", spec.at("url")}, {"subscription", spec.at("subscription")}, {"close", true}};
  open_.at(now.number).connection = closing;
  std::optional<failure> failed;
  try {
    auto subscribed = follow(now, *body.subscription, std::move(order));
    out = co_await subscribed;
  } catch (const step_error& e) {
    failed = e.why();
  }
  open_.at(now.number).connection.clear();
  if (!failed || can_be_caught(*failed) || failed->code == failure_code::cancelled) {
    auto closed = perform("close", "websocket", closing);
    co_await closed;
  }
  if (failed) detail::throw_failure(std::move(*failed));
  co_return out;
}

/// The messages of a subscription for as long as it is to go on.
async<interpreter::given> interpreter::follow(running& now, const message_subscription& of, asyncapi_order order) {
  given out;
  if (!of.length) {
    auto taking = take_messages(now, of, std::move(order), nullptr);
    out = co_await taking;
    co_return out;
  }
  auto measure = length_of(*of.length, &now, now.around.variables);
  const auto limit = co_await measure;
  // What came until then stays.
  const auto until_then = std::make_shared<json::array>();
  auto taking = take_messages(now, of, std::move(order), until_then);
  auto timer = sleep(limit, now.number);
  auto race = ctx_->when_any(taking, timer);
  auto won = co_await race;
  note_step();
  if (won.index == 0) co_return std::move(*std::get<0>(won.values));
  end_scopes_within(now.number,
                    failure{.code = std::string{failure_code::cancelled}, .message = "the subscription's time is over"});
  auto cancelled = cancel_orphans();
  co_await cancelled;
  out.value = make_data(json::value(*until_then));
  co_return out;
}

async<interpreter::given> interpreter::take_messages(running& now, const message_subscription& of, asyncapi_order order,
                                                     std::shared_ptr<json::array> kept) {
  if (!kept) kept = std::make_shared<json::array>();
  auto& consumed = *kept;
  const auto carrier = carrier_of(order.spec);
  given out;
  while (true) {
    auto asked = perform(now.what->name, carrier, order.spec);
    const auto stored = co_await asked;
    const auto messages = messages_of(stored.value(), order.correlations);
    for (const auto& each : messages) {
      const auto message = make_data(each);
      if (of.filter) {
        auto condition = is_true("filter", of.filter, message, &now, now.around.variables);
        const bool wanted = co_await condition;
        if (!wanted) continue;
      }
      if (of.condition) {
        auto condition = is_true("while", of.condition, make_data(consumed), &now, now.around.variables);
        const bool goes_on = co_await condition;
        if (!goes_on) {
          out.value = make_data(consumed);
          co_return out;
        }
      }
      if (of.each) {
        auto item = run_item(now, *of.each, message, consumed.size());
        auto done = co_await item;
        if (done.ends) co_return done;
        consumed.push_back(done.value->value());
      } else {
        consumed.push_back(each);
      }
      bool over = of.amount && consumed.size() >= *of.amount;
      if (of.until) {
        auto condition = is_true("until", of.until, make_data(consumed), &now, now.around.variables);
        over = co_await condition;
      }
      if (!over) continue;
      out.value = make_data(consumed);
      co_return out;
    }
    if (of.condition) {
      auto condition = is_true("while", of.condition, make_data(consumed), &now, now.around.variables);
      const bool goes_on = co_await condition;
      if (!goes_on) break;
    }
    if (messages.empty()) {
      auto pause_between = sleep(ask_again_after, now.number);
      co_await pause_between;
    }
  }
  out.value = make_data(consumed);
  co_return out;
}

}  // namespace perdure::dsl
