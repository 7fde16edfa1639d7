// Forms of the workflow service API: what a run asks over HTTP, answered once, and what becomes of it when nobody does.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

const std::string question =
    "        call: request\n        with:\n          content: 'Release ${ .model }?'\n"
    "          inputs:\n            - {name: reason, type: paragraph, label: Why}\n"
    "            - {name: level, type: select, options: [low, high], default: low}\n"
    "          actions: [{id: go, title: Release it, style: primary}, {id: stop, title: Not now}]\n";

struct office {
  workplace here;
  std::unique_ptr<served> at;
  std::map<std::string, std::string> keys;

  office() {
    const auto folder = here.path("workflows");
    std::filesystem::create_directory(folder);
    const auto put = [&](const std::string& name, const std::string& rest) {
      std::ofstream{folder / (name + ".yaml")}
          << "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\n" + rest;
    };
    put("ask", "do:\n  - prepare:\n      set: {model: '${ .model }'}\n  - decide:\n" + question +
                   "  - tell:\n      set: {chosen: '${ .action }', why: '${ .inputs.reason }', level: '${ .inputs.level }', by: "
                   "'${ .user }'}\n");
    put("impatient",
        "do:\n  - decide:\n      try:\n        - question:\n            call: request\n            with: {content: 'Now?', "
        "timeout: {milliseconds: 700}}\n      catch:\n        errors: {with: {status: 408}}\n        do:\n          - "
        "nobody:\n              set: {gone: true}\n");
    put("short",
        "timeout: {after: {milliseconds: 700}}\ndo:\n  - question:\n      call: request\n      with: {content: 'Now?'}\n");
    at = std::make_unique<served>(here, std::vector<std::string>{"--workflows", folder.string()});
    for (const auto* name : {"ask", "impatient", "short"}) keys[name] = at->key({"--workflow", name});
  }
  [[nodiscard]] http_answer call(const std::string& workflow, const std::string& method, const std::string& path,
                                 const std::string& body = {}) const {
    return at->call_as(keys.at(workflow), method, path, body, {{"Content-Type", "application/json"}});
  }
  [[nodiscard]] std::vector<std::pair<std::string, json::value>> stream(const std::string& workflow, const std::string& method,
                                                                        const std::string& path, const std::string& body = {},
                                                                        const std::string& after = {}) const {
    http_connection to{at->port()};
    http_headers headers{{"Authorization", "Bearer " + keys.at(workflow)}, {"Content-Type", "application/json"}};
    if (!after.empty()) headers.emplace_back("Last-Event-ID", after);
    to.send(http_request(method, path, headers, body));
    if (to.read_head().status != 200) return {};
    return heard(to);
  }
  [[nodiscard]] std::vector<std::pair<std::string, json::value>> started(const std::string& workflow) const {
    return stream(workflow, "POST", "/v1/workflows/run", R"({"inputs":{"model":"m7"},"user":"u","response_mode":"streaming"})");
  }
};

const json::value& told(const std::vector<std::pair<std::string, json::value>>& in, const std::string& event) {
  for (const auto& [id, each] : in) {
    if (text_of(each.at("event")) == event) return each.at("data");
  }
  static const json::value none;
  return none;
}

const std::string form_path = "/v1/form/human_input/";
const std::string yes = R"({"inputs":{"reason":"it is good"},"action":"go","user":"ada"})";

}  // namespace

