#include "actors/backends/job_service.hpp"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>

#include "core/backoff.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

using clock = std::chrono::steady_clock;
using core::job_action;
using core::job_fact;

/// Between two looks at a job, whatever its own backoff says.
constexpr std::chrono::milliseconds shortest_pause{10};

/// A submit with this error is never going to be accepted.
bool refused_for_good(errc code) {
  switch (code) {
    case errc::invalid_argument:
    case errc::unsupported:
    case errc::limit_exceeded:
    case errc::payload_too_large:
    case errc::not_found: return true;
    default: return false;
  }
}
/// It was not accepted, for sure.
bool surely_not_accepted(errc code) { return code == errc::overloaded || code == errc::disk_full || code == errc::locked; }

/// The run that a submit key names.
std::optional<run_id> run_of(std::string_view key) { return run_id::parse(key.substr(0, key.find('/'))); }

payload progress_of(const job_report& seen) {
  if (!seen.done && !seen.total && seen.text.empty()) return {};
  return payload{json::value{{"done", seen.done.value_or(0)}, {"total", seen.total.value_or(0)}, {"text", seen.text}}};
}

failure failure_of(const error& why, std::string_view code) {
  return {.code = std::string{code}, .message = why.message.empty() ? std::string{to_string(why.code)} : why.message};
}

}  // namespace

struct job_service::state : std::enable_shared_from_this<job_service::state> {
  explicit state(options chosen) : config(std::move(chosen)) {}

  struct entry {
    core::job_order order;
    std::uint64_t version = 0;  ///< of the call that is under way; answers of others are late
    bool calling = false;
    bool asked_again = false;  ///< something came meanwhile that the call does not know
    std::uint32_t polls = 0;
    std::uint32_t failures = 0;  ///< in a row
    std::optional<clock::time_point> progress_told;
    clock::time_point since = clock::now();
    std::optional<clock::time_point> due;
    std::stop_source stop;
  };
  struct known_backend {
    std::shared_ptr<backend> what;
    backend_options how;
    std::size_t calling = 0;
    std::deque<std::string> waiting;  ///< keys of jobs that wait for a call to end
  };

  options config;
  mutable std::mutex mutex;
  std::condition_variable wake;
  std::map<std::string, known_backend, std::less<>> backends;
  std::unordered_map<std::string, entry> entries;                ///< by submit key
  std::set<std::pair<clock::time_point, std::string>> schedule;  ///< what is to be done next, when
  std::uint64_t next_version = 1;
  bool stopping = false;
  std::thread thread;

  void loop();
  void plan(const std::string& key, entry& of, clock::time_point at);
  void unplan(const std::string& key, entry& of);
  void act(std::unique_lock<std::mutex>& lock, const std::string& key);
  void end_call(entry& of);
  template <class T, class F>
  backend_answer<T> answer(const std::string& key, std::uint64_t version, F then);
  void submit(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at);
  bool current(const std::string& key, std::uint64_t version) const;
  void send(const std::string& key, std::uint64_t version, const std::shared_ptr<backend>& to, job_submission what,
            backend_call how);
  void submitted(const std::string& key, entry& of, const result<std::string>& id);
  void look(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at);
  void seen(const std::string& key, entry& of, const result<job_report>& what);
  void tell(entry& of, core::job_noticed what);
  void over(const std::string& key);
  void again(const std::string& key, entry& of, const known_backend& at);
  void notice(const std::string& key);
  void log(std::string_view level, const std::string& text) const {
    if (config.log) config.log(level, text);
  }
};

void job_service::state::plan(const std::string& key, entry& of, clock::time_point at) {
  unplan(key, of);
  of.due = at;
  const bool first = schedule.empty() || at < schedule.begin()->first;
  schedule.emplace(at, key);
  if (first) wake.notify_one();
}

void job_service::state::unplan(const std::string& key, entry& of) {
  if (of.due) schedule.erase({*of.due, key});
  of.due.reset();
}

void job_service::state::loop() {
  std::unique_lock lock{mutex};
  while (!stopping) {
    if (schedule.empty()) {
      wake.wait(lock);
      continue;
    }
    const auto [at, key] = *schedule.begin();
    if (clock::now() < at) {
      wake.wait_until(lock, at);
      continue;
    }
    schedule.erase(schedule.begin());
    const auto found = entries.find(key);
    if (found == entries.end()) continue;
    found->second.due.reset();
    act(lock, key);
  }
}

