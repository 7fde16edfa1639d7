#include "core/jobs.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "core/later.hpp"
#include "core/links.hpp"
#include "core/state.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

const json::value* member(const json::value& of, std::string_view name) {
  const auto* object = of.if_object();
  return object == nullptr ? nullptr : object->if_contains(name);
}
std::string text_of(const json::value& of, std::string_view name) {
  const auto* found = member(of, name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}
std::int64_t number_of(const json::value& of, std::string_view name) {
  const auto* found = member(of, name);
  boost::system::error_code bad;
  const auto out = found != nullptr && found->is_number() ? found->to_number<std::int64_t>(bad) : 0;
  return bad ? 0 : out;
}
/// Stored text may be damaged: it is read with care.
json::value value_of(const payload& stored) {
  const auto read = payload::parse_text(stored.text());
  return read ? read->value() : json::value{};
}
/// What the step said, of args that were placed or not.
json::value asked(const json::value& args) {
  const auto* ask = member(args, "ask");
  return ask == nullptr ? args : *ask;
}

std::optional<job_wish> wish_in(const json::value& ask) {
  const auto what = text_of(ask, "what");
  if (what == "submit") return job_wish::submit;
  if (what == "run") return job_wish::run;
  if (what == "wait") return job_wish::wait;
  if (what == "cancel") return job_wish::cancel;
  return std::nullopt;
}

backoff backoff_of(const json::value* from) {
  backoff out = exponential(std::chrono::seconds{1}, std::chrono::seconds{60});
  if (from == nullptr || !from->is_object()) return out;
  const auto kind = number_of(*from, "kind");
  if (kind < 0 || kind > static_cast<int>(backoff_kind::exponential)) return out;
  out.kind = static_cast<backoff_kind>(kind);
  out.initial = duration{number_of(*from, "initial_us")};
  out.cap = duration{number_of(*from, "cap_us")};
  if (const auto* factor = member(*from, "factor"); factor != nullptr && factor->is_number())
    out.factor = factor->to_number<double>();
  return out;
}

json::object json_of(const backoff& what) {
  return {{"kind", static_cast<int>(what.kind)},
          {"initial_us", what.initial.count()},
          {"cap_us", what.cap.count()},
          {"factor", what.factor}};
}
json::object json_of(const backoff& what, duration timeout) {
  auto out = json_of(what);
  if (timeout > duration{0}) out.emplace("timeout_us", timeout.count());
  return out;
}

template <class Codes>
json::array names_of(const Codes& codes) {
  json::array out;
  for (const auto& each : codes) {
    if (!each.view().empty()) out.emplace_back(each.view());
  }
  return out;
}
template <class Codes>
void read_names(const json::value* from, Codes& into) {
  if (from == nullptr || !from->is_array()) return;
  std::size_t at = 0;
  for (const auto& each : from->get_array()) {
    if (at < into.size() && each.is_string()) into[at++] = code_name{std::string_view{each.get_string()}};
  }
}

json::value handle_of(job_number number, const job_record& job) {
  return to_json(job_handle{.number = number, .key = job.known_as, .backend = job.backend, .id = job.now.id});
}

std::string place_text(const run_id& run, std::string_view executor, std::uint32_t activation, std::uint32_t ordinal) {
  return run.str() + "/" + std::string{executor} + "/" + std::to_string(activation) + "/" + std::to_string(ordinal);
}

bool ended_badly(const job_record& job) { return !job.live() && job.end.status != job_status::succeeded; }

void arm(run_state& state, std::optional<timestamp>& armed, std::optional<timestamp> to, deadline of) {
  if (armed) {
    of.at = *armed;
    state.deadlines.erase(of);
  }
  armed = to;
  if (armed) {
    of.at = *armed;
    state.deadlines.insert(of);
  }
}

}  // namespace

void want_cancel(job_record& job) {
  if (!job.live() || job.now.cancel_wanted) return;
  job.now.cancel_wanted = true;
  ++job.now.generation;
  // Whether an earlier try was accepted has to be found out at once.
  if (job.now.stage == job_stage::submitting) job.now.look_at.reset();
}

std::optional<job_wish> wish_of(const payload& args) { return wish_in(asked(value_of(args))); }

std::optional<job_number> job_of(const payload& args) {
  const auto number = number_of(value_of(args), "number");
  if (number <= 0 || number > std::numeric_limits<job_number>::max()) return std::nullopt;
  return static_cast<job_number>(number);
}

