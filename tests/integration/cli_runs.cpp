// `perdure runs`: looking at runs and acting on them, through the socket of a running node and without one.
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using perdure::test::members_of;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// One task that is done, one that waits.
std::string waiting_document(const workplace& here, int wait_ms) {
  return here.document("waiting", "  - before:\n      set: {x: 1}\n  - pause:\n      wait: {milliseconds: " +
                                      std::to_string(wait_ms) + "}\n  - after:\n      set: {x: 2}\n");
}

std::string only_run(const workplace& here) {
  const auto listed = here.call({"runs", "list", "--json"});
  if (listed.code != 0) return {};
  const auto runs = listed.json().at("runs").as_array();
  return runs.size() == 1 ? text_of(runs[0].at("run_id")) : std::string{};
}

std::string status_of(const workplace& here, const std::string& run) {
  const auto shown = here.call({"runs", "show", run, "--json"});
  return shown.code == 0 ? text_of(shown.json().at("status")) : shown.err;
}

/// A run that waits in a node of its own process, and its id.
struct running {
  workplace here;
  std::unique_ptr<test::program> node;
  std::string run;

  explicit running(int wait_ms = 60'000, std::vector<std::string> more = {}) {
    std::vector<std::string> command{"run", waiting_document(here, wait_ms)};
    command.insert(command.end(), more.begin(), more.end());
    node = here.start(command);
    REQUIRE(workplace::eventually([&] { return status_of(here, only_run(here)) == "waiting"; }));
    run = only_run(here);
  }
};

/// Asks a question, waits for a signal, gives both.
class desk : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override {
    const json::value question{{"text", "well?"}};
    const auto answer = co_await ctx.request<json::value>(question);
    const auto signal = co_await ctx.wait_signal<json::value>("go");
    const json::array both{answer, signal};
    ctx.yield_output(json::value(both));
  }
};

/// Asks for something of a type.
struct verdict {
  bool yes = false;
};
PERDURE_MESSAGE(verdict, "verdict/v1", yes)
class judge : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override {
    const json::value question{{"text", "well?"}};
    const auto answer = co_await ctx.request<verdict>(question);
    ctx.yield_output(answer.yes);
  }
};

}  // namespace

TEST_CASE("runs show has the stable members, in the order the tasks started") {
  running r;
  const auto shown = r.here.call({"runs", "show", r.run, "--json"});
  REQUIRE(shown.code == 0);
  const auto run = shown.json();
  for (const auto* member : {"run_id", "workflow", "version", "status", "output", "error", "input", "created_at", "started_at",
                             "ended_at", "executors", "timers", "requests", "jobs"}) {
    INFO(member);
    CHECK(run.as_object().if_contains(member) != nullptr);
  }
  const auto executors = run.at("executors").as_array();
  REQUIRE(executors.size() == 2);
  CHECK(executors[0].at("name") == "before");
  CHECK(executors[0].at("reference") == "/do/0/before");
  CHECK(executors[0].at("status") == "succeeded");
  CHECK(executors[0].at("output").at("x") == 1);
  CHECK(executors[1].at("name") == "pause");
  CHECK(executors[1].at("status") == "waiting");
  CHECK(executors[1].at("ended_at").is_null());
  const auto timers = run.at("timers").as_array();
  REQUIRE(timers.size() == 1);
  CHECK(timers[0].at("kind") == "sleep");
  CHECK(timers[0].at("executor") == "pause");
  // The same without the node.
  r.node->kill();
  CHECK(r.here.call({"runs", "show", r.run, "--json"}).json() == run);
}

TEST_CASE("runs list pages, filters, and gives a cursor") {
  const workplace here;
  const auto one = here.document("one", "  - a:\n      set: {x: 1}\n");
  const auto two = here.document("two", "  - a:\n      raise:\n        error: {type: 'https://example.com/e', status: 500}\n");
  for (int i = 0; i < 3; ++i) REQUIRE(here.call({"run", one}).code == 0);
  REQUIRE(here.call({"run", two}).code == 1);
  const auto all = here.call({"runs", "list", "--json"}).json();
  CHECK(members_of(all) == std::vector<std::string>{"runs", "next_cursor"});
  CHECK(all.at("runs").as_array().size() == 4);
  CHECK(all.at("next_cursor").is_null());
  CHECK(all.at("runs").at(0).at("workflow") == "two");
  CHECK(here.call({"runs", "list", "--json", "--workflow", "one"}).json().at("runs").as_array().size() == 3);
  CHECK(here.call({"runs", "list", "--json", "--status", "failed"}).json().at("runs").as_array().size() == 1);
  CHECK(here.call({"runs", "list", "--json", "--oldest-first"}).json().at("runs").at(0).at("workflow") == "one");
  std::vector<json::value> paged;
  std::string cursor;
  do {
    std::vector<std::string> command{"runs", "list", "--json", "--limit", "3"};
    if (!cursor.empty()) command.insert(command.end(), {"--cursor", cursor});
    const auto page = here.call(command).json();
    for (const auto& each : page.at("runs").as_array()) paged.push_back(each);
    cursor = page.at("next_cursor").is_null() ? "" : text_of(page.at("next_cursor"));
  } while (!cursor.empty());
  CHECK(json::value(json::array(paged.begin(), paged.end())) == all.at("runs"));
}

