// HTTP calls against a server of the test's own: what is sent, what an answer becomes, and how calls end otherwise.
#include "actors/http/http_capability.hpp"

#include <future>

#include "actors/http/url.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"
#include "support/http_server.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::actors;
using test::http_server;
using test::server_request;
using test::server_response;

namespace {

class caller {
 public:
  /// Calls and waits for the end.
  core::outcome call(json::object spec, std::stop_token stop = {}) {
    auto promise = std::make_shared<std::promise<core::outcome>>();
    auto end = promise->get_future();
    if (!spec.contains("method")) spec["method"] = "get";
    http.start(
        {.key = "run/e/1/2", .spec = payload{json::value(std::move(spec))}, .stop = stop, .done = [promise](core::outcome out) {
           promise->set_value(std::move(out));
         }});
    REQUIRE(end.wait_for(30s) == std::future_status::ready);
    return end.get();
  }
  json::value value(json::object spec) {
    const auto out = call(std::move(spec));
    if (out.error) UNSCOPED_INFO(out.error->code + ": " + out.error->message);
    REQUIRE_FALSE(out.error);
    return out.value.value();
  }
  failure error(json::object spec) {
    const auto out = call(std::move(spec));
    REQUIRE(out.error);
    return *out.error;
  }

  http_capability http{std::make_shared<http_client>()};
};

/// What came, as a value.
server_response echo(const server_request& request) {
  json::object headers;
  for (const auto& [name, value] : request.headers) headers.emplace(name, value);
  const json::value all{
      {"method", request.method}, {"path", request.path}, {"query", request.query}, {"body", request.body}, {"headers", headers}};
  return {.body = std::string{payload{all}.text()}};
}

}  // namespace

TEST_CASE("a call sends its method, query, headers and body, and the step's key") {
  const http_server server{echo};
  caller http;
  const auto got = http.value({{"url", server.url("/a%20b?x=1#part")},
                               {"method", "post"},
                               {"query", {{"q", "a b&c"}, {"list", {1, true}}, {"none", nullptr}}},
                               {"headers", {{"X-One", 1}, {"X-Empty", ""}}},
                               {"body", {{"n", 1.5}}}});
  CHECK(got.at("method") == "POST");
  CHECK(got.at("path") == "/a%20b");
  CHECK(got.at("query") == "x=1&q=a%20b%26c&list=1&list=true");
  CHECK(got.at("body") == "{\"n\":1.5}");
  CHECK(got.at("headers").at("x-one") == "1");
  CHECK(got.at("headers").at("x-empty") == "");
  CHECK(got.at("headers").at("content-type") == "application/json");
  CHECK(got.at("headers").at("idempotency-key") == "run/e/1/2");
}

TEST_CASE("bodies: text as it is, forms encoded, none for get; a key and a type of the document's own") {
  const http_server server{echo};
  caller http;
  const auto text = http.value({{"url", server.url()}, {"method", "PUT"}, {"body", "plain"}});
  CHECK(text.at("method") == "PUT");
  CHECK(text.at("body") == "plain");
  CHECK(text.at("headers").at("content-type") == "text/plain; charset=utf-8");
  const auto form = http.value({{"url", server.url()},
                                {"method", "POST"},
                                {"headers", {{"content-type", "application/x-www-form-urlencoded"}, {"Idempotency-Key", "mine"}}},
                                {"body", {{"a", "x y"}, {"b", 2}}}});
  CHECK(form.at("body") == "a=x%20y&b=2");
  CHECK(form.at("headers").at("idempotency-key") == "mine");
  CHECK(http.value({{"url", server.url()}, {"method", "POST"}}).at("headers").at("content-length") == "0");
  CHECK_FALSE(http.value({{"url", server.url()}}).at("headers").as_object().contains("content-type"));
  CHECK(http.value({{"url", server.url()}, {"method", "DELETE"}}).at("method") == "DELETE");
  CHECK(http.value({{"url", server.url()}, {"method", "head"}}).is_null());
}

