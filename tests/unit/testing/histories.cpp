#include <fstream>
#include <sstream>

#include "cluster/testing/history.hpp"
#include "support/random_value.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"
#include "unit/testing/desk.hpp"

using namespace perdure;
using namespace perdure::test;
using testing::find_partings;
using testing::replay_history;

namespace {

/// A workflow whose second step has this name, and which waits so long.
workflow charging(const std::string& second = "charge", duration nap = 24h) {
  return single([second, nap](const job& what, context& ctx) -> task<> {
    auto body = [&] { return what.number + 1; };
    const int reserved = co_await ctx.call("reserve", body);
    co_await ctx.sleep_for(nap);
    (void)co_await ctx.call(second, body);
    ctx.yield_output(reserved);
  });
}
testing::test_run charged(virtual_node& node) {
  node.add(charging());
  const auto run = node.start("w", job{1});
  run.expect_output(2);
  return run;
}
void write(const std::filesystem::path& to, const std::string& text) { std::ofstream{to} << text; }

}  // namespace

TEST_CASE("a history is readable JSON lines") {
  virtual_node node;
  node.add(single([](const job&, context& ctx) -> task<> {
    auto body = [] { return 5; };
    ctx.yield_output(co_await ctx.call("five", body));
  }));
  const auto run = node.start("w", job{1});
  run.wait();
  std::istringstream lines{run.history()};
  std::string line;
  std::getline(lines, line);
  CHECK(line == R"({"perdure_history":1,"workflow":"w","version":"1","run":")" + run.id().str() + "\"}");
  std::getline(lines, line);
  CHECK(contains(line,
                 R"({"seq":1,"time":"2026-03-01T00:00:00.000000Z","kind":"run_started","event":{"workflow":"w","version":"1")"));
  std::getline(lines, line);
  CHECK(line == R"({"seq":2,"time":"2026-03-01T00:00:00.000000Z","kind":"turn","executor":"only",)"
                R"("event":{"activation":1,"attempt":1,"done":[{"name":"five","result":{"value":5}}]}})");
}

TEST_CASE("today's code replays a history that fits it") {
  temp_directory dir;
  const auto file = dir.path() / "histories" / "charged.jsonl";
  virtual_node node;
  const auto run = charged(node);
  run.save_history(file);
  run.expect_replay();
  CHECK(find_partings(run.history(), charging()).empty());
  replay_history(file, charging());
}

TEST_CASE("code that does something else parts from the history, and both sides are shown") {
  temp_directory dir;
  const auto file = dir.path() / "charged.jsonl";
  virtual_node node;
  charged(node).save_history(file);
  const auto said = failure_of([&] { replay_history(file, charging("bill")); });
  CHECK(contains(said, "charged.jsonl"));
  CHECK(contains(said, "recorded: step 2 call \"charge\""));
  CHECK(contains(said, "today:    step 2 call \"bill\""));
  CHECK(contains(said, "at event 5, activation 1, attempt 1"));
}

TEST_CASE("a history that was cut off is that of a run that is still alive, and is replayed as far as it goes") {
  virtual_node node;
  node.add(charging());
  const auto run = node.start("w", job{1});
  node.skip(1h);  // it sleeps
  const auto text = run.history();
  CHECK(find_partings(text, charging("bill")).empty());  // it has not come to that step
  const auto shorter = single([](const job&, context& ctx) -> task<> { co_await ctx.sleep_for(24h); });
  const auto partings = find_partings(text, shorter);
  REQUIRE(partings.size() == 1);
  CHECK(partings[0].recorded == "step 0 call \"reserve\"");
  CHECK(partings[0].replayed == "step 0 sleep \"sleep\"");
}

