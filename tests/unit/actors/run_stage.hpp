// A run's actor between neighbours that a test holds: a router that only notes what it is told, a writer that can be made
// to wait. Everything else is real.
//
// Concurrency: the test's thread sends; the counters are read from it.
#pragma once

#include <atomic>
#include <future>

#include "actors/journal_writer.hpp"
#include "actors/run_actor.hpp"
#include "actors/services.hpp"
#include "support/engine.hpp"
#include "unit/actors/journal_without_room.hpp"

namespace perdure::test {

struct letting_go {};  ///< to the slow writer: what waits is appended, and so is what comes

}  // namespace perdure::test
PERDURE_LOCAL_MESSAGE(perdure::test::letting_go)

namespace perdure::test {

using namespace actors;

/// What a node shares, with a journal in memory.
inline std::shared_ptr<services> make_services(
    std::unique_ptr<persistence::journal> journal = persistence::make_memory_journal()) {
  auto made = std::make_shared<services>(user_pool::options{.threads = 4},
                                         [] { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); });
  made->journal = std::move(journal);
  made->epoch = made->journal->acquire(0).value();
  return made;
}

/// Appends at once, unless it is told to wait.
class slow_writer : public caf::event_based_actor {
 public:
  slow_writer(caf::actor_config& config, std::shared_ptr<services> shared, std::shared_ptr<std::atomic<bool>> waits)
      : caf::event_based_actor(config), shared_(std::move(shared)), waits_(std::move(waits)) {}
  caf::behavior make_behavior() override {
    return {[this](append_request& request) {
              held_.push_back(std::move(request));
              if (!*waits_) append();
            },
            [this](letting_go) { append(); }};
  }

 private:
  void append() {
    for (auto& each : std::exchange(held_, {})) {
      std::vector<persistence::append_item> items;
      items.push_back(std::move(each.item));
      send(each.from, appended{shared_->journal->append(items).at(0)});
    }
  }
  std::shared_ptr<services> shared_;
  std::shared_ptr<std::atomic<bool>> waits_;
  std::vector<append_request> held_;
};

struct run_notes {
  std::atomic<int> asked{0}, busy{0}, parked{0}, left{0}, died{0}, armed{0};  ///< armed: wake-ups told to the timer
};

/// In the router's place: passes on what the test sends, notes what the run says.
class noting_router : public caf::event_based_actor {
 public:
  noting_router(caf::actor_config& config, std::shared_ptr<services> shared, caf::actor writer, caf::actor timer,
                std::shared_ptr<run_notes> notes)
      : caf::event_based_actor(config), shared_(std::move(shared)), writer_(std::move(writer)), timer_(std::move(timer)),
        notes_(std::move(notes)) {}
  caf::behavior make_behavior() override {
    set_default_handler(caf::drop);
    set_down_handler([this](const caf::down_msg& down) { notes_->died += ended_well(down.reason) ? 0 : 1; });
    return {[this](start_run& what) {
              tell(run_, farewell{});
              id_ = what.how.id;
              run_ = spawn_new_run(this, shared_, {caf::actor_cast<caf::actor>(this), writer_, timer_}, std::move(what));
            },
            [this](run_command& what) {
              tell(run_, command_for_run{std::move(what.what), std::move(what.answer)});
            },
            [this](park_marker what) { tell(run_, what); },
            [this](farewell what) { tell(run_, what); },
            [this](park_asked) { ++notes_->asked; },
            [this](park_answered what) { ++(what.parked ? notes_->parked : notes_->busy); },
            [this](run_left what) {
              ++notes_->left;
              if (what.run == id_) tell(run_, farewell{});  // not one that another has taken the place of
            }};
  }
  void on_exit() override {
    tell(run_, farewell{});
    run_ = writer_ = timer_ = nullptr;
  }

 private:
  std::shared_ptr<services> shared_;
  caf::actor writer_, timer_, run_;
  run_id id_{};
  std::shared_ptr<run_notes> notes_;
};

/// A workflow that waits for the signal "go" before it ends.
inline definition_ptr waiting_definition() {
  return single<json::value>("waits",
                             [](const json::value&, context& ctx) -> task<> { co_await ctx.wait_signal<json::value>("go"); })
      .shared();
}

/// A workflow that sleeps so many seconds, and then waits for the signal.
inline definition_ptr sleeping_definition() {
  return single<json::value>("sleeps",
                             [](const json::value& seconds, context& ctx) -> task<> {
                               co_await ctx.sleep_for(std::chrono::seconds{seconds.to_number<int>()});
                               co_await ctx.wait_signal<json::value>("go");
                             })
      .shared();
}

/// A run of the first workflow on its stage.
struct run_stage {
  journal_without_room* journal = new journal_without_room;  // the services'
  std::shared_ptr<services> shared = make_services(std::unique_ptr<persistence::journal>{journal});
  std::shared_ptr<run_notes> notes = std::make_shared<run_notes>();
  std::shared_ptr<std::atomic<bool>> writer_waits = std::make_shared<std::atomic<bool>>(false);
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::actor writer = system.spawn<slow_writer>(shared, writer_waits);
  caf::actor timer = system.spawn([notes = notes](caf::event_based_actor*) -> caf::behavior {
    return {[notes](const arm_wakeup& what) { notes->armed += what.at ? 1 : 0; }};
  });
  caf::actor router = system.spawn<noting_router>(shared, writer, timer, notes);
  run_id id = run_id::make();

  run_stage() {
    REQUIRE(start(payload{json::value(1)}).has_value());
    // Its attempt has nothing more to say, and it has asked to leave: a later question is not this one.
    REQUIRE(eventually([&] { return shared->journal->row(id)->status == run_status::waiting && notes->asked == 1; }));
  }
  /// Another run in the place of the one before.
  result<run_id> start(payload input, const definition_ptr& definition = waiting_definition()) {
    id = run_id::make();
    const auto begun = std::make_shared<std::promise<result<run_id>>>();
    auto answer = begun->get_future();
    tell(router,
         start_run{.how = {.id = id, .message = std::string{message_name<json::value>}, .input = std::move(input)},
                   .definition = definition,
                   .first = std::nullopt,
                   .answer = [begun](const result<run_id>& done, const std::optional<run_id>&) { begun->set_value(done); }});
    if (answer.wait_for(10s) != std::future_status::ready) return error{errc::timeout, "not answered"};
    return answer.get();
  }
  ~run_stage() {
    for (auto* each : {&router, &writer, &timer}) {
      caf::anon_send_exit(*each, caf::exit_reason::kill);
      *each = nullptr;
    }
    shared->pool.stop(std::chrono::seconds{1});
  }
  void command(core::command what, reply answer = nullptr) const {
    tell(router, run_command{id, std::move(what), std::move(answer)});
  }
  void let_writer_go() const {
    *writer_waits = false;
    tell(writer, letting_go{});
  }
};

}  // namespace perdure::test
