#include "actors/attempt_host.hpp"

#include <set>

#include "actors/backends/leftover_steps.hpp"
#include "actors/told_book.hpp"
#include "core/assert.hpp"
#include "core/trace.hpp"

namespace perdure::actors {

namespace {
/// Progress of one attempt is told at most so often.
constexpr std::chrono::seconds progress_pause{1};
/// A cooperative turn that takes longer is logged.
constexpr std::chrono::milliseconds cooperative_limit{50};
/// A body that found no place in the pool tries again after it.
constexpr std::chrono::milliseconds pool_pause{100};

bool is_cooperative(const detail::definition& of, const std::string& executor) {
  const auto* policy = of.plan.find(executor);
  return policy != nullptr && policy->cooperative;
}

/// The node closes: it waits for the bodies that run, and records what they give. One that began now would have its effect,
/// and perhaps nobody left to record it.
bool nothing_new(const services& shared) { return shared.closing; }
}  // namespace

/// One run of a step's body.
struct attempt_host::body : flow::body_run {
  explicit body(const std::stop_token& all) : with_all(all, [this] { stop.request_stop(); }) {}
  std::stop_callback<std::function<void()>> with_all;  ///< the attempt's stop is every body's
  told_book told;
  std::mutex telling;      ///< what is told stays in order
  std::uint64_t task = 0;  ///< of a document: its number, which what is told belongs to
};

class attempt_host::body_context : public call_context {
 public:
  body_context(attempt_host& host, const flow::body_run& of) : host_(host), body_(of) {}
  std::string idempotency_key() const override {
    return host_.run_.str() + "/" + host_.executor_ + "/" + std::to_string(host_.activation_) + "/" +
           std::to_string(body_.ordinal);
  }
  std::stop_token stop_token() const override { return body_.stop.get_token(); }
  std::uint32_t attempt() const override { return body_.tries; }
  void progress(std::uint64_t done, std::uint64_t total, std::string_view text) override {
    host_.note_progress(done, total, text);
  }

