#include "cluster/tenant_schedules.hpp"

#include <charconv>

#include "cluster/documents.hpp"
#include "cluster/node_impl.hpp"
#include "dsl/schedule_order.hpp"
#include "perdure/json.hpp"

namespace perdure::cluster {

namespace {

const error closing{errc::shutting_down, "the node is closing"};

/// "<microseconds since 1970>.<run>"
std::string cursor_of(timestamp due, const run_id& run) {
  return std::to_string(due.time_since_epoch().count()) + "." + run.str();
}

std::optional<std::pair<timestamp, run_id>> read_cursor(std::string_view text) {
  const auto dot = text.find('.');
  std::int64_t due = 0;
  const auto read = std::from_chars(text.data(), text.data() + std::min(dot, text.size()), due);
  const auto run = dot == std::string_view::npos ? std::nullopt : run_id::parse(text.substr(dot + 1));
  if (!run || read.ec != std::errc{} || read.ptr != text.data() + dot) return std::nullopt;
  return std::pair{timestamp{duration{due}}, *run};
}

}  // namespace

result<std::vector<run_summary>> schedules_for(const node& at, std::string_view tenant, const std::string& workflow) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  std::vector<run_summary> out;
  persistence::row_query query{.workflow = workflow, .open_only = true, .limit = limits::reader_records};
  while (true) {
    const auto rows = inner.shared().journal->rows(query);
    for (const auto& row : rows) {
      if (row.tenant == tenant && row.key.starts_with(dsl::schedule_key)) out.push_back(inner.summary_of(row));
    }
    if (rows.size() < query.limit) return out;
    query.after = rows.back().id;
  }
}

result<tenant_started> begin_schedule_for(const node& at, std::string_view tenant, const std::string& workflow,
                                          const std::string& version, const std::string& missed) {
  const auto open = schedules_for(at, tenant, workflow);
  if (!open) return open.error();
  const run_summary* goes_on = nullptr;
  for (const auto& each : *open) {
    if (each.version != version) continue;
    // The run that the others end with, where there is one.
    if (goes_on == nullptr || goes_on->key.starts_with(dsl::further_schedule_key)) goes_on = &each;
  }
  if (goes_on != nullptr) {
    auto run = at.internals().get(goes_on->id);
    if (!run) return run.error();
    return tenant_started{std::move(*run), false};
  }
  const dsl::schedule_order order{.missed = missed};
  auto begun = at.internals().start({.workflow = workflow,
                                     .version = version,
                                     .message = message_name<dsl::schedule_order>,
                                     .input = payload{to_json(order)},
                                     .options = {.key = std::string{dsl::schedule_key} + run_id::make().str()},
                                     .tenant = std::string{tenant}});
  if (!begun) return begun.error();
  return tenant_started{std::move(begun->run), true};
}

result<timer_page> timers_for(const node& at, std::string_view tenant, const timer_query& what) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  std::optional<std::pair<timestamp, run_id>> after;
  if (!what.cursor.empty()) {
    after = read_cursor(what.cursor);
    if (!after) return error{errc::invalid_argument, "the cursor is not one of a page before"};
  }
  const auto until = what.until ? *what.until - duration{1} : timestamp::max();
  timer_page out;
  for (std::size_t seen = 0;;) {
    const auto some = inner.shared().journal->wakeups(until, after, limits::reader_records);
    for (const auto& [due, id] : some) {
      ++seen;
      after = {due, id};
      const auto row = inner.shared().journal->row(id);
      if (row && row->tenant == tenant && (!what.sees || what.sees(row->workflow)))
        out.timers.push_back({due, inner.summary_of(*row)});
      if (out.timers.size() < what.limit && seen < what.scan) continue;
      const bool more = &id != &some.back().second || some.size() == limits::reader_records;
      if (more) out.next_cursor = cursor_of(due, id);
      return out;
    }
    if (some.size() < limits::reader_records) return out;
  }
}

result<run_ref> begin_schedule(const node& of, const document& what, const std::string& missed) {
  if (!what.has_schedule) return error{errc::conflict, what.file + ": " + what.name + " " + what.version + " has no schedule"};
  auto begun = begin_schedule_for(of, {}, what.name, what.version, missed);
  if (!begun) return begun.error();
  return std::move(begun->run);
}

bool is_schedule(const run_summary& run) { return run.key.starts_with(dsl::schedule_key); }

}  // namespace perdure::cluster