retry_policy job_retry_policy(const job_record& job) {
  const auto args = value_of(job.args);
  const auto* from = member(args, "retry");
  retry_policy out;
  if (from == nullptr || !from->is_object()) return out;
  out.max_attempts = static_cast<std::uint32_t>(std::max<std::int64_t>(0, number_of(*from, "max_attempts")));
  out.backoff = backoff_of(member(*from, "backoff"));
  out.max_elapsed = duration{number_of(*from, "max_elapsed_us")};
  read_names(member(*from, "only"), out.only);
  read_names(member(*from, "never"), out.never);
  return out;
}

ambiguous_submit job_ambiguity(const job_record& job) {
  const auto said = number_of(value_of(job.args), "ambiguous");
  for (const auto each : {ambiguous_submit::fail, ambiguous_submit::ask}) {
    if (said == static_cast<int>(each)) return each;
  }
  return ambiguous_submit::retry;
}

bool asks(const job_progress& now) {
  return now.stage == job_stage::submitting && !now.cancel_wanted && now.error && now.error->code == failure_code::job_question;
}

std::string question_id(job_number number) { return "job." + std::to_string(number); }

std::optional<job_number> job_of_question(std::string_view id) {
  constexpr std::string_view prefix = "job.";
  if (!id.starts_with(prefix)) return std::nullopt;
  id.remove_prefix(prefix.size());
  job_number out = 0;
  const auto read = std::from_chars(id.data(), id.data() + id.size(), out);
  return read.ec == std::errc{} && read.ptr == id.data() + id.size() ? std::optional{out} : std::nullopt;
}

payload question_of(const run_state& state, job_number number) {
  const auto& job = state.jobs.at(number);
  return payload{json::value{{"job", number},
                             {"backend", job.backend},
                             {"key", job.key()},
                             {"question", job.now.error ? job.now.error->message : std::string{}},
                             {"answers", json::array{json::value("retry"), json::value("fail")}}}};
}

timestamp next_look(const job_record& job, timestamp now) {
  const auto poll = value_of(job.poll);
  const auto pace = backoff_of(&poll);
  return later(now, std::max<duration>(limits::job_look_pause, std::min<duration>(pace.cap, limits::job_look_most)));
}

boost::system::result<payload, failure> place_job(const run_state& state, const activation& in, std::uint32_t ordinal,
                                                  const payload& args, job_number& placed) {
  const auto wish = wish_of(args);
  if (!wish) return failure{.code = std::string{failure_code::bad_message}, .message = "a malformed request for a job"};
  if (*wish == job_wish::wait || *wish == job_wish::cancel) return args;
  const auto with = [&](job_number number, const std::string& key) {
    return payload{json::value{{"number", number}, {"key", key}, {"ask", args.value()}}};
  };
  std::uint32_t before = 0;
  for (const auto& [number, job] : state.jobs) {
    if (job.activation != in.id || job.ordinal != ordinal || !job.known_as.starts_with(state.id.str())) continue;
    ++before;
  }
  // An earlier attempt may have been here: the same request is the same job, unless that came to nothing.
  for (const auto& [number, job] : state.jobs) {
    if (job.activation == in.id && job.ordinal == ordinal && job.args == args && !ended_badly(job))
      return with(number, job.known_as);
  }
  const auto number = state.next_job + placed;
  if (state.jobs.size() + placed >= limits::run_jobs) {
    return failure{.code = std::string{failure_code::limit},
                   .message = "the run has submitted " + std::to_string(limits::run_jobs) +
                              " jobs (limit run_jobs): let children submit some of them"};
  }
  ++placed;
  auto key = place_text(state.id, in.executor, in.id, ordinal);
  if (before > 0) key += "/" + std::to_string(before + 1);
  return with(number, key);
}

std::optional<std::string> begin_job(run_state& state, const activation& in, const step_issued& step, timestamp at) {
  const auto args = value_of(step.args);
  const auto ask = asked(args);
  const auto wish = wish_in(ask);
  const auto number = job_of(step.args);
  if (!wish || !number) return "a malformed job step";
  const auto known = state.jobs.find(*number);
  if (*wish == job_wish::submit || *wish == job_wish::run) {
    if (known != state.jobs.end()) return std::nullopt;
    if (*number != state.next_job) return "a job out of order";
    ++state.next_job;
    auto& made = state.jobs[*number];
    made.known_as = made.base_key = text_of(args, "key");
    made.activation = in.id;
    made.ordinal = step.ordinal;
    made.executor = in.executor;
    made.backend = text_of(ask, "backend");
    made.name = text_of(ask, "name");
    made.args = payload{ask};
    if (const auto* poll = member(ask, "poll")) made.poll = payload{*poll};
    const auto close = number_of(ask, "at_end");
    made.at_end = close >= 1 && close <= 3 ? static_cast<background_end>(close) : background_end::cancel;
    made.created_at = made.submitted_at = at;
    if (const auto limit = number_of(ask, "timeout_us"); limit > 0) made.due = later(at, duration{limit});
    refresh_job(state, *number);
    return std::nullopt;
  }
  if (known == state.jobs.end() || known->second.known_as != text_of(args, "key")) return std::nullopt;
  auto& job = known->second;
  if (*wish == job_wish::cancel) {
    want_cancel(job);
  } else if (const auto* poll = member(ask, "poll"); poll != nullptr && job.now.stage == job_stage::running) {
    auto wanted = payload{*poll};
    if (job.poll != wanted) ++job.now.generation;
    job.poll = std::move(wanted);
    if (job.now.look_at) job.now.look_at = next_look(job, at);
  }
  refresh_job(state, *number);
  return std::nullopt;
}

