// The workflow service API of `perdure serve`, as the clients of this field speak it.
#include <set>

#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

/// A server with a workflow that ends soon, one that does not, one that handles an error, one that fails; a key for each.
struct desk {
  workplace here;
  std::unique_ptr<served> at;
  std::map<std::string, std::string> keys;

  explicit desk(std::vector<std::string> more = {}) {
    const auto folder = here.path("workflows");
    std::filesystem::create_directory(folder);
    const auto put = [&](const std::string& name, const std::string& rest) {
      std::ofstream{folder / (name + ".yaml")}
          << "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0, title: The " + name + "}\n" + rest;
    };
    put("greet",
        "input:\n  schema:\n    document:\n      type: object\n      required: [name]\n      properties:\n"
        "        name: {type: string, maxLength: 48, title: Your name}\n        tone: {enum: [warm, dry]}\n        times: {type: "
        "integer}\n"
        "do:\n  - compose:\n      set: {text: '${ \"Hello \" + .name }'}\n  - pause:\n      wait: {milliseconds: 50}\n"
        "  - done:\n      set: {text: '${ .text + \"!\" }'}\n");
    put("slow", "do:\n  - first:\n      set: {x: 1}\n  - pause:\n      wait: {seconds: 60}\n");
    put("handled",
        "do:\n  - outer:\n      try:\n        - risky:\n            raise: {error: {type: 'https://example.com/e', status: "
        "500}}\n"
        "      catch:\n        retry: {limit: {attempt: {count: 1}}}\n        do:\n          - instead:\n              set: "
        "{saved: true}\n");
    put("broken", "do:\n  - bad:\n      raise: {error: {type: 'https://example.com/e', status: 500, detail: it broke}}\n");
    more.insert(more.end(), {"--workflows", folder.string()});
    put("rounds",
        "do:\n  - each:\n      for: {each: n, in: '${ [1, 2] }'}\n      do:\n        - one:\n            set: {n: '${ $n }'}\n   "
        "     - two:\n            set: {done: true}\n");
    at = std::make_unique<served>(here, more);
    for (const auto* name : {"rounds", "greet", "slow", "handled", "broken"}) keys[name] = at->key({"--workflow", name});
  }

  [[nodiscard]] test::http_answer post(const std::string& workflow, const std::string& body, test::http_headers headers = {},
                                       const std::string& path = "/v1/workflows/run") const {
    headers.emplace_back("Content-Type", "application/json");
    return at->call_as(keys.at(workflow), "POST", path, body, std::move(headers));
  }
  [[nodiscard]] test::http_answer get(const std::string& workflow, const std::string& path) const {
    return at->call_as(keys.at(workflow), "GET", path, {}, {{"Content-Type", "application/json"}});
  }
  [[nodiscard]] std::string begun(const std::string& workflow) const {
    const auto answer = post(workflow, R"({"inputs":{"name":"Ada"},"user":"u1","response_mode":"async"})");
    REQUIRE(answer.status == 202);
    return text_of(answer.json().at("workflow_run_id"));
  }
  [[nodiscard]] bool reaches(const std::string& workflow, const std::string& id, const std::string& status) const {
    return workplace::eventually([&] { return text_of(get(workflow, "/v1/workflows/run/" + id).json().at("status")) == status; });
  }
};

std::vector<std::string> names(const std::vector<std::pair<std::string, json::value>>& of) {
  std::vector<std::string> out;
  for (const auto& [id, each] : of) out.push_back(text_of(each.at("event")));
  return out;
}

}  // namespace

