#include "actors/attempt_host.hpp"

#include <set>

#include "core/assert.hpp"

namespace perdure::actors {

namespace {
/// Progress of one attempt is told at most so often.
constexpr std::chrono::seconds progress_pause{1};
/// A cooperative turn that takes longer is logged.
constexpr std::chrono::milliseconds cooperative_limit{50};
/// A body that found no place in the pool tries again after it.
constexpr std::chrono::milliseconds pool_pause{100};

bool has_body(detail::step_kind kind) {
  return kind == detail::step_kind::call || kind == detail::step_kind::poll || kind == detail::step_kind::capability;
}

std::chrono::microseconds poll_limit(const detail::step_request& of) {
  if (of.kind != detail::step_kind::poll) return {};
  const auto args = of.args.value();
  const auto* found = args.is_object() ? args.get_object().if_contains("poll_timeout_us") : nullptr;
  return std::chrono::microseconds{found == nullptr ? 0 : found->to_number<std::int64_t>()};
}
}  // namespace

std::optional<failure> guarded(const std::function<void()>& what) {
  try {
    what();
    return std::nullopt;
  } catch (const step_error& thrown) {
    return thrown.why();
  } catch (const std::exception& thrown) {
    return failure{.code = std::string{failure_code::exception}, .message = thrown.what()};
  } catch (...) {
    return failure{.code = std::string{failure_code::exception}, .message = "an exception of unknown type"};
  }
}

/// One run of a step's body.
struct attempt_host::body {
  explicit body(const std::stop_token& all) : with_all(all, [this] { stop.request_stop(); }) {}
  body(const body&) = delete;
  body& operator=(const body&) = delete;

