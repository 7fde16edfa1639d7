// Traces: a run goes on with the one its client is in, hands it to what it calls, and its spans reach a collector.
#include <algorithm>
#include <set>

#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/http_server.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::http_server;
using test::served;
using test::server_request;
using test::server_response;
using test::text_of;
using test::workplace;

namespace {

const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736", caller = "00f067aa0ba902b7";
const std::string parent = "00-" + trace + "-" + caller + "-01";

/// A document that calls a server and a shell, and runs another one, on a server that exports to a collector.
struct traced {
  workplace here;
  http_server called{[](const server_request&) -> server_response { return {.body = "{}"}; }};
  http_server collector{[](const server_request&) -> server_response { return {.body = "{}"}; }};
  std::unique_ptr<served> at;

  traced() {
    std::filesystem::create_directory(here.path("flows"));
    here.write("flows/outer.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: outer, version: 1.0.0}\n"
               "do:\n"
               "  - ask: {call: http, with: {method: get, endpoint: '" +
                   called.url("/asked") +
                   "'}}\n"
                   "  - inner: {run: {workflow: {namespace: default, name: inner, version: 1.0.0}}}\n"
                   "  - shell: {run: {shell: {command: 'printf %s \"$TRACEPARENT\"'}}}\n");
    here.write("flows/inner.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: inner, version: 1.0.0}\n"
               "do:\n  - ask: {call: http, with: {method: get, endpoint: '" +
                   called.url("/inner") + "'}}\n");
    at = std::make_unique<served>(here, std::vector<std::string>{"--workflows", here.path("flows").string(), "--otlp-endpoint",
                                                                 collector.url("/v1/traces")});
  }
  /// Runs it to its end: its output.
  [[nodiscard]] std::string run(test::http_headers headers) const {
    headers.emplace_back("Content-Type", "application/json");
    const auto begun = at->call("POST", "/api/v1/runs", R"({"workflow":"outer"})", headers);
    REQUIRE(begun.status == 201);
    const auto path = "/api/v1/runs/" + text_of(begun.json().at("run_id"));
    REQUIRE(workplace::eventually([&] { return !at->call("GET", path).json().at("ended_at").is_null(); }));
    const auto end = at->call("GET", path).json();
    INFO(payload{end}.text());
    REQUIRE(text_of(end.at("status")) == "succeeded");
    return text_of(end.at("output"));
  }
  /// All that the collector was sent, by name.
  [[nodiscard]] std::multimap<std::string, json::value> spans() const {
    std::multimap<std::string, json::value> out;
    for (const auto& each : collector.requests()) {
      const auto body = payload::parse_text(each.body).value().value();
      const auto& list = body.at("resourceSpans").at(0).at("scopeSpans").at(0).at("spans");
      for (const auto& one : list.as_array()) out.emplace(text_of(one.at("name")), one);
    }
    return out;
  }
};

std::string part(const std::string& traceparent, std::size_t from, std::size_t size) {
  return traceparent.size() == 55 ? traceparent.substr(from, size) : "no traceparent: " + traceparent;
}

}  // namespace

TEST_CASE("a client's trace goes on through the run, its child and its effects, and the spans hang together") {
  const traced t;
  const auto shell = t.run({{"traceparent", parent}});
  CHECK(part(shell, 3, 32) == trace);
  CHECK(part(shell, 36, 16) != caller);
  REQUIRE(t.called.requests().size() == 2);
  std::set<std::string> handed{part(shell, 36, 16)};
  for (const auto& each : t.called.requests()) {
    CHECK(part(each.headers.at("traceparent"), 3, 32) == trace);
    handed.insert(part(each.headers.at("traceparent"), 36, 16));
  }
  CHECK(handed.size() == 3);

  REQUIRE(workplace::eventually([&] { return t.spans().contains("outer"); }));
  const auto spans = t.spans();
  std::set<std::string> ids;
  for (const auto& [name, span] : spans) {
    CHECK(text_of(span.at("traceId")) == trace);
    CHECK(ids.insert(text_of(span.at("spanId"))).second);
    CHECK(std::stoull(text_of(span.at("endTimeUnixNano"))) >= std::stoull(text_of(span.at("startTimeUnixNano"))));
    CHECK(span.at("status").at("code") == 1);
  }
  // What effects were handed are spans of steps, and every span but the client's own is there.
  for (const auto& each : handed) CHECK(ids.contains(each));
  // The run's span, and beside it that of its one executor, which has the document's name too.
  const auto is_run = [](const auto& each) { return text_of(each.second.at("parentSpanId")) == caller; };
  REQUIRE(std::count_if(spans.begin(), spans.end(), is_run) == 1);
  CHECK(std::find_if(spans.begin(), spans.end(), is_run)->first == "outer");
  for (const auto& [name, span] : spans) {
    INFO(name);
    const auto above = text_of(span.at("parentSpanId"));
    CHECK((above == caller || ids.contains(above)));
  }
  CHECK(spans.contains("inner"));
  CHECK(t.at->call("GET", "/api/v1/runs").status == 200);
}

