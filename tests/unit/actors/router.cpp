#include "actors/router.hpp"

#include <algorithm>
#include <future>

#include "actors/journal_writer.hpp"
#include "support/catch.hpp"
#include "unit/actors/run_stage.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

/// A real router and writer over a journal in memory.
struct routing {
  std::shared_ptr<services> shared = test::make_services();
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::actor writer = spawn_journal_writer(system, shared, [] {});
  caf::actor router = spawn_router(system, shared, writer, nullptr);

  routing() { shared->workflows.add(test::waiting_definition()).value(); }
  ~routing() {
    std::promise<void> closed;
    tell(router, close_runs{.leave = true, .done = [&] { closed.set_value(); }});
    closed.get_future().wait();
    for (auto* each : {&router, &writer}) {
      caf::anon_send_exit(*each, caf::exit_reason::kill);
      *each = nullptr;
    }
    shared->pool.stop(1s);
  }

  run_id start() {
    const auto id = run_id::make();
    std::promise<bool> begun;
    tell(router, start_run{.how = {.id = id, .message = std::string{message_name<json::value>}, .input = payload{json::value(1)}},
                           .definition = test::waiting_definition(),
                           .first = std::nullopt,
                           .answer = [&](const result<run_id>& done, const std::optional<run_id>&) {
                             begun.set_value(done.has_value());
                           }});
    REQUIRE(begun.get_future().get());
    // Its attempt has nothing more to say.
    REQUIRE(test::eventually([&] { return shared->journal->row(id)->status == run_status::waiting; }));
    return id;
  }

  /// Puts two messages into the router's mailbox: the run asks to leave memory, and the moment after which it is let is over.
  /// Nothing is handled between them.
  void let_leave(const run_id& id) const {
    tell(router, park_asked{id});
    tell(router, run_command{run_id::make(), core::wake{}, [](const result<void>&) { std::this_thread::sleep_for(25ms); }});
    tell(router, park_some{});
  }
};

}  // namespace

TEST_CASE("what is kept back for a run that asked to leave memory is not lost when the run ends first") {
  // A run asked, was cancelled by a command that was under way, ended and said so: the router forgot it together with the
  // commands that it kept for it. They were never carried out, and their senders heard that the run's actor was gone.
  for (int round = 0; round < 30; ++round) {
    routing with;
    const auto id = with.start();
    std::promise<result<void>> answered;
    // The router is held until all are in its mailbox: what the run says to the first must not come between.
    std::promise<void> queued;
    tell(with.router,
         run_command{run_id::make(), core::wake{}, [held = queued.get_future().share()](const result<void>&) { held.wait(); }});
    with.let_leave(id);
    tell(with.router, run_command{id, core::signal_command{"go", payload{json::value(1)}, {}},
                                  [&answered, once = std::make_shared<std::atomic<bool>>(false)](const result<void>& done) {
                                    if (!once->exchange(true)) answered.set_value(done);
                                  }});
    tell(with.router, run_left{id});
    queued.set_value();
    auto answer = answered.get_future();
    REQUIRE(answer.wait_for(10s) == std::future_status::ready);
    const auto done = answer.get();
    INFO((done ? std::string{} : done.error().message));
    CHECK(done.has_value());
  }
}

TEST_CASE("a wake-up's token is given back whatever becomes of it") {
  routing with;
  const auto id = with.start();
  std::vector<std::weak_ptr<void>> tokens;
  const auto wake = [&](const run_id& run) {
    std::shared_ptr<void> token = std::make_shared<int>(0);
    tokens.emplace_back(token);
    tell(with.router, run_due{run, std::move(token)});
  };
  wake(id);              // a run in memory
  wake(run_id::make());  // one that does not exist
  with.let_leave(id);
  wake(id);  // kept back
  wake(id);
  std::this_thread::sleep_for(50ms);
  wake(id);  // brought in again
  tell(with.router, run_command{id, core::cancel_command{}, nullptr});
  wake(id);
  std::this_thread::sleep_for(50ms);
  wake(id);  // it has ended
  CHECK(test::eventually(
      [&] { return std::all_of(tokens.begin(), tokens.end(), [](const auto& each) { return each.expired(); }); }));
}
