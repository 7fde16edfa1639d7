// The calls that job_service makes to backends, and what their answers mean.
#include <algorithm>

#include "actors/backends/job_entries.hpp"
#include "core/backoff.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

using core::job_action;
using core::job_fact;

/// Between two looks at a job, whatever its own backoff says.
constexpr std::chrono::milliseconds shortest_pause{10};
/// An accepted job keeps its place so long until its run says that it watches it.
constexpr std::chrono::seconds watch_patience{60};

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

payload progress_of(const job_report& seen) {
  if (!seen.done && !seen.total && seen.text.empty()) return {};
  return payload{json::value{{"done", seen.done.value_or(0)}, {"total", seen.total.value_or(0)}, {"text", seen.text}}};
}

failure failure_of(const error& why, std::string_view code) {
  return {.code = std::string{code}, .message = why.message.empty() ? std::string{to_string(why.code)} : why.message};
}

}  // namespace

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
    held->unplan(found->second);
    then(*held, key, found->second, what);
  };
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
  auto spec = config.spec_of ? config.spec_of(order.asked->spec) : result<payload>{order.asked->spec};
  if (!spec) {
    tell(of, {.what = job_fact::later, .error = failure_of(spec.error(), to_string(spec.error().code))});
    at.gate.free(key);
    over(key);
    return pump(at);
  }
  of.calling = true;
  ++at.calling;
  of.stop = std::stop_source{};
  const auto version = of.version = next_version++;
  const backend_call how{.stop = of.stop.get_token(), .deadline = clock::now() + at.gate.options().submit_timeout};
  plan(of, how.deadline + at.gate.options().submit_timeout / 4);
  job_submission what{.key = key,
                      .run = order.run,
                      .executor = order.asked->executor,
                      .name = order.asked->name,
                      .tenant = order.asked->tenant,
                      .spec = std::move(*spec),
                      .priority = order.asked->priority};
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
  auto& at = backends.find(of.order.how->backend)->second;
  const bool refused = !id && refused_for_good(id.error().code);
  core::job_noticed what;
  if (id) {
    what = {.what = job_fact::submitted, .id = *id};
  } else if (refused) {
    what = {.what = job_fact::refused,
            .error = failure_of(id.error(), id.error().code == errc::unsupported ? "unsupported" : failure_code::job_refused)};
  } else if (surely_not_accepted(id.error().code)) {
    what = {.what = job_fact::later, .error = failure_of(id.error(), to_string(id.error().code))};
  } else {
    const auto can = at.what->capabilities();
    what = {.what = can.find || can.idempotent ? job_fact::later : job_fact::ambiguous,
            .error = failure_of(id.error(), to_string(id.error().code))};
  }
  if (id) {
    at.gate.hold(key, of.order.asked->tenant, clock::now() + watch_patience);
  } else {
    at.gate.free(key);
  }
  if (id || refused) {
    reached(at);
  } else {
    missed(at, id.error());
  }
  // What is not wanted any more is found out here: the run does not try again.
  if (of.order.cancel && !id && !refused) {
    of.order.again = true;
    again(of, at);
  } else if (of.asked_again && !id) {
    of.asked_again = false;
    of.order.unsure = of.order.unsure || what.what == job_fact::ambiguous;
    of.order.again = true;
    plan(of, clock::now());
  } else {
    tell(of, std::move(what));
    over(key);
  }
  pump(at);
}

void job_service::state::look(std::unique_lock<std::mutex>& lock, const std::string& key, entry& of, known_backend& at) {
  of.calling = true;
  of.asked_again = false;
  ++at.calling;
  of.stop = std::stop_source{};
  const auto version = of.version = next_version++;
  const auto limit = of.order.how->poll_timeout > duration{0} ? of.order.how->poll_timeout : duration{std::chrono::seconds{30}};
  const backend_call how{.stop = of.stop.get_token(), .deadline = clock::now() + limit};
  plan(of, how.deadline + limit / 4);
  const auto id = of.order.id;
  const bool cancels = of.order.action == job_action::cancel;
  const auto to = at.what;
  lock.unlock();
  if (cancels) {
    to->cancel(id, how,
               answer<void>(key, version, [](state& in, const std::string& of_key, entry& one, const result<void>& done) {
                 auto& known = in.backends.find(one.order.how->backend)->second;
                 const bool told = done || done.error().code == errc::not_found || done.error().code == errc::unsupported;
                 if (!told) {
                   in.missed(known, done.error());
                   return in.again(one, known);
                 }
                 in.reached(known);
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
  auto& at = backends.find(order.how->backend)->second;
  if (!what && what.error().code != errc::not_found) {
    missed(at, what.error());
    return again(of, at);
  }
  reached(at);
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
                     (of.progress_told == never || now - of.progress_told >= limits::job_progress_pause);
  if (ended || other || moved) {
    if (found.status) order.status = *found.status;
    order.raw = found.raw;
    if (!found.progress.is_null()) {
      order.progress = found.progress;
      of.progress_told = now;
    }
    tell(of, {.what = job_fact::seen, .seen = std::move(found)});
  }
  if (ended) {
    at.gate.free(key);
    over(key);
    return pump(at);
  }
  const auto pause = std::max<duration>(core::delay_before(order.how->poll, of.polls + 2, duration{0}, 0), shortest_pause);
  ++of.polls;
  plan(of, of.asked_again ? now : now + pause);
}

void job_service::state::late(const std::string& key, entry& of, known_backend& at) {
  of.stop.request_stop();
  end_call(of);
  const auto why = error{errc::timeout, "backend \"" + of.order.how->backend + "\" did not answer in time"};
  if (of.order.action == job_action::watch) return seen(key, of, why);
  if (of.order.action == job_action::submit) return submitted(key, of, why);
  missed(at, why);
  again(of, at);
}

}  // namespace perdure::actors
