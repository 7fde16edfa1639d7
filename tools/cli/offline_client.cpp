#include "tools/cli/offline_client.hpp"

#include <map>

#include "cluster/backend_set.hpp"
#include "cluster/job_verbs.hpp"
#include "cluster/stored_events.hpp"
#include "persistence/inbox.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/outcome.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

run_summary summary_of(const persistence::journal& journal, const persistence::run_row& row) {
  run_summary out;
  out.blocked = journal.damage_of(row.id).value_or("");
  out.id = row.id;
  out.workflow = row.workflow;
  out.version = row.version;
  out.status = row.status;
  out.created_at = row.created_at;
  out.updated_at = row.updated_at;
  out.ended_at = row.ended_at;
  out.wakeup = row.wakeup;
  out.seq = row.seq;
  out.key = row.key;
  return out;
}

result<std::unique_ptr<persistence::journal>> open_to_read(const std::filesystem::path& data) {
  std::error_code ignored;
  if (!std::filesystem::is_directory(data, ignored)) {
    return error{errc::not_found, data.string() + ": no such data directory; choose one with --data or $PERDURE_DATA"};
  }
  const node_options defaults;
  auto opened = persistence::open_lmdb_journal(data, persistence::open_mode::read_only, defaults.max_map_bytes, 0);
  if (!opened && opened.error().code == errc::locked) {
    return error{errc::locked, data.string() +
                                   ": another process holds this directory, and it has no control socket to ask; "
                                   "wait until it ends, or let it open its node with control_socket = true"};
  }
  return opened;
}

result<std::unique_ptr<offline_client>> offline_client::open(const std::filesystem::path& data) {
  auto opened = open_to_read(data);
  if (!opened) return opened.error();
  return std::unique_ptr<offline_client>(new offline_client(data, std::move(*opened)));
}

offline_client::offline_client(std::filesystem::path data, std::unique_ptr<persistence::journal> journal)
    : data_(std::move(data)), journal_(std::move(journal)) {}
offline_client::~offline_client() = default;

result<run_page> offline_client::list(const list_options& options) {
  persistence::row_query query;
  query.status = options.status;
  query.workflow = options.workflow;
  query.limit = options.limit;
  query.newest_first = options.newest_first;
  if (!options.cursor.empty()) {
    query.after = run_id::parse(options.cursor);
    if (!query.after) return error{errc::invalid_argument, "the cursor is not one that a listing gave"};
  }
  run_page out;
  for (const auto& row : journal_->rows(query)) out.runs.push_back(summary_of(*journal_, row));
  if (options.limit > 0 && out.runs.size() == options.limit) out.next_cursor = out.runs.back().id.str();
  return out;
}

result<run_summary> offline_client::summary(const run_id& run) {
  const auto row = journal_->row(run);
  if (!row) return error{errc::not_found, "no run " + run.str() + " in " + data_.string()};
  return summary_of(*journal_, *row);
}

result<void> offline_client::stored(const run_id& run, run_seq after, const take_event& take) {
  if (auto there = summary(run); !there) return there.error();
  cluster::reading_place at;
  return cluster::read_events(*journal_, run, at, after, [&](const run_event& shown, const core::event&) { return take(shown); });
}

result<void> offline_client::follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) {
  bool over = false;
  const auto read = stored(run, after, [&](const run_event& event) {
    over = !take(event) || event.kind == "run_ended" || stop.stop_requested();
    return !over;
  });
  if (!read || over) return read;
  if (const auto row = journal_->row(run); row && is_terminal(row->status)) return {};
  return error{errc::unsupported, "no node executes the runs of " + data_.string() + ", so nothing follows; `perdure runs wait " +
                                      run.str() + "` opens one"};
}

namespace {

/// The row of the run that goes on when one continued as new; of the last one that is there when its successor has not begun.
persistence::run_row end_of_chain(client& from, const persistence::journal& journal, persistence::run_row row) {
  while (row.status == run_status::continued_as_new) {
    const auto view = outcome_of(from, row.id);
    const auto next = view ? run_id::parse(view->relations().successor()) : std::nullopt;
    auto going_on = next ? journal.row(*next) : std::nullopt;
    if (!going_on) break;
    row = std::move(*going_on);
  }
  return row;
}

}  // namespace

