#include "actors/run_attempts.hpp"

#include "core/decide.hpp"
#include "support/catch.hpp"
#include "support/run_fixture.hpp"
#include "unit/actors/run_stage.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

/// Attempts whose actors do nothing, so that a test says when each of them ends.
struct attempts_stage {
  std::shared_ptr<services> shared = test::make_services();
  caf::actor_system_config config;
  caf::actor_system system{config};
  std::vector<caf::actor> executors;
  definition_ptr definition = test::waiting_definition();
  test::run_fixture run{test::make_plan({{.name = "only", .retry = retry(3, fixed(1s))}})};
  run_attempts attempts{shared,
                        test::run_fixture::id_of_test(),
                        {.self = [] { return caf::actor{}; },
                         .spawn_executor =
                             [this](const definition_ptr&) {
                               executors.push_back(system.spawn([](caf::event_based_actor* self) -> caf::behavior {
                                 self->set_default_handler(caf::drop);
                                 return {[self](stop_attempt) { self->quit(); }};
                               }));
                               return executors.back();
                             },
                         .take = [](const core::command&) {}}};

  ~attempts_stage() {
    for (const auto& each : executors) caf::anon_send_exit(each, caf::exit_reason::kill);
    executors.clear();
    attempts.stop_all();
    shared->pool.stop(1s);
  }
  void begin() { attempts.begin(std::make_shared<core::activation>(run.activation(1)), definition, {}); }
  [[nodiscard]] std::optional<core::attempt_died> dies(std::size_t executor,
                                                       const caf::error& why = caf::exit_reason::kill) const {
    return attempts.lost({executors.at(executor).address(), why});
  }
};

}  // namespace

TEST_CASE("an executor's actor that dies takes its own attempt with it, not the next one that is decided by then") {
  // It was told with the number that the state had: the attempt that was to replace the dead one failed with it, and was
  // counted, before it had begun.
  attempts_stage stage;
  stage.begin();
  stage.run.tell(stage.run.failing(1, test::failed_with("e")));
  stage.run.sleep();  // decided, and not durable: the first one's actor has not been told to stop
  REQUIRE(stage.run.activation(1).attempt == 2);
  const auto lost = stage.dies(0);
  REQUIRE(lost.has_value());
  CHECK(lost->activation == 1);
  CHECK(lost->attempt == 1);
  CHECK(lost->why.code == "executor_died");
  CHECK(stage.run.refused(*lost) == errc::fenced);
  CHECK(stage.run.activation(1).status == core::activation_status::running);
}

TEST_CASE("the death of an executor's actor is the end of the attempt that it has") {
  attempts_stage stage;
  stage.begin();
  REQUIRE(stage.dies(0).has_value());
  stage.run.tell(*stage.dies(0));
  CHECK(stage.run.activation(1).attempt == 2);
  CHECK(stage.run.activation(1).retry_at.has_value());
}

TEST_CASE("nothing is lost with an executor's actor that ended as it should, was stopped, or had its place taken") {
  attempts_stage stage;
  stage.begin();
  CHECK_FALSE(stage.dies(0, caf::exit_reason::normal).has_value());
  stage.begin();
  CHECK(stage.attempts.has(1));
  CHECK_FALSE(stage.dies(0).has_value());
  CHECK(stage.dies(1).has_value());
  stage.attempts.stop(1);
  CHECK_FALSE(stage.attempts.has(1));
  CHECK_FALSE(stage.dies(1).has_value());
}
