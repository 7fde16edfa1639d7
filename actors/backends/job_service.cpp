#include "actors/backends/job_service.hpp"

#include <algorithm>

#include "actors/backends/job_entries.hpp"
#include "core/backoff.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

using core::job_action;
using core::job_fact;

/// A run that was told that its job's turn has come takes no longer to say so.
constexpr std::chrono::seconds turn_patience{30};
/// Between two looks whether a backend that is down was tried meanwhile.
constexpr std::chrono::seconds trial_pause{1};
/// So many kinds of jobs share what each kind has in common.
constexpr std::size_t kept_ways = 32;
/// It is told at most so often that a backend which is not down yet missed a call.
constexpr std::chrono::minutes miss_pause{1};

/// The run that a submit key names.
std::optional<run_id> run_of(std::string_view key) { return run_id::parse(key.substr(0, key.find('/'))); }

bool is_submit(const auto& order) { return order.action == job_action::submit; }
bool is_submit(const core::job_order& order) { return order.what.action == job_action::submit; }

}  // namespace

job_service::state::kept_order::kept_order(core::job_order&& what, std::shared_ptr<const way> of)
    : how(std::move(of)), run(what.run), id(std::move(what.id)), raw(std::move(what.raw)), progress(std::move(what.progress)),
      asked(std::make_unique<submission>(submission{std::move(what.name), std::move(what.executor), std::move(what.tenant),
                                                    std::move(what.spec), what.priority})),
      number(what.what.number), action(what.what.action), status(what.status), cancel(what.cancel), again(what.again),
      unsure(what.unsure) {
  // It may have been made bit by bit, with room for more.
  id.shrink_to_fit();
}

std::shared_ptr<const job_service::state::way> job_service::state::way_of(core::job_order& what) {
  way wanted{std::move(what.backend), what.poll, what.poll_timeout};
  const auto known = std::find_if(ways.begin(), ways.end(), [&](const auto& each) { return *each == wanted; });
  if (known != ways.end()) return *known;
  auto made = std::make_shared<const way>(std::move(wanted));
  if (ways.size() < kept_ways) {
    ways.push_back(made);
  } else {
    ways[next_way++ % kept_ways] = made;
  }
  return made;
}

void job_service::state::plan(entry& of, clock::time_point at) {
  unplan(of);
  of.due = at;
  const bool first = schedule.empty() || at < schedule.begin()->first;
  schedule.emplace(at, of.key);
  if (first) wake.notify_one();
}

void job_service::state::unplan(entry& of) {
  if (of.due != never) schedule.erase({of.due, of.key});
  of.due = never;
}

void job_service::state::loop() {
  std::unique_lock lock{mutex};
  while (!stopping) {
    auto next = schedule.empty() ? clock::time_point::max() : schedule.begin()->first;
    auto* gate = static_cast<known_backend*>(nullptr);
    for (auto& [name, each] : backends) {
      if (!each.pump_at || *each.pump_at >= next) continue;
      next = *each.pump_at;
      gate = &each;
    }
    if (next == clock::time_point::max()) {
      wake.wait(lock);
    } else if (clock::now() < next) {
      wake.wait_until(lock, next);
    } else if (gate != nullptr) {
      pump(*gate);
    } else {
      const std::string key = *schedule.begin()->second;
      schedule.erase(schedule.begin());
      entries.at(key).due = never;
      act(lock, key);
    }
  }
}

void job_service::state::hold_place(entry& of, known_backend& at) {
  if (is_submit(of.order) || of.order.asked == nullptr) return;
  at.gate.hold(*of.key, of.order.asked->tenant);
  of.order.asked.reset();
}

/// A call that has begun has an end, once: its answer, or its deadline.
void job_service::state::end_call(entry& of) {
  of.calling = false;
  of.version = 0;
  of.stop = std::stop_source{std::nostopstate};
  const auto at = backends.find(of.order.how->backend);
  if (at == backends.end()) return;
  --at->second.calling;
  at->second.gate.trial_over();
  while (!at->second.waiting.empty()) {
    const auto next = std::move(at->second.waiting.front());
    at->second.waiting.pop_front();
    const auto found = entries.find(next);
    if (found == entries.end() || found->second.calling) continue;
    plan(found->second, clock::now());
    break;
  }
}

