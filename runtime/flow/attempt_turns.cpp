#include "flow/attempt_turns.hpp"

#include "core/assert.hpp"
#include "perdure/limits.hpp"

namespace perdure::flow {

namespace {

bool has_body(detail::step_kind kind) {
  return kind == detail::step_kind::call || kind == detail::step_kind::poll || kind == detail::step_kind::capability;
}

}  // namespace

driver_input input_of(const core::activation& what, const run_id& run, const std::string& workflow) {
  return {.run = run,
          .workflow = workflow,
          .executor = what.executor,
          .activation = what.id,
          .attempt = what.attempt,
          .message = what.message,
          .value = what.value,
          .began = what.began_at,
          .outputs_recorded = what.outputs_recorded,
          .messages_emitted = what.messages_emitted,
          .versions = what.versions};
}

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

duration poll_limit(const detail::step_request& of) {
  if (of.kind != detail::step_kind::poll) return {};
  const auto args = of.args.value();
  const auto* found = args.is_object() ? args.get_object().if_contains("poll_timeout_us") : nullptr;
  return std::chrono::microseconds{found == nullptr ? 0 : found->to_number<std::int64_t>()};
}

attempt_turns::attempt_turns(activation_id activation, std::uint32_t attempt, bool in_turn)
    : activation_(activation), attempt_(attempt), in_turn_(in_turn) {}
attempt_turns::~attempt_turns() = default;

void attempt_turns::begin(std::unique_ptr<driver> with, const core::activation& what) {
  driver_ = std::move(with);
  std::vector<core::pending_step> pending;
  for (const auto& [ordinal, step] : what.pending) {
    pending.push_back(step);
    if (!has_body(step.kind)) continue;
    recorded_.insert(ordinal);
    tries_[ordinal] = step.tries;
    if (step.retry_at) held_.insert(ordinal);
  }
  fed_ = what.history.size();
  handle(driver_->start(what.history, pending));
}

void attempt_turns::take(const core::history_item& item) {
  if (driver_ == nullptr || driver_->ended()) return;
  ++fed_;
  if (item.what == core::history_kind::cancel) {
    fence_all();
    held_.clear();
  } else {
    fence(item.ordinal);
    held_.erase(item.ordinal);
  }
  handle(driver_->feed(item));
}

void attempt_turns::try_again(step_ordinal ordinal) {
  if (driver_ == nullptr || driver_->ended() || held_.erase(ordinal) == 0) return;
  if (driver_->request(ordinal) != nullptr) start_body(ordinal);
}

/// What a turn did, as a report; then its bodies run. Those that run inside the turn join its report.
void attempt_turns::handle(progress_report turn) {
  core::attempt_report report;
  report.outputs = std::move(turn.outputs);
  report.finished = turn.finished;
  report.failed = std::move(turn.failed);
  report.asked = std::move(turn.asked);
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
  const bool quiet = report.outputs.empty() && report.issued.empty() && report.cancelled.empty() && report.asked.empty() && !over;
  report.waits = !over && run.empty() && bodies_.empty();
  if (over) {
    fence_all();
    return this->report(std::move(report));
  }
  if (in_turn_) {
    for (const auto ordinal : run) {
      const auto running = enter(ordinal);
      if (running->request.kind == detail::step_kind::capability) {
        launch(running, false);
      } else {
        report.done.push_back(run_now(running));
      }
    }
    if (!report.done.empty()) report.waits = bodies_.empty();
    if (!report.done.empty() || !quiet || report.waits) this->report(std::move(report));
    return;
  }
  if (!quiet || report.waits) this->report(std::move(report));
  const bool lone = run.size() == 1 && bodies_.empty();
  for (const auto ordinal : run) {
    if (driver_->request(ordinal) != nullptr) launch(enter(ordinal), lone);
  }
}

void attempt_turns::start_body(step_ordinal ordinal) {
  const auto running = enter(ordinal);
  if (!in_turn_ || running->request.kind == detail::step_kind::capability) return launch(running, false);
  core::attempt_report report;
  report.done.push_back(run_now(running));
  report.waits = bodies_.empty();
  this->report(std::move(report));
}

std::shared_ptr<body_run> attempt_turns::enter(step_ordinal ordinal) {
  const auto* request = driver_->request(ordinal);
  PERDURE_ASSERT(request != nullptr);
  auto made = make_body(*request);
  made->ordinal = ordinal;
  const auto tried = tries_.find(ordinal);
  made->tries = tried == tries_.end() ? 1 : tried->second + 1;
  made->request.kind = request->kind;
  made->request.name = request->name;
  made->request.args = request->args;
  made->request.retry = request->retry;
  if (!in_turn_) made->request.body = request->body;
  made->recorded = recorded_.contains(ordinal);
  bodies_[ordinal] = made;
  body_begins(*made);
  driver_->body_started(ordinal);
  return made;
}

core::step_report attempt_turns::run_now(const std::shared_ptr<body_run>& running) {
  detail::body_result value;
  auto why = run_in_turn(*running, driver_->request(running->ordinal)->body, value);
  return leave(running, std::move(value), std::move(why));
}

bool attempt_turns::body_ended(const std::shared_ptr<body_run>& ended, detail::body_result value, std::optional<failure> why) {
  if (ended->fenced) {
    driver_->body_ended(ended->ordinal);
    return false;
  }
  core::attempt_report report;
  report.done.push_back(leave(ended, std::move(value), std::move(why)));
  report.waits = bodies_.empty();
  this->report(std::move(report));
  return true;
}

void attempt_turns::body_overdue(const std::shared_ptr<body_run>& late) {
  const auto at = bodies_.find(late->ordinal);
  if (at == bodies_.end() || at->second != late) return;
  core::attempt_report report;
  report.done.push_back(report_on(*late, {payload{}, false}, std::nullopt));
  fence(late->ordinal);
  report.waits = bodies_.empty();
  this->report(std::move(report));
}

core::step_report attempt_turns::leave(const std::shared_ptr<body_run>& ended, detail::body_result value,
                                       std::optional<failure> why) {
  bodies_.erase(ended->ordinal);
  driver_->body_ended(ended->ordinal);
  return report_on(*ended, std::move(value), std::move(why));
}

core::step_report attempt_turns::report_on(const body_run& ended, detail::body_result value, std::optional<failure> why) {
  if (!why && value.value.size() > limits::payload_bytes) {
    why = failure{.code = std::string{failure_code::limit},
                  .message = "the result of step \"" + ended.request.name + "\" is " + std::to_string(value.value.size()) +
                             " bytes; the limit payload_bytes is " + std::to_string(limits::payload_bytes)};
    value.value = {};
  }
  core::step_report report{.ordinal = ended.ordinal,
                           .kind = ended.request.kind,
                           .name = ended.request.name,
                           .result = {std::move(value.value), std::move(why)},
                           .complete = value.complete,
                           .recorded = ended.recorded,
                           .retry = ended.request.retry};
  const bool may_come_again = !report.complete || (report.result.error && report.retry.max_attempts != 1);
  if (may_come_again) {
    // The run decides whether it is tried again; try_again() is taken only for steps held here.
    tries_[ended.ordinal] = ended.tries;
    recorded_.insert(ended.ordinal);
    held_.insert(ended.ordinal);
  }
  return report;
}

/// The step's outcome came from elsewhere (a time limit, a cancel): its body is asked to stop and not listened to.
void attempt_turns::fence(step_ordinal ordinal) {
  const auto at = bodies_.find(ordinal);
  if (at == bodies_.end()) return;
  at->second->fenced = true;
  at->second->stop.request_stop();
  bodies_.erase(at);
}

void attempt_turns::fence_all() {
  for (const auto& [ordinal, running] : std::map{bodies_}) fence(ordinal);
}

void attempt_turns::report(core::attempt_report what) {
  what.activation = activation_;
  what.attempt = attempt_;
  what.fed = fed_;
  send(std::move(what));
}

}  // namespace perdure::flow
