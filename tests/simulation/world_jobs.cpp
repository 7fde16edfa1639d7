// The schedule's backend, called "outside": what it does with jobs, what people and handlers ask of them.
#include "core/jobs.hpp"
#include "simulation/world_node.hpp"

namespace perdure::sim {

void world::collect_jobs(std::vector<action>& all, const std::shared_ptr<node>& of, bool faults) {
  for (const auto& [key, order] : of->orders) {
    all.push_back({3, [this, of, key = key, faults] {
                     const auto order = of->orders.at(key);
                     trace([&] { return "the backend is asked about " + key; });
                     switch (order.what.action) {
                       case core::job_action::submit: return take_submit(of, order, faults);
                       case core::job_action::watch: return look_at_job(of, order, faults);
                       case core::job_action::cancel: return cancel_job(of, order);
                     }
                   }});
  }
}

void world::take_submit(const std::shared_ptr<node>& of, const core::job_order& order, bool faults) {
  using core::job_fact;
  const auto& key = order.what.key;
  of->orders.erase(key);
  auto& job = jobs_[key];
  const bool can_find = hashed(key, seed_) % 3 != 0;
  const failure cut{.code = "io_error", .message = "the connection was cut"};
  const auto& jobs = durable_.runs[order.run].state.jobs;
  const auto known = jobs.find(order.what.number);
  const bool is_known = known != jobs.end() && known->second.key() == key;
  if (of != zombie_ && is_known && core::asks(known->second.now))
    throw broken("job " + key + " is submitted while a person is asked whether it is to be");
  if (order.again && can_find && (job.accepted > 0 || job.by_old))
    return of->tell_of(order, {.what = job_fact::submitted, .id = key});
  if (order.cancel) return of->tell_of(order, {.what = job_fact::refused, .error = {.code = "cancelled"}});
  if (order.unsure && !can_find) return of->tell_of(order, {.what = job_fact::ambiguous, .error = cut});
  if (faults && random_.one_in(20)) return of->tell_of(order, {.what = job_fact::refused, .error = {.code = "bad_spec"}});
  if (faults && random_.one_in(6)) return of->tell_of(order, {.what = job_fact::later, .error = {.code = "overloaded"}});
  if (of != zombie_) {
    if (job.accepted > 0 && (can_find || !order.again)) throw broken("job " + key + " is submitted twice");
    if (is_known && core::job_ambiguity(known->second) != ambiguous_submit::retry && job.accepted > durable_.submits_wanted[key])
      throw broken("job " + key + " is submitted again, and nobody said so");
    ++job.accepted;
  } else {
    job.by_old = true;
  }
  if (faults && random_.one_in(6))
    return of->tell_of(order, {.what = can_find ? job_fact::later : job_fact::ambiguous, .error = cut});
  of->tell_of(order, {.what = job_fact::submitted, .id = key});
}

/// The first end stays.
void world::look_at_job(const std::shared_ptr<node>& of, const core::job_order& order, bool faults) {
  auto& job = jobs_[order.what.key];
  if (job.accepted == 0 && !job.by_old) throw broken("a job is looked at that was never accepted: " + order.what.key);
  if (!is_terminal(job.status)) {
    static constexpr job_status next[] = {job_status::running, job_status::running,   job_status::succeeded,
                                          job_status::failed,  job_status::timed_out, job_status::lost};
    job.status = next[faults ? random_.below(6) : 2 + random_.below(3)];
  }
  core::job_noticed what{.what = core::job_fact::seen, .seen = {.status = job.status, .raw = "r"}};
  if (!is_terminal(job.status)) what.seen.progress = payload{json::value{{"done", random_.below(9)}, {"total", 9}}};
  if (faults && random_.one_in(8)) what.seen.status.reset();
  if (faults && random_.one_in(5)) of->tell_of(order, what);
  if (what.seen.status && is_terminal(job.status)) of->orders.erase(order.what.key);
  of->tell_of(order, what);
}

void world::cancel_job(const std::shared_ptr<node>& of, const core::job_order& order) {
  auto& job = jobs_[order.what.key];
  if (!is_terminal(job.status) && !random_.one_in(3)) job.status = job_status::cancelled;
  of->orders.erase(order.what.key);
  of->tell_of(order, {.what = core::job_fact::cancel_told});
}

detail::body_result world::files_of(const attempt::body& of) {
  const auto args = of.request.args.value();
  const std::string id{args.at("spec").at("id").as_string()};
  auto& job = jobs_.at(id);
  if (job.accepted == 0 && !job.by_old) throw broken("files are asked of a job that was never accepted: " + id);
  ++count_.looks_at_files;
  if (!std::exchange(job.looked_at, true)) job.files = static_cast<std::uint32_t>(random_.below(3));
  if (random_.one_in(4)) throw step_error("io_error", "the backend does not answer");
  json::array out;
  for (std::uint32_t i = 0; i < job.files; ++i) out.push_back({{"name", id + "." + std::to_string(i)}, {"size_bytes", i}});
  return {payload{json::value(std::move(out))}, true};
}

bool world::answer_question(const core::run_state& of, const char* what, std::string id) {
  for (const auto& [number, job] : of.jobs) {
    if (!core::asks(job.now)) continue;
    ++count_.questions;
    core::respond_command answer{core::question_id(number), payload{json::value(what)}, id};
    command(of.id, std::move(answer), std::move(id));
    return true;
  }
  return false;
}

}  // namespace perdure::sim
