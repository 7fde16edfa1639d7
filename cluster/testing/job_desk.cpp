#include "cluster/testing/job_desk.hpp"

#include <algorithm>

#include "cluster/testing/broken.hpp"
#include "core/backoff.hpp"

namespace perdure::testing {

namespace {

template <class T>
struct answer_box {
  std::optional<result<T>> what;
  backend_answer<T> address() {
    return [this](result<T> got) { what.emplace(std::move(got)); };
  }
  result<T> take(std::string_view call) {
    if (!what) throw sim::broken("a backend did not answer " + std::string{call} + " at once; virtual time cannot wait for it");
    return std::move(*what);
  }
};

failure failure_of(const error& why, std::string_view code) { return {.code = std::string{code}, .message = why.message}; }

payload progress_of(const job_report& seen) {
  if (!seen.done && !seen.total && seen.text.empty()) return {};
  return payload{json::value{{"done", seen.done.value_or(0)}, {"total", seen.total.value_or(0)}, {"text", seen.text}}};
}

}  // namespace

void job_desk::carry_on(const run_id& run, core::job_order what, timestamp now) {
  auto& of = entries_[what.what.key];
  // Looked after already, at the pace that is wanted: the run only made sure of it.
  const bool same = of.order.what.key == what.what.key && of.order.what.action == what.what.action;
  const bool goes_on = same && what.what.action == core::job_action::watch && of.order.poll == what.poll;
  of.order = std::move(what);
  of.order.run = run;
  if (goes_on) return;
  of.at = now;
  of.looks = 0;
}

void job_desk::leave(const run_id& run, const core::job_effect& what) {
  const auto found = entries_.find(what.key);
  if (found != entries_.end() && found->second.order.run == run) entries_.erase(found);
}

std::vector<std::string> job_desk::due(timestamp now) const {
  std::vector<std::string> out;
  for (const auto& [key, each] : entries_) {
    if (each.at <= now) out.push_back(key);
  }
  return out;
}

std::optional<timestamp> job_desk::next() const {
  std::optional<timestamp> out;
  for (const auto& [key, each] : entries_) {
    if (!out || each.at < *out) out = each.at;
  }
  return out;
}

core::job_noticed job_desk::submit(const core::job_order& order) {
  using core::job_fact;
  const auto at = backends_.find(order.backend);
  if (at == backends_.end()) {
    return {.what = job_fact::refused,
            .error = {.code = "unsupported", .message = "this node has no backend \"" + order.backend + "\""}};
  }
  auto& to = *at->second;
  const auto can = to.capabilities();
  if (order.again && can.find) {
    answer_box<std::optional<std::string>> found;
    to.find(order.what.key, {}, found.address());
    const auto id = found.take("find");
    if (!id) return {.what = job_fact::later, .error = failure_of(id.error(), to_string(id.error().code))};
    if (*id) return {.what = job_fact::submitted, .id = **id};
  }
  if (order.cancel)
    return {.what = job_fact::refused,
            .error = {.code = std::string{failure_code::job_cancelled}, .message = "it was not wanted any more"}};
  if (order.unsure && !can.find && !can.idempotent) {
    return {
        .what = job_fact::ambiguous,
        .error = {.code = std::string{failure_code::job_ambiguous}, .message = "the node stopped while it submitted the job"}};
  }
  answer_box<std::string> box;
  to.submit({.key = order.what.key,
             .run = order.run,
             .executor = order.executor,
             .name = order.name,
             .tenant = order.tenant,
             .spec = order.spec,
             .priority = order.priority},
            {}, box.address());
  const auto id = box.take("submit");
  if (id) return {.what = job_fact::submitted, .id = *id};
  switch (id.error().code) {
    case errc::invalid_argument:
    case errc::unsupported:
    case errc::limit_exceeded:
    case errc::payload_too_large:
    case errc::not_found: return {.what = job_fact::refused, .error = failure_of(id.error(), failure_code::job_refused)};
    case errc::overloaded:
    case errc::disk_full:
    case errc::locked: return {.what = job_fact::later, .error = failure_of(id.error(), to_string(id.error().code))};
    default:
      return {.what = can.find || can.idempotent ? job_fact::later : job_fact::ambiguous,
              .error = failure_of(id.error(), to_string(id.error().code))};
  }
}

std::vector<std::pair<run_id, core::job_noticed>> job_desk::ask(const std::string& key, timestamp now) {
  using core::job_fact;
  const auto found = entries_.find(key);
  if (found == entries_.end()) return {};
  auto& of = found->second;
  auto& order = of.order;
  const auto run = order.run;
  const auto said = [&](core::job_noticed what) {
    what.number = order.what.number;
    what.key = key;
    return std::vector<std::pair<run_id, core::job_noticed>>{{run, std::move(what)}};
  };
  if (order.what.action == core::job_action::submit) {
    auto out = said(submit(order));
    entries_.erase(found);
    return out;
  }
  const auto at = backends_.find(order.backend);
  const auto again = [&] {
    of.at =
        now + std::max<duration>(core::delay_before(order.poll, ++of.looks + 1, duration{0}, 0), std::chrono::milliseconds{10});
  };
  if (at == backends_.end()) {
    again();
    return {};
  }
  if (order.what.action == core::job_action::cancel) {
    answer_box<void> box;
    at->second->cancel(order.id, {}, box.address());
    const auto done = box.take("cancel");
    if (!done && done.error().code != errc::not_found && done.error().code != errc::unsupported) {
      again();
      return {};
    }
    auto out = said({.what = job_fact::cancel_told});
    entries_.erase(found);
    return out;
  }
  answer_box<job_report> box;
  at->second->status(order.id, {}, box.address());
  const auto got = box.take("status");
  if (!got && got.error().code != errc::not_found) {
    again();
    return {};
  }
  core::job_sighting seen;
  if (got) {
    seen = {.status = got->status,
            .raw = got->raw,
            .progress = progress_of(*got),
            .exit_code = got->exit_code,
            .result = got->result,
            .message = got->message};
  } else {
    seen = {.status = job_status::lost, .raw = "not found", .message = got.error().message};
  }
  const bool ended = seen.status && is_terminal(*seen.status);
  const bool other = (seen.status && *seen.status != order.status) || seen.raw != order.raw ||
                     (!seen.progress.is_null() && seen.progress != order.progress);
  if (seen.status) order.status = *seen.status;
  order.raw = seen.raw;
  if (!seen.progress.is_null()) order.progress = seen.progress;
  again();
  if (!ended && !other) return {};
  auto out = said({.what = job_fact::seen, .seen = std::move(seen)});
  if (ended) entries_.erase(found);
  return out;
}

}  // namespace perdure::testing
