// A process that dies between an authorization code and what it was for: the next one has the refresh token.
#include <sys/stat.h>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::http_server;
using perdure::test::server_request;
using perdure::test::server_response;
using perdure::test::workplace;

TEST_CASE("a code that was exchanged before a kill is not needed again, and no journal holds what it gave") {
  std::mutex mutex;
  std::string next = "code=the-first-one";
  std::vector<std::string> asked;
  std::atomic<int> calls{0};
  const http_server server{[&](const server_request& request) -> server_response {
    if (request.path == "/work") {
      const bool last = ++calls > 1;
      return {.body = "\"done\"", .delay_ms = last ? 0 : 60'000};
    }
    const std::lock_guard lock{mutex};
    asked.push_back(request.body);
    if (request.body.find(next) == std::string::npos) return {.status = 400, .body = R"({"error": "invalid_grant"})"};
    const auto given = "the-refresh-token-" + std::to_string(asked.size());
    next = "refresh_token=" + given;
    return {.body = R"({"access_token": "the-access-token", "refresh_token": ")" + given + "\"}"};
  }};
  const workplace here;
  const json::value secret{{"authority", server.url()},
                           {"grant", "authorization_code"},
                           {"code", "the-first-one"},
                           {"client", {{"id", "me"}, {"secret", "the-word-of-the-client"}}}};
  ::setenv("PERDURE_SECRET_GRANT", std::string{payload{secret}.text()}.c_str(), 1);
  const std::vector<std::string> command{
      "run",
      here.write("a.yaml",
                 "document: {dsl: '1.0.3', namespace: default, name: a, version: 1.0.0}\nuse: {secrets: [grant]}\ndo:\n"
                 "  - a: {call: http, with: {method: get, endpoint: {uri: '" +
                     server.url("/work") + "', authentication: {oauth2: {use: grant}}}}}\n"),
      "--key", "k", "--json"};
  {
    auto once = here.start(command);
    REQUIRE(workplace::eventually([&] { return calls == 1; }));
    once->kill();
  }
  const auto done = here.call(command);
  ::unsetenv("PERDURE_SECRET_GRANT");
  INFO(done.out << done.err);
  REQUIRE(done.code == 0);
  CHECK(done.json().at("output") == "done");
  {
    const std::lock_guard lock{mutex};
    REQUIRE(asked.size() == 2);
    CHECK(asked[0].find("grant_type=authorization_code") != std::string::npos);
    CHECK(asked[1].find("refresh_token=the-refresh-token-1") != std::string::npos);
  }
  const auto file = here.path("data") / "refresh-tokens";
  CHECK(test::slurp(file).find("the-refresh-token-2") != std::string::npos);
  struct stat how {};
  REQUIRE(::stat(file.c_str(), &how) == 0);
  CHECK((how.st_mode & 0777) == 0600);
  const auto journal = test::slurp(here.path("data") / "journal.mdb");
  for (const auto* each : {"the-refresh-token", "the-access-token", "the-first-one", "the-word-of-the-client"})
    CHECK(journal.find(each) == std::string::npos);
}
