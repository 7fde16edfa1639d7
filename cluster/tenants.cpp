#include "cluster/tenants.hpp"

#include "cluster/event_broker.hpp"
#include "cluster/node_impl.hpp"
#include "cluster/stored_events.hpp"
#include "core/decide.hpp"
#include "core/event_json.hpp"
#include "persistence/each_record.hpp"

namespace perdure::cluster {

namespace {

const error closing{errc::shutting_down, "the node is closing"};

node::impl::start_request request_of(const tenant_start& what) {
  return {.workflow = what.workflow,
          .version = what.version,
          .message = message_name<json::value>,
          .input = what.input,
          .options = what.options,
          .tenant = what.tenant,
          .open_runs = what.open_runs,
          .trace = what.trace,
          .key_life = what.key_life};
}

error no_run(const run_id& run) { return {errc::not_found, "no run " + run.str()}; }

}  // namespace

result<tenant_started> start_for(node& at, const tenant_start& what) {
  auto begun = at.internals().start(request_of(what));
  if (!begun) return begun.error();
  return tenant_started{std::move(begun->run), begun->fresh};
}

void start_for(node& at, const tenant_start& what, std::function<void(result<tenant_started>)> told) {
  at.internals().start(request_of(what), [told = std::move(told)](result<node::impl::begun> begun) {
    if (!begun) return told(begun.error());
    told(tenant_started{std::move(begun->run), begun->fresh});
  });
}

result<run_summary> summary_for(node& at, std::string_view tenant, const run_id& run) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  const auto row = inner.shared().journal->row(run);
  if (!row || row->tenant != tenant) return no_run(run);
  return inner.summary_of(*row);
}

result<run_id> find_for(node& at, std::string_view tenant, std::string_view key) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  const auto holder = inner.shared().journal->find_key(tenant, key);
  if (!holder) return error{errc::not_found, "no run was begun with this key"};
  return *holder;
}

result<run_page> runs_for(node& at, std::string_view tenant, const tenant_query& what) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  persistence::row_query query{.status = what.options.status,
                               .workflow = what.options.workflow,
                               .limit = limits::reader_records,
                               .newest_first = what.options.newest_first};
  if (!what.options.cursor.empty()) {
    query.after = run_id::parse(what.options.cursor);
    if (!query.after) return error{errc::invalid_argument, "the cursor is not one of a page before"};
  }
  run_page out;
  for (std::size_t seen = 0;;) {
    const auto rows = inner.shared().journal->rows(query);
    for (const auto& row : rows) {
      ++seen;
      query.after = row.id;
      const bool fits = row.tenant == tenant && (!what.sees || what.sees(row.workflow)) &&
                        (!what.created_after || row.created_at > *what.created_after) &&
                        (!what.created_before || row.created_at < *what.created_before);
      if (fits) out.runs.push_back(inner.summary_of(row));
      if (out.runs.size() < what.options.limit && seen < what.scan) continue;
      const bool more = &row != &rows.back() || rows.size() == query.limit;
      if (more) out.next_cursor = row.id.str();
      return out;
    }
    if (rows.size() < query.limit) return out;
  }
}

result<json::object> carry_out(node& at, const run_command& command) {
  auto& inner = at.internals();
  return carry_out(
      {.get = [&](const run_id& id) { return inner.get(id); },
       .list = [&](const list_options& how) { return inner.list(how); },
       .stats = [&] { return inner.stats(); },
       .retry = [&](const run_id& id, std::string_view command_id) { return inner.retry(id, command_id); },
       .fork = [&](const run_id& id, run_seq from, std::string_view command_id) { return inner.fork(id, from, command_id); }},
      command);
}

result<lsn_t> last_lsn(node& at) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  return inner.shared().journal->last_lsn();
}

result<std::vector<core::record>> records_from(node& at, lsn_t from, std::size_t limit) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  return inner.shared().journal->scan(from, limit);
}

result<std::vector<run_summary>> idle_since(node& at, std::optional<timestamp> scheduled, std::optional<timestamp> idle) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  std::vector<run_summary> out;
  persistence::row_query query{.open_only = true, .limit = limits::reader_records};
  while (true) {
    const auto rows = inner.shared().journal->rows(query);
    for (const auto& row : rows) {
      const bool not_taken = row.status == run_status::scheduled && scheduled && row.created_at < *scheduled;
      const bool idles = row.status == run_status::running && row.active && idle && row.updated_at < *idle;
      if ((not_taken || idles) && !row.wakeup && !is_own_workflow(row.workflow)) out.push_back(inner.summary_of(row));
    }
    if (rows.size() < query.limit) return out;
    query.after = rows.back().id;
  }
}

result<void> fail_run(node& at, const run_id& run, const std::string& why) {
  return at.internals().command(run, core::cancel_command{why, std::string{core::reaper_command}});
}

result<lsn_t> head_of(node& at, const run_id& run) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return closing;
  const auto row = inner.shared().journal->row(run);
  if (!row) return no_run(run);
  return row->head_lsn;
}

result<void> records_of(node& at, const run_id& run, run_seq after,
                        const std::function<bool(const core::record&, core::blob_port&)>& take) {
  auto& inner = at.internals();
  while (true) {
    const auto held = inner.enter();
    if (!held) return closing;
    auto& journal = *inner.shared().journal;
    const auto records = journal.read_run(run, after, limits::reader_records);
    if (!records && records.error().code == errc::corrupt) {
      return persistence::each_record(journal, run, after,
                                      [&](const core::record& record) { return take(record, journal.blobs()); });
    }
    if (!records) return records.error();
    for (const auto& record : *records) {
      if (!take(record, journal.blobs())) return {};
      after = record.seq;
    }
    if (records->size() < limits::reader_records) return {};
  }
}

result<void> events_of(node& at, const run_id& run, run_seq after, const std::function<bool(const run_event&)>& take) {
  core::executor_names names;
  std::optional<error> bad;
  const auto read = records_of(at, run, 0, [&](const core::record& record, core::blob_port& blobs) {
    const auto event = event_of(record, blobs);
    if (!event) {
      bad = event.error();
      return false;
    }
    if (record.seq > after) return take(core::to_run_event(record, *event, names));
    names.learn(*event);
    return true;
  });
  if (bad) return *bad;
  return read;
}

std::vector<workflow_facts> workflows_of(node& at) {
  auto& workflows = at.internals().shared().workflows;
  std::vector<workflow_facts> out;
  for (const auto& each : workflows.all()) {
    out.push_back({each->plan.name, each->plan.version, each->plan.hash, workflows.newest(each->plan.name) == each});
  }
  return out;
}

}  // namespace perdure::cluster