/// A call that has begun has an end, once: its answer, or its deadline.
void job_service::state::end_call(entry& of) {
  of.calling = false;
  of.version = 0;
  const auto at = backends.find(of.order.backend);
  if (at == backends.end()) return;
  --at->second.calling;
  while (!at->second.waiting.empty()) {
    const auto next = std::move(at->second.waiting.front());
    at->second.waiting.pop_front();
    const auto found = entries.find(next);
    if (found == entries.end() || found->second.calling) continue;
    plan(next, found->second, clock::now());
    break;
  }
}

/// The answer to a call, brought to the entry that made it.
template <class T, class F>
backend_answer<T> job_service::state::answer(const std::string& key, std::uint64_t version, F then) {
  return [self = weak_from_this(), key, version, then](result<T> what) {
    const auto held = self.lock();
    if (held == nullptr) return;
    const std::lock_guard lock{held->mutex};
    const auto found = held->entries.find(key);
    if (held->stopping || found == held->entries.end() || found->second.version != version) return;
    held->end_call(found->second);
    held->unplan(key, found->second);
    then(*held, key, found->second, what);
  };
}

void job_service::state::act(std::unique_lock<std::mutex>& lock, const std::string& key) {
  auto& of = entries.at(key);
  const auto at = backends.find(of.order.backend);
  if (at == backends.end()) {
    const auto end = of.since + config.patience;
    if (clock::now() < end) return plan(key, of, end);
    const auto why = "this node has no backend \"" + of.order.backend + "\"";
    if (of.order.what.action == job_action::submit) {
      tell(of, {.what = job_fact::refused, .error = failure{.code = "unsupported", .message = why}});
      return over(key);
    }
    log("warning", why + ": a job on it is not looked after until it is added: " + key);
    return;
  }
  auto& to = at->second;
  if (of.calling) {
    // Its deadline: the backend broke its promise to answer.
    of.stop.request_stop();
    end_call(of);
    const auto late = error{errc::timeout, "backend \"" + of.order.backend + "\" did not answer in time"};
    if (of.order.what.action == job_action::watch) return seen(key, of, late);
    if (of.order.what.action == job_action::submit) return submitted(key, of, late);
    return again(key, of, to);
  }
  if (to.calling >= limits::backend_calls) {
    to.waiting.push_back(key);
    return;
  }
  if (of.order.what.action == job_action::submit) {
    submit(lock, key, of, to);
  } else {
    look(lock, key, of, to);
  }
}

void job_service::state::again(const std::string& key, entry& of, const known_backend& at) {
  plan(key, of, clock::now() + core::delay_before(at.how.retry, ++of.failures + 1, duration{0}, 0));
}

void job_service::state::submit(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at) {
  const auto can = at.what->capabilities();
  const auto& order = of.order;
  if (order.cancel && !order.again) {
    tell(of, {.what = job_fact::refused,
              .error = failure{.code = std::string{failure_code::job_cancelled}, .message = "it was not wanted any more"}});
    return over(key);
  }
  if (order.cancel && !can.find) {
    tell(of, {.what = job_fact::refused,
              .error = failure{.code = std::string{failure_code::job_cancelled},
                               .message = "it was not wanted any more; whether it had been accepted, nobody can tell"}});
    return over(key);
  }
  if (order.unsure && !can.find && !can.idempotent) {
    tell(of, {.what = job_fact::ambiguous,
              .error = failure{.code = std::string{failure_code::job_ambiguous},
                               .message = "the node stopped, or was cut off, while it submitted the job"}});
    return over(key);
  }
  of.calling = true;
  ++at.calling;
  of.stop = std::stop_source{};
  const auto version = of.version = next_version++;
  const backend_call how{.stop = of.stop.get_token(), .deadline = clock::now() + at.how.submit_timeout};
  plan(key, of, how.deadline + at.how.submit_timeout / 4);
  job_submission what{.key = key,
                      .run = order.run,
                      .executor = order.executor,
                      .name = order.name,
                      .tenant = order.tenant,
                      .spec = order.spec,
                      .priority = order.priority};
  const auto to = at.what;
  const bool look_first = order.again && can.find, only_look = order.cancel;
  lock.unlock();
  if (!look_first) {
    send(key, version, to, std::move(what), how);
  } else {
    to->find(key, how,
             [self = weak_from_this(), key, version, to, how, only_look,
              what = std::move(what)](result<std::optional<std::string>> found) mutable {
               const auto held = self.lock();
               if (held == nullptr) return;
               if (found && !*found && !only_look) {
                 if (held->current(key, version)) held->send(key, version, to, std::move(what), how);
                 return;
               }
               result<std::string> id = found ? (*found ? result<std::string>{**found}
                                                        : result<std::string>{error{errc::not_found, "it was not accepted"}})
                                              : result<std::string>{error{errc::overloaded, found.error().message}};
               held->answer<std::string>(key, version,
                                         [](state& in, const std::string& of_key, entry& one, const result<std::string>& got) {
                                           in.submitted(of_key, one, got);
                                         })(std::move(id));
             });
  }
  lock.lock();
}

