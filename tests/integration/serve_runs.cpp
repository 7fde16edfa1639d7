// The native API of `perdure serve`: workflows, runs, events and journals over HTTP, for several tenants.
#include <set>

#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

std::string document(const std::string& name, const std::string& tasks, const std::string& space = "default",
                     const std::string& version = "1.0.0") {
  return "document: {dsl: '1.0.3', namespace: " + space + ", name: " + name + ", version: " + version + "}\ndo:\n" + tasks;
}
const std::string quick = "  - a:\n      set: {x: 1}\n";
const std::string slow = "  - a:\n      set: {x: 1}\n  - pause:\n      wait: {seconds: 60}\n";

/// A folder of workflows and a server with it.
struct shop {
  workplace here;
  std::filesystem::path folder = here.path("workflows");
  std::unique_ptr<served> at;

  explicit shop(std::vector<std::string> more = {}) {
    std::filesystem::create_directory(folder);
    put("quick.yaml", document("quick", quick));
    put("slow.yaml", document("slow", slow));
    more.insert(more.end(), {"--workflows", folder.string()});
    at = std::make_unique<served>(here, more);
  }
  void put(const std::string& file, const std::string& text) const { std::ofstream{folder / file, std::ios::binary} << text; }

  [[nodiscard]] test::http_answer start(const std::string& workflow, const std::string& key = {},
                                        const std::string& input = "null", const std::string& as = {}) const {
    test::http_headers headers{{"Content-Type", "application/json"}};
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    return at->call_as(as.empty() ? at->admin() : as, "POST", "/api/v1/runs",
                       R"({"workflow":")" + workflow + R"(","input":)" + input + "}", headers);
  }
  [[nodiscard]] std::string started(const std::string& workflow, const std::string& as = {}) const {
    const auto answer = start(workflow, {}, "null", as);
    INFO(answer.body);
    REQUIRE(answer.status == 201);
    return text_of(answer.json().at("run_id"));
  }
  [[nodiscard]] json::value run(const std::string& id) const { return at->call("GET", "/api/v1/runs/" + id).json(); }
  [[nodiscard]] bool reaches(const std::string& id, const std::string& status) const {
    return workplace::eventually([&] { return text_of(run(id).at("status")) == status; });
  }
};

/// A stream of a run's events.
struct streamed {
  http_connection from;
  test::http_answer head;

  streamed(const served& at, const std::string& run, const std::string& last = {}) : from(at.port()) {
    test::http_headers headers{{"Authorization", "Bearer " + at.admin()}, {"Accept", "text/event-stream"}};
    if (!last.empty()) headers.emplace_back("Last-Event-ID", last);
    from.send(http_request("GET", "/api/v1/runs/" + run + "/events", headers));
    head = from.read_head();
  }
  [[nodiscard]] std::vector<test::sse_frame> all(std::size_t most = 10'000) {
    std::vector<test::sse_frame> out;
    while (out.size() < most) {
      auto frame = from.read_frame();
      if (!frame) break;
      if (!frame->comment) out.push_back(std::move(*frame));
    }
    return out;
  }
};

}  // namespace

TEST_CASE("a run is started, looked at and listed over HTTP with the JSON of the command line") {
  const shop s;
  const auto begun = s.start("quick", {}, R"({"n":[1,2.5]})");
  REQUIRE(begun.status == 201);
  const auto id = text_of(begun.json().at("run_id"));
  CHECK(begun.header("location") == "/api/v1/runs/" + id);
  REQUIRE(s.reaches(id, "succeeded"));
  CHECK(s.run(id) == s.here.call({"runs", "show", id, "--json"}).json());
  CHECK(s.run(id).at("output").at("x") == 1);
  CHECK(s.at->call("GET", "/api/v1/runs").json() == s.here.call({"runs", "list", "--json"}).json());
  const auto lines = test::json_lines(s.here.call({"runs", "events", id, "--json"}).out);
  const auto events = s.at->call("GET", "/api/v1/runs/" + id + "/events").json();
  CHECK(events.at("events").as_array() == json::array(lines.begin(), lines.end()));
  CHECK(events.at("next_after").is_null());
  const auto first = s.at->call("GET", "/api/v1/runs/" + id + "/events?limit=1").json();
  CHECK(first.at("next_after") == 1);
  CHECK(s.at->call("GET", "/api/v1/runs/" + id + "/events?after=1").json().at("events").as_array().size() == lines.size() - 1);
}