TEST_CASE("a golden history is compared line by line, and written when that is wanted") {
  temp_directory dir;
  const auto file = dir.path() / "golden.jsonl";
  virtual_node node;
  const auto run = charged(node);
  CHECK(contains(failure_of([&] { run.expect_history(file); }), "there is no history"));
  {
    environment rewriting{"PERDURE_REWRITE_GOLDEN", "1"};
    run.expect_history(file);
  }
  run.expect_history(file);
  {
    virtual_node again;
    charged(again).expect_history(file);  // the same in every node
  }
  virtual_node other;
  other.add(charging("charge", 12h));
  const auto changed = other.start("w", job{1});
  changed.wait();
  const auto said = failure_of([&] { changed.expect_history(file); });
  CHECK(contains(said, "from line 4 on"));
  CHECK(contains(said, "file:  {\"seq\":3"));
  CHECK(contains(said, "\"due\":\"2026-03-02T00:00:00.000000Z\""));
  CHECK(contains(said, "\"due\":\"2026-03-01T12:00:00.000000Z\""));
  CHECK(contains(said, "PERDURE_REWRITE_GOLDEN=1 writes it"));
  write(file, run.history().substr(0, run.history().rfind("{\"seq\"")));
  CHECK(contains(failure_of([&] { run.expect_history(file); }), "file:  (ends)"));
}

TEST_CASE("what is no history is refused, with the line") {
  virtual_node node;
  const auto run = charged(node);
  const auto text = run.history();
  const auto code = charging();
  const auto refused = [&](const std::string& what) { return failure_of([&] { (void)find_partings(what, code); }); };
  CHECK(contains(refused(""), "has no events"));
  CHECK(contains(refused("{}\n"), "line 1 of the history: is not the head"));
  CHECK(contains(refused("nonsense"), "line 1"));
  const auto with = [&](const std::string& from, const std::string& to) {
    auto out = text;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  CHECK(contains(refused(with("\"kind\":\"turn\"", "\"kind\":\"twist\"")), "there is no kind of event \"twist\""));
  CHECK(contains(refused(with("\"attempt\":1", "\"attempt\":\"one\"")), "/attempt: expected an integer"));
  CHECK(contains(refused(with("\"attempt\":1", "\"atempt\":1")), "has no member \"atempt\""));
  CHECK(contains(refused(with("\"activation\":1", "\"activation\":9")), "event 2 of the history does not fit"));
  CHECK(contains(refused(with("\"workflow\":\"w\"", "\"workflow\":\"v\"")), "of workflow \"v\", not of \"w\""));
}

namespace {

/// What text can say: no bytes that are not UTF-8, no years beyond 9999.
template <class T>
void tame(T& value) {
  using perdure::detail::is_specialization;
  using perdure::detail::optional_like;
  if constexpr (std::is_same_v<T, std::string>) {
    for (auto& each : value) each = static_cast<char>(' ' + static_cast<unsigned char>(each) % 95);
  } else if constexpr (std::is_same_v<T, timestamp>) {
    value = timestamp{value.time_since_epoch() % duration{24h * 365 * 1000}};
  } else if constexpr (optional_like<T>) {
    if (value) tame(*value);
  } else if constexpr (is_specialization<T, std::vector> || is_specialization<T, std::deque>) {
    for (auto& each : value) tame(each);
  } else if constexpr (perdure::detail::described<T> && !std::is_same_v<T, run_id> && !std::is_same_v<T, payload>) {
    boost::mp11::mp_for_each<perdure::detail::members_of<T>>([&](auto member) { tame(value.*member.pointer); });
  }
}

}  // namespace

TEST_CASE("an event of any kind comes back from its line as it was") {
  random_source random{session_seed()};
  for (std::size_t kind = 0; kind < std::variant_size_v<core::event>; ++kind) {
    for (int i = 0; i < 200; ++i) {
      auto made = random_event(kind, random);
      if (std::holds_alternative<core::run_restored>(made)) continue;  // holds bytes that are no text
      std::visit([](auto& each) { tame(each); }, made);
      const auto text = testing::write_history({"w", "1", run_id::make(), {{made, timestamp{}}}});
      REQUIRE(text.has_value());
      INFO(*text);
      const auto back = testing::read_history(*text);
      REQUIRE(back.has_value());
      REQUIRE(same(back->events.at(0).first, made));
    }
  }
}