void job_service::state::without_backend(const std::string& key, entry& of) {
  const auto end = of.since + config.patience;
  if (clock::now() < end) return plan(of, end);
  const auto why = "this node has no backend \"" + of.order.how->backend + "\"";
  if (is_submit(of.order)) {
    tell(of, {.what = job_fact::refused, .error = failure{.code = "unsupported", .message = why}});
    return over(key);
  }
  log("warning", why + ": a job on it is not looked after until it is added: " + key);
}

void job_service::state::act(std::unique_lock<std::mutex>& lock, const std::string& key) {
  auto& of = entries.at(key);
  const auto found = backends.find(of.order.how->backend);
  if (found == backends.end()) return without_backend(key, of);
  auto& at = found->second;
  if (of.calling) return late(key, of, at);
  // One that may be there already is looked for at once.
  const bool submits = is_submit(of.order) && !of.order.cancel && !of.order.unsure;
  if (submits && !at.gate.holds(key)) return stand_in_line(key, of, at);
  if (at.calling >= limits::backend_calls) {
    at.waiting.push_back(key);
    return;
  }
  const auto now = clock::now();
  // A submit has its turn; the others find out here whether somebody is there.
  if (!submits && !at.gate.may_call(now)) return plan(of, std::max(at.gate.trial_at(), now + trial_pause));
  if (is_submit(of.order)) {
    if (!of.order.cancel) at.gate.hold(key, of.order.asked->tenant);
    submit(lock, key, of, at);
  } else {
    look(lock, key, of, at);
  }
}

void job_service::state::stand_in_line(const std::string& key, entry& of, known_backend& at) {
  if (of.parked) return;
  const bool fails = at.gate.options().down == when_down::fail && !at.gate.up() && !of.order.again;
  if (fails) {
    tell(of, {.what = job_fact::refused,
              .error = failure{.code = std::string{failure_code::job_refused},
                               .message = "backend \"" + at.name + "\" is down: " + at.gate.health().why}});
    at.gate.leave(key);
    return over(key);
  }
  const auto now = clock::now();
  if (!at.gate.waits(key)) of.since = now;
  at.gate.enter(key, of.order.asked->tenant, of.order.asked->priority);
  pump(at);
  if (!at.gate.waits(key)) return;
  const auto patient_until = of.since + limits::job_queue_patience;
  if (now < patient_until) return plan(of, patient_until);
  // Its run need not stay in memory: it is told when it is the turn of its job.
  of.parked = true;
  of.order.asked->spec = {};
  tell(of, {.what = job_fact::waits});
}

void job_service::state::pump(known_backend& at) {
  const auto now = clock::now();
  at.pump_at.reset();
  while (auto next = at.gate.next(now)) {
    const auto found = entries.find(*next);
    if (found == entries.end()) {
      at.gate.free(*next);
    } else if (found->second.parked) {
      at.gate.hold(*next, found->second.order.asked->tenant, now + turn_patience);
      tell(found->second, {.what = job_fact::look});
    } else {
      plan(found->second, now);
    }
  }
  if (const auto next = at.gate.again_at(now)) {
    at.pump_at = std::max(*next, now + std::chrono::milliseconds{1});
    wake.notify_one();
  }
}

void job_service::state::reached(known_backend& at) {
  if (!at.gate.reached()) return;
  log("info", "backend \"" + at.name + "\" is there again");
  const auto now = clock::now();
  for (auto& [key, each] : entries) {
    if (each.order.how->backend == at.name && each.due != never && !each.calling && !is_submit(each.order)) plan(each, now);
  }
  pump(at);
}

