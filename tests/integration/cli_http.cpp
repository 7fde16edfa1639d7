// HTTP calls of documents through the program: a server of the test's own, secrets that no journal holds, kill -9.
#include "cluster/documents.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::http_server;
using perdure::test::server_request;
using perdure::test::server_response;
using perdure::test::workplace;

namespace {

bool holds(const std::filesystem::path& folder, std::string_view text) {
  for (const auto& each : std::filesystem::recursive_directory_iterator(folder)) {
    if (each.is_regular_file() && test::slurp(each.path()).find(text) != std::string::npos) return true;
  }
  return false;
}

class environment_variable {
 public:
  environment_variable(std::string name, const std::string& value) : name_(std::move(name)) {
    ::setenv(name_.c_str(), value.c_str(), 1);
  }
  ~environment_variable() { ::unsetenv(name_.c_str()); }

 private:
  std::string name_;
};

}  // namespace

TEST_CASE("a document calls a server, and goes on with its answer") {
  const workplace here;
  const http_server server{[](const server_request& request) -> server_response {
    if (request.path == "/people/1")
      return {.body = "{\"name\": \"Luke\", \"homeworld\": \"" + request.headers.at("x-base") + "/planets/1\"}"};
    return {.body = "{\"name\": \"Tatooine\"}"};
  }};
  const auto file =
      here.document("star", "  - person:\n      call: http\n      with:\n        method: get\n        endpoint: '" +
                                server.url("/people/{id}") + "'\n        headers: {X-Base: '" + server.url() +
                                "'}\n        output: response\n      export: {as: {homeworld: '${ .content.homeworld }'}}\n"
                                "  - planet: {call: http, with: {method: get, endpoint: '${ $context.homeworld }'}}\n");
  const auto done = here.call({"run", file, "--input", R"({"id":1})"});
  CHECK(done.out == "{\"name\":\"Tatooine\"}\n");
  REQUIRE(server.requests().size() == 2);
  CHECK(server.requests()[0].headers.at("idempotency-key") != server.requests()[1].headers.at("idempotency-key"));
}

TEST_CASE("a secret reaches the server and the shell, and nothing that is stored or told") {
  const workplace here;
  const environment_variable secret{"PERDURE_SECRET_APITOKEN", "very-secret-token"},
      user{"PERDURE_SECRET_LOGIN", R"({"username":"anna","password":"hidden-word"})"};
  const http_server server{[](const server_request& request) {
    return server_response{.body = "{\"saw\": \"" + request.headers.at("authorization") +
                                   "\", \"body\": " + (request.body.empty() ? "null" : request.body) + "}"};
  }};
  const auto file = here.write(
      "s.yaml",
      "document: {dsl: '1.0.3', namespace: default, name: s, version: 1.0.0}\n"
      "use: {secrets: [apiToken, login]}\ndo:\n"
      "  - one: {call: http, with: {method: post, endpoint: {uri: '" +
          server.url() +
          "', authentication: {bearer: {token: '${ $secrets.apiToken }'}}}, body: {t: '${ $secrets.apiToken }'}}}\n"
          "  - two: {call: http, with: {method: get, endpoint: {uri: '" +
          server.url() +
          "', authentication: {basic: {use: login}}}}}\n"
          "  - three: {run: {shell: {command: 'printf %s \"$T\" | wc -c; echo $T', environment: {T: '${ $secrets.apiToken }'}}, "
          "return: all}}\n"
          "  - four: {run: {shell: {command: 'echo $T >&2; exit 1', environment: {T: '${ $secrets.login.password }'}}}}\n");
  const auto done = here.call({"run", file, "--json", "--follow", "--log-level", "debug"});
  CHECK(done.code == 1);  // the last task fails, and says why
  const auto seen = server.requests();
  REQUIRE(seen.size() == 2);
  CHECK(seen[0].headers.at("authorization") == "Bearer very-secret-token");
  CHECK(seen[0].body == "{\"t\":\"very-secret-token\"}");
  CHECK(seen[1].headers.at("authorization") == "Basic YW5uYTpoaWRkZW4td29yZA==");
  const auto shown = here.call({"runs", "show", test::text_of(done.json().at("run_id")), "--json"});
  CHECK(shown.out.find("17\\n") != std::string::npos);  // the shell had all of it
  CHECK(holds(here.data(), "perdure-secret:apiToken"));
  for (const auto* each : {"very-secret-token", "hidden-word"}) {
    CHECK(done.out.find(each) == std::string::npos);
    CHECK(done.err.find(each) == std::string::npos);
    CHECK(shown.out.find(each) == std::string::npos);
    CHECK_FALSE(holds(here.data(), each));
  }
}