bool job_service::state::current(const std::string& key, std::uint64_t version) const {
  const std::lock_guard lock{mutex};
  const auto found = entries.find(key);
  return !stopping && found != entries.end() && found->second.version == version;
}

void job_service::state::send(const std::string& key, std::uint64_t version, const std::shared_ptr<backend>& to,
                              job_submission what, backend_call how) {
  to->submit(
      std::move(what), how,
      answer<std::string>(key, version, [](state& in, const std::string& of_key, entry& one, const result<std::string>& got) {
        in.submitted(of_key, one, got);
      }));
}

void job_service::state::submitted(const std::string& key, entry& of, const result<std::string>& id) {
  core::job_noticed what;
  if (id) {
    what = {.what = job_fact::submitted, .id = *id};
  } else if (refused_for_good(id.error().code)) {
    what = {.what = job_fact::refused,
            .error = failure_of(id.error(), id.error().code == errc::unsupported ? "unsupported" : failure_code::job_refused)};
  } else if (surely_not_accepted(id.error().code)) {
    what = {.what = job_fact::later, .error = failure_of(id.error(), to_string(id.error().code))};
  } else {
    const auto at = backends.find(of.order.backend);
    const auto can = at == backends.end() ? backend_capabilities{} : at->second.what->capabilities();
    what = {.what = can.find || can.idempotent ? job_fact::later : job_fact::ambiguous,
            .error = failure_of(id.error(), to_string(id.error().code))};
  }
  // What is not wanted any more is found out here: the run does not try again.
  if (of.order.cancel && !id && !refused_for_good(id.error().code)) {
    of.order.again = true;
    return again(key, of, backends.find(of.order.backend)->second);
  }
  if (of.asked_again && !id) {
    of.asked_again = false;
    of.order.again = true;
    return plan(key, of, clock::now());
  }
  tell(of, std::move(what));
  over(key);
}

void job_service::state::look(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at) {
  of.calling = true;
  of.asked_again = false;
  ++at.calling;
  of.stop = std::stop_source{};
  const auto version = of.version = next_version++;
  const auto limit = of.order.poll_timeout > duration{0} ? of.order.poll_timeout : duration{std::chrono::seconds{30}};
  const backend_call how{.stop = of.stop.get_token(), .deadline = clock::now() + limit};
  plan(key, of, how.deadline + limit / 4);
  const auto id = of.order.id;
  const bool cancels = of.order.what.action == job_action::cancel;
  const auto to = at.what;
  lock.unlock();
  if (cancels) {
    to->cancel(id, how,
               answer<void>(key, version, [](state& in, const std::string& of_key, entry& one, const result<void>& done) {
                 const auto& known = in.backends.find(one.order.backend)->second;
                 const bool told = done || done.error().code == errc::not_found || done.error().code == errc::unsupported;
                 if (!told) return in.again(of_key, one, known);
                 if (!done) in.log("warning", "job " + of_key + " cannot be cancelled: " + done.error().message);
                 in.tell(one, {.what = job_fact::cancel_told});
                 in.over(of_key);
               }));
  } else {
    to->status(
        id, how,
        answer<job_report>(key, version, [](state& in, const std::string& of_key, entry& one, const result<job_report>& got) {
          in.seen(of_key, one, got);
        }));
  }
  lock.lock();
}

void job_service::state::seen(const std::string& key, entry& of, const result<job_report>& what) {
  auto& order = of.order;
  if (!what && what.error().code != errc::not_found) {
    const auto at = backends.find(order.backend);
    return again(key, of, at->second);
  }
  of.failures = 0;
  const auto now = clock::now();
  core::job_sighting found;
  if (!what) {
    found = {.status = job_status::lost, .raw = "not found", .message = what.error().message};
  } else {
    found = {.status = what->status,
             .raw = what->raw,
             .progress = progress_of(*what),
             .exit_code = what->exit_code,
             .result = what->result,
             .message = what->message};
  }
  const bool ended = found.status && is_terminal(*found.status);
  const bool other = (found.status && *found.status != order.status) || found.raw != order.raw;
  const bool moved = !found.progress.is_null() && found.progress != order.progress &&
                     (!of.progress_told || now - *of.progress_told >= limits::job_progress_pause);
  if (ended || other || moved) {
    if (found.status) order.status = *found.status;
    order.raw = found.raw;
    if (!found.progress.is_null()) {
      order.progress = found.progress;
      of.progress_told = now;
    }
    tell(of, {.what = job_fact::seen, .seen = std::move(found)});
  }
  if (ended) return over(key);
  const auto pause = std::max<duration>(core::delay_before(order.poll, of.polls + 2, duration{0}, 0), shortest_pause);
  ++of.polls;
  plan(key, of, of.asked_again ? now : now + pause);
}

