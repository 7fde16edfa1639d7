// Schedules of documents: a clock of the test's own, runs that begin by it, and times at which no node was there.
#include "cluster/documents.hpp"
#include "cluster/zones.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/program.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::eventually;
using test::workplace;

namespace {

/// A node whose clock stands where the test sets it.
struct stage {
  explicit stage(std::filesystem::path at) : data(std::move(at)) { open(); }
  void open() {
    node_options options;
    options.data_dir = data;
    options.clock = [now = now] { return timestamp{duration{now->load()}}; };
    engine.emplace(std::move(node::open(std::move(options)).value()));
    if (text.empty()) return;
    add(text);
  }
  void add(const std::string& what) {
    text = what;
    const auto read = reader.read(text, "s.yaml");
    INFO((read ? "" : read.error().message));
    REQUIRE(read.has_value());
    REQUIRE(engine->add(read->definition));
    known = *read;
  }
  run_ref begin(const std::string& missed = "once") { return cluster::begin_schedule(*engine, *known, missed).value(); }
  void pass(duration length) { *now += length.count(); }
  /// Runs of the document that have ended.
  std::size_t ended() {
    std::size_t out = 0;
    const auto page = engine->list({.workflow = "s", .limit = 1'000}).value();
    for (const auto& each : page.runs)
      if (!cluster::is_schedule(each) && is_terminal(each.status)) ++out;
    return out;
  }
  /// Runs of the document that wait or have ended.
  std::size_t begun() {
    std::size_t out = 0;
    const auto page = engine->list({.workflow = "s", .limit = 1'000}).value();
    for (const auto& each : page.runs)
      if (!cluster::is_schedule(each) && each.status != run_status::scheduled && each.status != run_status::running) ++out;
    return out;
  }
  bool comes_to(std::size_t count) {
    return eventually([&] { return ended() == count; }) && (std::this_thread::sleep_for(150ms), ended() == count);
  }

  std::filesystem::path data;
  std::shared_ptr<std::atomic<std::int64_t>> now =
      std::make_shared<std::atomic<std::int64_t>>(1'800'000'000'000'000);  // 2027-01-15T08:00:00Z
  cluster::document_reader reader{data, std::getenv("PERDURE_BINARY")};
  std::optional<cluster::document> known;
  std::optional<node> engine;
  std::string text;
};

std::string document(const std::string& schedule) {
  return "document: {dsl: '1.0.3', namespace: default, name: s, version: 1.0.0}\nschedule: " + schedule +
         "\ndo:\n  - a: {set: {got: '${ . }'}}\n";
}

}  // namespace

TEST_CASE("every: a run at each interval, also after the node was opened again") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(document("{every: {minutes: 10}}"));
  const auto run = here.begin();
  CHECK(here.comes_to(0));
  here.pass(10min);
  CHECK(here.comes_to(1));
  CHECK(here.begin().id() == run.id());  // it goes on already
  here.engine->close();
  here.open();
  here.pass(10min);
  CHECK(here.comes_to(2));
}

TEST_CASE("times at which no node was there: skipped, made up for once, or all of them") {
  const std::vector<std::pair<std::string, std::size_t>> policies{{"skip", 0}, {"once", 1}, {"all", 6}};
  for (const auto& [missed, runs] : policies) {
    INFO(missed);
    const test::temp_directory directory;
    stage here{directory.path()};
    here.add(document("{every: {minutes: 10}}"));
    (void)here.begin(missed);
    REQUIRE(eventually([&] { return here.engine->list({.workflow = "s"})->runs.at(0).wakeup.has_value(); }));
    here.engine->close();
    here.pass(65min);
    here.open();
    CHECK(here.comes_to(runs));
    here.pass(5min);  // the next one is in time
    CHECK(here.comes_to(runs + 1));
  }
}

TEST_CASE("cron: a run at each time that it names, in its time zone") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(document("{cron: 'CRON_TZ=Europe/Berlin 30 9 * * *'}"));  // it is 09:00 there
  (void)here.begin();
  here.pass(29min);
  CHECK(here.comes_to(0));
  here.pass(1min);
  CHECK(here.comes_to(1));
  here.pass(24h);
  CHECK(here.comes_to(2));
}

TEST_CASE("after: the next run begins a while after the one before has ended") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(
      "document: {dsl: '1.0.3', namespace: default, name: s, version: 1.0.0}\nschedule: {after: PT10M}\ndo:\n  - w: {wait: "
      "PT5M}\n");
  (void)here.begin();
  REQUIRE(eventually([&] { return here.begun() == 1; }));
  here.pass(5min);
  CHECK(here.comes_to(1));
  std::this_thread::sleep_for(500ms);  // it has heard of the end
  here.pass(9min);
  CHECK(here.comes_to(1));
  here.pass(1min);
  REQUIRE(eventually([&] { return here.begun() == 2; }));
  CHECK(here.ended() == 1);
  here.pass(5min);
  CHECK(here.comes_to(2));
}

TEST_CASE("on: events begin a run, whose input they are") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(document("{on: {all: [{with: {type: a}}, {with: {type: b}}]}}"));
  const auto emit = here.reader.read(
      "document: {dsl: '1.0.3', namespace: default, name: e, version: 1.0.0}\ndo:\n"
      "  - e: {emit: {event: {with: {source: 'https://s.x', type: '${ .type }', data: '${ .n }'}}}}\n",
      "e.yaml");
  REQUIRE(emit.has_value());
  REQUIRE(here.engine->add(emit->definition));
  const auto schedule = here.begin();
  REQUIRE(eventually([&] { return schedule.status()->status == run_status::waiting && schedule.events(0, 100)->size() > 5; }));
  for (const auto& [type, n] : std::vector<std::pair<std::string, int>>{{"a", 1}, {"a", 2}, {"b", 3}, {"b", 4}, {"a", 5}})
    test::finish(here.engine->start("e", {{"type", type}, {"n", n}}).value());
  CHECK(here.comes_to(2));
  std::vector<std::string> got;
  const auto page = here.engine->list({.workflow = "s"}).value();
  for (const auto& each : page.runs) {
    if (cluster::is_schedule(each)) continue;
    std::string numbers;
    const auto output = here.engine->get(each.id)->status()->output.value();
    for (const auto& event : output.at("got").as_array()) numbers += test::text_of(event.at("data"));
    got.push_back(numbers);
  }
  std::sort(got.begin(), got.end());
  CHECK(got == std::vector<std::string>{"13", "45"});
}

TEST_CASE("several triggers of one schedule: each begins runs, and the first ends the others") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(document("{every: {minutes: 10}, after: {minutes: 25}, on: {one: {with: {type: a}}}}"));
  const auto emit = here.reader.read(
      "document: {dsl: '1.0.3', namespace: default, name: e, version: 1.0.0}\ndo:\n"
      "  - e: {emit: {event: {with: {source: 'https://s.x', type: a}}}}\n",
      "e.yaml");
  REQUIRE(emit.has_value());
  REQUIRE(here.engine->add(emit->definition));
  const auto schedule = here.begin();
  const auto parts = [&] {
    std::vector<run_summary> out;
    const auto page = here.engine->list({.workflow = "s", .limit = 1'000}).value();
    for (const auto& each : page.runs)
      if (cluster::is_schedule(each) && !is_terminal(each.status)) out.push_back(each);
    return out;
  };
  const auto waits = [&] {
    const auto all = parts();
    const auto subscribed = std::count_if(all.begin(), all.end(), [](const auto& each) { return each.seq > 5; });
    return all.size() == 3 && subscribed >= 2 &&  // "after" began the others and a run, "on" has told whom it listens for
           std::all_of(all.begin(), all.end(), [](const auto& each) { return each.status == run_status::waiting; });
  };
  CHECK(here.comes_to(1));  // "after" begins at once
  REQUIRE(eventually(waits));
  here.pass(10min);
  CHECK(here.comes_to(2));
  test::finish(here.engine->start("e", {}).value());
  CHECK(here.comes_to(3));
  here.engine->close();
  here.open();
  REQUIRE(here.engine->add(emit->definition));
  here.pass(10min);
  CHECK(here.comes_to(4));
  here.pass(5min);
  CHECK(here.comes_to(5));  // "after" once more
  test::finish(here.engine->start("e", {}).value());
  CHECK(here.comes_to(6));
  CHECK(parts().size() == 3);
  const auto again = here.begin();
  CHECK(again.id() == schedule.id());
  REQUIRE(again.cancel("enough"));
  CHECK(eventually([&] { return parts().empty(); }));
}

TEST_CASE("a schedule of several triggers whose node is killed while it begins has a run for each, and no more") {
  const workplace here;
  const auto file = here.write("s.yaml", document("{every: {hours: 1}, cron: '0 0 1 1 *', on: {one: {with: {type: a}}}}"));
  for (const auto pause : {0ms, 15ms, 30ms, 45ms, 60ms}) {
    auto running = here.start({"schedule", file, "--detach"});
    std::this_thread::sleep_for(40ms + pause);
    running->signal(SIGKILL);
    (void)running->finish();
  }
  auto running = here.start({"schedule", file});
  const auto all = [&] { return here.call({"runs", "list", "--workflow", "s", "--json"}).json().at("runs").as_array().size(); };
  CHECK(workplace::eventually([&] { return all() >= 3; }));
  std::this_thread::sleep_for(300ms);
  CHECK(all() == 3);
  running->signal(SIGINT);
  CHECK(running->finish().code == 0);
}

TEST_CASE("summer time: an hour that is left out, and one that comes twice") {
  const auto zones = cluster::make_zones();
  const auto next = [&](const std::string& cron, const std::string& after) {
    const auto found = zones->next(*dsl::cron::parse(cron), *parse_timestamp(after));
    return found ? to_string(*found) : found.error().message;
  };
  CHECK(next("TZ=Europe/Berlin 30 2 * * *", "2026-03-28T12:00:00Z")
            .starts_with("2026-03-29T01:00:00"));  // 02:30 is left out: it goes on at 03:00
  CHECK(next("TZ=Europe/Berlin 30 2 * * *", "2026-03-29T01:00:00Z").starts_with("2026-03-30T00:30:00"));
  CHECK(next("TZ=Europe/Berlin 30 2 * * *", "2026-10-24T12:00:00Z").starts_with("2026-10-25T00:30:00"));
  CHECK(next("TZ=Europe/Berlin 30 2 * * *", "2026-10-25T00:30:00Z").starts_with("2026-10-26T01:30:00"));
  CHECK(next("TZ=Nowhere/Never * * * * *", "2026-01-01T00:00:00Z").find("is not known here") != std::string::npos);
}

TEST_CASE("perdure schedule begins one, carries it out, and a schedule is nobody's to wait for") {
  const workplace here;
  const auto file = here.write(
      "s.yaml",
      "document: {dsl: '1.0.3', namespace: default, name: s, version: 1.0.0}\nschedule: {every: {milliseconds: 300}}\ndo:\n"
      "  - a: {run: {shell: {command: 'echo tick >> " +
          here.path("ledger").string() + "'}}}\n");
  auto running = here.start({"schedule", file});
  REQUIRE(workplace::eventually([&] { return here.lines("ledger").size() >= 3; }));
  running->signal(SIGINT);
  CHECK(running->finish().code == 0);
  const auto before = here.lines("ledger").size();
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  // Another command opens the directory: the schedule goes on.
  CHECK(here.call({"run", here.document("w", "  - w: {wait: {milliseconds: 1500}}\n")}).code == 0);
  CHECK(here.lines("ledger").size() >= before + 2);
  CHECK(here.call({"schedule", here.document("none", "  - a: {set: {x: 1}}\n")}).err.find("has no schedule") !=
        std::string::npos);
  CHECK(here.run({"validate", here.write("c.yaml", document("{cron: 'TZ=No/Where 0 0 * * *'}"))})
            .err.find("time zone \"No/Where\"") != std::string::npos);
}