TEST_CASE("what a start says wrongly is told, and nothing starts") {
  const shop s;
  const auto post = [&](const std::string& body) { return s.at->call("POST", "/api/v1/runs", body).status; };
  CHECK(post("") == 400);
  CHECK(post("[]") == 400);
  CHECK(post("{\"workflow\":\"quick\",\"inputs\":1}") == 400);
  CHECK(post("{\"workflow\":7}") == 400);
  CHECK(post("{\"workflow\":\"quick\",\"timeout\":\"soon\"}") == 400);
  CHECK(post("{\"workflow\":\"none\"}") == 404);
  CHECK(post("{\"workflow\":\"quick\",\"version\":\"9.9.9\"}") == 404);
  CHECK(s.start("quick", std::string(257, 'k')).status == 400);
  CHECK(s.start("quick", "perdure.events").status == 400);
  CHECK(s.at->call("GET", "/api/v1/runs").json().at("runs").as_array().empty());
  for (const auto* query : {"limit=0", "limit=x", "limit=1001", "status=odd", "cursor=odd", "order=odd", "created_after=odd"}) {
    INFO(query);
    CHECK(s.at->call("GET", std::string{"/api/v1/runs?"} + query).status == 400);
  }
}

TEST_CASE("an idempotency key begins one run, however many ask at once, and another body is refused") {
  const shop s;
  std::set<std::string> runs;
  std::map<int, int> statuses;
  std::mutex mutex;
  std::vector<std::thread> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back([&] {
      const auto answer = s.start("slow", "one");
      const std::lock_guard lock{mutex};
      ++statuses[answer.status];
      if (answer.status == 200 || answer.status == 201) runs.insert(text_of(answer.json().at("run_id")));
    });
  }
  for (auto& each : clients) each.join();
  CHECK(runs.size() == 1);
  CHECK(statuses[201] == 1);
  CHECK(statuses[200] == 49);
  CHECK(s.start("slow", "one", "1").status == 409);
  CHECK(s.start("quick", "one").status == 409);
}

TEST_CASE("a tenant has as many open runs as it may, exactly, and a repeated key is answered at the limit too") {
  const shop s{{"--tenant-runs", "7"}};
  const auto other = s.at->key({"--tenant", "other"});
  REQUIRE(s.start("slow", "first").status == 201);
  std::map<int, int> statuses;
  std::mutex mutex;
  std::vector<std::thread> clients;
  for (int i = 0; i < 40; ++i) {
    clients.emplace_back([&] {
      const auto answer = s.start("slow");
      const std::lock_guard lock{mutex};
      ++statuses[answer.status];
    });
  }
  for (auto& each : clients) each.join();
  CHECK(statuses[201] == 6);
  CHECK(statuses[429] == 34);
  const auto full = s.start("slow");
  CHECK(full.header("retry-after") == "1");
  CHECK(s.start("slow", "first").status == 200);
  CHECK(s.start("slow", {}, "null", other).status == 201);
  const auto listed = s.at->call("GET", "/api/v1/runs?limit=1").json();
  const auto id = text_of(listed.at("runs").at(0).at("run_id"));
  CHECK(s.at->call("POST", "/api/v1/runs/" + id + "/cancel").status == 200);
  REQUIRE(s.reaches(id, "cancelled"));
  CHECK(s.start("slow").status == 201);
}