TEST_CASE("outputs: content by its type, raw in base64, the whole response without what was added to the request") {
  std::string type, body;
  const http_server server{[&](const server_request&) {
    return server_response{.body = body, .headers = {{"Content-Type", type}, {"X-A", "1"}, {"X-A", "2"}}};
  }};
  caller http;
  const auto with = [&](std::string content_type, std::string text, const char* output = "content") {
    type = std::move(content_type);
    body = std::move(text);
    return http.value({{"url", server.url()}, {"output", output}});
  };
  CHECK(with("application/json; charset=utf-8", "[1,0.1]") == json::value{1, 0.1});
  CHECK(with("application/problem+json", "{}") == json::object{});
  CHECK(with("text/html", "<b>\xC3\xA9</b>") == json::value("<b>\xC3\xA9</b>"));
  CHECK(with("image/png", "\x01\x02\xFF") == json::value("AQL/"));
  CHECK(with("text/plain", "\xFF") == json::value("/w=="));
  CHECK(with("", "{\"a\":1}") == json::value{{"a", 1}});
  CHECK(with("", "hello") == json::value("hello"));
  CHECK(with("application/json", "") == json::value(nullptr));
  CHECK(with("application/json", "[1]", "raw") == json::value("WzFd"));
  type = "application/json";
  body = "{\"broken\": ";
  const auto bad = http.error({{"url", server.url()}});
  CHECK(bad.code == "communication");
  CHECK(bad.message.find("is not") != std::string::npos);
  body = "[7]";
  const auto whole = http.value({{"url", server.url()},
                                 {"output", "response"},
                                 {"headers", {{"A", "b"}}},
                                 {"authentication", {{"basic", {{"username", "u"}, {"password", "p"}}}}}});
  CHECK(whole.at("statusCode") == 200);
  CHECK(whole.at("content") == json::value(json::array{7}));
  CHECK(whole.at("headers").at("X-A") == "1, 2");
  CHECK(whole.at("request") == json::value{{"method", "get"}, {"uri", server.url()}, {"headers", {{"A", "b"}}}});
}

TEST_CASE("a status outside of 200 to 299 is an error with it, and with redirect one outside of 200 to 399") {
  const http_server server{[](const server_request& request) -> server_response {
    if (request.path == "/from") return {.status = 302, .headers = {{"Location", "/to"}}};
    if (request.path == "/loop") return {.status = 302, .headers = {{"Location", "/loop"}}};
    if (request.path == "/to") return {.body = "\"there by " + request.method + "\""};
    if (request.path == "/same") return {.status = 304};
    return {.status = std::stoi(request.path.substr(1)), .body = "why"};
  }};
  caller http;
  for (const int status : {400, 404, 503}) {
    const auto why = http.error({{"url", server.url("/" + std::to_string(status))}});
    CHECK(why.code == "communication");
    CHECK(why.status == status);
    CHECK(why.message == "get " + server.url("/" + std::to_string(status)) + " was answered with status " +
                             std::to_string(status) + " Told: why");
  }
  CHECK(http.error({{"url", server.url("/from")}}).status == 302);
  CHECK(http.error({{"url", server.url("/same")}}).status == 304);
  CHECK(http.value({{"url", server.url("/same")}, {"redirect", true}}).is_null());
  CHECK(http.value({{"url", server.url("/from")}, {"redirect", true}}) == "there by GET");
  CHECK(http.value({{"url", server.url("/from")}, {"method", "POST"}, {"body", "x"}, {"redirect", true}}) == "there by GET");
  CHECK(http.error({{"url", server.url("/500")}, {"redirect", true}}).status == 500);
  const auto loop = http.error({{"url", server.url("/loop")}, {"redirect", true}});
  CHECK(loop.code == "communication");
  CHECK(loop.status == 0);
}

TEST_CASE("what is no request, and a server that is not there") {
  caller http;
  CHECK(http.error({{"url", "http://127.0.0.1:1/"}}).code == "communication");
  CHECK(http.error({{"url", "ftp://127.0.0.1/"}}).code == "communication");
  CHECK(http.error({{"url", "http://127.0.0.1/"}, {"method", "G ET"}}).message.find("no HTTP method") != std::string::npos);
  CHECK(http.error({{"url", "http://127.0.0.1/"}, {"headers", {{"A", "b\r\nInjected: yes"}}}}).message.find("line break") !=
        std::string::npos);
  CHECK(http.error({{"url", "http://127.0.0.1/"}, {"authentication", {{"kerberos", json::object{}}}}}).code == "configuration");
}

