// call: asyncapi: where operations of AsyncAPI documents lead, messages published, and subscriptions that ask for messages.
#include "document_world.hpp"
#include "dsl/asyncapi.hpp"
#include "dsl/resource.hpp"

using namespace perdure;
using namespace perdure::dsl;
using namespace perdure::test;

namespace {

const std::string api = R"(asyncapi: 3.0.0
servers:
  queue: {host: 'q.x.y', protocol: kafka}
  web:
    host: '{environment}.x.y:8080'
    pathname: /v1
    protocol: https
    variables: {environment: {default: live}}
channels:
  chat: {address: 'rooms/{room}/messages', parameters: {room: {default: lobby}}}
  alone: {address: /alone, servers: [{$ref: '#/servers/queue'}]}
operations:
  say: {action: send, channel: {$ref: '#/channels/chat'}, bindings: {http: {method: put}}}
  hear: {action: receive, channel: {$ref: '#/channels/chat'}}
  enqueue: {action: send, channel: {$ref: '#/channels/alone'}}
)";
const std::string old_api = R"(asyncapi: 2.6.0
servers: {main: {url: 'http://x.y/base/', protocol: http}}
channels:
  /notes: {publish: {}, subscribe: {}}
  /only: {publish: {}}
)";

std::string target(const std::string& document, const asyncapi_wish& wish) {
  const auto value = read_value(document, "a.yaml");
  REQUIRE(value.has_value());
  const auto found = find_asyncapi_target(*value, wish, "a.yaml");
  return found ? found->method + " " + found->url : "error: " + found.error().message;
}

/// Answers the document's address with `api`, and all others in order.
outside answering(std::vector<json::value> contents, std::vector<json::value>* asked = nullptr) {
  const auto left = std::make_shared<std::vector<json::value>>(std::move(contents));
  return [left, asked](const core::pending_step& step) -> std::optional<core::outcome> {
    if (step.kind != core::step_kind::capability) return std::nullopt;
    const auto spec = step.args.value().at("spec");
    if (spec.at("output") == "text") return core::outcome{payload{json::value(api)}, {}};
    if (asked != nullptr) asked->push_back(spec);
    json::value content;
    if (!left->empty()) {
      content = left->front();
      left->erase(left->begin());
    }
    return core::outcome{payload{json::value{{"content", content}, {"headers", {{"Correlation-Id", "c"}}}}}, {}};
  };
}

std::string call(const std::string& rest) {
  return "do:\n  - a: {call: asyncapi, with: {document: {endpoint: 'https://x.y/api.yaml'}, " + rest + "}}\n";
}

}  // namespace

TEST_CASE("an operation leads to its channel on a server of HTTP, with the variables that are given") {
  CHECK(target(api, {.operation = "say"}) == "PUT https://live.x.y:8080/v1/rooms/lobby/messages");
  CHECK(target(api, {.operation = "hear", .publishes = false, .variables = {{"environment", "dev"}, {"room", "7"}}}) ==
        "GET https://dev.x.y:8080/v1/rooms/7/messages");
  CHECK(target(api, {.operation = "nothing"}) == "error: a.yaml has no operation \"nothing\"");
  CHECK(target(api, {.channel = "chat"}) == "error: a.yaml is of AsyncAPI 3.0.0, where an \"operation\" has to be named");
  CHECK(target(api, {.operation = "enqueue"}) ==
        "error: call: asyncapi needs a server of HTTP or WebSockets; a.yaml has queue (kafka)");
  CHECK(target(api, {.operation = "say", .server = "queue"}) ==
        "error: call: asyncapi needs a server of HTTP or WebSockets; a.yaml has queue (kafka)");
  CHECK(target(api, {.operation = "say", .protocol = "http"}) == "PUT https://live.x.y:8080/v1/rooms/lobby/messages");
  CHECK(target(api, {.operation = "say", .protocol = "ws"}) ==
        "error: call: asyncapi needs a server of the protocol \"ws\"; a.yaml has queue (kafka), web (https)");
  const std::string sockets =
      "asyncapi: 2.6.0\nservers: {s: {url: 'https://x.y/base', protocol: wss}, t: {url: h.x, protocol: ws}}\nchannels: {/n: "
      "{publish: {}}}\n";
  CHECK(target(sockets, {.channel = "/n", .protocol = "ws"}) == "POST wss://x.y/base/n");
  CHECK(target(sockets, {.channel = "/n", .server = "t"}) == "POST ws://h.x/n");
  CHECK(target(api, {.operation = "say", .server = "gone"}) == "error: a.yaml has no server \"gone\"");
  CHECK(target(old_api, {.channel = "/notes"}) == "POST http://x.y/base/notes");
  CHECK(target(old_api, {.channel = "/notes", .publishes = false}) == "GET http://x.y/base/notes");
  CHECK(target(old_api, {.channel = "/only", .publishes = false}) ==
        "error: the channel \"/only\" has no operation \"subscribe\"");
  CHECK(target("a: 1\n", {.operation = "say"}) == "error: a.yaml is no AsyncAPI document: it has no \"asyncapi\"");
}