void job_service::state::missed(known_backend& at, const error& why) {
  const auto now = clock::now();
  if (at.gate.health().failures == 0 && (!at.miss_told || now - *at.miss_told >= miss_pause)) {
    at.miss_told = now;
    log("warning", "backend \"" + at.name + "\" did not do what it was asked: " + why.message + "; it is tried again");
  }
  if (!at.gate.missed(why.message.empty() ? std::string{to_string(why.code)} : why.message, now)) return;
  const bool fails = at.gate.options().down == when_down::fail;
  log("warning", "backend \"" + at.name + "\" is down: " + why.message +
                     (fails ? "; its jobs are refused until it is there again" : "; its jobs wait until it is there again"));
  if (!fails) return;
  for (const auto& key : at.gate.waiting()) {
    const auto found = entries.find(key);
    if (found == entries.end()) continue;
    found->second.parked = false;
    plan(found->second, clock::now());
  }
}

void job_service::state::free_place(const std::string& key) {
  for (auto& [name, each] : backends) {
    if (!each.gate.holds(key)) continue;
    each.gate.free(key);
    pump(each);
  }
}

void job_service::state::again(entry& of, const known_backend& at) {
  plan(of, clock::now() + core::delay_before(at.gate.options().retry, ++of.failures + 1, duration{0}, 0));
}

/// To the run, wherever it is. The number names the job there.
void job_service::state::tell(entry& of, core::job_noticed what) {
  what.number = of.order.number;
  what.key = *of.key;
  config.tell(of.order.run, std::move(what));
}

void job_service::state::over(const std::string& key) {
  const auto found = entries.find(key);
  if (found == entries.end()) return;
  unplan(found->second);
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
      if (!of.calling && of.order.action == job_action::watch) plan(of, clock::now());
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
  const auto [at, fresh] =
      state_->backends.try_emplace(name, state::known_backend{.name = name, .what = what, .gate = backend_gate{how}});
  if (!fresh) return taken;
  for (auto& [key, of] : state_->entries) {
    if (of.order.how->backend != name) continue;
    state_->hold_place(of, at->second);
    state_->plan(of, state::clock::now());
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

result<backend_health> job_service::health(std::string_view name) const {
  const std::lock_guard lock{state_->mutex};
  const auto found = state_->backends.find(name);
  if (found == state_->backends.end()) return error{errc::not_found, "there is no backend \"" + std::string{name} + "\" here"};
  return found->second.gate.health();
}

std::size_t job_service::size() const {
  const std::lock_guard lock{state_->mutex};
  return state_->entries.size();
}

void job_service::carry_on(core::job_order what) {
  const std::lock_guard lock{state_->mutex};
  if (state_->stopping) return;
  const auto key = what.what.key;
  const auto [place, fresh] = state_->entries.try_emplace(key);
  auto& of = place->second;
  of.key = &place->first;
  const bool same = of.order.action == what.what.action && !fresh;
  what.again = what.again || (same && of.calling);
  // It waits here to be submitted: nothing was sent, whatever its run may fear that was read again, or goes on from another.
  if (same && !of.calling && is_submit(what)) what.unsure = of.order.unsure;
  // Looked after already, at the pace that is wanted: the run only made sure of it.
  const bool goes_on =
      same && what.what.action == job_action::watch && of.order.how->poll == what.poll && (of.due != state::never || of.calling);
  auto how = state_->way_of(what);
  of.order = state::kept_order{std::move(what), std::move(how)};
  of.parked = false;
  const auto at = state_->backends.find(of.order.how->backend);
  if (at != state_->backends.end()) {
    state_->hold_place(of, at->second);
    if (of.order.cancel) at->second.gate.leave(key);
  }
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
  state_->plan(of, state::clock::now());
}

void job_service::leave(const run_id& run, const core::job_effect& what) {
  const std::lock_guard lock{state_->mutex};
  const auto found = state_->entries.find(what.key);
  if (found != state_->entries.end()) {
    if (found->second.order.run != run || found->second.parked) return;
    if (const auto at = state_->backends.find(found->second.order.how->backend); at != state_->backends.end())
      at->second.gate.leave(what.key);
    state_->over(what.key);
  }
  state_->free_place(what.key);
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
