// The specification's examples that need no more than a server of the test's own: each runs as it is, but for the addresses
// of servers, and its result is looked at.
#include "example_stage.hpp"

using namespace perdure;
using namespace perdure::test;

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
  CHECK(result_of("emit").at("data").at("items").at(0).at("quantity") == 101);
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
      const auto end = finish(run);
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