TEST_CASE("a message is published with its payload and headers, and the answer is the output") {
  std::vector<json::value> asked;
  document_world world{
      header + call("operation: say, message: {payload: {text: '${ .n }'}, headers: {foo: bar}}, authentication: "
                    "{bearer: {token: t}}"),
      json::value{{"n", 5}}, answering({json::value{{"taken", true}}}, &asked)};
  world.run();
  if (world.failed) UNSCOPED_INFO(world.failed->message);
  CHECK(world.result == json::value{{"taken", true}});
  REQUIRE(asked.size() == 1);
  CHECK(asked[0].at("method") == "PUT");
  CHECK(asked[0].at("body") == json::value{{"text", 5}});
  CHECK(asked[0].at("headers") == json::value{{"foo", "bar"}});
  CHECK(asked[0].at("authentication") == json::value{{"bearer", {{"token", "t"}}}});
}

TEST_CASE("a subscription takes messages that fit, as many as it is to, and waits where there are none") {
  const auto run = [](const std::string& subscription, std::vector<json::value> contents) {
    document_world world{header + call("operation: hear, subscription: {" + subscription + "}"), nullptr,
                         answering(std::move(contents))};
    world.run();
    if (world.failed) UNSCOPED_INFO(world.failed->message);
    REQUIRE(world.result);
    return world;
  };
  const auto payloads = [](const document_world& of) {
    json::array out;
    for (const auto& each : of.result->as_array()) out.push_back(each.at("payload"));
    return out;
  };
  const auto two =
      run("filter: '${ .payload.n > 1 }', consume: {amount: 2}",
          {json::value{{"n", 1}}, nullptr, json::value{{"n", 2}}, json::array{json::object{{"n", 3}}, json::object{{"n", 4}}}});
  CHECK(payloads(two) == json::array{json::object{{"n", 2}}, json::object{{"n", 3}}});
  CHECK(two.elapsed() == 1s);
  CHECK(two.result->at(0).at("correlationId") == "c");
  CHECK(payloads(run("consume: {until: '${ (. | length) == 1 }'}", {json::value(1), json::value(2)})) == json::array{1});
  CHECK(payloads(run("consume: {while: '${ (. | length) < 2 }'}", {json::value(1), json::value(2), json::value(3)})) ==
        json::array{1, 2});
  const auto timed = run("consume: {amount: 9, for: PT5S}", {json::value(1)});
  CHECK(payloads(timed) == json::array{1});
  CHECK(timed.elapsed() == 5s);
  const auto each =
      run("consume: {amount: 2}, foreach: {item: m, do: [{s: {set: {twice: '${ $m.payload * 2 }'}}}], output: {as: .twice}}",
          {json::value(1), json::value(2)});
  CHECK(*each.result == json::value{2, 4});
}

TEST_CASE("over WebSockets the questions are of one connection, which is closed in the end") {
  std::vector<json::value> asked;
  bool breaks = false;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    const auto args = step.args.value();
    const auto& spec = args.at("spec").as_object();
    if (args.at("capability") == "http") {
      return core::outcome{
          payload{json::value("asyncapi: 3.0.0\nservers: {s: {host: 'h.x', protocol: wss}}\nchannels: {c: {address: "
                              "/c}}\noperations: {o: {channel: {$ref: '#/channels/c'}}}\n")},
          {}};
    }
    asked.push_back(args);
    if (breaks && !spec.contains("close")) return core::outcome{{}, failure{.code = "communication", .message = "broken"}};
    if (spec.contains("close") || spec.contains("body")) return core::outcome{payload{json::value{{"content", nullptr}}}, {}};
    return core::outcome{payload{json::value(json::object{{"content", json::array{json::array{1}, 2}}})}, {}};
  };
  const auto run = [&](const std::string& rest) {
    asked.clear();
    document_world world{header + call("operation: o, protocol: ws, " + rest), nullptr, answers};
    world.run();
    return world;
  };
  const auto taken = run("subscription: {consume: {amount: 3}}");
  REQUIRE(taken.result);
  CHECK(taken.result->at(0).at("payload") == json::array{1});
  CHECK(taken.result->at(2).at("payload") == json::array{1});
  REQUIRE(asked.size() == 3);
  CHECK(asked[0].at("capability") == "websocket");
  CHECK(asked[0].at("spec").at("url") == "wss://h.x/c");
  CHECK(asked[0].at("spec") == asked[1].at("spec"));
  CHECK(asked[2].at("spec").at("close") == true);
  CHECK(asked[2].at("spec").at("subscription") == asked[0].at("spec").at("subscription"));
  CHECK(run("message: {payload: {n: 1}}").result == json::value{});
  CHECK(asked.at(0).at("spec").at("body") == json::value{{"n", 1}});
  breaks = true;
  const auto broken = run("subscription: {consume: {amount: 3, for: PT1H}}");
  REQUIRE(broken.failed);
  CHECK(broken.failed->code == "communication");
  CHECK(asked.back().at("spec").as_object().contains("close"));
}

