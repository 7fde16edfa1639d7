#include "tools/view/timeline.hpp"

#include <algorithm>
#include <set>

#include "tools/view/json_access.hpp"

namespace perdure::tools {

namespace {

using doing = timeline::doing;
using row = timeline::row;

/// What a status means for a bar; ended ones have none.
std::optional<doing> doing_of(std::string_view status) {
  if (status == "pending" || status == "scheduled") return doing::pending;
  if (status == "running" || status == "cancelling" || status == "compensating") return doing::running;
  if (status == "waiting") return doing::waiting;
  if (status == "retrying") return doing::retrying;
  if (status == "paused") return doing::paused;
  return std::nullopt;
}

void close_at(row& of, timestamp at) {
  of.to = std::max(of.from, at);
  if (of.spans.empty()) return;
  of.spans.back().to = std::max(of.spans.back().from, at);
  if (of.spans.size() > 1 && of.spans.back().from == of.spans.back().to) of.spans.pop_back();
}

/// Tasks under the task they are part of, each list in the order of its beginnings.
std::vector<row> in_order(std::vector<row> rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const row& a, const row& b) { return a.from < b.from; });
  std::map<std::pair<activation_id, std::string>, std::size_t> latest;
  std::map<std::size_t, std::vector<std::size_t>> inside;
  std::vector<std::size_t> outermost;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::optional<std::size_t> parent;
    for (auto end = rows[i].reference.rfind('/'); end != std::string::npos && end > 0 && !parent;
         end = rows[i].reference.rfind('/', end - 1)) {
      const auto found = latest.find({rows[i].activation, rows[i].reference.substr(0, end)});
      if (found != latest.end()) parent = found->second;
    }
    if (parent) {
      rows[i].depth = rows[*parent].depth + 1;
      inside[*parent].push_back(i);
    } else {
      outermost.push_back(i);
    }
    if (!rows[i].reference.empty()) latest[{rows[i].activation, rows[i].reference}] = i;
  }
  std::vector<row> out;
  std::vector<std::size_t> next{outermost.rbegin(), outermost.rend()};
  while (!next.empty()) {
    const auto at = next.back();
    next.pop_back();
    const auto& children = inside[at];
    next.insert(next.end(), children.rbegin(), children.rend());
    out.push_back(std::move(rows[at]));
  }
  return out;
}

}  // namespace

std::string_view name_of(doing what) {
  switch (what) {
    case doing::pending: return "pending";
    case doing::running: return "running";
    case doing::waiting: return "waiting";
    case doing::retrying: return "retrying";
    case doing::paused: return "paused";
  }
  return "running";
}

void timeline::keep(std::size_t most) {
  if (rows.size() <= most) return;
  std::vector<std::size_t> order(rows.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto weight = [&](std::size_t i) {
    const auto& each = rows[i];
    const bool matters = each.open || each.status == "failed" || each.status == "timed_out";
    return std::pair{matters, each.took()};
  };
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return weight(a) > weight(b); });
  left_out += rows.size() - most;
  order.resize(most);
  std::sort(order.begin(), order.end());
  std::vector<row> kept;
  for (const auto i : order) kept.push_back(std::move(rows[i]));
  rows = std::move(kept);
}

void timeline_reader::note(row& of, const std::string& status, std::uint32_t attempts, bool failed, timestamp at) {
  const auto now = doing_of(status);
  const bool first = of.spans.empty();
  const bool ends = of.open && !now;
  const bool again = now && attempts > of.attempts && of.attempts > 0;
  // What retries has failed already; between the end of its pause and its next try it may look ended for a moment.
  if (failed && of.open && of.status != "retrying" && (again || ends || status == "retrying")) of.failures.push_back(at);
  if (first) of.from = at;
  if (first && !now) {
    // It began and ended in one event: a span without length, so that it has its place and its end.
    of.spans.push_back({doing::running, at, at, std::max(attempts, 1U)});
    close_at(of, at);
    if (failed && status != "cancelled") of.failures.push_back(at);
  } else if (now && (!of.open || of.spans.back().what != *now || again)) {
    close_at(of, at);
    of.spans.push_back({*now, at, at, std::max(attempts, 1U)});
  } else if (ends) {
    close_at(of, at);
  }
  of.status = status;
  of.attempts = attempts;
  of.open = now.has_value();
}

void timeline_reader::look_at(activation_id activation, const run_event& event) {
  view_.look_at(activation, [&](const run_view::glance& each) {
    auto& of = (each.task ? tasks_ : activations_)[each.number];
    if (!of.spans.empty() && !of.open && !doing_of(each.status)) return;
    of.name = each.what->name;
    of.reference = each.what->reference;
    of.activation = activation;
    note(of, each.status, each.what->attempts, !each.what->error.is_null(), event.time);
    if (!each.task) {
      if (of.open) {
        open_[activation] = true;
      } else {
        open_.erase(activation);
      }
    }
  });
}

void timeline_reader::add(const run_event& event) {
  view_.add(event);
  last_ = event.time;
  note(whole_, view_.status(), 1, false, event.time);
  if (event.kind == "run_started") look_at(1, event);
  if (event.kind == "run_ended") {
    for (const auto& [each, unused] : std::map{open_}) look_at(each, event);
  }
  if (const auto touched = static_cast<activation_id>(number_of(event.data, "activation")); touched != 0) look_at(touched, event);
  for (const auto& each : list_of(event.data, "activations")) {
    if (each.is_object()) look_at(static_cast<activation_id>(number_of(each.get_object(), "activation")), event);
  }
}

timeline timeline_reader::read(timestamp now) const {
  const auto end = std::max(now, last_);
  timeline out;
  out.run = view_.id();
  out.workflow = view_.workflow();
  out.version = view_.version();
  out.whole = whole_;
  out.whole.name = "run";
  for (const auto& [number, each] : activations_) {
    if (!view_.interprets(each.activation)) out.rows.push_back(each);
  }
  for (const auto& [number, each] : tasks_) out.rows.push_back(each);
  out.rows = in_order(std::move(out.rows));
  if (out.whole.open) close_at(out.whole, end);
  for (auto& each : out.rows) {
    if (each.open) close_at(each, end);
  }
  return out;
}

}  // namespace perdure::tools