TEST_CASE("a run's trace goes on after a kill: what it did before, while nobody looked, and afterwards") {
  traced t;
  t.here.write("flows/long.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: long, version: 1.0.0}\n"
               "do:\n  - first: {call: http, with: {method: get, endpoint: '" +
                   t.called.url("/first") +
                   "'}}\n  - nap: {wait: {milliseconds: 800}}\n  - second: {call: http, with: {method: get, endpoint: '" +
                   t.called.url("/second") + "'}}\n");
  REQUIRE(
      workplace::eventually([&] { return t.at->call("GET", "/api/v1/workflows").body.find("\"long\"") != std::string::npos; }));
  const auto begun = t.at->call("POST", "/api/v1/runs", R"({"workflow":"long"})",
                                {{"Content-Type", "application/json"}, {"traceparent", parent}});
  REQUIRE(begun.status == 201);
  const auto path = "/api/v1/runs/" + text_of(begun.json().at("run_id"));
  REQUIRE(workplace::eventually([&] { return t.at->call("GET", path).json().at("status") == "waiting"; }));
  t.at->node().kill();
  t.at->start();
  REQUIRE(workplace::eventually([&] { return t.at->call("GET", path).json().at("status") == "succeeded"; }));
  // All of it, also what ended before the kill and was not sent.
  const auto handed = [&] {
    std::set<std::string> out;
    for (const auto& each : t.called.requests()) out.insert(part(each.headers.at("traceparent"), 36, 16));
    return out;
  }();
  CHECK(handed.size() == 2);
  const auto all_there = [&] {
    std::set<std::string> ids;
    bool root = false;
    for (const auto& [name, span] : t.spans()) {
      CHECK(text_of(span.at("traceId")) == trace);
      ids.insert(text_of(span.at("spanId")));
      root = root || text_of(span.at("parentSpanId")) == caller;
    }
    return root && std::includes(ids.begin(), ids.end(), handed.begin(), handed.end());
  };
  CHECK(workplace::eventually(all_there));
  std::set<std::string> ids;
  for (const auto& [name, span] : t.spans()) ids.insert(text_of(span.at("spanId")));
  for (const auto& [name, span] : t.spans()) {
    INFO(name);
    const auto above = text_of(span.at("parentSpanId"));
    CHECK((above == caller || ids.contains(above)));
    // The run's span begins when the run did, not when the process did.
    if (above == caller)
      CHECK(std::stoull(text_of(span.at("endTimeUnixNano"))) - std::stoull(text_of(span.at("startTimeUnixNano"))) >=
            700'000'000ULL);
  }
}

TEST_CASE("without a client's trace a run has one of its own, and a malformed one is passed over") {
  const traced t;
  const auto first = t.run({}), second = t.run({{"traceparent", "00-xyz"}});
  CHECK(part(first, 0, 3) == "00-");
  CHECK(part(second, 0, 3) == "00-");
  CHECK(part(first, 3, 32) != part(second, 3, 32));
  const auto roots = [&] {
    const auto spans = t.spans();
    return std::count_if(spans.begin(), spans.end(), [](const auto& each) {
      return each.first == "outer" && !each.second.as_object().contains("parentSpanId");
    });
  };
  CHECK(workplace::eventually([&] { return roots() == 2; }));
}

TEST_CASE("a collector that is not there holds nothing up") {
  const workplace here;
  std::filesystem::create_directory(here.path("flows"));
  here.write("flows/brief.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: brief, version: 1.0.0}\ndo:\n  - a: {set: {x: 1}}\n");
  served at{here, {"--workflows", here.path("flows").string(), "--otlp-endpoint", "http://127.0.0.1:1/v1/traces"}};
  for (int i = 0; i < 20; ++i) CHECK(at.call("POST", "/api/v1/runs", R"({"workflow":"brief"})").status == 201);
  CHECK(workplace::eventually([&] { return at.call("GET", "/api/v1/stats").json().at("open_runs") == 0; }));
  std::this_thread::sleep_for(700ms);
  at.node().signal(SIGTERM);
  const auto end = at.node().finish();
  CHECK(end.code == 0);
  CHECK(end.err.find("spans cannot be sent") != std::string::npos);
  CHECK(here.call({"serve", "--otlp-endpoint", "https://collector"}).code == 2);
}
