// Events, schedules and timers over HTTP: who listens gets it, of the same tenant only; schedules of documents run by themselves.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

std::string document(const std::string& space, const std::string& name, const std::string& rest,
                     const std::string& version = "1.0.0") {
  return "document: {dsl: '1.0.3', namespace: " + space + ", name: " + name + ", version: " + version + "}\n" + rest;
}
const std::string listens =
    "do:\n  - hear:\n      listen: {to: {one: {with: {type: order.placed}}}, read: envelope}\n  - tell:\n      set: {got: '${ "
    ".[0] }'}\n";

struct square {
  workplace here;
  std::unique_ptr<served> at;
  std::string acme, other;
  std::vector<std::string> more;

  explicit square(std::vector<std::string> how = {}) : more(std::move(how)) {
    std::filesystem::create_directory(here.path("workflows"));
    here.write("workflows/hear.yaml", document("default", "hear", listens));
    here.write("workflows/mourn.yaml", document("default", "mourn",
                                                "do:\n  - hear:\n      listen: {to: {one: {with: {type: "
                                                "io.serverlessworkflow.workflow.faulted.v1}}}}\n"));
    here.write("workflows/fail.yaml",
               document("default", "fail", "do: [{a: {raise: {error: {type: 'https://example.com/e', status: 500}}}}]\n"));
    start();
    acme = at->key({"--tenant", "acme", "--rights", "run,read,deploy"});
    other = at->key({"--tenant", "other", "--rights", "run,read,deploy"});
  }
  void start() {
    std::vector<std::string> all{"--workflows", here.path("workflows").string()};
    all.insert(all.end(), more.begin(), more.end());
    at = std::make_unique<served>(here, all);
  }
  [[nodiscard]] std::string listening(const std::string& workflow, const std::string& as) const {
    const auto begun = at->call_as(as, "POST", "/api/v1/runs", R"({"workflow":")" + workflow + R"("})");
    REQUIRE(begun.status == 201);
    const auto id = text_of(begun.json().at("run_id"));
    // It has subscribed once it waits for its signal.
    REQUIRE(workplace::eventually([&] {
      const auto events = at->call_as(as, "GET", "/api/v1/runs/" + id + "/events").body;
      return has(events, "\"kind\":\"signal\"") && has(events, "listen.");
    }));
    std::this_thread::sleep_for(300ms);
    return id;
  }
  [[nodiscard]] json::value run(const std::string& id, const std::string& as) const {
    return at->call_as(as, "GET", "/api/v1/runs/" + id).json();
  }
  [[nodiscard]] bool ends(const std::string& id, const std::string& as) const {
    return workplace::eventually([&] { return text_of(run(id, as).at("status")) == "succeeded"; }, 10s);
  }
};

}  // namespace

TEST_CASE("an event in any form reaches those who listen, of its tenant only, and is durable with its answer") {
  square s;
  const auto mine = s.listening("hear", s.acme), theirs = s.listening("hear", s.other), ours = s.listening("hear", s.at->admin());
  const auto sent = s.at->call_as(s.acme, "POST", "/api/v1/events",
                                  R"({"specversion":"1.0","id":"e1","source":"/shop","type":"order.placed","data":{"n":1}})",
                                  {{"Content-Type", "application/cloudevents+json; charset=utf-8"}});
  REQUIRE(sent.status == 202);
  s.at->node().kill();
  s.at->start();
  REQUIRE(s.ends(mine, s.acme));
  CHECK(s.run(mine, s.acme).at("output").at("got").at("data") == json::value{{"n", 1}});
  CHECK(s.run(theirs, s.other).at("status") != "succeeded");
  CHECK(s.run(ours, s.at->admin()).at("status") != "succeeded");

  const http_headers binary{{"ce-specversion", "1.0"},   {"ce-id", "e2"},          {"ce-source", "/shop"},
                            {"ce-type", "order.placed"}, {"ce-note", "caf%C3%A9"}, {"Content-Type", "application/json"}};
  REQUIRE(s.at->call_as(s.other, "POST", "/api/v1/events", R"({"n":2})", binary).status == 202);
  REQUIRE(s.ends(theirs, s.other));
  const auto got = s.run(theirs, s.other).at("output").at("got");
  CHECK(got.at("data") == json::value{{"n", 2}});
  CHECK(got.at("note") == "caf\xC3\xA9");
  CHECK(got.at("datacontenttype") == "application/json");

  REQUIRE(
      s.at->call(
              "POST", "/api/v1/events",
              R"([{"specversion":"1.0","id":"a","source":"/s","type":"other"},{"specversion":"1.0","id":"b","source":"/s","type":"order.placed"}])",
              {{"Content-Type", "application/cloudevents-batch+json"}})
          .json()
          .at("accepted") == json::value(json::array{"a", "b"}));
  CHECK(s.ends(ours, s.at->admin()));

  const auto refused = [&](const std::string& body, const std::string& type) {
    return s.at->call("POST", "/api/v1/events", body, {{"Content-Type", type}}).status;
  };
  CHECK(refused(R"({"specversion":"1.0","id":"x","type":"t"})", "application/cloudevents+json") == 400);
  CHECK(refused(R"({"specversion":"0.3","id":"x","source":"s","type":"t"})", "application/cloudevents+json") == 400);
  CHECK(refused(R"({"specversion":"1.0","id":"x","source":"s","type":"t","a-b":1})", "application/cloudevents+json") == 400);
  CHECK(refused("[1]", "application/cloudevents-batch+json") == 400);
  CHECK(refused("x", "text/plain") == 415);
  CHECK(s.at->call_as(s.at->key({"--rights", "read"}), "POST", "/api/v1/events", "{}").status == 403);
}