TEST_CASE("a run that asks is paused; one of many answers is taken, through a kill; and the run goes on with it") {
  const office o;
  const auto events = o.started("ask");
  REQUIRE(!events.empty());
  CHECK(text_of(events.back().second.at("event")) == "workflow_paused");
  const auto run = text_of(events.back().second.at("workflow_run_id"));
  const auto& asked = told(events, "human_input_required");
  const auto token = text_of(asked.at("form_token"));
  CHECK(text_of(asked.at("form_content")) == "Release m7?");
  CHECK(text_of(asked.at("node_id")) == "/do/1/decide");
  CHECK(text_of(asked.at("node_title")) == "decide");
  CHECK(asked.at("actions").at(0) == json::value{{"id", "go"}, {"title", "Release it"}, {"button_style", "primary"}});
  const auto& reason = told(events, "workflow_paused").at("reasons").at(0);
  CHECK(text_of(reason.at("TYPE")) == "human_input_required");
  CHECK(reason.at("form_id") == asked.at("form_id"));
  CHECK(reason.at("form_token") == asked.at("form_token"));
  CHECK(told(events, "workflow_paused").at("paused_nodes") == json::value(json::array{"/do/1/decide"}));
  CHECK(text_of(o.call("ask", "GET", "/v1/workflows/run/" + run).json().at("status")) == "paused");

  o.at->node().kill();
  o.at->start();
  const auto form = o.call("ask", "GET", form_path + token).json();
  CHECK(form.at("resolved_default_values") == json::value{{"level", "low"}});
  CHECK(text_of(form.at("inputs").at(0).at("output_variable_name")) == "reason");
  CHECK(form.at("expiration_time").is_null());
  for (const auto& wrong : {token.substr(0, token.size() - 1) + "x", run + ".1.1." + std::string(64, '0'), std::string{"x"}}) {
    const auto answer = o.call("ask", "GET", form_path + wrong);
    CHECK(answer.status == 404);
    CHECK(text_of(answer.json().at("message")) == "Form not found");
  }
  CHECK(o.call("short", "GET", form_path + token).status == 404);
  CHECK(o.at->call_as(o.at->key({"--tenant", "other"}), "GET", form_path + token).status == 404);
  const auto refused = [&](const std::string& body, const std::string& code, const std::string& words) {
    const auto answer = o.call("ask", "POST", form_path + token, body);
    INFO(answer.body);
    CHECK(answer.status == 400);
    CHECK(text_of(answer.json().at("code")) == code);
    CHECK(has(text_of(answer.json().at("message")), words));
  };
  refused(R"({"inputs":{},"action":"go","user":"u"})", "invalid_form_data", "Missing required inputs: reason");
  refused(R"({"inputs":{"reason":"x"},"action":"other","user":"u"})", "invalid_form_data", "Invalid action: other");
  refused(R"({"inputs":{"reason":"x","level":"huge"},"action":"go","user":"u"})", "invalid_form_data", "level");
  refused(R"({"inputs":{"reason":"x","more":1},"action":"go","user":"u"})", "invalid_form_data", "more");
  refused(R"({"inputs":{"reason":"x"},"action":"go"})", "invalid_param", "user");
  refused("", "bad_request", "JSON");

  std::map<std::string, int> outcomes;
  std::mutex mutex;
  std::vector<std::thread> people;
  for (int i = 0; i < 20; ++i) {
    people.emplace_back([&] {
      const auto answer = o.call("ask", "POST", form_path + token, yes);
      const std::lock_guard lock{mutex};
      ++outcomes[answer.status == 412 ? text_of(answer.json().at("code")) : std::to_string(answer.status)];
    });
  }
  for (auto& each : people) each.join();
  CHECK(outcomes == std::map<std::string, int>{{"200", 1}, {"human_input_form_submitted", 19}});
  o.at->node().kill();
  o.at->start();
  CHECK(o.call("ask", "GET", form_path + token).status == 412);
  // A client that saw the pause takes it up again from there; the rest of the story, and its end.
  const auto rest = o.stream("ask", "GET", "/v1/workflow/" + run + "/events?user=u", {}, events.back().first);
  REQUIRE(!rest.empty());
  CHECK(told(rest, "human_input_form_filled").at("action_text") == "Release it");
  CHECK(told(rest, "human_input_form_filled").at("submitted_data").at("reason") == "it is good");
  CHECK(told(rest, "workflow_started").at("reason") == "resumption");
  CHECK(text_of(rest.back().second.at("event")) == "workflow_finished");
  CHECK(rest.back().second.at("data").at("outputs") ==
        json::value{{"chosen", "go"}, {"why", "it is good"}, {"level", "low"}, {"by", "ada"}});
}

TEST_CASE(
    "a stream that continues on pause goes on by itself, and a blocking answer repeated after the pause waits for the end") {
  const office o;
  const std::string body = R"({"inputs":{"model":"m"},"user":"u","response_mode":"blocking"})";
  const auto start = [&] {
    return o.at->call_as(o.keys.at("ask"), "POST", "/v1/workflows/run", body,
                         {{"Content-Type", "application/json"}, {"Idempotency-Key", "one"}});
  };
  const auto paused = start().json();
  CHECK(paused.at("data").at("status") == "paused");
  const auto run = text_of(paused.at("workflow_run_id"));
  http_connection live{o.at->port()};
  live.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true&continue_on_pause=true",
                         {{"Authorization", "Bearer " + o.keys.at("ask")}}));
  REQUIRE(live.read_head().status == 200);
  std::vector<json::value> events;
  while (events.empty() || text_of(events.back().at("event")) != "workflow_paused") {
    const auto frame = live.read_frame();
    REQUIRE(frame);
    if (!frame->data.empty()) events.push_back(payload::parse_text(frame->data).value().value());
  }
  const auto token = text_of(events.back().at("data").at("reasons").at(0).at("form_token"));
  CHECK(o.call("ask", "POST", form_path + token, yes).status == 200);
  const auto rest = heard(live);
  REQUIRE(!rest.empty());
  CHECK(text_of(rest.front().second.at("event")) == "human_input_form_filled");
  CHECK(text_of(rest.back().second.at("event")) == "workflow_finished");
  const auto again = start();
  CHECK(again.status == 200);
  CHECK(again.json().at("data").at("status") == "succeeded");
}

TEST_CASE("a question that nobody answers in time: the task's limit lets the run go on, the run's own ends it") {
  const office o;
  const auto asked = o.started("impatient");
  const auto token = text_of(told(asked, "human_input_required").at("form_token"));
  CHECK(told(asked, "human_input_required").at("expiration_time").is_int64());
  CHECK(told(asked, "human_input_required").at("actions").at(0).at("id") == "submit");
  const auto run = text_of(asked.back().second.at("workflow_run_id"));
  const auto rest = o.stream("impatient", "GET", "/v1/workflow/" + run + "/events?user=u", {}, asked.back().first);
  REQUIRE(!rest.empty());
  CHECK(text_of(told(rest, "human_input_form_timeout").at("node_title")) == "question");
  CHECK(rest.back().second.at("data").at("status") == "partial-succeeded");
  CHECK(rest.back().second.at("data").at("outputs") == json::value{{"gone", true}});
  const auto late = o.call("impatient", "POST", form_path + token, R"({"inputs":{},"action":"submit","user":"u"})");
  CHECK(late.status == 412);
  CHECK(late.json().at("code") == "human_input_form_expired");

  const auto over = o.started("short");
  const auto lost = text_of(told(over, "human_input_required").at("form_token"));
  const auto ended = text_of(over.back().second.at("workflow_run_id"));
  CHECK(workplace::eventually(
      [&] { return text_of(o.call("short", "GET", "/v1/workflows/run/" + ended).json().at("status")) == "failed"; }));
  CHECK(o.call("short", "GET", form_path + lost).json().at("code") == "human_input_form_expired");
}