TEST_CASE("tenants see nothing of each other, whatever they ask") {
  const shop s;
  const auto mine = s.at->key({"--tenant", "mine", "--rights", "admin"}),
             theirs = s.at->key({"--tenant", "theirs", "--rights", "admin"});
  const auto id = s.started("slow", mine);
  CHECK(s.start("slow", "same", "null", mine).status == 201);
  CHECK(s.start("slow", "same", "null", theirs).status == 201);
  for (const auto& [method, path, body] : std::vector<std::tuple<std::string, std::string, std::string>>{
           {"GET", "", ""},
           {"GET", "/events", ""},
           {"GET", "/journal", ""},
           {"GET", "/journal/verify", ""},
           {"POST", "/cancel", ""},
           {"POST", "/pause", ""},
           {"POST", "/resume", ""},
           {"POST", "/retry", ""},
           {"POST", "/fork", R"({"from":1})"},
           {"POST", "/signal", R"({"name":"x"})"},
           {"POST", "/respond", R"({"request_id":"1.1","value":1})"}}) {
    INFO(path);
    const auto unknown = s.at->call_as(theirs, method, "/api/v1/runs/0192f0c1-2345-7abc-8def-0123456789ab" + path, body);
    const auto hidden = s.at->call_as(theirs, method, "/api/v1/runs/" + id + path, body);
    CHECK(hidden.status == 404);
    CHECK(unknown.status == 404);
  }
  CHECK(s.at->call_as(mine, "GET", "/api/v1/runs").json().at("runs").as_array().size() == 2);
  CHECK(s.at->call_as(theirs, "GET", "/api/v1/runs").json().at("runs").as_array().size() == 1);
  CHECK(s.at->call("GET", "/api/v1/runs").json().at("runs").as_array().empty());
  CHECK(workplace::eventually(
      [&] { return text_of(s.at->call_as(mine, "GET", "/api/v1/runs/" + id).json().at("status")) == "waiting"; }));
  // The node's own workflows are nobody's.
  CHECK(s.start("perdure.events").status == 404);
  CHECK(!has(s.at->call("GET", "/api/v1/workflows").body, "perdure."));
  // A key for one workflow knows of no other.
  const auto narrow = s.at->key({"--tenant", "mine", "--workflow", "quick"});
  CHECK(s.at->call_as(narrow, "GET", "/api/v1/runs/" + id).status == 404);
  CHECK(s.start("slow", {}, "null", narrow).status == 404);
  CHECK(s.start("quick", {}, "null", narrow).status == 201);
  CHECK(s.at->call_as(narrow, "GET", "/api/v1/runs").json().at("runs").as_array().size() == 1);
  CHECK(s.at->call_as(narrow, "GET", "/api/v1/workflows").json().at("workflows").as_array().size() == 1);
}

TEST_CASE("lists are filtered and paged") {
  const shop s;
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) ids.push_back(s.started("quick"));
  const auto waiting = s.started("slow");
  for (const auto& each : ids) REQUIRE(s.reaches(each, "succeeded"));
  const auto count = [&](const std::string& query) {
    return s.at->call("GET", "/api/v1/runs?" + query).json().at("runs").as_array().size();
  };
  CHECK(count("status=succeeded") == 5);
  CHECK(count("workflow=slow") == 1);
  CHECK(count("workflow=quick&status=failed") == 0);
  const auto third = text_of(s.run(ids[2]).at("created_at"));
  CHECK(count("created_after=" + third + "&workflow=quick") == 2);
  CHECK(count("created_before=" + third) == 2);
  CHECK(text_of(s.at->call("GET", "/api/v1/runs?order=oldest").json().at("runs").at(0).at("run_id")) == ids[0]);
  std::vector<std::string> paged;
  std::string cursor;
  do {
    const auto page = s.at->call("GET", "/api/v1/runs?order=oldest&limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
    const auto runs = page.at("runs").as_array();
    for (const auto& each : runs) paged.push_back(text_of(each.at("run_id")));
    cursor = page.at("next_cursor").is_null() ? "" : text_of(page.at("next_cursor"));
  } while (!cursor.empty());
  ids.push_back(waiting);
  CHECK(paged == ids);
}

TEST_CASE("runs are paused, resumed, cancelled, retried and forked") {
  const shop s;
  const auto id = s.started("slow");
  REQUIRE(s.reaches(id, "waiting"));
  const auto post = [&](const std::string& verb, const std::string& body = {}) {
    return s.at->call("POST", "/api/v1/runs/" + id + "/" + verb, body);
  };
  CHECK(post("pause").json() == json::value{{"run_id", id}, {"command", "pause"}, {"pending", false}});
  CHECK(text_of(s.run(id).at("status")) == "paused");
  CHECK(post("resume").status == 200);
  CHECK(post("retry").status == 409);
  const auto fork = post("fork", R"({"from":1,"command_id":"f"})");
  CHECK(fork.status == 201);
  CHECK(post("fork", R"({"from":1,"command_id":"f"})").json() == fork.json());
  CHECK(post("fork").status == 400);
  CHECK(post("signal", R"({"value":1})").status == 400);
  CHECK(post("signal", R"({"name":"go","value":1})").status == 200);
  CHECK(post("respond", R"({"request_id":"1.9","value":1})").status == 404);
  CHECK(post("cancel", R"({"because":"x"})").status == 400);
  CHECK(post("cancel", R"({"reason":"enough"})").status == 200);
  REQUIRE(s.reaches(id, "cancelled"));
  CHECK(post("pause").status == 409);
  const auto again = post("retry");
  REQUIRE(again.status == 201);
  CHECK(text_of(again.json().at("retry_of")) == id);
  CHECK(text_of(s.run(text_of(again.json().at("run_id"))).at("workflow")) == "slow");
}

