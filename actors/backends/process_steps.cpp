#include "actors/backends/process_steps.hpp"

#include <atomic>
#include <filesystem>
#include <optional>
#include <stop_token>

#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

using clock = std::chrono::steady_clock;

/// A job whose outcome was told goes so long after: by then it is recorded.
constexpr std::chrono::minutes recorded_within{10};
/// Jobs that ended by earlier stops are submitted anew so often.
constexpr int most_tries = 3;

bool is_durable(const payload& spec) {
  const auto value = spec.value();
  const auto* object = value.if_object();
  const auto* durable = object == nullptr ? nullptr : object->if_contains("durable");
  return durable != nullptr && durable->is_bool() && durable->get_bool();
}

failure process_failure(std::string message) {
  return {.code = std::string{failure_code::process}, .message = std::move(message)};
}

/// As a child of this process it would have ended so.
child_end end_of(const process_backend::outcome& from, bool stopped) {
  const auto& end = from.end;
  if (end.how == job_exit::not_started)
    return launch_failure{static_cast<launch_failure::stage>(end.stage), static_cast<std::int32_t>(end.code)};
  return child_exit{.code = end.code,
                    .by_signal = end.how == job_exit::signalled,
                    .stopped = stopped,
                    .output = from.output.out,
                    .error = from.output.error,
                    .cut_output = from.output.cut_out,
                    .cut_error = from.output.cut_error};
}

process_job job_of(const process_spec& spec, const std::string& key, const std::string& trace) {
  process_job out{spec.program};
  out.arguments = spec.arguments;
  for (const auto& [name, value] : spec.environment) out.environment.emplace(name, value);
  out.environment.emplace("PERDURE_IDEMPOTENCY_KEY", key.substr(0, key.find('\0')));
  if (!trace.empty()) out.environment.emplace("TRACEPARENT", trace);
  out.input = spec.input;
  std::error_code bad;
  out.directory =
      spec.directory ? std::filesystem::absolute(*spec.directory, bad).string() : std::filesystem::current_path(bad).string();
  out.grace_ms = spec.grace_ms;
  // More of it than fits into a result is counted, not kept.
  out.log_bytes = 4 * limits::process_output_bytes;
  return out;
}

}  // namespace

struct process_steps::work {
  capability_request request;
  process_spec spec;
  std::string id;
  int tries = 0;
  std::atomic<bool> done{false};
  std::optional<std::stop_callback<std::function<void()>>> on_stop;

  void finish(core::outcome how) {
    if (!done.exchange(true)) request.done(std::move(how));
  }
};

struct process_steps::state : std::enable_shared_from_this<state> {
  std::shared_ptr<process_backend> jobs;
  std::shared_ptr<leftover_steps> left;
  std::function<bool()> closing;
  std::mutex mutex;
  bool stopped = false;
  std::map<std::shared_ptr<work>, std::string> going_on;  ///< the job's id, empty before it has one
  std::deque<std::pair<clock::time_point, std::string>> told;

