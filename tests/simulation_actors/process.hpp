// One simulated process: the real actors of a node, put together as cluster/node_impl.cpp does it, on a scheduler, a pool of
// user threads, a journal and a clock that a schedule steers.
//
// Operation: actors get on by the scheduler, user code by do_job(). lose() is a crash: whatever was going on is gone, without
// a word to anybody. close_begin() and close_end() are a clean stop's two halves.
// Concurrency: one thread; a job may be begun while another one is in the middle of a body.
#pragma once

#include <deque>

#include "actors/journal_writer.hpp"
#include "actors/router.hpp"
#include "actors/services.hpp"
#include "actors/timer.hpp"
#include "core/assert.hpp"
#include "simulation_actors/doors.hpp"
#include "simulation_actors/lent_journal.hpp"
#include "simulation_actors/steered_scheduler.hpp"

namespace perdure::sim {

class process {
 public:
  struct ports {
    std::function<timestamp()> wall;
    message_fate loses_arming, loses_due;  ///< see doors.hpp
    std::function<void(const log_record&)> log;
    std::function<void()> fatal;  ///< the journal cannot be written any more
  };

  process(steered_scheduler& on, steered_scheduler::process_id number, std::unique_ptr<lent_journal> journal, bool unclean,
          ports out)
      : on_(on), number_(number) {
    actors::user_pool::options pool;
    pool.host = [this](std::function<void()> job) {
      jobs_.push_back(std::move(job));
      return true;
    };
    shared_ = std::make_shared<actors::services>(std::move(pool), out.wall, [&on] { return on.steady_now(); });
    shared_->journal = std::move(journal);
    shared_->sink = std::move(out.log);
    shared_->epoch = shared_->journal->acquire(0).value();
    shared_->clock.start_at(shared_->journal->last_time());
    on_.enter_process(number_);
    writer_ = actors::spawn_journal_writer(on_.system(), shared_, std::move(out.fatal), actors::hosting::scheduler);
    timer_ = actors::spawn_timer(on_.system(), shared_);
    auto to_writer = on_.system().spawn<writer_door>(writer_);
    auto to_timer = on_.system().spawn<timer_door>(timer_, std::move(out.loses_arming));
    router_ = actors::spawn_router(on_.system(), shared_, to_writer, to_timer);
    auto from_timer = on_.system().spawn<due_door>(router_, std::move(out.loses_due));
    actors::tell(router_, actors::reopen_active{unclean});
    actors::tell(timer_, actors::timer_start{from_timer, true});
    on_.enter_process(0);
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;
  ~process() { lose(); }

  [[nodiscard]] steered_scheduler::process_id number() const { return number_; }
  [[nodiscard]] actors::services& shared() { return *shared_; }
  [[nodiscard]] const caf::actor& router() const { return router_; }

  void add(const actors::definition_ptr& what) {
    PERDURE_ASSERT(shared_->workflows.add(what).has_value());
    actors::tell(router_, actors::workflow_added{what->plan.name, what->plan.version});
  }

  /// Jobs that wait for a thread of the pool.
  [[nodiscard]] std::size_t jobs() const { return jobs_.size(); }
  /// The pool takes jobs in order, and its threads get on as they like: a job that is not the first may be over before it.
  void do_job(std::size_t index) {
    const auto at = jobs_.begin() + static_cast<std::ptrdiff_t>(index);
    const auto job = std::move(*at);
    jobs_.erase(at);
    const auto outside = on_.process();
    on_.enter_process(number_);
    job();
    on_.enter_process(outside);
  }

  /// As node::impl::close: nothing new begins, what runs may end; then everybody leaves, and `gone` is called.
  void close_begin() {
    shared_->closing = true;
    actors::tell(router_, actors::close_runs{});
  }
  void close_end(std::function<void()> gone) {
    actors::tell(router_, actors::close_runs{.leave = true, .done = std::move(gone)});
  }
  /// After `gone`.
  void closed() {
    shared_->pool.stop(std::chrono::milliseconds{0});
    jobs_.clear();
    if (shared_->journal->flush()) shared_->journal->mark_closed();
    lose();
  }
  void lose() {
    if (!router_) return;
    shared_->pool.stop(std::chrono::milliseconds{0});
    router_ = timer_ = writer_ = nullptr;
    on_.end_process(number_);
    jobs_.clear();
    shared_->journal.reset();
  }

 private:
  steered_scheduler& on_;
  steered_scheduler::process_id number_;
  std::deque<std::function<void()>> jobs_;
  std::shared_ptr<actors::services> shared_;
  caf::actor writer_, timer_, router_;
};

}  // namespace perdure::sim