TEST_CASE("a stream tells every event once, and goes on from the last id exactly") {
  const shop s;
  const auto id = s.started("quick");
  REQUIRE(s.reaches(id, "succeeded"));
  const auto lines = s.at->call("GET", "/api/v1/runs/" + id + "/events").json().at("events").as_array();
  streamed whole{*s.at, id};
  CHECK(whole.head.status == 200);
  CHECK(whole.head.header("content-type") == "text/event-stream");
  const auto frames = whole.all();
  REQUIRE(frames.size() == lines.size());
  for (std::size_t i = 0; i < frames.size(); ++i) {
    CHECK(payload::parse_text(frames[i].data).value().value() == lines[i]);
    CHECK(frames[i].event == text_of(lines[i].at("kind")));
    const auto rest = i + 1 < frames.size() ? streamed{*s.at, id, frames[i].id}.all() : std::vector<test::sse_frame>{};
    CHECK(rest.size() == frames.size() - i - 1);
    if (!rest.empty()) CHECK(rest.front().id == frames[i + 1].id);
  }
  CHECK(frames.back().event == "run_ended");
  CHECK(streamed{*s.at, id, frames.back().id}.head.status == 204);
  CHECK(streamed{*s.at, id, "odd"}.head.status == 400);
  // The connection is good for more after a stream.
  whole.from.send(http_request("GET", "/healthz"));
  CHECK(whole.from.read().status == 200);
}

TEST_CASE("a stream follows a run that goes on, and a client that leaves changes nothing for it") {
  const shop s;
  s.put("brief.yaml", document("brief", "  - a:\n      wait: {milliseconds: 1500}\n  - b:\n      set: {y: 2}\n"));
  REQUIRE(workplace::eventually([&] { return s.at->call("GET", "/api/v1/workflows/brief").status == 200; }));
  const auto id = s.started("brief");
  { streamed gone{*s.at, id}; }
  streamed live{*s.at, id};
  const auto frames = live.all();
  REQUIRE(!frames.empty());
  CHECK(frames.back().event == "run_ended");
  CHECK(s.reaches(id, "succeeded"));
}

TEST_CASE("streams are no requests in hand: they keep no others out, and those that leave are no longer counted") {
  const shop s;
  const auto id = s.started("slow");
  const auto figures = [&] { return s.at->call("GET", "/metrics").body; };
  {
    std::vector<std::unique_ptr<streamed>> open;
    for (int i = 0; i < 50; ++i) open.push_back(std::make_unique<streamed>(*s.at, id));
    CHECK(open.back()->head.status == 200);
    CHECK(has(figures(), "perdure_http_streams 50"));
    CHECK(has(figures(), "perdure_http_requests_in_flight 1"));
    CHECK(s.at->call("POST", "/api/v1/runs/" + id + "/cancel").status == 200);
    for (auto& each : open) CHECK(each->all().back().event == "run_ended");
  }
  CHECK(workplace::eventually(
      [&] { return has(figures(), "perdure_http_streams 0") && has(figures(), "perdure_http_connections 1"); }));
}

TEST_CASE("a journal is exported whole and verified, and a damaged one would show") {
  const shop s;
  const auto id = s.started("quick");
  REQUIRE(s.reaches(id, "succeeded"));
  const auto exported = s.at->call("GET", "/api/v1/runs/" + id + "/journal");
  CHECK(exported.header("content-type") == "application/x-ndjson");
  const auto verified = s.at->call("GET", "/api/v1/runs/" + id + "/journal/verify").json();
  CHECK(verified.at("ok") == true);
  CHECK(verified.at("events") == test::json_lines(exported.body).size());
  s.at->node().kill();
  CHECK(s.here.call({"journal", "export", "--run", id}).out == exported.body);
}

