#include "actors/run_actor.hpp"

#include "support/catch.hpp"
#include "unit/actors/run_stage.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {
core::command signal(const std::string& name, const std::string& command_id = {}, payload value = payload{json::value(1)}) {
  return core::signal_command{name, std::move(value), command_id};
}
payload large() { return payload{json::value(std::string(limits::inline_payload_bytes + 1, 'x'))}; }
}  // namespace

TEST_CASE("a run asks once to leave memory, until it was answered") {
  // It asked again after each command that came before the answer. Of two markers under way it said "busy" to the first, so
  // that the router sent on what it had kept, and left at the second, before it had seen that: a wake-up was lost so.
  test::run_stage stage;
  REQUIRE(test::eventually([&] { return stage.notes->asked == 1; }));
  for (int i = 0; i < 3; ++i) {
    stage.command(signal("other"));
    std::this_thread::sleep_for(60ms);
  }
  CHECK(stage.notes->asked == 1);
  // Something came since it asked: it stays for another moment.
  tell(stage.router, park_marker{});
  CHECK(test::eventually([&] { return stage.notes->asked == 2; }));
  CHECK(stage.notes->busy == 1);
  tell(stage.router, park_marker{});
  CHECK(test::eventually([&] { return stage.notes->parked == 1; }));
  CHECK(stage.notes->busy == 1);
}

TEST_CASE("a run that is busy when the marker comes stays, and asks again later") {
  test::run_stage stage;
  REQUIRE(test::eventually([&] { return stage.notes->asked == 1; }));
  *stage.writer_waits = true;
  stage.command(signal("other"));
  tell(stage.router, park_marker{});
  CHECK(test::eventually([&] { return stage.notes->busy == 1; }));
  stage.let_writer_go();
  CHECK(test::eventually([&] { return stage.notes->asked == 2; }));
  tell(stage.router, park_marker{});
  CHECK(test::eventually([&] { return stage.notes->parked == 1; }));
}

TEST_CASE("a wake-up that the timer has not come to is left to the journal") {
  test::run_stage stage;
  const auto sleeps = test::sleeping_definition();
  const auto now = stage.shared->clock.now();
  const auto asks_to_leave = [&, before = stage.notes->asked.load()] { return stage.notes->asked > before; };
  stage.shared->wakeups_read_to = now + 1min;
  REQUIRE(stage.start(payload{json::value(600)}, sleeps).has_value());
  REQUIRE(test::eventually(asks_to_leave));
  CHECK(stage.notes->armed == 0);
  CHECK(stage.shared->journal->wakeups(now + 1h, std::nullopt, 10).size() == 1);
  REQUIRE(stage.start(payload{json::value(30)}, sleeps).has_value());
  CHECK(test::eventually([&] { return stage.notes->armed >= 1; }));
}

TEST_CASE("a run takes only so many commands that wait for an append, but a cancel in any case") {
  test::run_stage stage;
  *stage.writer_waits = true;
  std::atomic<std::size_t> done{0}, overloaded{0}, failed{0};
  const auto count = [&](const result<void>& answer) {
    ++(answer ? done : answer.error().code == errc::overloaded ? overloaded : failed);
  };
  constexpr std::size_t too_many = 7;
  stage.command(signal("other"), count);  // in flight, the others behind it
  for (std::size_t i = 0; i < limits::queued_commands + too_many; ++i) stage.command(signal("other", "the same"), count);
  stage.command(core::cancel_command{}, count);
  CHECK(test::eventually([&] { return overloaded == too_many; }));
  std::this_thread::sleep_for(20ms);
  CHECK(done == 0);
  stage.let_writer_go();
  CHECK(test::eventually([&] { return done == limits::queued_commands + 2; }));
  CHECK(overloaded == too_many);
  CHECK(failed == 0);
  CHECK(test::eventually([&] { return stage.notes->left == 1; }));
}

TEST_CASE("a large payload that finds no room on the disk waits, and the run goes on when there is room") {
  // The run died of it and was made anew, did the step again and died again: after five times it was quarantined until the
  // node was opened again.
  test::run_stage stage;
  stage.journal->room_on_disk = false;
  std::atomic<int> done{0}, failed{0};
  const auto count = [&](const result<void>& answer) { ++(answer ? done : failed); };
  stage.command(signal("other", "1", large()), count);
  stage.command(signal("other", "2"), count);
  stage.command(signal("go", "3"), count);
  std::this_thread::sleep_for(700ms);  // longer than the pause between tries
  CHECK(done + failed == 0);
  CHECK(stage.notes->died == 0);
  const auto& waits = stage.shared->room_waits;
  CHECK(waits.of(stage.id) == "waits for room in the journal: a large payload found none: No space left on device");
  stage.journal->room_on_disk = true;
  CHECK(test::eventually([&] { return done == 3; }));
  CHECK(test::eventually([&] { return !waits.of(stage.id); }));
  CHECK(test::eventually([&] { return stage.notes->left == 1; }));
  CHECK(stage.notes->died == 0);
  const auto stored = load_run(*stage.journal, &stage.journal->blobs(), stage.id);
  REQUIRE(stored.has_value());
  CHECK(stored->status == run_status::succeeded);
  CHECK(stage.journal->verify({}).problems.empty());
}

TEST_CASE("large payloads leave alone the room that is kept for cancels, and a cancel takes them along") {
  test::run_stage stage;
  stage.journal->room_for_steps = false;
  std::atomic<int> done{0}, failed{0};
  const auto count = [&](const result<void>& answer) { ++(answer ? done : failed); };
  stage.command(signal("other", "1", large()), count);
  stage.command(signal("other", "2", large()), count);
  std::this_thread::sleep_for(50ms);
  CHECK(stage.journal->blobs_put == 0);
  CHECK(done + failed == 0);
  CHECK(stage.shared->room_waits.of(stage.id).has_value());
  stage.command(core::cancel_command{}, count);
  CHECK(test::eventually([&] { return done == 3; }));
  CHECK(test::eventually([&] { return !stage.shared->room_waits.of(stage.id); }));
  CHECK(stage.journal->blobs_put > 0);
  CHECK(test::eventually([&] { return stage.notes->left == 1; }));
  CHECK(load_run(*stage.journal, &stage.journal->blobs(), stage.id)->status == run_status::cancelled);
  CHECK(stage.journal->verify({}).problems.empty());
}

TEST_CASE("a run is known to wait for room as long as it does, and no longer than it is in memory") {
  // Only the log said so: whoever looked at the run saw one that works.
  test::run_stage stage;
  const auto& waits = stage.shared->room_waits;
  CHECK_FALSE(waits.of(stage.id).has_value());
  stage.journal->room_for_steps = false;
  stage.command(signal("other"));
  CHECK(test::eventually([&] { return waits.of(stage.id) == "waits for room in the journal: no room"; }));
  stage.journal->room_for_steps = true;
  CHECK(test::eventually([&] { return !waits.of(stage.id); }));
  stage.journal->room_for_steps = false;
  stage.command(signal("other"));
  CHECK(test::eventually([&] { return waits.of(stage.id).has_value(); }));
  tell(stage.router, farewell{});
  CHECK(test::eventually([&] { return !waits.of(stage.id); }));
}

TEST_CASE("a run whose input finds no room is refused with disk_full") {
  // It said that the run's actor had ended.
  test::run_stage stage;
  stage.journal->room_on_disk = false;
  const auto refused = stage.start(large());
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::disk_full);
  stage.journal->room_on_disk = true;
  CHECK(stage.start(large()).has_value());
}
