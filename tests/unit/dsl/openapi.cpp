// What OpenAPI documents make of an operation and its parameters; what MCP and A2A servers are told and answer.
#include "dsl/openapi.hpp"

#include "document_world.hpp"
#include "dsl/json_rpc.hpp"
#include "dsl/resource.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

json::value parsed(std::string_view yaml) { return dsl::read_value(yaml, "a.yaml").value(); }

const auto three = parsed(R"(
openapi: 3.0.3
servers: [{url: 'https://{env}.x.y/api/', variables: {env: {default: dev}}}]
components: {parameters: {page: {name: page, in: query}}}
paths:
  /pets/{petId}:
    parameters: [{name: petId, in: path, required: true}, {name: trace, in: header}]
    get: {operationId: getPet, parameters: [{$ref: '#/components/parameters/page'}, {name: tags, in: query}, {name: s, in: cookie}]}
    put:
      operationId: putPet
      servers: [{url: /v2}]
      requestBody: {content: {application/xml: {}, application/json: {}}}
  /form:
    post: {operationId: form, requestBody: {content: {application/x-www-form-urlencoded: {}}}}
)");
const auto two = parsed(R"(
swagger: '2.0'
host: h.x.y
basePath: /v2
schemes: [http]
paths:
  /pet: {post: {operationId: addPet, parameters: [{in: body, name: pet, required: true}]}}
  /pet/findByStatus: {get: {operationId: findPetsByStatus, parameters: [{in: query, name: status, required: true}]}}
  /up: {post: {operationId: up, parameters: [{in: formData, name: a}]}}
)");

json::value request(const json::value& document, const std::string& operation, const json::object& parameters) {
  const auto made = dsl::openapi_request(document, operation, parameters, "http://docs.x.y/spec/api.json");
  return made ? json::value(*made) : json::value(made.error().message);
}

}  // namespace

TEST_CASE("OpenAPI 3: servers, and parameters in their places") {
  CHECK(request(three, "getPet", {{"petId", "a/b"}, {"page", 2}, {"tags", {"x", "y"}}, {"trace", "t"}, {"s", "c"}}) ==
        json::value{{"method", "get"},
                    {"url", "https://dev.x.y/api/pets/a%2Fb"},
                    {"query", {{"page", 2}, {"tags", {"x", "y"}}}},
                    {"headers", {{"trace", "t"}, {"Cookie", "s=c"}}}});
  CHECK(request(three, "putPet", {{"petId", 1}, {"body", {{"name", "n"}}}}) ==
        json::value{{"method", "put"},
                    {"url", "http://docs.x.y/v2/pets/1"},
                    {"headers", {{"Content-Type", "application/json"}}},
                    {"body", {{"name", "n"}}}});
  CHECK(request(three, "putPet", {{"petId", 1}, {"name", "n"}, {"age", 2}}).at("body") == json::value{{"name", "n"}, {"age", 2}});
  CHECK(request(three, "form", {{"a", 1}}).at("headers") == json::value{{"Content-Type", "application/x-www-form-urlencoded"}});
}

TEST_CASE("OpenAPI 2: host, body and form") {
  CHECK(request(two, "findPetsByStatus", {{"status", "available"}}) ==
        json::value{{"method", "get"}, {"url", "http://h.x.y/v2/pet/findByStatus"}, {"query", {{"status", "available"}}}});
  CHECK(request(two, "addPet", {{"pet", {{"id", 1}}}}).at("body") == json::value{{"id", 1}});
  CHECK(request(two, "up", {{"a", 1}}).at("body") == json::value{{"a", 1}});
}

TEST_CASE("OpenAPI: what is missing, unknown or no document") {
  const auto says = [](const json::value& told, std::string_view part) {
    REQUIRE(told.is_string());
    return std::string_view{told.as_string()}.find(part) != std::string_view::npos;
  };
  CHECK(says(request(three, "nope", {}), "has no operation \"nope\""));
  CHECK(says(request(three, "getPet", {}), "\"petId\" (in path) is missing"));
  CHECK(says(request(three, "getPet", {{"petId", 1}, {"colour", 1}}), "no parameter \"colour\""));
  CHECK(says(request(two, "findPetsByStatus", {}), "\"status\" (in query) is missing"));
  CHECK(says(request(json::object{}, "a", {}), "is no OpenAPI document"));
  // A reference to itself ends.
  CHECK(says(request(parsed("openapi: 3.0.0\npaths: {/a: {$ref: '#/paths/~1a'}}"), "a", {}), "has no operation"));
}

