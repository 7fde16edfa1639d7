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

  /// A run as a journal has it whose records have these bytes.
  run_id store(std::vector<std::pair<core::event_kind, std::string>> records) const {
    persistence::append_item item{.epoch = shared->epoch, .run = run_id::make()};
    core::digest head{};
    for (auto& [kind, bytes] : records) {
      core::record one{.kind = kind, .status = run_status::running, .active = true, .run = item.run, .time = {}};
      one.seq = item.records.size() + 1;
      one.bytes = std::move(bytes);
      one.hash = head = core::chain_hash(head, one);
      item.records.push_back(std::move(one));
    }
    const auto id = item.run;
    std::vector<persistence::append_item> items;
    items.push_back(std::move(item));
    const auto done = shared->journal->append(items).at(0);
    if (done.error) FAIL(done.error->message);
    return id;
  }

  result<void> ask(const run_id& id, core::command what) const {
    auto answered = std::make_shared<std::promise<result<void>>>();
    tell(router, run_command{id, std::move(what), [answered](const result<void>& done) { answered->set_value(done); }});
    auto answer = answered->get_future();
    if (answer.wait_for(10s) != std::future_status::ready) return error{errc::timeout, "no answer"};
    try {
      return answer.get();
    } catch (const std::future_error&) {
      return error{errc::shutting_down, "dropped"};
    }
  }

  /// Puts two messages into the router's mailbox: the run asks to leave memory, and the moment after which it is let is over.
  /// Nothing is handled between them.
  void let_leave(const run_id& id) const {
    tell(router, park_asked{id});
    tell(router,
         run_command{run_id::make(), core::wake{}, [](const result<void>&) { std::this_thread::sleep_for(park_linger + 5ms); }});
    tell(router, park_some{});
  }
};

}  // namespace

TEST_CASE("what is kept back for a run that asked to leave memory is not lost when the run ends first") {
  // A run asked, was cancelled by a command that was under way, ended and said so: the router forgot it together with the
  // commands that it kept for it. They were never carried out, and their senders heard that the run's actor was gone.
  for (int round = 0; round < 15; ++round) {
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

TEST_CASE("a run whose record is damaged says so to whoever wants something of it, and nobody else minds") {
  const routing with;
  const auto start = core::encode(core::event{core::run_started{.workflow = "waits"}}, nullptr).value();
  const auto id = with.store({{core::event_kind::run_started, start}, {core::event_kind::turn, "?"}});
  for (int i = 0; i < 2; ++i) {
    const auto done = with.ask(id, core::cancel_command{});
    REQUIRE(done.has_error());
    CHECK(done.error().code == errc::corrupt);
    CHECK(done.error().message.find("LSN 2") != std::string::npos);
  }
}

TEST_CASE("a broken invariant of one run ends that run's actor, and the others go on") {
  routing with;
  const auto definition = test::waiting_definition();
  core::run_state state;
  state.workflow = definition->plan.name;
  state.version = definition->plan.version;
  state.definition_hash = definition->plan.hash;
  state.next_activation = 2;
  auto& in = state.activations[1];
  in.id = 1;
  in.executor = definition->plan.executors[0].name;
  in.attempt = 1;
  in.pending[0] = {.ordinal = 0, .kind = core::step_kind::signal, .name = "go"};
  state.signals = {{5, "other", {}}, {5, "go", {}}};  // under one number: it cannot be
  core::run_restored restored{.source = run_id::make(), .state = core::encode_state(state, nullptr).value()};
  const auto id = with.store({{core::event_kind::run_restored, core::encode(core::event{restored}, nullptr).value()}});
  const auto records = with.shared->journal->row(id)->seq;
  CHECK(with.ask(id, core::signal_command{"more", {}, {}}).has_error());
  const auto other = with.start();
  CHECK(with.ask(other, core::cancel_command{}).has_value());
  // After some deaths it is left alone.
  CHECK(test::eventually([&] {
    const auto done = with.ask(id, core::signal_command{"more", {}, {}});
    return done.has_error() && done.error().message.find("quarantined") != std::string::npos;
  }));
  CHECK(with.shared->journal->row(id)->seq == records);
}