  bool over() {
    const std::lock_guard lock{mutex};
    return stopped || closing();
  }
  void finish(const std::shared_ptr<work>& of, core::outcome how) {
    {
      const std::lock_guard lock{mutex};
      going_on.erase(of);
    }
    of->finish(std::move(how));
  }
  void begin(const std::shared_ptr<work>& of) {
    jobs->submit_step({.key = of->request.key, .spec = payload{to_json(job_of(of->spec, of->request.key, of->request.trace))}},
                      [self = shared_from_this(), of](result<std::string> id) {
                        if (!id) return self->finish(of, {.error = process_failure(id.error().message)});
                        self->wait_for(of, std::move(*id));
                      });
  }
  void wait_for(const std::shared_ptr<work>& of, std::string id) {
    of->id = std::move(id);
    {
      const std::lock_guard lock{mutex};
      if (const auto found = going_on.find(of); found != going_on.end()) found->second = of->id;
    }
    if (!of->on_stop) {
      // Not the work itself: it holds this.
      of->on_stop.emplace(of->request.stop, [self = weak_from_this(), id = of->id] {
        const auto held = self.lock();
        if (held != nullptr && !held->over()) held->jobs->cancel(id, {}, [](const result<void>&) {});
      });
    }
    jobs->when_ended(of->id, [self = shared_from_this(), of] { self->collect(of); });
  }
  void collect(const std::shared_ptr<work>& of) {
    jobs->collect(of->id, limits::process_output_bytes,
                  [self = shared_from_this(), of](const result<process_backend::outcome>& got) { self->collected(of, got); });
  }
  void collected(const std::shared_ptr<work>& of, const result<process_backend::outcome>& got) {
    const bool wanted = !of->request.stop.stop_requested();
    if (!got) {
      const auto why = "how \"" + of->spec.program + "\" ended is unknown: " + got.error().message;
      return jobs->forget(of->id, {}, [self = shared_from_this(), of, why](const result<void>&) {
        self->finish(of, {.error = process_failure(why)});
      });
    }
    const bool stopped_job = got->end.asked != 0;
    if (stopped_job && wanted && ++of->tries < most_tries) {
      // Another try of the step was stopped; this one was not.
      return jobs->forget(of->id, {}, [self = shared_from_this(), of](const result<void>&) { self->begin(of); });
    }
    auto how = outcome_of(of->spec, end_of(*got, stopped_job));
    if (how.error) {
      // Whoever tries again wants another one.
      return jobs->forget(of->id, {}, [self = shared_from_this(), of, how](const result<void>&) { self->finish(of, how); });
    }
    finish(of, std::move(how));
    remember(of->id);
  }
  void remember(const std::string& id) {
    std::vector<std::string> old;
    {
      const std::lock_guard lock{mutex};
      const auto now = clock::now();
      told.emplace_back(now, id);
      for (; now - told.front().first >= recorded_within; told.pop_front()) old.push_back(told.front().second);
    }
    for (const auto& each : old) jobs->forget(each, {}, [](const result<void>&) {});
  }
};

process_steps::process_steps(std::shared_ptr<spawner> children, std::shared_ptr<process_backend> jobs,
                             std::shared_ptr<leftover_steps> left, std::function<bool()> closing)
    : process_capability(std::move(children)), state_(std::make_shared<state>()) {
  state_->jobs = std::move(jobs);
  state_->left = std::move(left);
  state_->closing = std::move(closing);
}

process_steps::~process_steps() = default;

void process_steps::start(capability_request request) {
  if (!is_durable(request.spec)) return process_capability::start(std::move(request));
  auto read = from_json<process_spec>(request.spec.value());
  if (!read) return request.done({.error = process_failure("bad process spec: " + read.error().message)});
  run(std::move(request), std::move(*read));
}

void process_steps::run(capability_request request, process_spec spec) {
  if (!is_durable(request.spec)) return process_capability::run(std::move(request), std::move(spec));
  const auto of = std::make_shared<work>();
  of->request = std::move(request);
  of->spec = std::move(spec);
  {
    const std::lock_guard lock{state_->mutex};
    if (!state_->stopped) state_->going_on.try_emplace(of);
  }
  state_->left->asked_for(of->request.key);
  if (state_->over()) return;  // as in stop_all
  state_->begin(of);
}

/// The programs of runs that go on go on, and nobody listens to them here any more. The steps get no outcome: one would be
/// recorded, and the next node would not take the program over.
void process_steps::stop_all() {
  std::map<std::shared_ptr<work>, std::string> all;
  {
    const std::lock_guard lock{state_->mutex};
    state_->stopped = true;
    all.swap(state_->going_on);
  }
  std::map<std::string, std::string> running;
  for (const auto& [of, id] : all) {
    if (!id.empty()) running.emplace(of->request.key, id);
  }
  all.clear();
  state_->left->close(running);
  process_capability::stop_all();
}

}  // namespace perdure::actors