bool note_job(run_state& state, const job_noted& what, timestamp at) {
  const auto found = state.jobs.find(what.number);
  if (found == state.jobs.end()) return false;
  auto& job = found->second;
  if (what.now.submission != job.now.submission) job.submitted_at = at;
  job.now = what.now;
  refresh_job(state, what.number);
  return true;
}

bool end_job(run_state& state, const job_ended& what, timestamp at) {
  const auto found = state.jobs.find(what.number);
  if (found == state.jobs.end() || !found->second.live()) return false;
  auto& job = found->second;
  job.now.stage = job_stage::ended;
  job.now.status = what.end.status;
  job.now.raw = what.end.raw;
  job.now.look_at.reset();
  job.now.cancel_wanted = what.cancel;
  job.now.cancel_told = false;
  ++job.now.generation;
  job.end = what.end;
  job.ended_at = at;
  refresh_job(state, what.number);
  return true;
}

void cancel_jobs(run_state& state, bool over) {
  for (auto& [number, job] : state.jobs) {
    if (!job.live()) continue;
    if (job.at_end != background_end::detach) {
      want_cancel(job);
    } else if (over && job.now.stage == job_stage::submitting && job.now.look_at) {
      job.now.look_at.reset();
      ++job.now.generation;
    }
    refresh_job(state, number);
  }
}

void adopt_jobs(run_state& state, timestamp now) {
  for (auto& [number, job] : state.jobs) {
    if (!job.live()) {
      job.now.cancel_wanted = false;  // the other run sees to it
      continue;
    }
    job.base_key = place_text(state.id, job.executor, job.activation, job.ordinal) + "/job" + std::to_string(number);
    job.now = {};
    const auto limit = number_of(value_of(job.args), "timeout_us");
    job.due = limit > 0 ? std::optional{later(now, duration{limit})} : std::nullopt;
    job.submitted_at = now;
  }
}

std::optional<job_effect> effect_of(const run_state& state, job_number number) {
  const auto found = state.jobs.find(number);
  if (found == state.jobs.end()) return std::nullopt;
  const auto& job = found->second;
  const auto with = [&](job_action action) {
    return job_effect{.number = number, .action = action, .key = job.key(), .generation = job.now.generation};
  };
  const bool tells = job.now.cancel_wanted && !job.now.cancel_told;
  switch (job.now.stage) {
    case job_stage::submitting: return job.now.look_at || asks(job.now) ? std::nullopt : std::optional{with(job_action::submit)};
    case job_stage::running:
      if (tells) return with(job_action::cancel);
      return is_terminal(state.status) ? std::nullopt : std::optional{with(job_action::watch)};
    case job_stage::ended:
      if (!tells) return std::nullopt;
      return with(job.now.id.empty() ? job_action::submit : job_action::cancel);
  }
  return std::nullopt;
}

job_order order_of(const run_state& state, const job_effect& what) {
  const auto& job = state.jobs.at(what.number);
  const auto args = value_of(job.args);
  const auto poll = value_of(job.poll);
  job_order out{.run = state.id,
                .what = what,
                .id = job.now.id,
                .name = job.name,
                .executor = job.executor,
                .tenant = state.tenant,
                .backend = job.backend,
                .priority = static_cast<std::int32_t>(number_of(args, "priority")),
                .poll = backoff_of(&poll),
                .poll_timeout = duration{number_of(poll, "timeout_us")},
                .cancel = job.now.cancel_wanted,
                .again = job.now.tries > 0,
                .status = job.now.status,
                .raw = job.now.raw,
                .progress = job.now.progress};
  if (const auto* spec = member(args, "spec"); spec != nullptr && what.action == job_action::submit) out.spec = payload{*spec};
  return out;
}