TEST_CASE("call: openapi fetches the document, then calls") {
  std::vector<json::value> asked;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    const auto spec = step.args.value().at("spec");
    asked.push_back(spec);
    const bool document = spec.at("output") == "text";
    return core::outcome{
        document ? payload{json::value("{\"openapi\": \"3.1.0\", \"paths\": {\"/a\": {\"get\": {\"operationId\": \"a\"}}}}")}
                 : payload{json::value{{"ok", true}}},
        {}};
  };
  const auto call = [](const std::string& operation) {
    return "do:\n  - c: {call: openapi, with: {document: {endpoint: 'https://x.y/api.json'}, operationId: " + operation +
           ", authentication: {bearer: {token: t}}, output: response, redirect: true}}\n";
  };
  CHECK(run_document(call("a"), nullptr, answers).result == json::value{{"ok", true}});
  CHECK(asked.at(1) == json::value{{"method", "get"},
                                   {"url", "https://x.y/a"},
                                   {"output", "response"},
                                   {"redirect", true},
                                   {"authentication", {{"bearer", {{"token", "t"}}}}}});
  const auto lost = run_document(call("b"), nullptr, answers);
  REQUIRE(lost.failed);
  CHECK(lost.failed->code == "configuration");
  CHECK(lost.failed->message.find("has no operation \"b\"") != std::string::npos);
}

TEST_CASE("JSON-RPC answers: one, several, lines, and a stream of events") {
  const auto one = json::value{{"id", 1}, {"result", 7}};
  CHECK(dsl::rpc_answers(one) == json::array{one});
  CHECK(dsl::rpc_answers(json::value("log line\n{\"id\":1,\"result\":7}\n{broken\n")) == json::array{one});
  CHECK(dsl::rpc_answers(json::value("event: message\r\ndata: {\"id\":1,\r\ndata: \"result\":7}\r\n\r\ndata: {\"id\":2}\n\n")) ==
        json::array{one, json::value{{"id", 2}}});
  CHECK(dsl::rpc_answers(nullptr).empty());
  CHECK(*dsl::rpc_result({one}, 1) == json::value(7));
  CHECK_FALSE(dsl::rpc_result({one}, 2).has_value());
  const auto failed = dsl::rpc_result({json::value{{"id", 2}, {"error", {{"code", -32602}, {"message", "no such tool"}}}}}, 2);
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error().message == "the server answered with error -32602: no such tool");
}