 private:
  attempt_host& host_;
  const flow::body_run& body_;
};

attempt_host::attempt_host(std::shared_ptr<services> shared, definition_ptr definition, run_id run,
                           std::shared_ptr<const core::activation> what, ports out)
    : attempt_turns(what->id, what->attempt, is_cooperative(*definition, what->executor)), shared_(std::move(shared)),
      definition_(std::move(definition)), run_(run), activation_(what->id), attempt_(what->attempt), executor_(what->executor),
      what_(std::move(what)), out_(std::move(out)) {}

attempt_host::~attempt_host() = default;

void attempt_host::begin() {
  enqueue([this] {
    const auto index = definition_->plan.by_name.find(executor_);
    if (index == definition_->plan.by_name.end()) {
      core::attempt_report none;
      none.failed = failure{.code = std::string{failure_code::nondeterminism},
                            .message = "the workflow has no executor \"" + executor_ + "\" now"};
      return report(std::move(none));
    }
    auto input = flow::input_of(*what_, run_, definition_->plan.name);
    input.log = [this](std::string_view level, std::string_view text) { shared_->log(level, text, run_.str(), executor_); };
    attempt_turns::begin(std::make_unique<flow::driver>(definition_->factories[index->second], std::move(input)), *what_);
    what_.reset();
    // What an earlier process of the node had begun for this attempt is asked for again by now, or not wanted any more. But where
    // the node closes nothing is asked for.
    if (nothing_new(*shared_)) return;
    if (const auto left = shared_->capabilities.find(leftover_capability)) {
      left->start(
          {.key = run_.str() + "/" + executor_ + "/" + std::to_string(activation_) + "/", .done = [](const core::outcome&) {}});
    }
  });
}

void attempt_host::feed(core::history_item item) {
  enqueue([this, item = std::move(item)] { take(item); });
}

void attempt_host::run_body(step_ordinal ordinal) {
  enqueue([this, ordinal] { try_again(ordinal); });
}

void attempt_host::stop() {
  stopped_.store(true);
  all_bodies_.request_stop();
}

void attempt_host::enqueue(job what) {
  {
    const std::lock_guard lock{mutex_};
    jobs_.push_back(std::move(what));
    if (std::exchange(busy_, true)) return;
  }
  if (in_turn()) return drain();
  if (shared_->pool.post([self = shared_from_this()] { self->drain(); })) return;
  if (out_.later && !shared_->closing) {
    out_.later(pool_pause, [self = shared_from_this()] {
      {
        const std::lock_guard lock{self->mutex_};
        self->busy_ = false;
      }
      self->enqueue([] {});
    });
  }
}

/// An inline host belongs to its actor's thread; a pooled one to whoever has it.
void attempt_host::on_its_thread(std::function<void()> what) {
  if (in_turn()) return out_.post(std::move(what));
  what();
}

void attempt_host::drain() {
  const auto began = in_turn() ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
  while (true) {
    job next;
    {
      const std::lock_guard lock{mutex_};
      if (jobs_.empty()) {
        busy_ = false;
        break;
      }
      next = std::move(jobs_.front());
      jobs_.pop_front();
    }
    next();
    if (auto running = std::exchange(own_thread_, nullptr); running && !run_beside(running)) return;
  }
  if (in_turn() && std::chrono::steady_clock::now() - began > cooperative_limit) {
    shared_->log("warning", "a cooperative executor held its actor's thread for over 50 ms", run_.str(), executor_);
  }
}

/// Runs a body on this thread without holding up the jobs that come meanwhile (a cancel, a time limit). True when the
/// jobs are this thread's again afterwards.
bool attempt_host::run_beside(const std::shared_ptr<flow::body_run>& running) {
  if (nothing_new(*shared_)) return true;
  bool others = false;
  {
    const std::lock_guard lock{mutex_};
    others = !jobs_.empty();
    busy_ = others;
  }
  if (others && !shared_->pool.post([self = shared_from_this()] { self->drain(); })) {
    const std::lock_guard lock{mutex_};
    busy_ = false;
  }
  detail::body_result value;
  auto why = run_in_turn(*running, running->request.body, value);
  const std::lock_guard lock{mutex_};
  jobs_.push_back(done_job(running, std::move(value), std::move(why)));
  return !std::exchange(busy_, true);
}

std::shared_ptr<flow::body_run> attempt_host::make_body(const detail::step_request& /*request*/) {
  return std::make_shared<body>(all_bodies_.get_token());
}

std::optional<failure> attempt_host::run_in_turn(flow::body_run& of, const detail::step_body& function,
                                                 detail::body_result& value) {
  body_context with{*this, of};
  const auto began = std::chrono::steady_clock::now();
  auto why = flow::guarded([&] { value = function(with); });
  count_try(began);
  return why;
}

void attempt_host::count_try(std::chrono::steady_clock::time_point began) {
  shared_->count.steps_took.add(std::chrono::steady_clock::now() - began);
}

/// A lone body runs on the thread that has the jobs.
void attempt_host::launch(const std::shared_ptr<flow::body_run>& running, bool lone) {
  if (nothing_new(*shared_)) return;
  if (running->request.kind == detail::step_kind::capability) return start_capability(running);
  const auto limit = flow::poll_limit(running->request);
  if (limit.count() > 0 && out_.later) {
    out_.later(limit, [self = shared_from_this(), running] { self->enqueue([self, running] { self->body_overdue(running); }); });
  } else if (lone) {
    own_thread_ = running;
    return;
  }
  if (!shared_->pool.post([self = shared_from_this(), running] { self->run_now(running); })) {
    body_done(running, {},
              failure{.code = "overloaded", .message = "the pool of user threads is full", .retry_after = pool_pause});
  }
}

void attempt_host::run_now(const std::shared_ptr<flow::body_run>& running) {
  if (nothing_new(*shared_)) return;
  detail::body_result value;
  auto why = run_in_turn(*running, running->request.body, value);
  body_done(running, std::move(value), std::move(why));
}

void attempt_host::start_capability(const std::shared_ptr<flow::body_run>& running) {
  const auto args = running->request.args.value();
  const auto& name = args.at("capability").get_string();
  const auto found = shared_->capabilities.find(std::string_view{name.data(), name.size()});
  if (!found) {
    return body_done(running, {},
                     failure{.code = "unsupported", .message = "this node has no capability \"" + std::string{name} + "\""});
  }
  const auto mine = std::static_pointer_cast<body>(running);
  if (const auto* task = args.as_object().if_contains("task")) mine->task = task->to_number<std::uint64_t>();
  const body_context with{*this, *running};
  std::function<void(told_text)> tell;  // what belongs to no task would be recorded for nobody
  if (mine->task != 0) tell = [self = shared_from_this(), mine](told_text what) { self->note_told(mine, std::move(what)); };
  auto key = with.idempotency_key();
  auto trace = core::traceparent_of_effect(out_.trace, key);
  found->start({.key = std::move(key),
                .trace = std::move(trace),
                .run = run_.str(),
                .workflow = definition_->plan.name,
                .executor = executor_,
                .spec = payload{args.at("spec")},
                .stop = running->stop.get_token(),
                .done =
                    [self = shared_from_this(), mine, began = std::chrono::steady_clock::now()](core::outcome end) {
                      // What the node's own close cut off has no outcome: the step is done again at the next open.
                      const bool cut_off = end.error && end.error->code == failure_code::cancelled;
                      if (cut_off && self->shared_->closing && !mine->stop.stop_requested()) return;
                      self->count_try(began);
                      self->on_its_thread([self, mine, end = std::move(end)] {
                        self->tell_gathered(*mine);
                        self->body_done(mine, {end.value, true}, end.error);
                      });
                    },
                .tell = std::move(tell)});
}

void attempt_host::body_done(const std::shared_ptr<flow::body_run>& ended, detail::body_result value,
                             std::optional<failure> why) {
  enqueue(done_job(ended, std::move(value), std::move(why)));
}

attempt_host::job attempt_host::done_job(const std::shared_ptr<flow::body_run>& ended, detail::body_result value,
                                         std::optional<failure> why) {
  return [this, ended, value = std::move(value), why = std::move(why)]() mutable {
    if (!body_ended(ended, std::move(value), std::move(why)))
      shared_->count.stale_results.fetch_add(1, std::memory_order_relaxed);
  };
}

void attempt_host::send(core::attempt_report report) {
  if (stopped_.load()) {
    shared_->count.stale_results.fetch_add(report.done.size(), std::memory_order_relaxed);
    return;
  }
  out_.report(std::move(report));
}

/// Any thread.
void attempt_host::note_told(const std::shared_ptr<body>& of, told_text what) {
  const auto gathered = [self = shared_from_this(), of] { self->tell_gathered(*of); };
  const auto next = of->told.add(std::move(what));
  if (next == told_book::next::take_later && out_.later) return out_.later(told_book::pause, gathered);
  if (next != told_book::next::nothing) on_its_thread(gathered);
}

void attempt_host::tell_gathered(body& of) {
  const std::lock_guard lock{of.telling};
  const auto all = of.told.take();
  if (all.empty() || stopped_.load() || of.stop.stop_requested()) return;
  json::array told;
  for (const auto& each : all) told.push_back(json::object{{each.note ? "note" : "text", each.text}});
  out_.report(core::progress_made{
      activation_, attempt_,
      payload{json::value(json::object{{"step", of.ordinal}, {"task", of.task}, {"told", std::move(told)}})}});
}

void attempt_host::note_progress(std::uint64_t done, std::uint64_t total, std::string_view text) {
  const auto now = shared_->clock.now();
  {
    const std::lock_guard lock{progress_mutex_};
    best_done_ = std::max(best_done_, done);
    if (now - last_progress_ < progress_pause) return;
    last_progress_ = now;
    done = best_done_;
  }
  if (stopped_.load()) return;
  out_.report(core::progress_made{activation_, attempt_, payload{json::value{{"done", done}, {"total", total}, {"text", text}}}});
}

}  // namespace perdure::actors
