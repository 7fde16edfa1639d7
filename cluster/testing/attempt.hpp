// attempt: what actors/attempt_host.cpp is in the engine, for one thread and a scheduler that decides when each job of it
// and the end of each body comes. The book of the attempt is the engine's own; a feed is a job, a body's end is a job.
#pragma once

#include <deque>
#include <exception>
#include <functional>
#include <memory>

#include "cluster/testing/broken.hpp"
#include "flow/attempt_turns.hpp"

namespace perdure::sim {

class attempt : private flow::attempt_turns {
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
  struct body : flow::body_run, call_context {
    std::string key;
    run_id run;
    std::string executor;
    activation_id activation = 0;
    std::uint32_t of_attempt = 1;
    timestamp began{};
    bool inside_turn = false;  ///< runs at once, in the turn that asks for it
    bool limited = false;      ///< a poll's check with a time limit
    duration limit{0};         ///< that limit
    std::function<void(payload)> tell_progress;

    std::string idempotency_key() const override { return key; }
    std::stop_token stop_token() const override { return stop.get_token(); }
    std::uint32_t attempt() const override { return tries; }
    void progress(std::uint64_t done, std::uint64_t total, std::string_view text) override {
      tell_progress(payload{json::value{{"done", done}, {"total", total}, {"text", text}}});
    }
  };

  attempt(std::shared_ptr<const detail::definition> of, run_id run, std::shared_ptr<const core::activation> what, ports out)
      : attempt_turns(what->id, what->attempt, is_cooperative(*of, what->executor)), definition_(std::move(of)), run_(run),
        what_(std::move(what)), out_(std::move(out)) {}

  void begin() {
    enqueue([this] {
      auto input = flow::input_of(*what_, run_, definition_->plan.name);
      input.log = out_.log;
      const auto& make = definition_->factories[definition_->plan.by_name.at(what_->executor)];
      attempt_turns::begin(std::make_unique<flow::driver>(make, std::move(input)), *what_);
    });
  }
  void feed(core::history_item item) {
    enqueue([this, item = std::move(item)] { take(item); });
  }
  void run_body(step_ordinal ordinal) {
    enqueue([this, ordinal] { try_again(ordinal); });
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
    auto why = run_in_turn(*ended, ended->request.body, value);
    enqueue([this, ended, value = std::move(value), why = std::move(why)]() mutable {
      (void)body_ended(ended, std::move(value), std::move(why));
    });
  }
  /// The time limit of a poll's check passes.
  void limit_of(std::size_t index) {
    running_[index]->limited = false;
    enqueue([this, late = running_[index]] { body_overdue(late); });
  }

 private:
  static bool is_cooperative(const detail::definition& of, const std::string& executor) {
    const auto* policy = of.plan.find(executor);
    return policy != nullptr && policy->cooperative;
  }

  void enqueue(std::function<void()> job) {
    jobs_.push_back(std::move(job));
    if (!in_turn() || draining_) return;
    draining_ = true;
    while (!jobs_.empty()) do_job();
    draining_ = false;
  }

  std::shared_ptr<flow::body_run> make_body(const detail::step_request& request) override {
    auto made = std::make_shared<body>();
    made->run = run_;
    made->executor = what_->executor;
    made->activation = what_->id;
    made->of_attempt = what_->attempt;
    made->tell_progress = out_.progress;
    made->limit = flow::poll_limit(request);
    made->limited = made->limit > duration{0};
    made->inside_turn = in_turn() && request.kind != detail::step_kind::capability;
    return made;
  }
  void body_begins(flow::body_run& of) override {
    auto& known = dynamic_cast<body&>(of);
    known.key = run_.str() + "/" + what_->executor + "/" + std::to_string(what_->id) + "/" + std::to_string(of.ordinal);
    out_.body_starts(known);
  }
  /// What the rehearsal found is no failure of the step.
  std::optional<failure> run_in_turn(flow::body_run& of, const detail::step_body& function, detail::body_result& value) override {
    std::exception_ptr found;
    auto why = flow::guarded([&] {
      try {
        value = out_.execute(dynamic_cast<body&>(of), function);
      } catch (const broken&) {
        found = std::current_exception();
      }
    });
    if (found) std::rethrow_exception(found);
    return why;
  }
  void launch(const std::shared_ptr<flow::body_run>& running, bool /*lone*/) override {
    running_.push_back(std::dynamic_pointer_cast<body>(running));
  }
  void send(core::attempt_report report) override {
    if (!stopped_) out_.report(std::move(report));
  }

  std::shared_ptr<const detail::definition> definition_;
  run_id run_;
  std::shared_ptr<const core::activation> what_;
  ports out_;
  bool stopped_ = false, draining_ = false;
  std::deque<std::function<void()>> jobs_;
  std::vector<std::shared_ptr<body>> running_;
};

}  // namespace perdure::sim
