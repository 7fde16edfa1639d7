// `perdure serve --config`: what the file says counts, the command line has the last word, and what is wrong in it is told.
#include <atomic>

#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/http_server.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::http_connection;
using test::http_request;
using test::served;
using test::text_of;
using test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string sleepy =
    "document: {dsl: '1.0.3', namespace: default, name: sleepy, version: 1.0.0}\ndo:\n  - pause: {wait: {seconds: 60}}\n";

/// A server with this configuration, and a folder of workflows with `sleepy` in it.
struct configured {
  workplace here;
  std::unique_ptr<served> at;

  explicit configured(const std::string& text) {
    std::filesystem::create_directory(here.path("flows"));
    here.write("flows/sleepy.yaml", sleepy);
    at = std::make_unique<served>(
        here, std::vector<std::string>{"--config",
                                       here.write("perdure.yaml", "workflows: " + here.path("flows").string() + "\n" + text)});
  }
  [[nodiscard]] int start_as(const std::string& key) const {
    return at->call_as(key, "POST", "/api/v1/runs", R"({"workflow":"sleepy"})").status;
  }
};

}  // namespace

TEST_CASE("options of the configuration count, and the command line has the last word") {
  const configured c{"listen: 127.0.0.1:1\ntenant_runs: 1\naccess-log: true\nlimits: {body_bytes: 1000, target_bytes: 100}\n"};
  CHECK(c.start_as(c.at->admin()) == 201);
  CHECK(c.start_as(c.at->admin()) == 429);
  CHECK(c.at->call("GET", "/api/v1/runs/" + std::string(100, 'x')).status == 414);
  CHECK(c.at->call("POST", "/api/v1/runs", std::string(1001, ' ')).status == 413);
  c.at->node().signal(SIGTERM);
  CHECK(has(c.at->node().finish().err, "\"status\":414"));
}

TEST_CASE("a tenant with a policy of its own is held to that, and others to everybody's") {
  const configured c{
      "tenant_runs: 2\n"
      "tenants:\n"
      "  small: {tenant_runs: 1, allow_processes: true}\n"
      "  quick: {key_rate: 3}\n"};
  const auto small = c.at->key({"--tenant", "small", "--rights", "run,read,deploy"});
  CHECK(c.start_as(small) == 201);
  CHECK(c.start_as(small) == 429);
  const auto other = c.at->key({"--tenant", "other", "--rights", "run,read,deploy"});
  CHECK(c.start_as(other) == 201);
  CHECK(c.start_as(other) == 201);
  CHECK(c.start_as(other) == 429);
  const auto put = [&](const std::string& key, const std::string& space) {
    return c.at
        ->call_as(key, "PUT", "/api/v1/workflows/" + space + "%2Fshell",
                  "document: {dsl: '1.0.3', namespace: " + space +
                      ", name: shell, version: 1.0.0}\ndo:\n  - a: {run: {shell: {command: 'true'}}}\n",
                  {{"Content-Type", "application/yaml"}})
        .status;
  };
  CHECK(put(small, "small") == 201);
  CHECK(put(other, "other") == 400);
  const auto quick = c.at->key({"--tenant", "quick"});
  std::map<int, int> seen;
  for (int i = 0; i < 10; ++i) ++seen[c.at->call_as(quick, "GET", "/api/v1/workflows").status];
  CHECK(seen[429] >= 1);
  for (int i = 0; i < 10; ++i) CHECK(c.at->call_as(other, "GET", "/api/v1/workflows").status == 200);
}