TEST_CASE("blocking: the answer is the run's end, with its outputs") {
  const desk d;
  for (const auto* mode : {"", R"(,"response_mode":"blocking")"}) {
    const auto answer = d.post("greet", std::string{R"({"inputs":{"name":"Ada"},"user":"u1")"} + mode + "}");
    REQUIRE(answer.status == 200);
    const auto run = answer.json();
    CHECK(run.at("task_id") == run.at("workflow_run_id"));
    const auto data = run.at("data");
    CHECK(test::members_of(data) == std::vector<std::string>{"id", "workflow_id", "status", "outputs", "error", "elapsed_time",
                                                             "total_tokens", "total_steps", "created_at", "finished_at"});
    CHECK(data.at("status") == "succeeded");
    CHECK(data.at("outputs").at("text") == "Hello Ada!");
    CHECK(data.at("error").is_null());
    CHECK(data.at("total_steps") == 3);
    CHECK(data.at("elapsed_time").to_number<double>() >= 0.05);
    CHECK(data.at("finished_at").to_number<std::int64_t>() >= data.at("created_at").to_number<std::int64_t>());
    CHECK(data.at("created_at").to_number<std::int64_t>() > 1'500'000'000);
  }
  const auto handled = d.post("handled", R"({"inputs":{},"user":"u"})").json().at("data");
  CHECK(handled.at("status") == "partial-succeeded");
  const auto broken = d.post("broken", R"({"inputs":{},"user":"u"})");
  CHECK(broken.status == 200);
  CHECK(broken.json().at("data").at("status") == "failed");
  CHECK(broken.json().at("data").at("error") == "it broke");
  CHECK(broken.json().at("data").at("outputs") == json::object{});
}

TEST_CASE("async: 202 at once, then the detail says how it goes") {
  const desk d;
  const auto answer = d.post("slow", R"({"inputs":{"a":1},"user":"u1","response_mode":"async"})");
  REQUIRE(answer.status == 202);
  const auto run = answer.json();
  const auto id = text_of(run.at("workflow_run_id"));
  CHECK(text_of(run.at("task_id")) == id);
  CHECK(test::members_of(run.at("data")) == std::vector<std::string>{"id", "workflow_id", "status", "created_at"});
  CHECK(run.at("data").at("status") == "scheduled");
  REQUIRE(d.reaches("slow", id, "running"));
  const auto detail = d.get("slow", "/v1/workflows/run/" + id).json();
  CHECK(detail.at("inputs") == R"({"a":1})");
  CHECK(detail.at("outputs") == json::object{});
  CHECK(detail.at("finished_at").is_null());
  CHECK(detail.at("workflow_id") == run.at("data").at("workflow_id"));
  // kill -9: it is there.
  d.at->node().kill();
  d.at->start();
  CHECK(d.get("slow", "/v1/workflows/run/" + id).json().at("inputs") == R"({"a":1})");
  CHECK(d.post("slow", R"({"user":"u"})", {}, "/v1/workflows/tasks/" + id + "/stop").json() ==
        json::value{{"result", "success"}});
  REQUIRE(d.reaches("slow", id, "stopped"));
  CHECK(d.post("slow", R"({"user":"u"})", {}, "/v1/workflows/tasks/" + id + "/stop").status == 200);
  CHECK(d.post("slow", R"({"user":"u"})", {}, "/v1/workflows/tasks/none/stop").status == 200);
  CHECK(d.post("slow", "{}", {}, "/v1/workflows/tasks/" + id + "/stop").status == 400);
}

TEST_CASE("streaming: one terminal event, and it is the last; Last-Event-ID goes on exactly") {
  const desk d;
  http_connection to{d.at->port()};
  const test::http_headers with{{"Authorization", "Bearer " + d.keys.at("greet")}, {"Content-Type", "application/json"}};
  to.send(http_request("POST", "/v1/workflows/run", with, R"({"inputs":{"name":"Ada"},"user":"u","response_mode":"streaming"})"));
  CHECK(to.read_head().header("content-type") == "text/event-stream");
  const auto events = heard(to);
  CHECK(names(events) == std::vector<std::string>{"workflow_started", "node_started", "node_finished", "node_started",
                                                  "node_finished", "node_started", "node_finished", "workflow_finished"});
  const auto run = text_of(events[0].second.at("workflow_run_id"));
  for (const auto& [id, each] : events) {
    CHECK(!id.empty());
    CHECK(text_of(each.at("task_id")) == run);
  }
  CHECK(events[0].second.at("data").at("inputs") == json::value{{"name", "Ada"}});
  CHECK(events[1].second.at("data").at("node_id") == "/do/0/compose");
  CHECK(events[2].second.at("data").at("outputs").at("text") == "Hello Ada");
  CHECK(events.back().second.at("data").at("outputs").at("text") == "Hello Ada!");
  for (std::size_t i = 0; i < events.size(); ++i) {
    http_connection again{d.at->port()};
    auto resume = with;
    resume.emplace_back("Last-Event-ID", events[i].first);
    again.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u", resume));
    REQUIRE(again.read_head().status == 200);
    const auto rest = heard(again);
    CHECK(rest == decltype(rest)(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end()));
  }
  // A finished run: its end alone, or the whole story.
  http_connection after{d.at->port()};
  after.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u", with));
  after.read_head();
  CHECK(names(heard(after)) == std::vector<std::string>{"workflow_finished"});
  after.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true", with));
  after.read_head();
  CHECK(heard(after) == events);
  CHECK(d.get("greet", "/v1/workflow/" + run + "/events").status == 400);
  CHECK(d.get("slow", "/v1/workflow/" + run + "/events?user=u").status == 404);
}

TEST_CASE("streaming: a task that is tried again, one whose error is handled, and a failure are told apart") {
  const desk d;
  const auto told = [&](const std::string& workflow) {
    http_connection to{d.at->port()};
    to.send(http_request("POST", "/v1/workflows/run", {{"Authorization", "Bearer " + d.keys.at(workflow)}},
                         R"({"inputs":{},"user":"u","response_mode":"streaming"})"));
    to.read_head();
    return heard(to);
  };
  const auto handled = told("handled");
  CHECK(names(handled) == std::vector<std::string>{"workflow_started", "node_started", "node_started", "node_retry",
                                                   "node_finished", "node_started", "node_finished", "node_finished",
                                                   "workflow_finished"});
  CHECK(handled[3].second.at("data").at("retry_index") == 0);
  CHECK(handled[4].second.at("data").at("status") == "exception");
  CHECK(handled.back().second.at("data").at("status") == "partial-succeeded");
  CHECK(handled.back().second.at("data").at("exceptions_count") == 1);
  const auto broken = told("broken");
  CHECK(names(broken) == std::vector<std::string>{"workflow_started", "node_started", "node_finished", "workflow_finished"});
  CHECK(broken[2].second.at("data").at("status") == "failed");
  CHECK(broken.back().second.at("data").at("status") == "failed");
}

TEST_CASE("streaming: the rounds of a loop are told, and the tasks in them name it") {
  const desk d;
  http_connection to{d.at->port()};
  to.send(http_request("POST", "/v1/workflows/run", {{"Authorization", "Bearer " + d.keys.at("rounds")}},
                       R"({"inputs":{},"user":"u","response_mode":"streaming"})"));
  to.read_head();
  const auto events = heard(to);
  const std::vector<std::string> round{"iteration_next", "node_started", "node_finished", "node_started", "node_finished"};
  std::vector<std::string> wanted{"workflow_started", "node_started", "iteration_started"};
  wanted.insert(wanted.end(), round.begin(), round.end());
  wanted.insert(wanted.end(), round.begin(), round.end());
  for (const auto* last : {"iteration_completed", "node_finished", "workflow_finished"}) wanted.emplace_back(last);
  REQUIRE(names(events) == wanted);
  const auto& loop = events[1].second.at("data");
  CHECK(loop.at("node_type") == "iteration");
  CHECK(loop.at("iteration_id").is_null());
  CHECK(events[3].second.at("data").at("index") == 0);
  CHECK(events[8].second.at("data").at("index") == 1);
  CHECK(events[4].second.at("data").at("iteration_id") == loop.at("id"));
  CHECK(events[13].second.at("data").at("steps") == 2);
}

TEST_CASE("a paused run ends its stream and its blocking answer with that word") {
  const desk d;
  test::http_answer answer;
  std::thread blocked{[&] { answer = d.post("slow", R"({"inputs":{},"user":"u"})"); }};
  const auto newest = [&] {
    const auto rows = d.get("slow", "/v1/workflows/logs").json().at("data").as_array();
    return rows.empty() ? std::string{} : text_of(rows[0].at("id"));
  };
  CHECK(workplace::eventually([&] { return !newest().empty(); }));
  const auto id = newest();
  CHECK(d.reaches("slow", id, "running"));
  http_connection live{d.at->port()};
  live.send(http_request("GET", "/v1/workflow/" + id + "/events?user=u", {{"Authorization", "Bearer " + d.keys.at("slow")}}));
  live.read_head();
  CHECK(d.at->call("POST", "/api/v1/runs/" + id + "/pause").status == 200);
  blocked.join();
  CHECK(names(heard(live)).back() == "workflow_paused");
  CHECK(answer.status == 200);
  CHECK(answer.json().at("data").at("status") == "paused");
  CHECK(text_of(answer.json().at("workflow_run_id")) == id);
  CHECK(d.reaches("slow", id, "paused"));
}

TEST_CASE("a blocking answer does not hold up a server that stops, and tells which run goes on") {
  const desk d;
  test::http_answer answer;
  std::thread blocked{[&] { answer = d.post("slow", R"({"inputs":{},"user":"u"})"); }};
  CHECK(workplace::eventually([&] { return d.get("slow", "/v1/workflows/logs").json().at("total") == 1; }));
  d.at->node().signal(SIGTERM);
  blocked.join();
  CHECK(answer.status == 503);
  CHECK(answer.json().at("code") == "shutting_down");
  CHECK(d.at->node().finish(15s).code == 0);
  d.at->start();
  const auto id = text_of(d.get("slow", "/v1/workflows/logs").json().at("data").at(0).at("id"));
  CHECK(has(text_of(answer.json().at("message")), id));
  CHECK(d.reaches("slow", id, "running"));
}

TEST_CASE("Idempotency-Key: one run, the same answer, also at the limit; another body is refused") {
  const desk d{{"--tenant-runs", "1"}};
  const std::string body = R"({"inputs":{"n":1},"user":"u","response_mode":"async"})";
  std::set<std::string> runs;
  std::map<int, int> statuses;
  std::mutex mutex;
  std::vector<std::thread> clients;
  for (int i = 0; i < 50; ++i) {
    clients.emplace_back([&] {
      const auto answer = d.post("slow", body, {{"Idempotency-Key", "k"}});
      const std::lock_guard lock{mutex};
      ++statuses[answer.status];
      runs.insert(answer.body);
    });
  }
  for (auto& each : clients) each.join();
  CHECK(runs.size() == 1);
  CHECK(statuses == std::map<int, int>{{200, 49}, {202, 1}});
  const auto full = d.post("slow", body);
  CHECK(full.status == 429);
  CHECK(full.json().at("code") == "too_many_requests");
  CHECK(full.json().at("message") == "Too many concurrent async workflow runs");
  CHECK(full.json().at("error").at("code") == "too_many_requests");
  CHECK(full.header("retry-after") == "1");
  const auto other = d.post("slow", R"({"inputs":{"n":2},"user":"u","response_mode":"async"})", {{"Idempotency-Key", "k"}});
  CHECK(other.status == 422);
  CHECK(other.json().at("code") == "idempotency_key_reuse");
  const auto long_key = d.post("slow", body, {{"Idempotency-Key", std::string(65, 'k')}});
  CHECK(long_key.status == 400);
  CHECK(long_key.json().at("message") == "Idempotency-Key must be 64 characters or fewer");
}

TEST_CASE("wrong requests are answered in the API's own words") {
  const desk d;
  const auto code = [](const test::http_answer& of) { return std::to_string(of.status) + " " + text_of(of.json().at("code")); };
  const auto no_user = d.post("greet", R"({"inputs":{}})");
  CHECK(code(no_user) == "400 invalid_param");
  CHECK(no_user.json().at("message") == "Arg user must be provided.");
  CHECK(code(d.post("greet", R"({"user":"u"})")) == "400 invalid_param");
  CHECK(code(d.post("greet", R"({"inputs":{},"user":"u","response_mode":"later"})")) == "400 invalid_param");
  for (const auto* bad :
       {R"("x")", R"({"type":"odd","transfer_method":"remote_url","url":"http://x/y"})",
        R"({"type":"image","transfer_method":"odd","url":"http://x/y"})", R"({"type":"image","transfer_method":"remote_url"})",
        R"({"type":"image","transfer_method":"local_file"})"}) {
    const auto answer = d.post("greet", R"({"inputs":{},"user":"u","files":[)" + std::string{bad} + "]}");
    CHECK(code(answer) == "400 invalid_param");
    CHECK(answer.json().at("params") == "files");
  }
  for (const auto* bad : {"", "{", "[]"}) {
    const auto answer = d.post("greet", bad);
    CHECK(code(answer) == "400 bad_request");
    CHECK(answer.json().at("message") == "Invalid JSON payload received or JSON payload is empty.");
    CHECK(answer.json().at("status") == 400);
  }
  const auto nobody = d.at->call_as("", "POST", "/v1/workflows/run", "{}");
  CHECK(code(nobody) == "401 unauthorized");
  CHECK(nobody.header("www-authenticate") == "Bearer realm=\"api\"");
  const auto unknown = d.get("greet", "/v1/workflows/run/0192f0c1-2345-7abc-8def-0123456789ab");
  CHECK(code(unknown) == "404 not_found");
  CHECK(unknown.json().at("message") == "Workflow run not found.");
  CHECK(d.get("greet", "/v1/workflows/run/" + d.begun("slow")).status == 404);
}

TEST_CASE("a given version of a workflow is run by its id") {
  const desk d;
  const auto id = text_of(d.post("greet", R"({"inputs":{"name":"A"},"user":"u"})").json().at("data").at("workflow_id"));
  const auto path = "/v1/workflows/" + id + "/run";
  const auto answer = d.post("greet", R"({"inputs":{"name":"B"},"user":"u","response_mode":"async"})", {}, path);
  CHECK(answer.status == 202);
  CHECK(text_of(answer.json().at("data").at("workflow_id")) == id);
  CHECK(d.post("greet", "{}", {}, "/v1/workflows/draft/run").status == 400);
  CHECK(d.post("greet", "{}", {}, "/v1/workflows/0192f0c1-2345-7abc-8def-0123456789ab/run").status == 404);
  CHECK(d.post("slow", R"({"inputs":{},"user":"u"})", {}, path).status == 404);
}

TEST_CASE("logs are filtered, paged and counted") {
  const desk d;
  for (const auto* name : {"Ada", "Bob", "Cleo"}) {
    REQUIRE(d.post("greet", std::string{R"({"inputs":{"name":")"} + name + R"("},"user":")" + name + "\"}").status == 200);
  }
  REQUIRE(d.post("broken", R"({"inputs":{},"user":"u"})").status == 200);
  const auto all = d.get("greet", "/v1/workflows/logs").json();
  CHECK(test::members_of(all) == std::vector<std::string>{"page", "limit", "total", "has_more", "data"});
  CHECK(all.at("total") == 3);
  CHECK(all.at("has_more") == false);
  const auto newest = all.at("data").at(0);
  CHECK(newest.at("created_by_end_user").at("session_id") == "Cleo");
  CHECK(newest.at("workflow_run").at("status") == "succeeded");
  CHECK(newest.at("workflow_run").at("triggered_from") == "app-run");
  CHECK(newest.at("created_from") == "service-api");
  const auto total = [&](const std::string& query) { return d.get("greet", "/v1/workflows/logs?" + query).json().at("total"); };
  CHECK(total("keyword=Bob") == 1);
  CHECK(total("created_by_end_user_session_id=Ada") == 1);
  CHECK(total("status=failed") == 0);
  for (const auto* far : {"2999-01-01T00:00:00Z", "2999-01-01T00:00:00", "2999-01-01T00:00:00.5", "2999-01-01",
                          "2999-01-01T00:00:00+01:00", "2999-01-01T00:00:00%2b01:00"}) {
    CHECK(total(std::string{"created_at__after="} + far) == 0);
    CHECK(total(std::string{"created_at__before="} + far) != 0);
  }
  const auto second = d.get("greet", "/v1/workflows/logs?page=2&limit=2").json();
  CHECK(second.at("data").as_array().size() == 1);
  CHECK(d.get("greet", "/v1/workflows/logs?page=1&limit=2").json().at("has_more") == true);
  for (const auto* bad : {"page=0", "limit=101", "page=100000", "status=odd", "created_at__before=odd"}) {
    CHECK(d.get("greet", std::string{"/v1/workflows/logs?"} + bad).status == 400);
  }
}

TEST_CASE("parameters and info tell what the document says of itself") {
  const desk d;
  const auto form = d.get("greet", "/v1/parameters").json().at("user_input_form").as_array();
  REQUIRE(form.size() == 3);
  CHECK(form[0].at("text-input").at("label") == "Your name");
  CHECK(form[0].at("text-input").at("required") == true);
  CHECK(form[1].at("select").at("options") == json::array{"warm", "dry"});
  CHECK(form[2].at("number").at("required") == false);
  const auto info = d.get("greet", "/v1/info").json();
  CHECK(info.at("name") == "The greet");
  CHECK(info.at("mode") == "workflow");
  CHECK(has(d.at->call("GET", "/v1/info").body, "not for one workflow"));
}