/// To the run, wherever it is. The number names the job there.
void job_service::state::tell(entry& of, core::job_noticed what) {
  what.number = of.order.what.number;
  what.key = of.order.what.key;
  config.tell(of.order.run, std::move(what));
}

void job_service::state::over(const std::string& key) {
  const auto found = entries.find(key);
  if (found == entries.end()) return;
  unplan(key, found->second);
  if (found->second.calling) {
    found->second.stop.request_stop();
    end_call(found->second);
  }
  entries.erase(found);
}

void job_service::state::notice(const std::string& key) {
  {
    const std::lock_guard lock{mutex};
    if (stopping) return;
    const auto found = entries.find(key);
    if (found != entries.end()) {
      auto& of = found->second;
      of.asked_again = true;
      if (!of.calling && of.order.what.action == job_action::watch) plan(key, of, clock::now());
      return;
    }
  }
  // Its run is not in memory, or has not said yet what it wants: brought in, it does.
  if (const auto run = run_of(key)) config.tell(*run, {.key = key, .what = job_fact::look});
}

job_service::job_service(options chosen) : state_(std::make_shared<state>(std::move(chosen))) {
  state_->thread = std::thread{[held = state_] { held->loop(); }};
}

job_service::~job_service() { stop(); }

result<void> job_service::add(std::string name, std::shared_ptr<backend> what, backend_options how) {
  if (name.empty() || name.size() > limits::name_bytes || what == nullptr) {
    return error{errc::invalid_argument, "a backend has a name of 1 to " + std::to_string(limits::name_bytes) + " bytes"};
  }
  const auto taken = error{errc::already_exists, "there is a backend \"" + name + "\" already"};
  {
    const std::lock_guard lock{state_->mutex};
    if (state_->stopping) return error{errc::shutting_down, "the node is closing"};
    if (state_->backends.contains(name)) return taken;
  }
  // It knows whom to tell before anything is asked of it.
  what->notify([self = std::weak_ptr{state_}](const std::string& key) {
    if (const auto held = self.lock()) held->notice(key);
  });
  const std::lock_guard lock{state_->mutex};
  if (!state_->backends.try_emplace(name, state::known_backend{.what = what, .how = how}).second) return taken;
  for (auto& [key, of] : state_->entries) {
    if (of.order.backend == name) state_->plan(key, of, clock::now());
  }
  return {};
}

std::shared_ptr<backend> job_service::find(std::string_view name) const {
  const std::lock_guard lock{state_->mutex};
  const auto found = state_->backends.find(name);
  return found == state_->backends.end() ? nullptr : found->second.what;
}

std::vector<std::string> job_service::names() const {
  const std::lock_guard lock{state_->mutex};
  std::vector<std::string> out;
  for (const auto& [name, each] : state_->backends) out.push_back(name);
  return out;
}

std::size_t job_service::size() const {
  const std::lock_guard lock{state_->mutex};
  return state_->entries.size();
}

void job_service::carry_on(core::job_order what) {
  const std::lock_guard lock{state_->mutex};
  if (state_->stopping) return;
  const auto key = what.what.key;
  auto& of = state_->entries[key];
  const bool same = of.order.what.action == what.what.action && !of.order.what.key.empty();
  what.again = what.again || (same && of.calling);
  // Looked after already, at the pace that is wanted: the run only made sure of it.
  const bool goes_on = same && what.what.action == job_action::watch && of.order.poll == what.poll && (of.due || of.calling);
  of.order = std::move(what);
  if (goes_on) return;
  if (of.calling && !same) {
    // The call that is under way is about something that has passed.
    of.stop.request_stop();
    state_->end_call(of);
  }
  if (of.calling) {
    of.asked_again = true;
    return;
  }
  of.failures = 0;
  state_->plan(key, of, clock::now());
}

void job_service::leave(const run_id& run, const core::job_effect& what) {
  const std::lock_guard lock{state_->mutex};
  const auto found = state_->entries.find(what.key);
  if (found == state_->entries.end() || found->second.order.run != run) return;
  state_->over(what.key);
}

void job_service::stop() {
  std::vector<std::shared_ptr<backend>> all;
  {
    const std::lock_guard lock{state_->mutex};
    if (std::exchange(state_->stopping, true)) return;
    for (auto& [key, of] : state_->entries) of.stop.request_stop();
    for (auto& [name, each] : state_->backends) all.push_back(each.what);
  }
  state_->wake.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
  for (const auto& each : all) each->close();
}

}  // namespace perdure::actors