TEST_CASE("a call ends when it is stopped, when its time is over, and when the node closes") {
  const http_server server{[](const server_request&) { return server_response{.body = "1", .delay_ms = 20'000}; }};
  caller http;
  std::stop_source stop;
  std::jthread later{[&] {
    std::this_thread::sleep_for(200ms);
    stop.request_stop();
  }};
  const auto began = std::chrono::steady_clock::now();
  const auto stopped = http.call({{"url", server.url()}}, stop.get_token());
  REQUIRE(stopped.error);
  CHECK(stopped.error->code == "cancelled");
  CHECK(std::chrono::steady_clock::now() - began < 5s);

  http_client client;
  std::promise<http_end> end;
  client.start({.url = server.url(), .time = 100ms}, [&](http_end how) { end.set_value(std::move(how)); });
  const auto late = end.get_future().get();
  REQUIRE(std::holds_alternative<http_failure>(late));
  CHECK(std::get<http_failure>(late).what == http_failure::kind::too_late);

  std::jthread closing{[&] {
    std::this_thread::sleep_for(200ms);
    http.http.stop_all();
  }};
  CHECK(http.error({{"url", server.url()}}).code == "cancelled");
  CHECK(http.error({{"url", server.url()}}).code == "cancelled");
}

TEST_CASE("an answer over its limit is cut off") {
  const http_server server{[](const server_request& request) -> server_response {
    if (request.path == "/headers") return {.headers = {{"X-Long", std::string(limits::http_header_bytes, 'a')}}};
    return {.body = std::string(limits::http_body_bytes + 1, 'a'), .headers = {{"Content-Type", "text/plain"}}};
  }};
  caller http;
  CHECK(http.error({{"url", server.url("/")}}).message.find("http_body_bytes") != std::string::npos);
  CHECK(http.error({{"url", server.url("/headers")}}).code == "communication");
}

TEST_CASE("many calls at once, more than may run") {
  const http_server server{
      [](const server_request& request) { return server_response{.body = request.query.substr(2), .delay_ms = 5}; }};
  http_client client{{.running = 8}};
  std::atomic<int> sum{0}, ended{0};
  for (int i = 0; i < 100; ++i) {
    client.start({.url = server.url("/?n=" + std::to_string(i))}, [&](http_end end) {
      if (const auto* answer = std::get_if<http_response>(&end)) sum += std::stoi(answer->body);
      ++ended;
    });
  }
  const auto until = std::chrono::steady_clock::now() + 30s;
  while (ended < 100 && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(5ms);
  CHECK(ended == 100);
  CHECK(sum == 4950);
}

TEST_CASE("authentication: basic, bearer and digest") {
  const http_server server{[](const server_request& request) -> server_response {
    const auto found = request.headers.find("authorization");
    if (request.path == "/digest" && (found == request.headers.end() || found->second.find("Digest username=\"u\"") != 0))
      return {.status = 401, .headers = {{"WWW-Authenticate", "Digest realm=\"r\", nonce=\"n\", qop=\"auth\", algorithm=MD5"}}};
    return {.body = std::string{payload{json::value(found == request.headers.end() ? "none" : found->second)}.text()}};
  }};
  caller http;
  const json::object user{{"username", "u"}, {"password", "p:w"}};
  CHECK(http.value({{"url", server.url()}}) == "none");
  CHECK(http.value({{"url", server.url()}, {"authentication", {{"basic", user}}}}) == "Basic dTpwOnc=");
  CHECK(http.value({{"url", server.url()}, {"authentication", {{"bearer", {{"token", "t"}}}}}}) == "Bearer t");
  const auto digest = http.value({{"url", server.url("/digest")}, {"authentication", {{"digest", user}}}});
  CHECK(std::string_view{digest.as_string()}.find("realm=\"r\"") != std::string_view::npos);
  CHECK(std::string_view{digest.as_string()}.find("p:w") == std::string_view::npos);
}

TEST_CASE("oauth2: a token is asked for once, kept, and asked for anew when the server does not take it") {
  std::atomic<int> tokens{0};
  std::atomic<bool> revoked{false};
  std::string asked;
  const http_server server{[&](const server_request& request) -> server_response {
    if (request.path == "/realm/oauth2/token" || request.path == "/elsewhere") {
      asked = request.body;
      return {.body = "{\"access_token\": \"t" + std::to_string(++tokens) + "\", \"expires_in\": 300}"};
    }
    if (request.path == "/realm/.well-known/openid-configuration")
      return {.body = "{\"token_endpoint\": \"http://" + request.headers.at("host") + "/elsewhere\"}"};
    if (request.path == "/refused/oauth2/token") return {.status = 401, .body = "{\"error\": \"invalid_client\"}"};
    if (revoked && request.headers.at("authorization") == "Bearer t1") return {.status = 401};
    return {.body = std::string{payload{json::value(request.headers.at("authorization"))}.text()}};
  }};
  caller http;
  const auto policy = [&](const std::string& authority) {
    return json::object{{"authority", server.url(authority)},
                        {"grant", "client_credentials"},
                        {"client", {{"id", "me"}, {"secret", "s&s"}}},
                        {"scopes", {"a", "b"}},
                        {"audiences", json::array{"c"}}};
  };
  const json::object spec{{"url", server.url("/")}, {"authentication", {{"oauth2", policy("/realm")}}}};
  CHECK(http.value(spec) == "Bearer t1");
  CHECK(asked == "grant_type=client_credentials&scope=a%20b&audience=c&client_id=me&client_secret=s%26s");
  CHECK(http.value(spec) == "Bearer t1");
  revoked = true;
  CHECK(http.value(spec) == "Bearer t2");
  CHECK(tokens == 2);
  CHECK(http.value({{"url", server.url("/")}, {"authentication", {{"oidc", policy("/realm")}}}}) ==
        "Bearer t2");  // the same policy
  auto other = policy("/realm/");
  other["client"].as_object()["authentication"] = "client_secret_basic";
  CHECK(http.value({{"url", server.url("/")}, {"authentication", {{"oidc", other}}}}) == "Bearer t3");
  CHECK(asked.find("client_secret") == std::string::npos);
  const auto refused = http.error({{"url", server.url("/")}, {"authentication", {{"oauth2", policy("/refused")}}}});
  CHECK(refused.code == "authentication");
  CHECK(refused.message.find("invalid_client") != std::string::npos);
  CHECK(refused.message.find("s&s") == std::string::npos);
}

TEST_CASE("a call that may reach the internet only reaches nothing here, also by a name or a redirect") {
  const http_server server{echo};
  caller http;
  for (const auto& url : {server.url(), "http://localhost:" + std::to_string(server.port()), std::string{"http://[::1]:1/"},
                          std::string{"http://169.254.169.254/"}}) {
    const auto why = http.error({{"url", url}, {"public", true}});
    CHECK(why.message.find("not allowed") != std::string::npos);
  }
  CHECK(server.requests().empty());
}

TEST_CASE("addresses of the internet and others") {
  for (const auto* each : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.9.9.9",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.0.0.8",
                           "192.168.1.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "::",
                           "::1",
                           "fe80::1",
                           "fc00::1",
                           "fd12::1",
                           "ff02::1",
                           "::ffff:10.0.0.1",
                           "64:ff9b::7f00:1",
                           "2002:7f00:1::",
                           "2001:db8::1",
                           "nonsense"})
    CHECK_FALSE(is_public_address(each));
  for (const auto* each : {"1.1.1.1", "8.8.8.8", "100.63.255.255", "172.15.0.1", "172.32.0.1", "192.167.0.1", "2606:4700::1",
                           "::ffff:8.8.8.8", "64:ff9b::808:808"})
    CHECK(is_public_address(each));
}

TEST_CASE("queries go in front of the fragment and after what is there") {
  CHECK(with_query("http://h/p", {{"a", 1}}) == "http://h/p?a=1");
  CHECK(with_query("http://h/p?x", {{"a", 1}}) == "http://h/p?x&a=1");
  CHECK(with_query("http://h/p?", {{"a", 1}}) == "http://h/p?a=1");
  CHECK(with_query("http://h/p?x=1#f?g", {{"a", 1}}) == "http://h/p?x=1&a=1#f?g");
  CHECK(with_query("http://h/p#f?g", {{"a", "\xC3\xA9"}}) == "http://h/p?a=%C3%A9#f?g");
  CHECK(with_query("http://h/p", {}) == "http://h/p");
}