TEST_CASE("documents hear lifecycle events of their own tenant's runs only") {
  square s{{"--lifecycle-events"}};
  const auto mine = s.listening("mourn", s.acme), ours = s.listening("mourn", s.at->admin());
  REQUIRE(s.at->call_as(s.acme, "POST", "/api/v1/runs", R"({"workflow":"fail"})").status == 201);
  REQUIRE(s.ends(mine, s.acme));
  CHECK(s.run(ours, s.at->admin()).at("status") != "succeeded");
  REQUIRE(s.at->call("POST", "/api/v1/runs", R"({"workflow":"fail"})").status == 201);
  CHECK(s.ends(ours, s.at->admin()));
}

TEST_CASE("documents put over HTTP listen, emit and have schedules, apart by tenant; a new version ends the old one's schedule") {
  square s;
  const auto put = [&](const std::string& as, const std::string& name, const std::string& text) {
    const auto answer = s.at->call_as(as, "PUT", "/api/v1/workflows/" + name, text, {{"Content-Type", "application/yaml"}});
    INFO(answer.body);
    REQUIRE((answer.status == 201 || answer.status == 200));
  };
  const std::string every = "schedule: {every: {milliseconds: 300}}\ndo: [{tick: {set: {x: 1}}}]\n";
  put(s.acme, "acme%2Fhear", document("acme", "hear", listens));
  put(s.other, "other%2Fshout",
      document("other", "shout", "do: [{e: {emit: {event: {with: {source: 'https://s.x', type: order.placed}}}}}]\n"));
  put(s.acme, "acme%2Fshout",
      document("acme", "shout", "do: [{e: {emit: {event: {with: {source: 'https://s.x', type: order.placed}}}}}]\n"));
  const auto hearer = s.listening("acme/hear", s.acme);
  const auto shout = [&](const std::string& as, const std::string& name) {
    return s.at->call_as(as, "POST", "/api/v1/runs", R"({"workflow":")" + name + R"("})");
  };
  const auto loud = text_of(shout(s.other, "other/shout").json().at("run_id"));
  REQUIRE(s.ends(loud, s.other));
  std::this_thread::sleep_for(500ms);
  CHECK(s.run(hearer, s.acme).at("status") != "succeeded");
  REQUIRE(shout(s.acme, "acme/shout").status == 201);
  CHECK(s.ends(hearer, s.acme));

  put(s.acme, "acme%2Ftick", document("acme", "tick", every));
  const auto schedules = [&](const std::string& as) {
    return s.at->call_as(as, "GET", "/api/v1/schedules").json().at("schedules").as_array();
  };
  REQUIRE(schedules(s.acme).size() == 1);
  CHECK(schedules(s.other).empty());
  CHECK(schedules(s.at->admin()).empty());
  const auto ticks = [&](const std::string& as) {
    std::size_t out = 0;
    const auto page = s.at->call_as(as, "GET", "/api/v1/runs?workflow=acme%2Ftick&status=succeeded").json();
    for (const auto& each : page.at("runs").as_array()) out += text_of(each.at("version")) == "1.0.0" ? 1 : 0;
    return out;
  };
  REQUIRE(workplace::eventually([&] { return ticks(s.acme) >= 2; }, 10s));
  CHECK(ticks(s.at->admin()) == 0);
  // Between two runs there is no timer for a moment.
  const auto timers = [&] {
    return s.at->call_as(s.acme, "GET", "/api/v1/timers?limit=1").json().at("timers").as_array().size();
  };
  CHECK(workplace::eventually([&] { return timers() == 1; }));
  CHECK(s.at->call_as(s.other, "GET", "/api/v1/timers").json().at("timers").as_array().empty());
  s.at->node().kill();
  s.at->start();
  const auto before = ticks(s.acme);
  CHECK(workplace::eventually([&] { return ticks(s.acme) > before; }, 10s));
  put(s.acme, "acme%2Ftick", document("acme", "tick", every, "2.0.0"));
  CHECK(workplace::eventually([&] { return schedules(s.acme).size() == 1; }));
  CHECK(text_of(schedules(s.acme)[0].at("version")) == "2.0.0");
  const auto id = text_of(schedules(s.acme)[0].at("id"));
  CHECK(s.at->call_as(s.other, "DELETE", "/api/v1/schedules/" + id).status == 404);
  CHECK(s.at->call_as(s.acme, "DELETE", "/api/v1/schedules/" + id).status == 200);
  CHECK(workplace::eventually([&] { return schedules(s.acme).empty(); }));
  // What was ended by hand does not begin by itself again, but by hand.
  s.at->node().kill();
  s.at->start();
  CHECK(schedules(s.acme).empty());
  CHECK(s.at->call_as(s.acme, "POST", "/api/v1/schedules", R"({"workflow":"acme/hear"})").status == 409);
  CHECK(s.at->call_as(s.other, "POST", "/api/v1/schedules", R"({"workflow":"acme/tick"})").status == 404);
  CHECK(s.at->call_as(s.acme, "POST", "/api/v1/schedules", R"({"workflow":"acme/tick"})").status == 201);
  CHECK(s.at->call_as(s.acme, "POST", "/api/v1/schedules", R"({"workflow":"acme/tick"})").status == 200);
}
