#include "actors/delivery.hpp"

#include <future>

#include "support/run_fixture.hpp"
#include "unit/actors/run_stage.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

/// A router that refuses every start with what the test says.
struct refusing_router {
  std::shared_ptr<services> shared = test::make_services();
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::shared_ptr<std::atomic<errc>> why = std::make_shared<std::atomic<errc>>(errc::disk_full);
  caf::actor router = system.spawn([why = why](caf::event_based_actor*) -> caf::behavior {
    return {[why](const start_run& what) {
      if (*why == errc{}) return what.answer(what.how.id, std::nullopt);
      what.answer(error{*why, "so it is"}, std::nullopt);
    }};
  });

  ~refusing_router() {
    caf::anon_send_exit(router, caf::exit_reason::kill);
    router = nullptr;
    shared->pool.stop(1s);
  }
  core::delivery_result deliver(const core::run_state& from) {
    std::promise<core::delivery_result> told;
    deliver_message(*shared, router, from, from.outbox.begin()->second,
                    [&](core::delivery_result how) { told.set_value(std::move(how)); });
    return told.get_future().get();
  }
};

}  // namespace

TEST_CASE("a run whose child finds no room is known to wait for it, until the child has begun or is refused for good") {
  refusing_router stage;
  test::run_fixture run{test::make_plan({{.name = "a"}})};
  run.tell(run.waiting(
      1,
      {{.ordinal = 0,
        .kind = core::step_kind::child,
        .name = "other",
        .args = payload{json::value{{"workflow", "other"}, {"message", "m"}, {"input", 7}, {"close", 1}, {"await", false}}}}}));
  REQUIRE(run.state().outbox.size() == 1);
  const auto& waits = stage.shared->room_waits;
  for (const auto then : {errc{}, errc::invalid_argument, errc::overloaded}) {
    *stage.why = errc::disk_full;
    CHECK(stage.deliver(run.state()).again);
    CHECK(waits.of(run.state().id) == "waits for room in the journal, to start a run: so it is");
    *stage.why = then;
    CHECK(stage.deliver(run.state()).again == (then == errc::overloaded));
    CHECK_FALSE(waits.of(run.state().id).has_value());
  }
}
