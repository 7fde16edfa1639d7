// The specification's examples that need no more than a server of the test's own: each runs as it is, but for the addresses
// of servers, and its result is looked at.
#include <fstream>
#include <iostream>
#include <sstream>

#include "cluster/documents.hpp"
#include "cluster/event_broker.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using test::eventually;
using test::http_server;
using test::server_request;
using test::server_response;

namespace {

const auto folder = std::filesystem::path{PERDURE_SOURCE_DIR} / ".." / "shared" / "serverless-workflow" / "examples";

bool lacks_examples() {
  if (std::filesystem::is_directory(folder)) return false;
  std::cout << "\nskipped: " << folder << " is not there" << std::endl;
  return true;
}

/// A server that is all the servers of the examples.
server_response serve(const server_request& request) {
  const auto& path = request.path;
  const auto found = request.headers.find("authorization");
  const auto known = found == request.headers.end() ? std::string{} : found->second;
  const auto json = [](const json::value& value) { return server_response{.body = std::string{payload{value}.text()}}; };
  if (path.ends_with("/token")) return json({{"access_token", "granted"}, {"expires_in", 300}});
  if (path.ends_with("/.well-known/openid-configuration"))
    return json({{"token_endpoint", "http://" + request.headers.at("host") + "/realms/fake-authority/token"}});
  if (path == "/v2/swagger.json") {
    return json(
        {{"swagger", "2.0"},
         {"host", request.headers.at("host")},
         {"basePath", "/v2"},
         {"schemes", {"http"}},
         {"paths",
          {{"/pet/findByStatus",
            {{"get", {{"operationId", "findPetsByStatus"}, {"parameters", {{{"name", "status"}, {"in", "query"}}}}}}}}}}});
  }
  if (path == "/v2/pet/findByStatus") return json({{"query", request.query}});
  if (path == "/v2/pet/404") return {.status = 404, .body = "{}"};
  if (path.starts_with("/v2/pet/"))
    return json({{"id", path.substr(8)}, {"method", request.method}, {"auth", known}, {"body", request.body}});
  if (path == "/api/people/")
    return json({{"query", request.query}, {"accept", request.headers.contains("accept") ? request.headers.at("accept") : ""}});
  if (path == "/api/people/1") return json({{"homeworld", "http://" + request.headers.at("host") + "/api/planets/1"}});
  if (path == "/api/planets/1") return json({{"name", "Tatooine"}});
  return json({{"path", path}, {"body", request.body}});
}

class stage {
 public:
  explicit stage(const std::filesystem::path& data)
      : server(serve), reader_(data, std::getenv("PERDURE_BINARY")), node_(test::open_node(data)) {}