void refresh_job(run_state& state, job_number number) {
  const auto found = state.jobs.find(number);
  if (found == state.jobs.end()) return;
  auto& job = found->second;
  const bool open = !is_terminal(state.status);
  const auto effect = effect_of(state, number);
  if (effect && effect->action != job_action::watch) {
    state.jobs_at_work.insert(number);
  } else {
    state.jobs_at_work.erase(number);
  }
  arm(state, job.armed_look, open && job.live() ? job.now.look_at : std::nullopt,
      {.ordinal = number, .kind = deadline_kind::job_look});
  arm(state, job.armed_due, open && job.live() && !job.now.cancel_wanted ? job.due : std::nullopt,
      {.ordinal = number, .kind = deadline_kind::job_due});
  const bool awaited = open && job.live() && job.at_end == background_end::wait;
  if (awaited != job.awaited) state.awaited_jobs += awaited ? 1 : static_cast<std::size_t>(-1);
  job.awaited = awaited;
  const auto waiters = state.job_waiters.find(number);
  if (waiters == state.job_waiters.end()) return;
  for (const auto& [activation, ordinal] : waiters->second) {
    if (job_answer(state, state.activations.at(activation).pending.at(ordinal)))
      state.ready_waiters.insert({activation, ordinal});
  }
}

void derive_jobs(run_state& state) {
  for (auto& [number, job] : state.jobs) {
    job.armed_look.reset();
    job.armed_due.reset();
    job.awaited = false;
  }
  state.awaited_jobs = 0;
  state.jobs_at_work.clear();
  for (const auto& [number, job] : state.jobs) refresh_job(state, number);
}

std::optional<outcome> job_answer(const run_state& state, const pending_step& step) {
  const auto args = value_of(step.args);
  const auto wish = wish_in(asked(args));
  if (wish == job_wish::cancel) return outcome{};
  const auto number = job_of(step.args);
  const auto found = number ? state.jobs.find(*number) : state.jobs.end();
  if (!wish || found == state.jobs.end() || found->second.known_as != text_of(args, "key")) {
    return outcome{{},
                   failure{.code = std::string{failure_code::bad_message},
                           .message = "this run has no job \"" + text_of(args, "key") + "\""}};
  }
  const auto& job = found->second;
  if (*wish == job_wish::submit && !job.now.id.empty()) return outcome{payload{handle_of(*number, job)}, std::nullopt};
  if (job.live()) return std::nullopt;
  const bool fails = *wish == job_wish::submit || (*wish == job_wish::run && job.end.status != job_status::succeeded);
  if (fails)
    return outcome{{}, job.end.error ? *job.end.error : failure{.code = "job_failed", .message = "the job did not succeed"}};
  job_end out{.number = *number,
              .key = job.known_as,
              .backend = job.backend,
              .id = job.now.id,
              .status = job.end.status,
              .raw = job.end.raw,
              .exit_code = job.end.exit_code,
              .result = job.end.result.value(),
              .error = job.end.error};
  return outcome{payload{to_json(out)}, std::nullopt};
}

}  // namespace perdure::core

namespace perdure::detail {

payload job_args(std::string_view what, std::string_view backend, std::string_view name, const json::value& spec,
                 const job_options& options) {
  json::object out{{"what", what},
                   {"backend", backend},
                   {"name", name},
                   {"spec", spec},
                   {"poll", core::json_of(options.poll, options.poll_timeout)},
                   {"at_end", static_cast<int>(options.at_end)},
                   {"ambiguous", static_cast<int>(options.ambiguous)}};
  if (options.timeout > duration{0}) out.emplace("timeout_us", options.timeout.count());
  if (options.priority != 0) out.emplace("priority", options.priority);
  if (options.retry.max_attempts != 1) {
    out.emplace("retry", json::object{{"max_attempts", options.retry.max_attempts},
                                      {"backoff", core::json_of(options.retry.backoff)},
                                      {"max_elapsed_us", options.retry.max_elapsed.count()},
                                      {"only", core::names_of(options.retry.only)},
                                      {"never", core::names_of(options.retry.never)}});
  }
  return payload{json::value(std::move(out))};
}

payload job_args(std::string_view what, const job_handle& which) {
  return payload{json::value{{"what", what}, {"number", which.number}, {"key", which.key}}};
}

payload job_args(const job_handle& which, const job_wait_options& options) {
  json::object out{{"what", "wait"}, {"number", which.number}, {"key", which.key}};
  if (options.backoff) out.emplace("poll", core::json_of(*options.backoff, options.poll_timeout));
  return payload{json::value(std::move(out))};
}

payload job_query_args(std::string_view what, std::string_view backend, json::object more) {
  more["what"] = what;
  more["backend"] = backend;
  return payload{json::value{{"capability", "job"}, {"spec", std::move(more)}}};
}

}  // namespace perdure::detail