TEST_CASE("secrets of the configuration reach documents of the folder, and no log or journal") {
  workplace files;
  const auto token = files.write("token", "s3cret-of-a-file\n");
  const configured c{"secrets:\n  api-token: {file: " + token + "}\n  plain: text-of-the-config\n"};
  c.here.write("flows/spends.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: spends, version: 1.0.0}\n"
               "use: {secrets: [api-token, plain]}\n"
               "do:\n"
               "  - spend:\n"
               "      run:\n"
               "        shell:\n"
               "          command: 'printf \"%s %s\" \"${#A}\" \"${#B}\"'\n"
               "          environment: {A: '${ $secrets[\"api-token\"] }', B: '${ $secrets.plain }'}\n");
  c.at->node().signal(SIGHUP);
  test::http_answer begun;
  REQUIRE(workplace::eventually([&] {
    begun = c.at->call("POST", "/api/v1/runs", R"({"workflow":"spends"})", {{"Idempotency-Key", "once"}});
    return begun.status == 201;
  }));
  const auto run = "/api/v1/runs/" + text_of(begun.json().at("run_id"));
  CHECK(workplace::eventually([&] { return text_of(c.at->call("GET", run).json().at("status")) == "succeeded"; }));
  CHECK(text_of(c.at->call("GET", run).json().at("output")) == "16 18");
  CHECK(!has(c.at->call("GET", run + "/journal").body, "s3cret"));
}

TEST_CASE("an idempotency key holds its run until that has ended and the time of keys is over") {
  const configured c{"limits: {key_time: 400ms}\n"};
  c.here.write("flows/brief.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: brief, version: 1.0.0}\ndo:\n  - a: {set: {x: 1}}\n");
  c.at->node().signal(SIGHUP);
  const auto start = [&](const std::string& workflow, const std::string& input = "1") {
    return c.at->call("POST", "/api/v1/runs", R"({"workflow":")" + workflow + R"(","input":)" + input + "}",
                      {{"Idempotency-Key", "key-of-" + workflow}});
  };
  test::http_answer first;
  REQUIRE(workplace::eventually([&] { return (first = start("brief")).status < 300; }));
  const auto waits = start("sleepy");
  CHECK(waits.status == 201);
  test::http_answer next;
  REQUIRE(workplace::eventually([&] { return (next = start("brief", "2")).status == 201; }));  // another body, too
  CHECK(next.json().at("run_id") != first.json().at("run_id"));
  CHECK(start("brief", "2").json().at("run_id") == next.json().at("run_id"));
  const auto again = start("sleepy");  // it has not ended
  CHECK(again.status == 200);
  CHECK(again.json().at("run_id") == waits.json().at("run_id"));
  CHECK(c.here.call({"journal", "verify", "--json"}).json().at("ok") == true);
}