  /// Starts an example, its servers replaced by the test's.
  run_ref start(const std::string& name, const json::value& input = nullptr) {
    std::ifstream in{folder / (name + ".yaml")};
    std::stringstream text;
    text << in.rdbuf();
    auto whole = text.str();
    for (const auto* each :
         {"https://petstore.swagger.io", "https://swapi.dev", "http://keycloak", "https://superbet-casinos.com/api",
          "https://fake-hospital.com", "https://virtual-wf-powered-race.com", "https://hospital.example.com"}) {
      for (auto at = whole.find(each); at != std::string::npos; at = whole.find(each, at + 1))
        whole.replace(at, std::string_view{each}.size(), server.url());
    }
    return add(whole, name, input);
  }
  run_ref add(const std::string& text, const std::string& name, const json::value& input) {
    const auto read = reader_.read(text, name + ".yaml");
    INFO(name << (read ? "" : ": " + read.error().message));
    REQUIRE(read.has_value());
    (void)node_.add(read->definition);  // several examples have one name: the same run must be of this one
    auto run = node_.start(read->name, input);
    REQUIRE(run.has_value());
    return *run;
  }
  void define(const std::string& text) {
    const auto read = reader_.read(text, "a.yaml");
    REQUIRE(read.has_value());
    REQUIRE(node_.add(read->definition));
  }
  json::value result(const std::string& name, const json::value& input = nullptr) {
    const auto end = test::finish(start(name, input), std::chrono::seconds{30});
    INFO(name << (end.error ? ": " + end.error->message : ""));
    REQUIRE(end.status == run_status::succeeded);
    return end.output.value();
  }
  failure error(const std::string& name, const json::value& input = nullptr) {
    const auto end = test::finish(start(name, input), std::chrono::seconds{30});
    INFO(name);
    REQUIRE(end.error);
    return *end.error;
  }
  void emit(const std::string& type, const json::value& data) {
    std::optional<run_id> broker;
    REQUIRE(eventually([&] {
      const auto page = node_.list({.workflow = std::string{cluster::event_workflow}}).value();
      for (const auto& each : page.runs) {
        if (!is_terminal(each.status)) broker = each.id;
      }
      return broker.has_value();
    }));
    const json::value event{
        {"event",
         {{"specversion", "1.0"}, {"id", run_id::make().str()}, {"source", "https://s.x"}, {"type", type}, {"data", data}}}};
    REQUIRE(node_.get(*broker)->signal(cluster::event_signal, event));
  }
  /// The run waits for events: it has subscribed, and does nothing else.
  void listens(const run_ref& run) {
    REQUIRE(eventually([&] {
      const auto events = run.events(0, 1'000).value();
      for (const auto& each : events) {
        const std::string text{payload{json::value(each.data)}.text()};
        if (each.kind == "turn" && text.find("\"listen.") != std::string::npos && text.find("subscribe") == std::string::npos)
          return true;
      }
      return false;
    }));
  }

  http_server server;

 private:
  cluster::document_reader reader_;
  node node_;
};

/// A stage for one example: several of them have the same name and version.
template <class F>
void on_stage(F what) {
  const test::temp_directory directory;
  stage here{directory.path()};
  what(here);
}

json::value result_of(const std::string& name, const json::value& input = nullptr) {
  json::value out;
  on_stage([&](stage& here) { out = here.result(name, input); });
  return out;
}
failure error_of(const std::string& name, const json::value& input = nullptr) {
  failure out;
  on_stage([&](stage& here) { out = here.error(name, input); });
  return out;
}

}  // namespace

TEST_CASE("examples that call HTTP") {
  if (lacks_examples()) return;
  CHECK(result_of("call-http-endpoint-interpolation", {{"petId", 7}}).at("id") == "7");
  CHECK(result_of("call-http-endpoint-interpolation-shorthand", {{"petId", 7}}).at("id") == "7");
  CHECK(result_of("call-http-query-parameters", {{"searchQuery", "luke s"}}).at("query") == "search=luke%20s");
  const auto headers = result_of("call-http-query-headers-expressions", {{"searchQuery", "luke"}});
  CHECK(headers.at("query") == "search=luke");
  CHECK(headers.at("accept") == "application/json");
  CHECK(result_of("call-http-redirect", {{"searchQuery", "x"}}).at("query") == "search=x");
  CHECK(error_of("call-http-query-parameters", {{"other", 1}}).code == "validation");
  CHECK(result_of("star-wars-homeworld", {{"id", 1}}) == json::value{{"name", "Tatooine"}});
  CHECK(result_of("do-single", {{"petId", 1}}).at("method") == "GET");
  CHECK(result_of("do-multiple", {{"petId", 1}}).at("method") == "PUT");
  CHECK(result_of("conditional-task", {{"customer", {{"age", 20}}}}).at("path") == "/bet/on/football");
  CHECK(error_of("conditional-task", {{"customer", {{"age", 17}}}}).type ==
        "https://superbet-casinos.com/customer/access-forbidden");
  CHECK(result_of("fork", {{"patient", {{"fullName", "A"}}}, {"room", {{"number", 1}}}})
            .at("path")
            .as_string()
            .starts_with("/api/v3/alert/"));
  CHECK(result_of("call-openapi").at("query") == "status=available");
  CHECK(result_of("call-openapi-redirect").at("query") == "status=available");
  CHECK(result_of("call-custom-function-inline").at("id") == "69");
  CHECK(result_of("try-catch", {{"petId", 404}}) == json::value{{"petId", 404}});
  CHECK(result_of("try-catch-retry-inline", {{"petId", 1}}).at("id") == "1");
  CHECK(result_of("try-catch-retry-reusable", {{"petId", 1}}).at("id") == "1");
}

TEST_CASE("examples with authentication") {
  if (lacks_examples()) return;
  const json::value input{{"petId", 1}, {"token", "t"}};
  for (const auto* name : {"authentication-bearer", "authentication-bearer-uri-format", "authentication-reusable"})
    CHECK(result_of(name, input).at("auth") == "Bearer t");
  for (const auto* name : {"authentication-oauth2", "authentication-oidc"})
    CHECK(result_of(name, input).at("auth") == "Bearer granted");
  on_stage([&](stage& here) {
    const auto secret = "{\"authority\": \"" + here.server.url("/realms/fake-authority") +
                        "\", \"grant\": \"client_credentials\", \"client\": {\"id\": \"i\", \"secret\": \"s\"}}";
    ::setenv("PERDURE_SECRET_MYSECRET", secret.c_str(), 1);
    CHECK(here.result("authentication-oauth2-secret", input).at("auth") == "Bearer granted");
  });
  on_stage([&](stage& here) {
    const auto secret = "{\"authority\": \"" + here.server.url("/realms/fake-authority") +
                        "\", \"grant\": \"client_credentials\", \"client\": {\"id\": \"i\", \"secret\": \"s\"}}";
    ::setenv("PERDURE_SECRET_MYSECRET", secret.c_str(), 1);
    CHECK(here.result("authentication-oidc-secret", input).at("auth") == "Bearer granted");
  });
  ::unsetenv("PERDURE_SECRET_MYSECRET");
  CHECK(error_of("authentication-oauth2-secret", input).status == 403);
}

TEST_CASE("examples that need nothing but the machine") {
  if (lacks_examples()) return;
  CHECK(result_of("set", json::array{json::object{{"a", 1}}}) == json::value{{"startEvent", {{"a", 1}}}});
  CHECK(result_of("set-expression", json::array{json::object{{"a", 1}}}) == json::value{{"a", 1}});
  CHECK(result_of("switch-then-string", {{"orderType", "electronic"}}) ==
        json::value{{"validate", true}, {"status", "fulfilled"}});
  CHECK(result_of("switch-then-string", {{"orderType", "odd"}}).at("log") == "warn");
  CHECK(result_of("run-shell-stdin-and-arguments") == json::value("STDIN was: Hello World\nARGS are Foo Bar\n"));
  CHECK(result_of("emit", {{"x", 1}}) == json::value{{"x", 1}});
  for (const auto* name : {"raise-inline", "raise-reusable"}) {
    const auto why = error_of(name);
    CHECK(why.type == "https://serverlessworkflow.io/errors/not-implemented");
    CHECK(why.message.find("is a work in progress and cannot be run yet") != std::string::npos);
  }
  // What its condition says of an endpoint that is an object is an error of jq, and the specification wants it told.
  CHECK(error_of("mock-service-extension").code == "expression");
  if (std::system("command -v node >/dev/null 2>&1") == 0)
    CHECK(result_of("run-script-with-stdin-and-arguments") == json::value("stdin >  Hello Workflow\narg >  hello\nenv >  bar\n"));
  on_stage([](stage& here) {
    here.define(
        "document: {dsl: '1.0.3', namespace: test, name: register-customer, version: '0.1.0'}\ndo:\n  - a: {set: {got: '${ "
        ".customer }'}}\n");
    CHECK(here.result("run-subflow", {{"user", 1}}) == json::value{{"got", ".user"}});
  });
}

TEST_CASE("examples that listen") {
  if (lacks_examples()) return;
  const auto hear = [](const std::string& name, const std::vector<std::pair<std::string, json::value>>& events) {
    json::value out;
    on_stage([&](stage& here) {
      const auto run = here.start(name, {{"carId", 3}});
      here.listens(run);
      for (const auto& [type, data] : events) here.emit(type, data);
      const auto end = test::finish(run);
      INFO(name << (end.error ? ": " + end.error->message : ""));
      REQUIRE(end.status == run_status::succeeded);
      out = end.output.value();
    });
    return out;
  };
  const std::string hot = "com.fake-hospital.vitals.measurements.temperature",
                    pulse = "com.fake-hospital.vitals.measurements.bpm";
  const json::value fever{{"temperature", 39}}, cool{{"temperature", 37}}, fast{{"bpm", 120}}, normal{{"bpm", 80}};
  CHECK(hear("listen-to-any", {{"x", 1}}) == json::value(json::array{1}));
  CHECK(hear("listen-to-any-filter", {{hot, cool}, {pulse, normal}, {pulse, fast}}) == json::value(json::array{fast}));
  CHECK(hear("listen-to-all", {{hot, cool}, {pulse, fast}, {hot, fever}}) == json::value{fast, fever});
  CHECK(hear("listen-to-all read-envelope", {{pulse, fast}, {hot, fever}}).at(1).at("type") == json::value(hot));
  CHECK(hear("listen-to-any-until-condition", {{"x", 1}, {"x", 2}, {"x", 3}, {"x", 4}}) == json::value{1, 2, 3, 4});
  CHECK(hear("listen-to-any-until-consumed",
             {{hot, fever}, {pulse, normal}, {pulse, fast}, {"com.fake-hospital.patient.checked-out", nullptr}}) ==
        json::value{fever, fast});
  CHECK(hear("listen-to-one", {{"com.virtual-wf-powered-race.events.race.started.v1", nullptr}}).at("path") ==
        "/api/v4/cars//start");
}
