// attempt: what actors/attempt_host.cpp is in the engine, for one thread and a scheduler that decides when each job of it
// and the end of each body comes. The rules are the same: a feed is a job, a body's end is a job, turns become reports.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>

#include "cluster/testing/broken.hpp"
#include "core/command.hpp"
#include "flow/driver.hpp"

namespace perdure::sim {

class attempt : public std::enable_shared_from_this<attempt> {
 public:
  struct body;
  struct ports {
    std::function<void(core::command)> report;
    std::function<void(body&)> body_starts;
    /// Runs the body's function, or does something else in its place.
    std::function<detail::body_result(body&, const detail::step_body&)> execute;
    std::function<void(std::string_view level, std::string_view text)> log;
    std::function<void(payload)> progress;
  };
  /// One run of a step's body.
  struct body : call_context {
    std::string key;
    run_id run;
    std::string executor;
    activation_id activation = 0;
    std::uint32_t of_attempt = 1;
    step_ordinal ordinal = 0;
    std::uint32_t tries = 1;
    detail::step_request request;
    timestamp began{};
    bool inside_turn = false;  ///< runs at once, in the turn that asks for it
    bool recorded = false;
    bool fenced = false;
    bool limited = false;  ///< a poll's check with a time limit
    duration limit{0};     ///< that limit
    std::function<void(payload)> tell_progress;
    std::stop_source stop;

    std::string idempotency_key() const override { return key; }
    std::stop_token stop_token() const override { return stop.get_token(); }
    std::uint32_t attempt() const override { return tries; }
    void progress(std::uint64_t done, std::uint64_t total, std::string_view text) override {
      tell_progress(payload{json::value{{"done", done}, {"total", total}, {"text", text}}});
    }
  };

  attempt(std::shared_ptr<const detail::definition> of, run_id run, std::shared_ptr<const core::activation> what, ports out)
      : definition_(std::move(of)), policy_(definition_->plan.find(what->executor)), run_(run), what_(std::move(what)),
        out_(std::move(out)), inline_(policy_ != nullptr && policy_->cooperative) {}