TEST_CASE("pages of the origins that are allowed may read answers, and no others") {
  const configured c{"cors: {origins: ['https://app.example.org'], max_age: 60}\n"};
  const auto asked = [&](const std::string& origin) {
    http_connection to{c.at->port()};
    to.send(
        http_request("OPTIONS", "/api/v1/runs",
                     {{"Origin", origin}, {"Access-Control-Request-Method", "POST"}, {"Access-Control-Request-Headers", "x"}}));
    return to.read();
  };
  const auto good = asked("https://app.example.org");
  CHECK(good.status == 204);
  CHECK(good.header("access-control-allow-origin") == "https://app.example.org");
  CHECK(has(good.header("access-control-allow-headers"), "Authorization"));
  CHECK(good.header("access-control-max-age") == "60");
  const auto bad = asked("https://evil.example.org");
  CHECK(bad.status == 401);
  CHECK(bad.header("access-control-allow-origin").empty());
  // Errors can be read, too, also those that the server gives before it knows who asks.
  for (const auto& target : {std::string{"/api/v1/runs"}, "/" + std::string(9'000, 'a')}) {
    http_connection to{c.at->port()};
    to.send(http_request("GET", target, {{"Origin", "https://app.example.org"}}));
    CHECK(to.read().header("access-control-allow-origin") == "https://app.example.org");
  }
  const workplace other;
  const served plain{other};
  const auto none = plain.call("GET", "/api/v1/runs", {}, {{"Origin", "https://app.example.org"}});
  CHECK(none.header("access-control-allow-origin").empty());
  CHECK(none.header("vary").empty());
}

TEST_CASE("what is wrong in a configuration is told with its place before anything is served") {
  const workplace here;
  const std::pair<const char*, const char*> cases[] = {{"listne: 127.0.0.1:0\n", "listne: there is no such option"},
                                                       {"tenant_runs: -1\n", "tenant_runs: "},
                                                       {"tenant_runs: [1]\n", "tenant_runs: has to be a text or a number"},
                                                       {"access_log: maybe\n", "access_log: has to be true or false"},
                                                       {"log_level: loud\n", "log_level: "},
                                                       {"limits: {body_bytes: 0}\n", "limits.body_bytes"},
                                                       {"limits: {size: 1}\n", "limits.size: is no limit"},
                                                       {"cors: {origins: ['app.example.org']}\n", "cors.origins"},
                                                       {"tenants: {Bad: {}}\n", "tenants.Bad"},
                                                       {"tenants: {good: {runs: 1}}\n", "tenants.good.runs: is not known"},
                                                       {"secrets: {a: {file: /nowhere/at/all}}\n", "secrets.a: "},
                                                       {"secrets: {a-b: x, a.b: y}\n", "the same secret"},
                                                       {"tls_cert: a.pem\n", "belong together"},
                                                       {"listen: 0.0.0.0:0\n", "--plain-http"},
                                                       {"a: b: c\n", "perdure.yaml"},
                                                       {"- a\n", "has to be a map"}};
  for (const auto& [text, told] : cases) {
    INFO(text);
    const auto refused = here.call({"serve", "--config", here.write("perdure.yaml", text)});
    CHECK(refused.code == 2);
    INFO(refused.err);
    CHECK(has(refused.err, told));
  }
  CHECK(here.call({"serve", "--config", here.path("none.yaml").string()}).code == 2);
  CHECK(!std::filesystem::exists(here.path("data")));
}

TEST_CASE("documents put over HTTP reach public addresses only where their tenant may no more, after a restart too") {
  std::atomic<int> reached{0};
  const test::http_server inner{[&](const test::server_request&) -> test::server_response {
    ++reached;
    return {.body = "1"};
  }};
  const configured c{
      "tenants:\n"
      "  public: {allow_public_calls: true}\n"
      "  free: {allow_calls: true}\n"};
  std::map<std::string, std::string> keys;
  for (const auto* tenant : {"public", "free", "none"})
    keys[tenant] = c.at->key({"--tenant", tenant, "--rights", "run,read,deploy"});
  const auto put = [&](const std::string& space, const std::string& name, const std::string& task) {
    return c.at->call_as(
        keys.at(space), "PUT", "/api/v1/workflows/" + space + "%2F" + name,
        "document: {dsl: '1.0.3', namespace: " + space + ", name: " + name + ", version: 1.0.0}\ndo:\n  - a: " + task + "\n",
        {{"Content-Type", "application/yaml"}});
  };
  const auto why = [&](const std::string& space) {
    const auto begun = c.at->call_as(keys.at(space), "POST", "/api/v1/runs",
                                     R"({"workflow":")" + space + R"(/asks","input":{"at":")" + inner.url() + R"("}})");
    REQUIRE(begun.status == 201);
    const auto run = "/api/v1/runs/" + text_of(begun.json().at("run_id"));
    json::value end;
    REQUIRE(workplace::eventually([&] {
      end = c.at->call_as(keys.at(space), "GET", run).json();
      return text_of(end.at("status")) == "failed" || text_of(end.at("status")) == "succeeded";
    }));
    return end.at("error").is_null() ? std::string{} : text_of(end.at("error").at("detail"));
  };
  const std::string asks = "{call: http, with: {method: get, endpoint: '${ .at }'}}";
  CHECK(put("none", "asks", asks).status == 400);
  CHECK(put("free", "asks", asks).status == 201);
  CHECK(put("public", "asks", asks).status == 201);
  CHECK(has(why("public"), "private network"));
  CHECK(reached == 0);
  CHECK(why("free").empty());
  CHECK(reached == 1);
  // An MCP server that is a program is one to run, whatever calls are allowed.
  for (const auto* tenant : {"public", "free"}) {
    const auto ran = put(tenant, "mcp", "{call: mcp, with: {method: tools/list, transport: {stdio: {command: 'true'}}}}");
    CHECK(ran.status == 400);
    CHECK(has(ran.body, "may not run"));
  }
  c.at->node().signal(SIGTERM);
  c.at->node().finish();
  c.at->start();
  CHECK(has(why("public"), "private network"));
  CHECK(reached == 1);
  CHECK(why("free").empty());
}
