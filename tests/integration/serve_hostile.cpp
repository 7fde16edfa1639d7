// Clients that mean harm, or are broken: whatever they send, or do not, the server stays up and answers the others.
// PERDURE_CONNECTIONS=10000 is the long form.
#include <sys/resource.h>

#include <random>

#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::http_connection;
using test::http_request;
using test::served;
using test::text_of;
using test::workplace;

namespace {

std::size_t connections() {
  const char* chosen = std::getenv("PERDURE_CONNECTIONS");
  return chosen == nullptr ? 1'000 : static_cast<std::size_t>(std::atoi(chosen));
}

bool serves(const served& at) { return at.call("GET", "/healthz").status == 200 && at.call("GET", "/api/v1/runs").status == 200; }

std::string bearer(const served& at) { return "Bearer " + at.admin(); }

std::string random_bytes(std::mt19937_64& chance, std::size_t size) {
  std::string out(size, '\0');
  for (auto& each : out) each = static_cast<char>(chance());
  return out;
}

}  // namespace

TEST_CASE("drops of headers and of bodies are cut off in time, while others are served") {
  const workplace here;
  const served at{here, {"--header-time", "1s", "--body-time", "1s"}};
  std::vector<std::unique_ptr<http_connection>> dripping;
  for (int i = 0; i < 100; ++i) dripping.push_back(std::make_unique<http_connection>(at.port()));
  const std::string head = "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer(at) + "\r\n";
  for (std::size_t i = 0; i < dripping.size(); ++i)
    dripping[i]->send(i % 2 == 0 ? std::string{"GET / HTTP/1.1\r\n"} : head + "Content-Length: 1000\r\n\r\n");
  const auto until = std::chrono::steady_clock::now() + 2s;
  for (int i = 0; std::chrono::steady_clock::now() < until; ++i) {
    for (std::size_t n = 0; n < dripping.size(); ++n) dripping[n]->send(n % 2 == 0 ? "X-A: b\r\n" : " ");
    if (i % 10 == 0) CHECK(serves(at));
    std::this_thread::sleep_for(20ms);
  }
  for (const auto& each : dripping) CHECK(each->read(5s).status == 408);
  for (const auto& each : dripping) CHECK(each->ends(5s));
  CHECK(at.call("GET", "/metrics").body.find("perdure_http_requests_in_flight 1\n") != std::string::npos);
}

TEST_CASE("garbage is answered 400 or not at all, and the server stays up") {
  std::mt19937_64 chance{test::session_seed()};
  const workplace here;
  const served at{here, {"--header-time", "100ms", "--body-time", "100ms"}};
  const std::string good = http_request("GET", "/healthz", {{"X-Thing", "value"}});
  for (int i = 0; i < 200; ++i) {
    http_connection to{at.port()};
    std::string bytes = i % 3 == 0 ? random_bytes(chance, 1 + chance() % 3000) : good;
    if (i % 3 == 1) bytes[chance() % bytes.size()] = static_cast<char>(chance());
    if (i % 3 == 2) bytes.insert(chance() % bytes.size(), random_bytes(chance, 1 + chance() % 20));
    to.send(bytes);
    if (i % 2 == 0) to.half_close();
    const auto status = to.read(5s).status;
    INFO("status " << status);
    const bool fine = status == 0 || status == 200 || (status >= 400 && status < 500) || status == 505;
    CHECK(fine);
  }
  CHECK(serves(at));
}