  void begin() {
    enqueue([this] {
      driver_ = std::make_unique<flow::driver>(definition_->factories[definition_->plan.by_name.at(what_->executor)],
                                               flow::driver_input{.run = run_,
                                                                  .workflow = definition_->plan.name,
                                                                  .executor = what_->executor,
                                                                  .activation = what_->id,
                                                                  .attempt = what_->attempt,
                                                                  .message = what_->message,
                                                                  .value = what_->value,
                                                                  .began = what_->began_at,
                                                                  .outputs_recorded = what_->outputs_recorded,
                                                                  .messages_emitted = what_->messages_emitted,
                                                                  .versions = what_->versions,
                                                                  .log = out_.log});
      std::vector<core::pending_step> pending;
      for (const auto& [ordinal, step] : what_->pending) {
        pending.push_back(step);
        if (!has_body(step.kind)) continue;
        recorded_.insert(ordinal);
        tries_[ordinal] = step.tries;
        if (step.retry_at) held_.insert(ordinal);
      }
      fed_ = what_->history.size();
      handle(driver_->start(what_->history, pending));
    });
  }
  void feed(core::history_item item) {
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
  void run_body(step_ordinal ordinal) {
    enqueue([this, ordinal] {
      if (driver_ == nullptr || driver_->ended() || held_.erase(ordinal) == 0) return;
      launch(ordinal);
    });
  }
  void stop() { stopped_ = true; }

  // For the scheduler ----------------------------------------------------------------------------------------------

  [[nodiscard]] const core::activation& what() const { return *what_; }
  [[nodiscard]] bool stopped() const { return stopped_; }
  [[nodiscard]] bool has_job() const { return !jobs_.empty(); }
  void do_job() {
    auto next = std::move(jobs_.front());
    jobs_.pop_front();
    next();
  }
  [[nodiscard]] const std::vector<std::shared_ptr<body>>& running() const { return running_; }
  /// The body comes to its end on its own thread; its outcome is a job.
  void end_of(std::size_t index) {
    const auto ended = running_[index];
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
    detail::body_result value;
    auto why = guarded([&] { value = out_.execute(*ended, ended->request.body); });
    enqueue([this, ended, value = std::move(value), why = std::move(why)]() mutable {
      if (ended->fenced) return driver_->body_ended(ended->ordinal);
      core::attempt_report report;
      report.done.push_back(end_body(ended, std::move(value), std::move(why)));
      report.waits = bodies_.empty();
      send(std::move(report));
    });
  }
  /// The time limit of a poll's check passes.
  void limit_of(std::size_t index) {
    running_[index]->limited = false;
    enqueue([this, late = running_[index]] {
      const auto at = bodies_.find(late->ordinal);
      if (at == bodies_.end() || at->second != late) return;
      core::attempt_report report;
      report.done.push_back(report_on(late, {payload{}, false}, std::nullopt));
      fence(late->ordinal);
      report.waits = bodies_.empty();
      send(std::move(report));
    });
  }

 private:
  static bool has_body(detail::step_kind kind) {
    return kind == detail::step_kind::call || kind == detail::step_kind::poll || kind == detail::step_kind::capability;
  }
  static duration poll_limit(const detail::step_request& of) {
    if (of.kind != detail::step_kind::poll) return {};
    return duration{of.args.value().at("poll_timeout_us").to_number<std::int64_t>()};
  }

  static std::optional<failure> guarded(const std::function<void()>& run) {
    try {
      run();
      return std::nullopt;
    } catch (const step_error& thrown) {
      return thrown.why();
    } catch (const broken&) {
      throw;
    } catch (const std::exception& thrown) {
      return failure{.code = std::string{failure_code::exception}, .message = thrown.what()};
    } catch (...) {
      return failure{.code = std::string{failure_code::exception}, .message = "an exception of unknown type"};
    }
  }

  void enqueue(std::function<void()> job) {
    jobs_.push_back(std::move(job));
    if (!inline_ || draining_) return;
    draining_ = true;
    while (!jobs_.empty()) do_job();
    draining_ = false;
  }

  void handle(flow::progress_report turn) {
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
        report.issued.push_back(
            {ordinal, request.kind, request.name, request.args, request.timeout, request.delay, request.until});
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
          running_.push_back(running);  // ends elsewhere
          continue;
        }
        detail::body_result value;
        auto why = guarded([&] { value = out_.execute(*running, driver_->request(ordinal)->body); });
        report.done.push_back(end_body(running, std::move(value), std::move(why)));
      }
      if (!report.done.empty()) report.waits = bodies_.empty();
      if (!report.done.empty() || !quiet || report.waits) send(std::move(report));
      return;
    }
    if (!quiet || report.waits) send(std::move(report));
    for (const auto ordinal : run) launch(ordinal);
  }

  std::shared_ptr<body> make_body(step_ordinal ordinal) {
    auto made = std::make_shared<body>();
    const auto* request = driver_->request(ordinal);
    made->key = run_.str() + "/" + what_->executor + "/" + std::to_string(what_->id) + "/" + std::to_string(ordinal);
    made->run = run_;
    made->executor = what_->executor;
    made->activation = what_->id;
    made->of_attempt = what_->attempt;
    made->tell_progress = out_.progress;
    made->ordinal = ordinal;
    made->tries = tries_.contains(ordinal) ? tries_[ordinal] + 1 : 1;
    made->request.kind = request->kind;
    made->request.name = request->name;
    made->request.args = request->args;
    made->request.retry = request->retry;
    if (!inline_) made->request.body = request->body;
    made->recorded = recorded_.contains(ordinal);
    made->limit = poll_limit(*request);
    made->limited = made->limit > duration{0};
    bodies_[ordinal] = made;
    made->inside_turn = inline_ && request->kind != detail::step_kind::capability;
    out_.body_starts(*made);
    driver_->body_started(ordinal);
    return made;
  }

  void launch(step_ordinal ordinal) {
    if (driver_->request(ordinal) == nullptr) return;
    const auto made = make_body(ordinal);
    if (!inline_ || made->request.kind == detail::step_kind::capability) {
      running_.push_back(made);
      return;
    }
    detail::body_result value;
    auto why = guarded([&] { value = out_.execute(*made, driver_->request(ordinal)->body); });
    core::attempt_report report;
    report.done.push_back(end_body(made, std::move(value), std::move(why)));
    report.waits = bodies_.empty();
    send(std::move(report));
  }

  core::step_report end_body(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why) {
    bodies_.erase(ended->ordinal);
    driver_->body_ended(ended->ordinal);
    return report_on(ended, std::move(value), std::move(why));
  }

  core::step_report report_on(const std::shared_ptr<body>& ended, detail::body_result value, std::optional<failure> why) {
    core::step_report report{.ordinal = ended->ordinal,
                             .kind = ended->request.kind,
                             .name = ended->request.name,
                             .result = {std::move(value.value), std::move(why)},
                             .complete = value.complete,
                             .recorded = ended->recorded,
                             .retry = ended->request.retry};
    if (!report.complete || (report.result.error && report.retry.max_attempts != 1)) {
      tries_[ended->ordinal] = ended->tries;
      recorded_.insert(ended->ordinal);
      held_.insert(ended->ordinal);
    }
    return report;
  }

  void fence(step_ordinal ordinal) {
    const auto at = bodies_.find(ordinal);
    if (at == bodies_.end()) return;
    at->second->fenced = true;
    at->second->stop.request_stop();
    bodies_.erase(at);
  }

  void send(core::attempt_report report) {
    if (stopped_) return;
    report.activation = what_->id;
    report.attempt = what_->attempt;
    report.fed = fed_;
    out_.report(std::move(report));
  }

  std::shared_ptr<const detail::definition> definition_;
  const core::executor_plan* policy_;
  run_id run_;
  std::shared_ptr<const core::activation> what_;
  ports out_;
  bool inline_, stopped_ = false, draining_ = false;
  std::deque<std::function<void()>> jobs_;
  std::unique_ptr<flow::driver> driver_;
  std::map<step_ordinal, std::shared_ptr<body>> bodies_;
  std::vector<std::shared_ptr<body>> running_;
  std::map<step_ordinal, std::uint32_t> tries_;
  std::size_t fed_ = 0;
  std::set<step_ordinal> recorded_, held_;
};

}  // namespace perdure::sim
