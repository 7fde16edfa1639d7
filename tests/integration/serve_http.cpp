// `perdure serve` as an HTTP server: what it takes, what it refuses and how, keys, starting and stopping.
#include <sys/stat.h>

#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

std::string bearer(const served& at) { return "Bearer " + at.admin(); }

mode_t mode_of(const std::filesystem::path& file) {
  struct stat info {};
  return ::stat(file.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

}  // namespace

TEST_CASE("the first start writes a key with all rights that only the owner reads, and tells where") {
  const workplace here;
  served at{here};
  const auto path = (here.path("data") / "admin.key").string();
  CHECK(text_of(at.told().at("admin_key_file")) == path);
  CHECK(mode_of(path) == 0600);
  CHECK(!has(at.node().said(), at.admin()));
  CHECK(at.call("GET", "/api/v1/stats").status == 200);
  at.node().signal(SIGTERM);
  CHECK(at.node().finish().code == 0);
  at.start();
  CHECK(at.told().at("admin_key_file").is_null());
  CHECK(at.call("GET", "/api/v1/stats").status == 200);
}

TEST_CASE("health needs no key, everything else does") {
  const workplace here;
  const served at{here};
  CHECK(at.call_as("", "GET", "/healthz").status == 200);
  CHECK(at.call_as("", "GET", "/readyz").status == 200);
  CHECK(at.call_as("", "HEAD", "/healthz").body.empty());
  CHECK(at.call_as("", "POST", "/healthz").status == 405);
  for (const auto& wrong : {std::string{}, std::string{"pdr_x"}, at.admin().substr(0, at.admin().size() - 1) + "x",
                            "pdr_0123456789abcdef_" + std::string(64, 'a'), std::string{"../../admin"}}) {
    const auto refused = at.call_as(wrong, "GET", "/api/v1/runs");
    CHECK(refused.status == 401);
    CHECK(refused.header("www-authenticate") == "Bearer realm=\"api\"");
    CHECK(refused.json().at("error").at("code") == "unauthorized");
    CHECK(text_of(refused.json().at("request_id")) == refused.header("x-request-id"));
  }
  CHECK(at.call("GET", "/api/v1/nothing").status == 404);
  const auto not_allowed = at.call("DELETE", "/api/v1/runs");
  CHECK(not_allowed.status == 405);
  CHECK(has(not_allowed.header("allow"), "POST"));
}

TEST_CASE("keys are made, listed and revoked beside a running server, and count at once") {
  const workplace here;
  const served at{here};
  const auto reader = here.call({"keys", "create", "--rights", "read", "--json"}).json();
  const auto key = text_of(reader.at("key"));
  CHECK(at.call_as(key, "GET", "/api/v1/runs").status == 200);
  CHECK(at.call_as(key, "POST", "/api/v1/runs", R"({"workflow":"x"})").status == 403);
  CHECK(at.call_as(key, "GET", "/api/v1/stats").status == 403);
  // Its text is stored nowhere.
  CHECK(here.run({"keys", "list", "--json", "--data", here.data()}).json().at("keys").as_array().size() == 2);
  for (const auto& each : std::filesystem::directory_iterator(here.path("data") / "keys")) {
    CHECK(mode_of(each.path()) == 0600);
    CHECK(!has(test::slurp(each.path()), key.substr(key.rfind('_') + 1)));
  }
  CHECK(here.call({"keys", "revoke", text_of(reader.at("id")), "--json"}).code == 0);
  CHECK(at.call_as(key, "GET", "/api/v1/runs").status == 401);
  const auto brief = at.key({"--expires", "300ms"});
  CHECK(workplace::eventually([&] { return at.call_as(brief, "GET", "/api/v1/runs").status == 401; }, 10s));
  CHECK(here.call({"keys", "revoke", "0123456789abcdef"}).code == 1);
  CHECK(here.call({"keys", "create", "--rights", "everything"}).code == 2);
  CHECK(here.call({"keys", "create", "--tenant", "../x"}).code == 2);
  // A key that never is valid is a slip.
  for (const auto* never : {"0s", "0", "0.0001ms"}) {
    const auto refused = here.call({"keys", "create", "--expires", never});
    CHECK(refused.code == 2);
    CHECK(has(refused.err, "--expires: a key is valid for longer than \"" + std::string{never} + "\""));
  }
}

TEST_CASE("keys are made, listed and revoked over HTTP, by admins, for their own tenant") {
  const workplace here;
  const served at{here};
  const auto make = [&](const std::string& as, const std::string& body) { return at.call_as(as, "POST", "/api/v1/keys", body); };
  const auto made = make(at.admin(), R"({"tenant":"acme","rights":["admin"],"expires":"90d"})");
  REQUIRE(made.status == 201);
  const auto acme = text_of(made.json().at("key"));
  CHECK(made.header("cache-control") == "no-store");
  CHECK(made.json().at("tenant") == "acme");
  const auto reader = make(acme, R"({"rights":["read"]})");
  REQUIRE(reader.status == 201);
  CHECK(reader.json().at("tenant") == "acme");
  CHECK(reader.json().at("expires_at").is_null());
  CHECK(at.call_as(text_of(reader.json().at("key")), "GET", "/api/v1/runs").status == 200);
  // Who is no admin, or another tenant's, makes none and sees none.
  CHECK(make(text_of(reader.json().at("key")), "{}").status == 403);
  CHECK(make(acme, R"({"tenant":"default"})").status == 403);
  CHECK(at.call_as(acme, "GET", "/api/v1/keys").json().at("keys").as_array().size() == 2);
  CHECK(at.call("GET", "/api/v1/keys").json().at("keys").as_array().size() == 3);
  const auto other = text_of(make(at.admin(), R"({"tenant":"other"})").json().at("id"));
  CHECK(at.call_as(acme, "DELETE", "/api/v1/keys/" + other).status == 404);
  CHECK(at.call_as(acme, "DELETE", "/api/v1/keys/..%2F..%2Fadmin").status == 404);
  CHECK(at.call("DELETE", "/api/v1/keys/" + other).json().at("valid") == false);
  // One that is held to a workflow hands out no more than it has.
  const auto held = text_of(make(at.admin(), R"({"workflow":"w","rights":["admin"]})").json().at("key"));
  CHECK(make(held, "{}").json().at("workflow") == "w");
  CHECK(make(held, R"({"workflow":"x"})").status == 403);
  CHECK(at.call_as(held, "GET", "/api/v1/keys").json().at("keys").as_array().size() == 2);
  for (const auto* bad : {R"({"rights":[]})", R"({"rights":"read"})", R"({"rights":["all"]})", R"({"tenant":"../x"})",
                          R"({"expires":"soon"})", R"({"expires":"0s"})", R"({"expires":1e-9})", R"({"name":"x"})"}) {
    INFO(bad);
    CHECK(make(at.admin(), bad).status == 400);
  }
}

TEST_CASE("a stream ends with a word when its key is revoked, and others go on") {
  const workplace here;
  std::filesystem::create_directory(here.path("flows"));
  here.write("flows/slow.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: slow, version: 1.0.0}\ndo:\n  - a: {wait: {seconds: 60}}\n");
  const served at{here, {"--workflows", here.path("flows").string()}};
  const auto run = text_of(at.call("POST", "/api/v1/runs", R"({"workflow":"slow"})").json().at("run_id"));
  const auto made = here.call({"keys", "create", "--rights", "read", "--json"}).json();
  const auto service = here.call({"keys", "create", "--workflow", "slow", "--rights", "read", "--json"}).json();
  const auto listen = [&](http_connection& to, const std::string& key, const std::string& path) {
    to.send(http_request("GET", path, {{"Authorization", "Bearer " + key}, {"Accept", "text/event-stream"}}));
    REQUIRE(to.read_head().status == 200);
    REQUIRE(to.read_frame());
  };
  http_connection first{at.port()}, second{at.port()}, kept{at.port()};
  listen(first, text_of(made.at("key")), "/api/v1/runs/" + run + "/events");
  listen(second, text_of(service.at("key")), "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true");
  listen(kept, at.admin(), "/api/v1/runs/" + run + "/events");
  CHECK(here.call({"keys", "revoke", text_of(made.at("id"))}).code == 0);
  CHECK(at.call("DELETE", "/api/v1/keys/" + text_of(service.at("id"))).status == 200);
  const auto last_of = [](http_connection& from) {
    std::optional<test::sse_frame> last;
    while (auto frame = from.read_frame(5s)) last = frame;
    return last.value();
  };
  CHECK(last_of(first).event == "revoked");
  CHECK(has(last_of(second).data, "\"status\":401"));
  CHECK(first.ends(5s));
  while (const auto frame = kept.read_frame(1500ms)) CHECK(frame->event != "revoked");
  CHECK(!kept.ends(10ms));
}

TEST_CASE("a connection serves many requests, also when they come before the answers") {
  const workplace here;
  const served at{here};
  http_connection to{at.port()};
  std::string all;
  for (int i = 0; i < 50; ++i) all += http_request("GET", "/healthz", {{"X-Request-Id", "r" + std::to_string(i)}});
  REQUIRE(to.send(all));
  for (int i = 0; i < 50; ++i) {
    const auto answer = to.read();
    REQUIRE(answer.status == 200);
    CHECK(answer.header("x-request-id") == "r" + std::to_string(i));
  }
  // An error that is told of the content leaves the connection as it is.
  to.send(http_request("POST", "/api/v1/runs", {{"Authorization", bearer(at)}, {"Content-Type", "application/json"}}, "{"));
  CHECK(to.read().status == 400);
  to.send(http_request("POST", "/api/v1/runs", {{"Authorization", bearer(at)}, {"Content-Type", "text/html"}}, "{}"));
  CHECK(to.read().status == 415);
  to.send(http_request("GET", "/healthz"));
  CHECK(to.read().status == 200);
}

TEST_CASE("a body may come in chunks, in single bytes, and after 100 Continue") {
  const workplace here;
  const served at{here};
  http_connection to{at.port()};
  const auto head = "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer(at) + "\r\n";
  const std::string body = R"({"workflow":"none"})";
  const auto chunked =
      head + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + body.substr(0, 5) + "\r\ne\r\n" + body.substr(5) + "\r\n0\r\n\r\n";
  for (const auto byte : chunked) REQUIRE(to.send({&byte, 1}));
  CHECK(to.read().json().at("error").at("code") == "workflow_unknown");
  to.send(head + "Expect: 100-continue\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n");
  CHECK(to.read_head().status == 100);
  to.send(body);
  CHECK(to.read().json().at("error").at("code") == "workflow_unknown");
  to.send(head + "Expect: a-miracle\r\nContent-Length: 2\r\n\r\n{}");
  CHECK(to.read().status == 417);
}

TEST_CASE("a request as proxies are sent it, with the whole address, is one for its path") {
  const workplace here;
  const served at{here};
  http_connection to{at.port()};
  const auto told = [&](const std::string& target) {
    to.send("GET " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer(at) + "\r\n\r\n");
    return to.read().status;
  };
  CHECK(told("http://example.com/healthz") == 200);
  CHECK(told("HTTP://x:80/api/v1/runs?limit=2") == 200);
  CHECK(told("https://x/api/v1/runs?limit=none") == 400);
  CHECK(told("http://x") == 404);
  CHECK(told("http://x?a=/healthz") == 400);
  CHECK(told("ftp://x/healthz") == 400);
}

TEST_CASE("the access log shows no token of a form, however its address is written") {
  const workplace here;
  served at{here, {"--access-log"}};
  http_connection to{at.port()};
  for (const std::string target :
       {"/v1/form/human_input/s3cret", "/%761/form/human_input/s3cret?x=%zz", "/v1/form/human%5finput/s3cret",
        "http://x/v1/form/human_input/s3cret", "/v1/form/human_input/s3cret%zz"}) {
    to.send("GET " + target + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer(at) + "\r\n\r\n");
    const auto status = to.read().status;
    CHECK((status == 404 || status == 400));
  }
  at.node().signal(SIGTERM);
  const auto log = at.node().finish().err;
  INFO(log);
  CHECK(has(log, "/v1/form/human_input/***"));
  CHECK_FALSE(has(log, "s3cret"));
}

TEST_CASE("who waits for 100 Continue with a request that nobody takes is told so instead") {
  const workplace here;
  const served at{here};
  const auto reader = at.key({"--rights", "read"});
  // The status of the first answer, to the head alone.
  const auto told = [&](const std::string& target, const std::string& key, const std::string& more) {
    http_connection to{at.port()};
    to.send("POST " + target + " HTTP/1.1\r\nHost: x\r\n" + (key.empty() ? "" : "Authorization: Bearer " + key + "\r\n") + more +
            "Expect: 100-continue\r\n\r\n");
    const auto out = to.read();
    if (out.status != 100) CHECK(to.ends(5s));
    return out.status;
  };
  const std::string ten = "Content-Length: 10\r\n", much = "Content-Length: 99999999\r\n",
                    pieces = "Transfer-Encoding: chunked\r\n";
  const auto form = "Content-Type: multipart/form-data; boundary=b\r\n" + ten;
  for (const auto& size : {ten, pieces}) {
    CHECK(told("/api/v1/runs", {}, size) == 401);
    CHECK(told("/api/v1/runs", at.admin() + "x", size) == 401);
    CHECK(told("/api/v1/runs", reader, size) == 403);
    CHECK(told("/api/v1/nothing", at.admin(), size) == 404);
    CHECK(told("/api/v1/stats", at.admin(), size) == 405);
    CHECK(told("/api/v1/runs", at.admin(), size) == 100);
    CHECK(told("/v1/workflows/run", at.admin(), size) == 100);
  }
  CHECK(told("/api/v1/runs", at.admin(), much) == 413);
  CHECK(told("/api/v1/runs", {}, much) == 413);
  CHECK(told("/v1/files/upload", {}, form) == 401);
  CHECK(told("/v1/files/upload", reader, form) == 403);
  CHECK(told("/v1/files/upload", at.admin(), ten) == 415);
  CHECK(told("/v1/files/upload", at.admin(), form) == 100);
  // A callback proves itself by its body.
  CHECK(told("/api/v1/backends/none/callback", {}, ten) == 100);
}

TEST_CASE("what is malformed, too large or too slow gets its status, and others are served") {
  const workplace here;
  const served at{here, {"--header-time", "500ms", "--body-time", "500ms"}};
  const auto answer_to = [&](const std::string& bytes) {
    http_connection to{at.port()};
    to.send(bytes);
    return to.read().status;
  };
  CHECK(answer_to("\x16\x03\x01\x02 garbage\r\n\r\n") == 400);
  CHECK(answer_to("GET  / HTTP/1.1\r\n\r\n") == 400);
  CHECK(answer_to("GET /healthz HTTP/1.1\r\n\r\n") == 400);  // no Host
  CHECK(answer_to(http_request("GET", "/%zz")) == 400);
  CHECK(answer_to(http_request("GET", "/%00")) == 400);
  CHECK(answer_to(http_request("GET", "/" + std::string(9'000, 'a'))) == 414);
  CHECK(answer_to(http_request("GET", "/healthz", {{"X-Large", std::string(20'000, 'a')}})) == 431);
  CHECK(answer_to("POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n") == 413);
  CHECK(answer_to("POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") ==
        400);
  CHECK(answer_to("GET /healthz HTTP/1.1\r\nHost:") == 408);
  CHECK(answer_to("POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{") == 408);
  const std::string deep(100'000, '[');
  CHECK(at.call("POST", "/api/v1/runs", deep).status == 400);
  CHECK(at.call("GET", "/healthz").status == 200);
}

TEST_CASE("hundreds of connections that say nothing keep nobody out, and half-closed ones get their answer") {
  const workplace here;
  const served at{here};
  std::vector<std::unique_ptr<http_connection>> silent;
  for (int i = 0; i < 400; ++i) {
    silent.push_back(std::make_unique<http_connection>(at.port()));
    if (i % 2 == 0) silent.back()->send("GET /heal");
  }
  http_connection half{at.port()};
  half.send(http_request("GET", "/healthz"));
  half.half_close();
  CHECK(half.read().status == 200);
  CHECK(half.ends(5s));
  CHECK(at.call("GET", "/readyz").status == 200);
}

TEST_CASE("figures are given to the node's operator, and to no tenant") {
  const workplace here;
  const served at{here};
  CHECK(at.call("GET", "/api/v1/nothing").status == 404);
  const auto figures = at.call("GET", "/metrics");
  CHECK(figures.status == 200);
  CHECK(has(figures.header("content-type"), "text/plain"));
  CHECK(has(figures.body, "perdure_open_runs 0"));
  CHECK(has(figures.body, "perdure_http_requests_total{method=\"GET\",status=\"404\"} 1"));
  const auto tenant = at.key({"--tenant", "other", "--rights", "admin"}), reader = at.key({"--rights", "read"});
  for (const auto* path : {"/metrics", "/api/v1/stats"}) {
    CHECK(at.call_as(tenant, "GET", path).status == 404);
    CHECK(at.call_as(reader, "GET", path).status == 403);
    CHECK(at.call_as("", "GET", path).status == 401);
  }
}

TEST_CASE("over its number of connections a server turns new ones away and stays up") {
  const workplace here;
  const served at{here, {"--max-connections", "3"}};
  std::vector<std::unique_ptr<http_connection>> held;
  for (int i = 0; i < 3; ++i) {
    held.push_back(std::make_unique<http_connection>(at.port()));
    held.back()->send(http_request("GET", "/healthz"));
    REQUIRE(held.back()->read().status == 200);
  }
  http_connection late{at.port()};
  CHECK(late.read().status == 503);
  held.clear();
  CHECK(workplace::eventually([&] { return at.call("GET", "/healthz").status == 200; }));
}

TEST_CASE("a key is held to its rate, and told that waiting helps") {
  const workplace here;
  const served at{here, {"--key-rate", "5"}};
  std::map<int, int> seen;
  for (int i = 0; i < 20; ++i) ++seen[at.call("GET", "/api/v1/workflows").status];
  CHECK(seen[200] >= 5);
  CHECK(seen[429] >= 1);
  CHECK(seen[200] + seen[429] == 20);
  test::http_answer refused;
  CHECK(workplace::eventually([&] { return (refused = at.call("GET", "/api/v1/workflows")).status == 429; }));
  CHECK(refused.header("retry-after") == "1");
  CHECK(refused.json().at("error").at("code") == "rate_limit_error");
  CHECK(at.call_as("", "GET", "/healthz").status == 200);
}

TEST_CASE("only loopback is listened at unless it is forced, and one server holds a directory") {
  const workplace here;
  const auto refused = here.call({"serve", "--listen", "0.0.0.0:0"});
  CHECK(refused.code == 2);
  CHECK(has(refused.err, "--plain-http"));
  CHECK(here.call({"serve", "--listen", "nowhere"}).code == 2);
  const served at{here};
  const auto second = here.call({"serve", "--listen", "127.0.0.1:0"});
  CHECK(second.code == 1);
  const workplace other;
  const auto taken = other.call({"serve", "--listen", "127.0.0.1:" + std::to_string(at.port())});
  CHECK(taken.code == 1);
  CHECK(has(taken.err, "cannot listen"));
  CHECK(!std::filesystem::exists(other.path("data")));
}

TEST_CASE("the access log has a line for each request, without its query and without line ends of its own") {
  const workplace here;
  served at{here, {"--access-log"}};
  CHECK(at.call("GET", "/api/v1/workflows?sign=secret%0a").status == 200);
  CHECK(at.call("GET", "/a%0ab\"c").status == 404);
  at.node().signal(SIGTERM);
  const auto log = at.node().finish().err;
  const auto lines = test::json_lines(log.substr(0, log.find("stopping")));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].at("path") == "/api/v1/workflows");
  CHECK(lines[0].at("status") == 200);
  CHECK(at.admin().find(text_of(lines[0].at("key"))) == 4);
  CHECK(lines[1].at("status") == 404);
  CHECK(!has(log, "secret"));
}