TEST_CASE("whatever is too large is refused with its status, and nothing of it is kept") {
  const workplace here;
  const served at{here};
  const auto answer_to = [&](const std::string& bytes) {
    http_connection to{at.port()};
    to.send(bytes);
    return to.read().status;
  };
  const auto head = "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\nAuthorization: " + bearer(at) + "\r\n";
  std::string many;
  for (int i = 0; i < 5'000; ++i) many += "a" + std::to_string(i) + ": b\r\n";
  CHECK(answer_to("GET /healthz HTTP/1.1\r\nHost: x\r\n" + many + "\r\n") == 431);
  CHECK(answer_to(std::string(30'000, 'G') + " / HTTP/1.1\r\n\r\n") == 431);
  CHECK(answer_to("GET /healthz HTTP/1.1\r\nHost: x\r\n" + std::string(30'000, 'n') + ": v\r\n\r\n") == 431);
  CHECK(answer_to("GET /healthz?" + std::string(9'000, 'q') + " HTTP/1.1\r\nHost: x\r\n\r\n") == 414);
  CHECK(answer_to(head + "Content-Length: 18446744073709551615\r\n\r\n") == 413);
  CHECK(answer_to(head + "Content-Length: 99999999999999999999999\r\n\r\n") == 400);
  CHECK(answer_to(head + "Content-Length: -1\r\n\r\n") == 400);
  CHECK(answer_to(head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n") == 413);
  CHECK(answer_to(head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n") == 400);
  CHECK(answer_to(head + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}") == 400);
  CHECK(answer_to(head + "Transfer-Encoding: gzip\r\n\r\n{}") >= 400);
  const auto with_key = [&](const std::string& key) {
    return at.call("POST", "/api/v1/runs", R"({"workflow":"none"})", {{"Idempotency-Key", key}}).status;
  };
  CHECK(with_key(std::string(257, 'k')) == 400);
  CHECK(at.call("POST", "/api/v1/runs", std::string(1'000'000, '[')).status == 400);
  CHECK(at.call("POST", "/api/v1/runs", R"({"workflow":")" + std::string(1'000'000, 'w') + "\"}").status == 404);
  CHECK(at.call("GET", "/api/v1/runs/" + std::string(4'000, 'r')).status == 404);
  CHECK(at.call("GET", "/api/v1/runs?limit=99999999999999999999").status == 400);
  CHECK(serves(at));
}

TEST_CASE("clients that vanish in the middle of anything cost nothing") {
  const workplace here;
  std::filesystem::create_directory(here.path("flows"));
  here.write("flows/slow.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: slow, version: 1.0.0}\ndo:\n  - a: {wait: {seconds: 60}}\n");
  const served at{here,
                  {"--workflows", here.path("flows").string(), "--body-time", "2s", "--config",
                   here.write("perdure.yaml", "limits: {ping_time: 300ms}\n")}};
  const auto run = text_of(at.call("POST", "/api/v1/runs", R"({"workflow":"slow"})").json().at("run_id"));
  const std::string auth = "Authorization: " + bearer(at) + "\r\n";
  const std::string parts[] = {
      "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "GET /heal",
      "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\n" + auth + "Content-Length: 100\r\n\r\n{\"work",
      "POST /api/v1/runs HTTP/1.1\r\nHost: x\r\n" + auth + "Expect: 100-continue\r\nContent-Length: 100\r\n\r\n",
      "GET /api/v1/runs/" + run + "/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n" + auth + "\r\n"};
  for (int i = 0; i < 120; ++i) {
    http_connection to{at.port()};
    to.send(parts[static_cast<std::size_t>(i) % std::size(parts)]);
    if (i % 2 == 0) to.half_close();
    if (i % 3 != 0) to.reset();
  }
  CHECK(serves(at));
  CHECK(workplace::eventually(
      [&] { return at.call("GET", "/metrics").body.find("perdure_http_connections 1\n") != std::string::npos; }, 20s));
  CHECK(text_of(at.call("GET", "/api/v1/runs/" + run).json().at("status")) == "waiting");
}

TEST_CASE("a client that asks and does not read holds nobody up, and is let go") {
  const workplace here;
  const served at{here, {"--config", here.write("perdure.yaml", "limits: {write_time: 1s}\n")}};
  http_connection deaf{at.port()};
  std::string all;
  for (int i = 0; i < 200; ++i) all += http_request("GET", "/openapi.json");
  std::jthread asks{[&] {
    for (int i = 0; i < 20; ++i) {
      if (!deaf.send(all)) return;
    }
  }};
  for (int i = 0; i < 20; ++i) {
    CHECK(serves(at));
    std::this_thread::sleep_for(50ms);
  }
  asks.join();
  CHECK(workplace::eventually(
      [&] { return at.call("GET", "/metrics").body.find("perdure_http_connections 1\n") != std::string::npos; }, 20s));
}

TEST_CASE("thousands of requests in one piece are all answered, in their order") {
  const workplace here;
  const served at{here};
  http_connection to{at.port()};
  std::string all;
  for (int i = 0; i < 2'000; ++i) all += http_request("GET", "/healthz", {{"X-Request-Id", "r" + std::to_string(i)}});
  std::jthread asks{[&] { to.send(all); }};
  for (int i = 0; i < 2'000; ++i) REQUIRE(to.read().header("x-request-id") == "r" + std::to_string(i));
}

TEST_CASE("a great many connections at once are all served") {
  rlimit files{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &files) == 0);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const auto many = std::min<std::size_t>(connections(), files.rlim_cur / 2 - 200);
  const workplace here;
  const served at{here};
  std::vector<std::unique_ptr<http_connection>> all;
  for (std::size_t i = 0; i < many; ++i) {
    all.push_back(std::make_unique<http_connection>(at.port()));
    REQUIRE(all.back()->open());
  }
  for (const auto& each : all) each->send(http_request("GET", "/healthz"));
  std::size_t good = 0;
  for (const auto& each : all) good += each->read().status == 200 ? 1 : 0;
  CHECK(good == many);
  CHECK(serves(at));
}