TEST_CASE("after kill -9 a call is made again with the same key, and one that was recorded is not") {
  const workplace here;
  std::atomic<bool> slow{true};
  const http_server server{[&](const server_request& request) {
    return server_response{.body = "1", .delay_ms = request.path == "/slow" && slow ? 30'000 : 0};
  }};
  const auto file = here.document("k", "  - a: {call: http, with: {method: post, endpoint: '" + server.url("/fast") +
                                           "'}}\n"
                                           "  - b: {call: http, with: {method: post, endpoint: '" +
                                           server.url("/slow") + "'}}\n");
  auto first = here.start({"run", file, "--key", "k"});
  REQUIRE(workplace::eventually([&] { return server.requests().size() == 2; }));
  first->kill();
  slow = false;
  CHECK(here.call({"run", file, "--key", "k"}).out == "1\n");
  std::map<std::string, std::vector<std::string>> keys;
  for (const auto& each : server.requests()) keys[each.path].push_back(each.headers.at("idempotency-key"));
  CHECK(keys["/fast"].size() == 1);
  REQUIRE(keys["/slow"].size() == 2);
  CHECK(keys["/slow"][0] == keys["/slow"][1]);
}

TEST_CASE("a task's time limit ends its call, and a server's error is told") {
  const workplace here;
  const http_server server{[](const server_request& request) -> server_response {
    if (request.path == "/slow") return {.body = "1", .delay_ms = 30'000};
    return {.status = 503, .body = "busy"};
  }};
  const auto late = here.call({"run",
                               here.document("l", "  - a: {call: http, with: {method: get, endpoint: '" + server.url("/slow") +
                                                      "'}, timeout: {after: {milliseconds: 300}}}\n"),
                               "--json"});
  CHECK(late.json().at("error").at("status") == 408);
  const auto busy = here.call(
      {"run", here.document("b", "  - a: {call: http, with: {method: get, endpoint: '" + server.url("/") + "'}}\n"), "--json"});
  CHECK(busy.json().at("error").at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
  CHECK(busy.json().at("error").at("status") == 503);
  CHECK(test::text_of(busy.json().at("error").at("detail")).find("busy") != std::string::npos);
}

TEST_CASE("a document of a stranger reaches no server of this machine, and --dry-run does nothing") {
  const workplace here;
  const http_server server{[](const server_request&) { return server_response{.body = "1"}; }};
  const auto text =
      "document: {dsl: '1.0.3', namespace: default, name: p, version: 1.0.0}\ndo:\n  - a: {call: http, with: {method: get, "
      "endpoint: '" +
      server.url() + "'}}\n";
  cluster::document_reader strict{here.path("data"), std::getenv("PERDURE_BINARY"), cluster::document_limits{}};
  const auto read = strict.read(text, "p.yaml");
  REQUIRE(read.has_value());
  {
    auto node = test::open_node(here.path("data"));
    REQUIRE(node.add(read->definition));
    const auto end = test::finish(node.start("p", json::value{}).value());
    REQUIRE(end.error);
    CHECK(end.error->code == "communication");
    CHECK(end.error->message.find("not allowed") != std::string::npos);
  }
  CHECK(
      strict
          .problems(
              "document: {dsl: '1.0.3', namespace: default, name: p, version: 1.0.0}\ndo:\n  - a: {run: {shell: {command: x}}}\n",
              "p.yaml")
          .at(0)
          .kind == "forbidden");
  const auto file = here.write("d.yaml",
                               "document: {dsl: '1.0.3', namespace: default, name: d, version: 1.0.0}\ndo:\n"
                               "  - one: {if: .x, call: http, with: {method: get, endpoint: '" +
                                   server.url() +
                                   "'}}\n"
                                   "  - two: {try: [{in: {run: {shell: {command: 'touch " +
                                   here.path("touched").string() + "'}}}}], catch: {do: [{out: {set: {x: 1}}}]}}\n");
  CHECK(here.call({"run", file, "--dry-run"}).out ==
        "one  call http  (if .x)\ntwo  try\n  in  run shell\n  catch\n    out  set\n");
  CHECK(here.call({"run", file, "--dry-run", "--json"}).json().at("tasks").at(2).at("reference") == "/do/1/two/try/0/in");
  CHECK(server.requests().empty());
  CHECK_FALSE(std::filesystem::exists(here.path("touched")));
  CHECK(here.call({"run", here.document("bad", "  - a: {sett: 1}\n"), "--dry-run"}).code == 1);
}