/// What can be told now instead of at the next open.
result<void> offline_client::check(const cluster::run_command& what) {
  auto row = journal_->row(what.run);
  if (!row) return error{errc::not_found, "no run " + what.run.str() + " in " + data_.string()};
  const auto status = std::string{to_string(row->status)};
  if (what.what == "retry") {
    const bool ended_badly =
        is_terminal(row->status) && row->status != run_status::succeeded && row->status != run_status::continued_as_new;
    if (!ended_badly)
      return error{errc::conflict,
                   "run " + what.run.str() + " is " + status + "; only a failed, cancelled or timed-out run can be retried"};
    return {};
  }
  if (what.what == "fork") {
    if (what.from >= 1 && what.from <= row->seq) return {};
    return error{errc::not_found, "run " + what.run.str() + " has no event " + std::to_string(what.from) +
                                      "; its events are 1 to " + std::to_string(row->seq)};
  }
  // What is meant for a run that continued as new is passed on to the one that goes on.
  if (row->status == run_status::continued_as_new) {
    row = end_of_chain(*this, *journal_, *row);
    if (!is_terminal(row->status) || row->status == run_status::continued_as_new) return {};
  }
  if (is_terminal(row->status))
    return error{errc::conflict, "run " + row->id.str() + " has ended (" + std::string{to_string(row->status)} + ")"};
  if (what.what != "respond") return {};
  auto view = view_of(*this, what.run);
  if (!view) return view.error();
  for (const auto& open : view->requests()) {
    if (open.id == what.request_id) return {};
  }
  return error{errc::not_found,
               "run " + what.run.str() + " has no open request " + what.request_id + "; `perdure runs show` lists them"};
}

result<client::done> offline_client::command(const cluster::run_command& what) { return commands({what}).front(); }

std::vector<result<client::done>> offline_client::commands(const std::vector<cluster::run_command>& what) {
  std::vector<result<done>> out;
  bool any = false;
  for (const auto& each : what) {
    const auto checked = journal_ ? check(each) : error{errc::io_error, data_.string() + ": cannot be read any more"};
    any = any || checked;
    out.push_back(checked ? result<done>{done{each.what == "retry" || each.what == "fork" ? run_id{} : each.run, true}}
                          : checked.error());
  }
  if (!any) return out;
  const auto fail = [&](const error& why) {
    for (auto& each : out) {
      if (each) each = why;
    }
    return out;
  };
  // One environment per process: the reading one ends before the writing one begins.
  journal_.reset();
  const node_options defaults;
  auto writing = persistence::open_lmdb_journal(data_, persistence::open_mode::read_write, defaults.max_map_bytes, 0);
  if (writing) {
    for (std::size_t i = 0; i < what.size(); ++i) {
      if (!out[i]) continue;
      auto left = what[i];
      // Were the node that takes it in to crash in the middle, it would come again.
      if (left.command_id.empty()) left.command_id = run_id::make().str();
      if (auto put = (*writing)->put_inbox(json_text(cluster::to_wire(left))); !put) out[i] = put.error();
    }
    // Nothing ran here: a directory that was left in order stays so.
    if ((*writing)->was_closed() && (*writing)->flush()) (*writing)->mark_closed();
    writing->reset();
  }
  auto reading = open_to_read(data_);
  if (!reading) return fail({errc::io_error, reading.error().message});
  journal_ = std::move(*reading);
  return writing ? out : fail(writing.error());
}

result<void> offline_client::each_pending(const std::function<void(const cluster::run_command&)>& take) {
  return persistence::each_inbox(data_, [&](std::string_view entry) {
    const auto read = payload::parse_text(entry);
    if (!read || !read->value().is_object()) return;
    if (const auto command = cluster::command_from_wire(read->value().get_object())) take(*command);
  });
}

/// The jobs of a directory without a node go on all the same; what they wrote and left is in it.
result<json::value> offline_client::about_jobs(const json::object& question) {
  const auto verb = text_of(question, "do");
  if (verb == "jobs") {
    const auto id = run_id::parse(text_of(question, "run_id"));
    if (!id) return error{errc::invalid_argument, "run_id is not a run's id"};
    return cluster::stored_jobs(*journal_, *id);
  }
  const auto kept = cluster::read_backends(data_, {});
  if (!kept) return kept.error();
  std::map<std::string, std::shared_ptr<backend>, std::less<>> known{
      {"process", cluster::stored_processes(data_, cluster::is_backend_verb(verb))}};
  for (const auto& each : *kept) known.emplace(each.name, each.opened.what);
  const auto name = text_of(question, "backend");
  if (verb != "backends" && !known.contains(name)) {
    return error{errc::not_found, "no node holds this directory, and in its folder \"backends\" there is none with the name \"" +
                                      name + "\"; without a node only those, and \"process\", are known"};
  }
  const cluster::control_target self{.find_backend =
                                         [&known](std::string_view which) {
                                           const auto found = known.find(which);
                                           return found == known.end() ? nullptr : found->second;
                                         },
                                     .backends =
                                         [&known] {
                                           std::vector<std::string> out;
                                           for (const auto& [each, what] : known) out.push_back(each);
                                           return out;
                                         }};
  return cluster::answer_about_jobs(self, question);
}

result<json::object> offline_client::stats() {
  const auto space = journal_->space();
  return json::object{{"records", journal_->last_lsn()},
                      {"runs", journal_->total_runs()},
                      {"open_runs", journal_->open_runs()},
                      {"used_bytes", space.used_bytes},
                      {"map_bytes", space.map_bytes},
                      {"free_disk_bytes", space.free_disk_bytes},
                      {"last_time", to_string(journal_->last_time())},
                      {"closed_cleanly", journal_->was_closed()}};
}

}  // namespace perdure::tools::cli