TEST_CASE("documents of the folder are read again when they change, and a bad one leaves the good one") {
  shop s;
  s.put("quick.yaml", "document: [");
  s.put("late.yaml", document("late", quick));
  s.at->node().signal(SIGHUP);
  REQUIRE(workplace::eventually([&] { return s.at->call("GET", "/api/v1/workflows/late").status == 200; }));
  CHECK(s.start("quick").status == 201);
  s.put("quick.yaml", document("quick", quick + quick.substr(0, 4) + "b:\n      set: {z: 1}\n"));  // the same version
  s.put("quick2.yaml", document("quick", "  - a:\n      set: {x: 2}\n", "default", "2.0.0"));
  REQUIRE(workplace::eventually(
      [&] { return text_of(s.at->call("GET", "/api/v1/workflows/quick").json().at("version")) == "2.0.0"; }));
  const auto id = s.started("quick");
  REQUIRE(s.reaches(id, "succeeded"));
  CHECK(s.run(id).at("output").at("x") == 2);
  const auto old = s.at->call("POST", "/api/v1/runs", R"({"workflow":"quick","version":"1.0.0"})");
  CHECK(text_of(old.json().at("version")) == "1.0.0");
  CHECK(has(text_of(s.at->call("GET", "/api/v1/workflows/quick?version=1.0.0").json().at("document")), "x: 1"));
  s.at->node().signal(SIGTERM);
  const auto log = s.at->node().finish().err;
  CHECK(has(log, "give it another version"));
}

TEST_CASE("documents are put over HTTP into the tenant's own namespace, and do not reach beyond it") {
  const shop s;
  const auto mine = s.at->key({"--tenant", "mine", "--rights", "run,read,deploy"}),
             theirs = s.at->key({"--tenant", "theirs", "--rights", "run,read,deploy"});
  const auto put = [&](const std::string& key, const std::string& name, const std::string& text) {
    return s.at->call_as(key, "PUT", "/api/v1/workflows/" + name, text, {{"Content-Type", "application/yaml"}});
  };
  CHECK(put(mine, "mine%2Fflow", document("flow", quick, "mine")).status == 201);
  CHECK(put(mine, "mine%2Fflow", document("flow", quick, "mine")).status == 200);
  CHECK(put(mine, "mine%2Fflow", document("flow", slow, "mine")).status == 409);
  CHECK(put(mine, "mine%2Fother", document("flow", quick, "mine")).status == 409);
  CHECK(put(mine, "flow", document("flow", quick)).status == 400);
  CHECK(put(theirs, "mine%2Fflow", document("flow", quick, "mine")).status == 404);
  CHECK(put(s.at->key({"--tenant", "mine"}), "mine%2Fflow", document("flow", quick, "mine")).status == 403);
  const auto bad = put(mine, "mine%2Fbad", "document: {dsl: '1.0.3'}\n");
  CHECK(bad.status == 400);
  CHECK(has(bad.body, "document:1"));
  CHECK(put(mine, "mine%2Fsh", document("sh", "  - a:\n      run: {shell: {command: id}}\n", "mine")).status == 400);
  CHECK(put(mine, "mine%2Fx",
            document("x", "  - a:\n      run: {workflow: {namespace: theirs, name: x, version: 1.0.0}}\n", "mine"))
            .status == 400);
  CHECK(put(mine, "mine%2Fl", document("l", "  - a:\n      listen: {to: {one: {with: {type: x}}}}\n", "mine")).status == 201);
  CHECK(put(mine, "mine%2Fh",
            document("h", "  - a:\n      call: http\n      with: {method: get, endpoint: 'http://127.0.0.1/'}\n", "mine"))
            .status == 400);
  CHECK(s.start("mine/flow", {}, "null", mine).status == 201);
  CHECK(s.start("mine/flow", {}, "null", theirs).status == 404);
  CHECK(s.at->call_as(theirs, "GET", "/api/v1/workflows/mine%2Fflow").status == 404);
  CHECK(!has(s.at->call_as(theirs, "GET", "/api/v1/workflows").body, "mine"));
  CHECK(s.at->call_as(mine, "PUT", "/api/v1/workflows/mine%2Fflow", "x", {{"Content-Type", "image/png"}}).status == 415);
  // It is there after a crash.
  s.at->node().kill();
  s.at->start();
  CHECK(s.start("mine/flow", {}, "null", mine).status == 201);
}