TEST_CASE("the correlation id is where the document says that messages have it") {
  const auto run = [](const std::string& messages, const json::value& content) {
    const auto text =
        "asyncapi: 3.0.0\nservers: {s: {host: 'h.x', protocol: ws}}\nchannels: {c: {address: /c, messages: " + messages +
        "}}\noperations: {o: {channel: {$ref: '#/channels/c'}}}\ncomponents: {messages: {m: {correlationId: {location: "
        "'$message.payload#/ids/order'}}}}\n";
    document_world world{
        header + call("operation: o, subscription: {consume: {amount: 1}}"), nullptr,
        [&](const core::pending_step& step) -> std::optional<core::outcome> {
          const auto args = step.args.value();
          if (args.at("capability") == "http") return core::outcome{payload{json::value(text)}, {}};
          if (args.at("spec").as_object().contains("close")) return core::outcome{};
          return core::outcome{payload{json::value{{"content", json::array{content}}, {"headers", {{"X-Id", "h"}}}}}, {}};
        }};
    world.run();
    if (world.failed) UNSCOPED_INFO(world.failed->message);
    REQUIRE(world.result);
    const auto one = world.result->at(0).as_object();
    return one.contains("correlationId") ? one.at("correlationId") : json::value{};
  };
  const json::value content{{"ids", {{"order", 7}}}};
  CHECK(run("{m: {$ref: '#/components/messages/m'}}", content) == "7");
  CHECK(run("{other: {}, m: {oneOf: [{$ref: '#/components/messages/m'}]}}", content) == "7");
  CHECK(run("{m: {correlationId: {location: '$message.header#/x-id'}}}", content) == "h");
  CHECK(run("{m: {$ref: '#/components/messages/m'}}", json::value{{"n", 1}}) == json::value{});
  CHECK(run("{}", content) == json::value{});
}

TEST_CASE("a subscription that is cut off while it works on a message has its connection closed at once") {
  for (const std::string tasks :
       {"do:\n  - f: {fork: {compete: true, branches: [{quick: {wait: PT10S}}, {a: TASK}]}}\n",
        "do:\n  - t: {try: [{a: TASK}], catch: {}, timeout: {after: PT10S}}\n  - never: {set: {x: 1}}\n",
        "timeout: {after: PT10S}\ndo:\n  - a: TASK\n"}) {
    INFO(tasks);
    auto text = tasks;
    text.replace(
        text.find("TASK"), 4,
        "{call: asyncapi, with: {document: {endpoint: 'https://x.y/api.yaml'}, operation: o, protocol: ws, subscription: "
        "{consume: {amount: 3}, foreach: {do: [{w: {wait: PT1H}}]}}}}");
    std::vector<json::value> asked;
    document_world world{header + text, nullptr, [&](const core::pending_step& step) -> std::optional<core::outcome> {
                           if (step.kind != core::step_kind::capability) return std::nullopt;
                           const auto args = step.args.value();
                           if (args.at("capability") == "http") {
                             return core::outcome{
                                 payload{json::value("asyncapi: 3.0.0\nservers: {s: {host: 'h.x', protocol: ws}}\nchannels: {c: "
                                                     "{address: /c}}\noperations: {o: {channel: {$ref: '#/channels/c'}}}\n")},
                                 {}};
                           }
                           asked.push_back(args.at("spec"));
                           return core::outcome{payload{json::value{{"content", json::array{1}}}}, {}};
                         }};
    world.run();
    CHECK(world.elapsed() == 10s);
    REQUIRE(asked.size() == 2);
    CHECK(asked[1].as_object().contains("close"));
    CHECK(asked[1].at("subscription") == asked[0].at("subscription"));
  }
}

TEST_CASE("what AsyncAPI has beyond HTTP and WebSockets is refused by name, the rest is checked") {
  CHECK(mentions(told_of(call("operation: o, protocol: kafka, message: {}")),
                 "/do/0/a/with/protocol: call: asyncapi over the protocol \"kafka\" (\"http\" and \"ws\" are) is not supported"));
  for (const std::string policy :
       {"{digest: {username: u, password: p}}", "{use: own}", "own", "{certificate: {certificate: c, key: k}}"}) {
    const auto told = told_of("use: {authentications: {own: {digest: {username: u, password: p}}}}\n" +
                              call("operation: o, protocol: ws, message: {}, authentication: " + policy));
    CHECK(mentions(told, policy.starts_with("{cert") ? "the authentication \"certificate\" over WebSockets is not supported"
                                                     : "the authentication \"digest\" over WebSockets is not supported"));
  }
  CHECK(mentions(told_of(call("operation: o, channel: c, message: {}")),
                 "exactly one of the properties \"channel\", \"operation\""));
  CHECK(mentions(told_of(call("operation: o")), "exactly one of the properties \"message\", \"subscription\""));
  CHECK(mentions(told_of(call("operation: o, subscription: {consume: {amount: 0}}")), "expected an integer from 1"));
  CHECK(mentions(told_of(call("operation: o, subscription: {consume: {}}")), "\"amount\", \"while\", \"until\""));
}