  step_ordinal ordinal = 0;
  std::uint32_t tries = 1;
  detail::step_request request;  ///< name, kind, retry, and the function (shared by copy)
  bool recorded = false;
  bool fenced = false;  ///< its outcome is not wanted any more
  std::stop_source stop;
  std::stop_callback<std::function<void()>> with_all;  ///< the attempt's stop is every body's
};

class attempt_host::body_context : public call_context {
 public:
  body_context(attempt_host& host, const body& of) : host_(host), body_(of) {}
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
  const body& body_;
};

attempt_host::attempt_host(std::shared_ptr<services> shared, definition_ptr definition, run_id run,
                           std::shared_ptr<const core::activation> what, ports out)
    : shared_(std::move(shared)), definition_(std::move(definition)), policy_(definition_->plan.find(what->executor)), run_(run),
      activation_(what->id), attempt_(what->attempt), executor_(what->executor), what_(std::move(what)), out_(std::move(out)),
      inline_(policy_ != nullptr && policy_->cooperative) {}

attempt_host::~attempt_host() = default;

void attempt_host::begin() {
  enqueue([this] {
    if (policy_ == nullptr) {
      core::attempt_report report;
      report.failed = failure{.code = std::string{failure_code::nondeterminism},
                              .message = "the workflow has no executor \"" + executor_ + "\" now"};
      return send(std::move(report));
    }
    const auto index = definition_->plan.by_name.at(executor_);
    driver_ = std::make_unique<flow::driver>(definition_->factories[index],
                                             flow::driver_input{.run = run_,
                                                                .workflow = definition_->plan.name,
                                                                .executor = executor_,
                                                                .activation = activation_,
                                                                .attempt = attempt_,
                                                                .message = what_->message,
                                                                .value = what_->value,
                                                                .began = what_->began_at,
                                                                .outputs_recorded = what_->outputs_recorded,
                                                                .messages_emitted = what_->messages_emitted,
                                                                .versions = what_->versions,
                                                                .log = [this](std::string_view level, std::string_view text) {
                                                                  shared_->log(level, text, run_.str(), executor_);
                                                                }});
    std::vector<core::pending_step> pending;
    for (const auto& [ordinal, step] : what_->pending) {
      pending.push_back(step);
      if (!has_body(step.kind)) continue;
      recorded_.insert(ordinal);
      tries_[ordinal] = step.tries;
      if (step.retry_at) held_.insert(ordinal);
    }
    fed_ = what_->history.size();
    auto turn = driver_->start(what_->history, pending);
    what_.reset();
    handle(std::move(turn));
  });
}

void attempt_host::feed(core::history_item item) {
  enqueue([this, item = std::move(item)] {
    if (driver_ == nullptr || driver_->ended()) return;
    ++fed_;
    if (item.what == core::history_kind::cancel) {
      for (auto& [ordinal, running] : std::map{bodies_}) fence(ordinal);
      held_.clear();
    } else {
      fence(item.ordinal);
      held_.erase(item.ordinal);
    }
    handle(driver_->feed(item));
  });
}

void attempt_host::run_body(step_ordinal ordinal) {
  enqueue([this, ordinal] {
    if (driver_ == nullptr || driver_->ended() || held_.erase(ordinal) == 0) return;
    launch(ordinal);
  });
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
  if (inline_) return drain();
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
  if (inline_) return out_.post(std::move(what));
  what();
}

void attempt_host::drain() {
  const auto began = inline_ ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point{};
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
  if (inline_ && std::chrono::steady_clock::now() - began > cooperative_limit) {
    shared_->log("warning", "a cooperative executor held its actor's thread for over 50 ms", run_.str(), executor_);
  }
}

/// Runs a body on this thread without holding up the jobs that come meanwhile (a cancel, a time limit). True when the
/// jobs are this thread's again afterwards.
bool attempt_host::run_beside(const std::shared_ptr<body>& running) {
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
  body_context with{*this, *running};
  auto why = guarded([&] { value = running->request.body(with); });
  const std::lock_guard lock{mutex_};
  jobs_.push_back(done_job(running, std::move(value), std::move(why)));
  return !std::exchange(busy_, true);
}

/// What a turn did, as a report; then its bodies run. Inline bodies never block, so they join the turn's report; so
/// does a lone pooled body when the turn has nothing else to tell.
void attempt_host::handle(flow::progress_report turn) {
  core::attempt_report report;
  report.outputs = std::move(turn.outputs);
  report.finished = turn.finished;
  report.failed = std::move(turn.failed);
  for (const auto ordinal : turn.cancelled) {
    fence(ordinal);
    held_.erase(ordinal);
    report.cancelled.push_back(ordinal);
  }
  std::vector<step_ordinal> run;
  for (auto& [ordinal, request] : turn.issued) {
    const bool body = has_body(request.kind);
    if ((!body || request.timeout > duration{0}) && !recorded_.contains(ordinal)) {
      report.issued.push_back({ordinal, request.kind, request.name, request.args, request.timeout, request.delay, request.until});
      if (body) recorded_.insert(ordinal);
    }
    if (body && !held_.contains(ordinal)) run.push_back(ordinal);
  }
  const bool over = report.finished || report.failed;
  const bool quiet = report.outputs.empty() && report.issued.empty() && report.cancelled.empty() && !over;
  report.waits = !over && run.empty() && bodies_.empty();
  if (over) {
    for (auto& [ordinal, running] : std::map{bodies_}) fence(ordinal);
    return send(std::move(report));
  }
  if (inline_) {
    for (const auto ordinal : run) {
      const auto running = make_body(ordinal);
      if (running->request.kind == detail::step_kind::capability) {
        start_capability(running);
        continue;
      }
      detail::body_result value;
      body_context with{*this, *running};
      auto why = guarded([&] { value = driver_->request(ordinal)->body(with); });
      report.done.push_back(end_body(running, std::move(value), std::move(why)));
    }
    if (!report.done.empty()) report.waits = bodies_.empty();
    if (!report.done.empty() || !quiet || report.waits) send(std::move(report));
    return;
  }
  if (!quiet || report.waits) send(std::move(report));
  const bool lone = run.size() == 1 && bodies_.empty() && poll_limit(*driver_->request(run[0])).count() == 0;
  if (lone && driver_->request(run[0])->kind != detail::step_kind::capability) {
    own_thread_ = make_body(run[0]);
    return;
  }
  for (const auto ordinal : run) launch(ordinal);
}

std::shared_ptr<attempt_host::body> attempt_host::make_body(step_ordinal ordinal) {
  auto made = std::make_shared<body>(all_bodies_.get_token());
  const auto* request = driver_->request(ordinal);
  PERDURE_ASSERT(request != nullptr);
  made->ordinal = ordinal;
  made->tries = tries_.contains(ordinal) ? tries_[ordinal] + 1 : 1;
  made->request.kind = request->kind;
  made->request.name = request->name;
  made->request.args = request->args;
  made->request.retry = request->retry;
  if (!inline_) made->request.body = request->body;
  made->recorded = recorded_.contains(ordinal);
  bodies_[ordinal] = made;
  driver_->body_started(ordinal);
  return made;
}

void attempt_host::launch(step_ordinal ordinal) {
  if (driver_->request(ordinal) == nullptr) return;
  const auto running = make_body(ordinal);
  if (running->request.kind == detail::step_kind::capability) return start_capability(running);
  if (inline_) {
    detail::body_result value;
    body_context with{*this, *running};
    auto why = guarded([&] { value = driver_->request(ordinal)->body(with); });
    core::attempt_report report;
    report.done.push_back(end_body(running, std::move(value), std::move(why)));
    report.waits = bodies_.empty();
    return send(std::move(report));
  }
  const auto limit = poll_limit(running->request);
  if (limit.count() > 0 && out_.later) {
    out_.later(limit, [self = shared_from_this(), running] {
      self->enqueue([self, running] {
        const auto at = self->bodies_.find(running->ordinal);
        if (at == self->bodies_.end() || at->second != running) return;
        core::attempt_report report;
        report.done.push_back(self->report_on(running, {payload{}, false}, std::nullopt));
        self->fence(running->ordinal);
        report.waits = self->bodies_.empty();
        self->send(std::move(report));
      });
    });
  }
  if (!shared_->pool.post([self = shared_from_this(), running] { self->run_now(running); })) {
    body_done(running, {},
              failure{.code = "overloaded", .message = "the pool of user threads is full", .retry_after = pool_pause});
  }
}

void attempt_host::run_now(const std::shared_ptr<body>& running) {
  detail::body_result value;
  body_context with{*this, *running};
  auto why = guarded([&] { value = running->request.body(with); });
  body_done(running, std::move(value), std::move(why));
}

void attempt_host::start_capability(const std::shared_ptr<body>& running) {
  const auto args = running->request.args.value();
  const auto& name = args.at("capability").get_string();
  const auto found = shared_->capabilities.find(std::string_view{name.data(), name.size()});
  if (!found) {
    return body_done(running, {},
                     failure{.code = "unsupported", .message = "this node has no capability \"" + std::string{name} + "\""});
  }
  const body_context with{*this, *running};
  found->start({.key = with.idempotency_key(),
                .run = run_.str(),
                .workflow = definition_->plan.name,
                .executor = executor_,
                .spec = payload{args.at("spec")},
                .stop = running->stop.get_token(),
                .done =
                    [self = shared_from_this(), running](core::outcome end) {
                      self->on_its_thread([self, running, end = std::move(end)] {
                        self->body_done(running, {end.value, true}, end.error);
                      });
                    },
                .progress =
                    [self = shared_from_this()](std::uint64_t done, std::uint64_t total, std::string text) {
                      self->on_its_thread(
                          [self, done, total, text = std::move(text)] { self->note_progress(done, total, text); });
                    }});
}

void attempt_host::body_done(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why) {
  enqueue(done_job(ended, std::move(value), std::move(why)));
}

attempt_host::job attempt_host::done_job(const std::shared_ptr<body>& ended, detail::body_result value,
                                         std::optional<failure> why) {
  return [this, ended, value = std::move(value), why = std::move(why)]() mutable {
    if (ended->fenced) {
      driver_->body_ended(ended->ordinal);
      shared_->count.stale_results.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    core::attempt_report report;
    report.done.push_back(end_body(ended, std::move(value), std::move(why)));
    report.waits = bodies_.empty();
    send(std::move(report));
  };
}

core::step_report attempt_host::end_body(const std::shared_ptr<body>& ended, detail::body_result value,
                                         std::optional<failure> why) {
  bodies_.erase(ended->ordinal);
  driver_->body_ended(ended->ordinal);
  return report_on(ended, std::move(value), std::move(why));
}

core::step_report attempt_host::report_on(const std::shared_ptr<body>& ended, detail::body_result value,
                                          std::optional<failure> why) {
  if (!why && value.value.size() > limits::payload_bytes) {
    why = failure{.code = std::string{failure_code::limit},
                  .message = "the result of step \"" + ended->request.name + "\" is " + std::to_string(value.value.size()) +
                             " bytes; the limit payload_bytes is " + std::to_string(limits::payload_bytes)};
    value.value = {};
  }
  core::step_report report{.ordinal = ended->ordinal,
                           .kind = ended->request.kind,
                           .name = ended->request.name,
                           .result = {std::move(value.value), std::move(why)},
                           .complete = value.complete,
                           .recorded = ended->recorded,
                           .retry = ended->request.retry};
  const bool may_come_again = !report.complete || (report.result.error && report.retry.max_attempts != 1);
  if (may_come_again) {
    // The run decides whether it is tried again; run_body() is taken only for steps held here.
    tries_[ended->ordinal] = ended->tries;
    recorded_.insert(ended->ordinal);
    held_.insert(ended->ordinal);
  }
  return report;
}

/// The step's outcome came from elsewhere (a time limit, a cancel): its body is asked to stop and not listened to.
void attempt_host::fence(step_ordinal ordinal) {
  const auto at = bodies_.find(ordinal);
  if (at == bodies_.end()) return;
  at->second->fenced = true;
  at->second->stop.request_stop();
  bodies_.erase(at);
}

void attempt_host::send(core::attempt_report report) {
  if (stopped_.load()) {
    shared_->count.stale_results.fetch_add(report.done.size(), std::memory_order_relaxed);
    return;
  }
  report.activation = activation_;
  report.attempt = attempt_;
  report.fed = fed_;
  out_.report(std::move(report));
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