TEST_CASE("documents that may call services may not run jobs of this machine for that, and asking somebody needs no permission") {
  const shop s{{"--allow-calls"}};
  const auto put = [&](const std::string& call) {
    return s.at
        ->call("PUT", "/api/v1/workflows/d", document("d", "  - a:\n      call: " + call), {{"Content-Type", "application/yaml"}})
        .status;
  };
  CHECK(put("job\n      with: {backend: process, spec: {program: id}}\n") == 400);
  CHECK(put("http\n      with: {method: get, endpoint: 'http://127.0.0.1/'}\n") == 201);
  const shop closed;
  CHECK(closed.at
            ->call("PUT", "/api/v1/workflows/d", document("d", "  - a:\n      call: request\n      with: {content: 'Why?'}\n"),
                   {{"Content-Type", "application/yaml"}})
            .status == 201);
}

TEST_CASE("what was answered is there after kill -9, and goes on") {
  const shop s;
  std::vector<std::string> acknowledged;
  std::mutex mutex;
  for (int round = 0; round < 3; ++round) {
    std::atomic<bool> killed{false};
    std::vector<std::thread> clients;
    for (int i = 0; i < 4; ++i) {
      clients.emplace_back([&, i] {
        for (int n = 0; n < 1000 && !killed; ++n) {
          const auto key = std::to_string(round) + "-" + std::to_string(i) + "-" + std::to_string(n);
          const auto answer = s.start("quick", key);
          if (answer.status != 201) continue;
          const std::lock_guard lock{mutex};
          acknowledged.push_back(key + " " + text_of(answer.json().at("run_id")));
        }
      });
    }
    std::this_thread::sleep_for(300ms);
    s.at->node().kill();
    killed = true;
    for (auto& each : clients) each.join();
    s.at->start();
  }
  REQUIRE(!acknowledged.empty());
  for (const auto& each : acknowledged) {
    const auto key = each.substr(0, each.find(' ')), id = each.substr(each.find(' ') + 1);
    const auto again = s.start("quick", key);
    CHECK(again.status == 200);
    CHECK(text_of(again.json().at("run_id")) == id);
  }
  for (const auto& each : acknowledged) REQUIRE(s.reaches(each.substr(each.find(' ') + 1), "succeeded"));
}

TEST_CASE("SIGTERM refuses new work, ends streams with a word, and the run goes on at the next start") {
  const shop s;
  const auto id = s.started("slow");
  REQUIRE(s.reaches(id, "waiting"));
  streamed live{*s.at, id};
  const auto before = s.at->call("GET", "/api/v1/runs/" + id + "/events").json().at("events").as_array().size();
  const auto first = live.all(before);
  REQUIRE(first.size() == before);
  const auto began = std::chrono::steady_clock::now();
  s.at->node().signal(SIGTERM);
  const auto last = live.all();
  REQUIRE(last.size() == 1);
  CHECK(last[0].event == "shutdown");
  CHECK(last[0].id.empty());
  CHECK(s.at->node().finish().code == 0);
  CHECK(std::chrono::steady_clock::now() - began < 12s);
  CHECK(s.here.call({"journal", "verify", "--json"}).json().at("ok") == true);
  s.at->start();
  CHECK(s.reaches(id, "waiting"));
  CHECK(s.at->call("POST", "/api/v1/runs/" + id + "/cancel").status == 200);
  CHECK(streamed{*s.at, id, first.back().id}.all().back().event == "run_ended");
}

TEST_CASE("while a server stops, new work is told to come back, and a second signal ends it at once") {
  const shop s{{"--shutdown-time", "20s", "--allow-processes"}};
  s.put("busy.yaml", document("busy", "  - a:\n      run:\n        shell:\n          command: \"trap '' TERM; sleep 8\"\n"));
  REQUIRE(workplace::eventually([&] { return s.at->call("GET", "/api/v1/workflows/busy").status == 200; }));
  const auto id = s.started("busy");
  REQUIRE(s.reaches(id, "running"));
  http_connection kept{s.at->port()};
  kept.send(http_request("GET", "/healthz"));
  REQUIRE(kept.read().status == 200);
  s.at->node().signal(SIGTERM);
  std::this_thread::sleep_for(100ms);
  const auto refused = s.start("quick");
  if (refused.status != 0) {  // else it has stopped already
    CHECK(refused.status == 503);
    CHECK(refused.header("retry-after") == "1");
    CHECK(refused.header("connection") == "close");
  }
  s.at->node().signal(SIGTERM);
  const auto end = s.at->node().finish(5s);
  CHECK((end.code == 1 || end.code == 0));
}