TEST_CASE("tables fit the width that COLUMNS says") {
  running r(60'000, {"--key", "a-rather-long-key-that-somebody-chose-for-a-run-of-theirs"});
  for (const auto* columns : {"20", "40", "60", "80", "120"}) {
    ::setenv("COLUMNS", columns, 1);
    for (const auto& command : std::vector<std::vector<std::string>>{
             {"runs", "list"}, {"runs", "show", r.run}, {"runs", "events", r.run}, {"journal", "show"}}) {
      const auto shown = r.here.call(command);
      CHECK(shown.code == 0);
      CHECK(shown.out.find('\x1b') == std::string::npos);
      std::size_t begin = 0;
      while (begin < shown.out.size()) {
        const auto end = shown.out.find('\n', begin);
        const auto line = shown.out.substr(begin, end - begin);
        const auto characters =
            std::count_if(line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
        INFO(line);
        CHECK(characters <= std::atoi(columns));
        begin = end + 1;
      }
    }
  }
  ::unsetenv("COLUMNS");
}

TEST_CASE("runs events gives one line an event, and --follow goes on until the end") {
  running r(1500);
  const auto stored = test::json_lines(r.here.call({"runs", "events", r.run, "--json"}).out);
  REQUIRE(stored.size() >= 2);
  for (const auto& each : stored) {
    const auto members = members_of(each);
    REQUIRE(members.size() >= 5);
    CHECK(std::vector<std::string>(members.begin(), members.begin() + 5) ==
          std::vector<std::string>{"lsn", "seq", "time", "kind", "executor"});
  }
  CHECK(stored[0].at("kind") == "run_started");
  const auto followed = test::json_lines(r.here.call({"runs", "events", r.run, "--json", "--follow"}).out);
  CHECK(followed.back().at("kind") == "run_ended");
  for (std::size_t i = 0; i < followed.size(); ++i) CHECK(followed[i].at("seq").to_number<std::size_t>() == i + 1);
  REQUIRE(r.node->finish().code == 0);
  // Without a node the same lines, and --follow of a run that has ended ends.
  CHECK(test::json_lines(r.here.call({"runs", "events", r.run, "--json"}).out) == followed);
  CHECK(r.here.call({"runs", "events", r.run, "--json", "--follow"}).code == 0);
  CHECK(test::json_lines(r.here.call({"runs", "events", r.run, "--json", "--after", "2"}).out).size() == followed.size() - 2);
}

TEST_CASE("runs events --follow ends when its reader has gone, and the run goes on") {
  running r(5000);
  const auto began = std::chrono::steady_clock::now();
  const auto command = "\"$PERDURE_BINARY\" runs events " + r.run + " --follow --data " + r.here.data() + " | head -1 > " +
                       r.here.path("seen").string();
  CHECK(std::system(command.c_str()) == 0);
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::milliseconds{3500});
  CHECK_FALSE(test::slurp(r.here.path("seen")).empty());
  CHECK(r.node->running());
  CHECK(r.node->finish().code == 0);
}

TEST_CASE("runs wait on a running node tells the outcome when it is there, and gives up in time when asked to") {
  running r(1500);
  const auto early = r.here.call({"runs", "wait", r.run, "--timeout", "100ms"});
  CHECK(early.code == 1);
  CHECK(has(early.err, "in time"));
  const auto waited = r.here.call({"runs", "wait", r.run, "--json"});
  CHECK(waited.code == 0);
  CHECK(waited.json().at("status") == "succeeded");
  CHECK(waited.json().at("output").at("x") == 2);
  CHECK(r.node->finish().code == 0);
}

TEST_CASE("pause, resume and cancel reach a running node") {
  running r;
  CHECK(r.here.call({"runs", "pause", r.run}).code == 0);
  CHECK(status_of(r.here, r.run) == "paused");
  CHECK(r.here.call({"runs", "resume", r.run}).code == 0);
  CHECK(status_of(r.here, r.run) == "waiting");
  const auto cancelled = r.here.call({"runs", "cancel", r.run, "--reason", "enough", "--json"});
  CHECK(cancelled.code == 0);
  CHECK(cancelled.json().at("pending") == false);
  const auto ended = r.node->finish();
  CHECK(ended.code == 1);
  CHECK(status_of(r.here, r.run) == "cancelled");
  const auto late = r.here.call({"runs", "pause", r.run});
  CHECK(late.code == 1);
  CHECK(has(late.err, "cancelled"));
}

TEST_CASE("without a node commands wait in the inbox and are taken in at the next open") {
  running r;
  r.node->kill();
  const auto said = r.here.call({"runs", "cancel", r.run, "--reason", "enough"});
  CHECK(said.code == 0);
  CHECK(has(said.out, "next open"));
  CHECK(status_of(r.here, r.run) == "waiting");
  CHECK(r.here.call({"runs", "respond", r.run, "1.1", "--value", "1"}).code == 1);
  const auto waited = r.here.call({"runs", "wait", r.run, "--json"});
  CHECK(waited.code == 1);
  CHECK(waited.json().at("status") == "cancelled");
}

TEST_CASE("a command in the inbox is not lost when the node that takes it in is killed meanwhile") {
  running r;
  r.node->kill();
  REQUIRE(r.here.call({"runs", "cancel", r.run}).code == 0);
  for (int delay_ms = 2; delay_ms <= 30; delay_ms += 2) {
    auto killed = r.here.start({"runs", "wait", r.run});
    std::this_thread::sleep_for(std::chrono::milliseconds{delay_ms});
    killed->kill();
  }
  const auto waited = r.here.call({"runs", "wait", r.run, "--timeout", "20s", "--json"});
  CHECK(waited.out.find("\"cancelled\"") != std::string::npos);
}

TEST_CASE("a retry that waits in the inbox starts a linked run, which keeps what was done") {
  const workplace here;
  const auto file =
      here.document("long", "  - first:\n      run:\n        shell:\n          command: echo first >> " +
                                here.path("ledger").string() + "; echo -n 1\n  - pause:\n      wait: {milliseconds: 700}\n");
  auto node = here.start({"run", file});
  REQUIRE(workplace::eventually([&] { return status_of(here, only_run(here)) == "waiting"; }));
  const auto run = only_run(here);
  CHECK(here.call({"runs", "retry", run}).code == 1);
  REQUIRE(here.call({"runs", "cancel", run}).code == 0);
  CHECK(node->finish().code == 1);
  const auto said = here.call({"runs", "retry", run, "--json"});
  CHECK(said.code == 0);
  CHECK(said.json().at("pending") == true);
  CHECK(text_of(said.json().at("retry_of")) == run);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  const auto runs = here.call({"runs", "list", "--json"}).json().at("runs").as_array();
  REQUIRE(runs.size() == 2);
  // Its id has the time of the other's, so either may be listed first.
  const auto& other = text_of(runs[0].at("run_id")) == run ? runs[1] : runs[0];
  CHECK(other.at("status") == "succeeded");
  CHECK(here.lines("ledger").size() == 1);
  const auto linked = here.call({"runs", "show", text_of(other.at("run_id")), "--json"}).json();
  CHECK(text_of(linked.at("retry_of")) == run);
  CHECK(here.call({"journal", "replay", text_of(other.at("run_id"))}).code == 0);
}

TEST_CASE("an embedded node with a control socket is answered and signalled by commands") {
  const workplace here;
  auto opened = node::open({.data_dir = here.data(), .control_socket = true});
  REQUIRE(opened.has_value());
  opened->add(workflow_builder("desk", "1").add<desk>("desk").start_at("desk").build()).value();
  const auto run = opened->start("desk", json::value(nullptr)).value();
  const auto id = run.id().str();
  REQUIRE(workplace::eventually([&] { return status_of(here, id) == "waiting"; }));
  const auto open = here.call({"runs", "show", id, "--json"}).json().at("requests").as_array();
  REQUIRE(open.size() == 1);
  CHECK(members_of(open[0]) == std::vector<std::string>{"id", "executor", "question", "asked_at", "due"});
  const std::string request{open[0].at("id").as_string()};
  CHECK(here.call({"runs", "respond", id, request, "--value", "{\"yes\":true}"}).code == 0);
  CHECK(here.call({"runs", "respond", id, request, "--value", "1"}).code == 1);
  CHECK(here.call({"runs", "signal", id, "go", "--value", "7", "--command-id", "c1"}).code == 0);
  REQUIRE(run.wait(20s).has_value());
  CHECK(run.status()->output.text() == R"([{"yes":true},7])");
  opened->close();
}

TEST_CASE("runs respond says what does not fit, ends with 1, and the request is still there") {
  const workplace here;
  auto opened = node::open({.data_dir = here.data(), .control_socket = true});
  REQUIRE(opened.has_value());
  opened->add(workflow_builder("judge", "1").add<judge>("judge").start_at("judge").build()).value();
  const auto run = opened->start("judge", json::value(nullptr)).value();
  const auto id = run.id().str();
  REQUIRE(workplace::eventually([&] { return status_of(here, id) == "waiting"; }));
  const auto wrong = here.call({"runs", "respond", id, "1.0", "--value", R"({"yes":"maybe"})"});
  CHECK(wrong.code == 1);
  INFO(wrong.err);
  CHECK(wrong.err.find(R"(answer "verdict/v1"/yes: expected a bool, found a string; request 1.0)") != std::string::npos);
  CHECK(here.call({"runs", "show", id, "--json"}).json().at("requests").as_array().size() == 1);
  CHECK(here.call({"runs", "respond", id, "1.0", "--value", R"({"yes":true})"}).code == 0);
  REQUIRE(run.wait(20s).has_value());
  CHECK(run.status()->output.text() == "true");
  opened->close();
}