TEST_CASE("call: mcp over http begins the conversation, keeps its session, and gives the result") {
  std::vector<json::value> asked;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    const auto spec = step.args.value().at("spec");
    asked.push_back(spec);
    const auto& method = spec.at("body").at("method");
    json::object response{{"statusCode", 200}, {"headers", {{"Mcp-Session-Id", "s1"}}}, {"content", nullptr}};
    if (method == "initialize")
      response["content"] = {{"jsonrpc", "2.0"}, {"id", 1}, {"result", {{"protocolVersion", "2025-03-26"}}}};
    if (method == "tools/call")
      response["content"] = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[]}}\n\n";
    if (method == "tools/list") response["content"] = {{"id", 2}, {"error", {{"code", 1}, {"message", "no"}}}};
    return core::outcome{payload{json::value(response)}, {}};
  };
  const auto call = [](const std::string& method) {
    return "do:\n  - c: {call: mcp, with: {method: " + method +
           ", parameters: {name: '${ .tool }'}, transport: {http: {endpoint: 'https://x.y/mcp', headers: {authorization: Bearer "
           "z}}}, client: {name: me, version: 2.0.0}, timeout: PT30S}}\n";
  };
  const auto done = run_document(call("tools/call"), {{"tool", "add"}}, answers);
  CHECK(done.result == json::value{{"content", json::array{}}});
  REQUIRE(asked.size() >= 3);
  CHECK(asked[0].at("body").at("params") == json::value{{"protocolVersion", "2025-06-18"},
                                                        {"capabilities", json::object{}},
                                                        {"clientInfo", {{"name", "me"}, {"version", "2.0.0"}}}});
  CHECK(asked[0].at("headers") == json::value{{"authorization", "Bearer z"}, {"Accept", "application/json, text/event-stream"}});
  CHECK(asked[1].at("body") == json::value{{"jsonrpc", "2.0"}, {"method", "notifications/initialized"}});
  CHECK(asked[2].at("body") ==
        json::value{{"jsonrpc", "2.0"}, {"id", 2}, {"method", "tools/call"}, {"params", {{"name", "add"}}}});
  CHECK(asked[2].at("headers").at("Mcp-Session-Id") == "s1");
  CHECK(asked[2].at("headers").at("MCP-Protocol-Version") == "2025-03-26");
  const auto failed = run_document(call("tools/list"), nullptr, answers);
  REQUIRE(failed.failed);
  CHECK(failed.failed->type == "https://serverlessworkflow.io/spec/1.0.0/errors/runtime");
  CHECK(failed.failed->message.find("error 1: no") != std::string::npos);
}

TEST_CASE("call: mcp over stdio speaks with the program") {
  // A server in a shell: it answers each line that has an id.
  const std::string server =
      "while read -r line; do case \"$line\" in *initialize\\\"*) echo {\\\"id\\\":1,\\\"result\\\":{}};; *tools/list*) echo "
      "hello; echo {\\\"id\\\":2,\\\"result\\\":\\\"$1-$X\\\"};; esac; done";
  const auto with = [&](const std::string& method) {
    return "do:\n  - c:\n      call: mcp\n      with:\n        method: " + method +
           "\n        transport:\n          stdio:\n            command: /bin/sh\n            environment: {X: '${ .x }'}\n      "
           "      arguments: [-c, '" +
           server + "', sh, a]\n";
  };
  CHECK(result_of(with("tools/list"), {{"x", "b"}}) == json::value("a-b"));
  const auto failed = run_document(with("prompts/list"), {{"x", "b"}});
  REQUIRE(failed.failed);
  CHECK(failed.failed->message == "the server gave no answer to the request");
}

TEST_CASE("call: a2a sends to the server of a card, and completes messages") {
  std::vector<json::value> asked;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    const auto spec = step.args.value().at("spec");
    asked.push_back(spec);
    if (spec.at("output") == "text") return core::outcome{payload{json::value("{\"url\": \"https://agent.x/rpc\"}")}, {}};
    const bool streams = spec.at("body").at("method") == "message/stream";
    const json::value content = streams ? json::value("data: {\"id\":1,\"result\":1}\n\ndata: {\"id\":1,\"result\":2}\n\n")
                                        : json::value{{"id", 1}, {"result", {{"kind", "task"}}}};
    return core::outcome{
        payload{json::value(json::object{{"statusCode", 200}, {"headers", json::object{}}, {"content", content}})}, {}};
  };
  const auto done = run_document(
      "do:\n  - c: {call: a2a, with: {method: message/send, agentCard: {endpoint: 'https://x.y/card.json'}, parameters: "
      "{message: {parts: [{kind: text, text: '${ .q }'}]}}}}\n",
      {{"q", "hi"}}, answers);
  CHECK(done.result == json::value{{"kind", "task"}});
  CHECK(asked.at(1).at("url") == "https://agent.x/rpc");
  const auto& message = asked.at(1).at("body").at("params").at("message");
  CHECK(message.at("role") == "user");
  CHECK(message.at("messageId").as_string().size() == 36);
  CHECK(message.at("parts").at(0).at("text") == "hi");
  CHECK(
      run_document(
          "do:\n  - c: {call: a2a, with: {method: message/stream, server: 'https://x.y', parameters: {message: {parts: []}}}}\n",
          nullptr, answers)
          .result == json::value{1, 2});
}
