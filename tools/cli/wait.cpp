#include "tools/cli/wait.hpp"

#include <condition_variable>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "cluster/documents.hpp"
#include "cluster/event_broker.hpp"
#include "cluster/run_info.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/node_client.hpp"
#include "tools/cli/outcome.hpp"
#include "tools/cli/render.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

/// Stops when Ctrl-C is pressed or the time is over, whichever comes first.
class wait_limit {
 public:
  explicit wait_limit(duration limit) : on_interrupt_(interrupted(), [this] { source_.request_stop(); }) {
    if (limit == duration{0}) return;
    timer_ = std::jthread([this, limit](const std::stop_token& end) {
      std::unique_lock lock(mutex_);
      std::condition_variable_any over;
      if (over.wait_for(lock, end, limit, [] { return false; }); !end.stop_requested()) source_.request_stop();
    });
  }
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
  std::mutex mutex_;
  std::stop_callback<std::function<void()>> on_interrupt_;
  std::jthread timer_;
};

constexpr std::chrono::milliseconds pause_between{100};
/// A node that is closing keeps the directory for a moment.
constexpr std::chrono::seconds patience{5};
/// The run that goes on from one that continued as new begins with a message that this one owes it.
constexpr std::chrono::milliseconds successor_pause{20};
constexpr std::chrono::seconds successor_patience{30};

/// The runs of a directory and whoever executes them; a node is opened here when nobody does.
class waiting {
 public:
  waiting(const wait_command& how, std::stop_token stop) : how_(how), stop_(std::move(stop)) {}

  result<client*> runs() {
    if (!from_) {
      auto reached = reach_once(how_.common.data);
      if (!reached) return reached.error();
      from_ = std::move(*reached);
    }
    return from_.get();
  }
  /// Something must execute the runs from now on.
  result<void> need_node() {
    const auto until = std::chrono::steady_clock::now() + patience;
    while (true) {
      auto now = runs();
      if (!now) return now.error();
      if ((*now)->kind() != "offline") return {};
      from_.reset();
      auto opened = node_client::open({.data = how_.common.data});
      if (opened) {
        from_ = std::move(*opened);
        return {};
      }
      if (opened.error().code != errc::locked || std::chrono::steady_clock::now() > until) return opened.error();
      std::this_thread::sleep_for(pause_between);
    }
  }
  /// The node that was asked has gone: others are looked for at the next call.
  bool lost(const error& why) {
    const bool gone = why.code == errc::shutting_down && from_ && from_->kind() == "socket";
    if (gone) from_.reset();
    return gone;
  }

  /// The run when it has ended; empty when waiting was stopped.
  result<std::optional<run_view>> until_ended(const run_id& run) {
    while (true) {
      auto seen = look(run);
      if (seen && (*seen || stop_.stop_requested())) return seen;
      if (!seen && !lost(seen.error())) return seen.error();
    }
  }
  /// The run that goes on from one that continued as new is there; false when waiting was stopped before.
  result<bool> until_begun(const run_id& run) {
    const auto until = std::chrono::steady_clock::now() + successor_patience;
    while (!stop_.stop_requested()) {
      auto from = runs();
      if (!from) return from.error();
      const auto now = (*from)->summary(run);
      if (now) return true;
      const bool not_yet = now.error().code == errc::not_found && std::chrono::steady_clock::now() < until;
      if (!not_yet && !lost(now.error())) return now.error();
      if (auto node = need_node(); !node) return node.error();  // somebody has to begin it
      std::this_thread::sleep_for(successor_pause);
    }
    return false;
  }
  /// Runs that have not ended and are not `known`.
  result<std::vector<run_id>> open_runs(const std::set<run_id>& known) {
    while (true) {
      auto found = list_open(known);
      if (found || !lost(found.error())) return found;
    }
  }

 private:
  /// Looks once, and follows if the run goes on; empty when that ended without the run's end.
  result<std::optional<run_view>> look(const run_id& run) {
    auto from = runs();
    if (!from) return from.error();
    auto view = outcome_of(**from, run);
    if (!view && view.error().code == errc::corrupt && view.error().message.find(run.str()) == std::string::npos)
      return error{errc::corrupt, "run " + run.str() + " cannot be read: " + view.error().message};
    if (!view) return view.error();
    if (view->ended()) return std::optional{std::move(*view)};
    if (auto node = need_node(); !node) return node.error();
    from = runs();
    if (!from) return from.error();
    const auto now = (*from)->summary(run);
    if (!now) return now.error();
    if (cluster::waits_for_room(*now)) {
      note("run " + run.str() + " " + now->blocked);
    } else if (!now->blocked.empty()) {
      return error{errc::workflow_unknown, "run " + run.str() + " cannot go on: " + now->blocked +
                                               "; start its document again with `perdure run`, or cancel it"};
    }
    const auto end = watch(
        **from, run, view->seq(), [](const run_event&) { return true; }, stop_);
    if (!end) return end.error();
    if (*end == watch_end::stopped) return std::optional<run_view>{};
    view = outcome_of(**from, run);
    if (!view) return view.error();
    return view->ended() ? std::optional{std::move(*view)} : std::nullopt;
  }

  result<std::vector<run_id>> list_open(const std::set<run_id>& known) {
    const auto from = runs();
    if (!from) return from.error();
    std::vector<run_id> out;
    list_options options;
    options.limit = 1000;
    options.newest_first = false;
    do {
      auto page = (*from)->list(options);
      if (!page) return page.error();
      for (const auto& each : page->runs) {
        if (!is_terminal(each.status) && !known.contains(each.id) && !cluster::is_own_workflow(each.workflow) &&
            !cluster::is_schedule(each))
          out.push_back(each.id);
      }
      options.cursor = page->next_cursor;
    } while (!options.cursor.empty());
    return out;
  }

  const wait_command& how_;
  std::stop_token stop_;
  std::unique_ptr<client> from_;
};

int stopped(const wait_command& how, const run_id& run) {
  const auto before = interrupted().stop_requested() ? "stopped waiting for run " : "not ended in time: run ";
  return fail(how.common,
              {errc::timeout, before + run.str() + "; it goes on where a node holds the directory: perdure runs wait " +
                                  run.str() + " --data " + shell_quoted(how.common.data.string())});
}

/// A run that continued as new ends where the last of those that went on from it does.
int wait_for_one(const wait_command& how, run_id run, waiting& from) {
  auto view = from.until_ended(run);
  while (view && *view) {
    const auto next = run_id::parse((*view)->relations().successor());
    if (!next) break;
    run = *next;
    const auto begun = from.until_begun(run);
    if (!begun) return fail(how.common, begun.error());
    if (!*begun) return stopped(how, run);
    view = from.until_ended(run);
  }
  if (!view) return fail(how.common, view.error());
  if (!*view) return stopped(how, run);
  if (how.all && !how.common.json) {
    put_line(render_failure(**view));
    return (*view)->status() == "succeeded" ? exit_fine : exit_failed;
  }
  return tell_outcome(how.common, **view);
}

int wait_for_all(const wait_command& how, waiting& from, const std::stop_token& stop) {
  // What lies in the inbox may start runs (a retry): only a node takes it in.
  if (auto node = from.need_node(); !node) return fail(how.common, node.error());
  std::set<run_id> known;
  int worst = exit_fine;
  while (!stop.stop_requested()) {
    auto open = from.open_runs(known);
    if (!open) return fail(how.common, open.error());
    if (open->empty()) {
      if (known.empty() && !how.common.json) put_line("every run has ended");
      return worst;
    }
    for (const auto& run : *open) {
      known.insert(run);
      worst = std::max(worst, wait_for_one(how, run, from));
      if (stop.stop_requested()) return exit_failed;
    }
  }
  return exit_failed;
}

}  // namespace

result<watch_end> watch(client& from, const run_id& run, run_seq after, const client::take_event& each,
                        const std::stop_token& stop) {
  bool ended = false;
  const auto followed = from.follow(
      run, after,
      [&](const run_event& event) {
        ended = event.kind == "run_ended";
        return each(event);
      },
      stop);
  if (!followed) return followed.error();
  return ended || !stop.stop_requested() ? watch_end::ended : watch_end::stopped;
}

int tell_outcome(const common_options& options, const run_view& run) {
  const bool fine = run.status() == "succeeded";
  if (options.json) {
    put_json(run.outcome());
  } else if (fine) {
    put_line(pretty_json(run.output()));
  } else {
    note("perdure: " + render_failure(run) + "\n  more: perdure runs show " + run.id() + " --data " +
         shell_quoted(options.data.string()));
  }
  return fine ? exit_fine : exit_failed;
}

int wait_for_runs(const wait_command& how) {
  if (how.run.empty() && !how.all) return fail_usage(how.common, "name a run, or say --all");
  duration limit{0};
  if (!how.timeout.empty()) {
    const auto read = read_time_limit(how.timeout, "--timeout");
    if (!read) return fail(how.common, read.error(), exit_usage);
    limit = *read;
  }
  watch_interrupts();
  const wait_limit limited{limit};
  waiting from{how, limited.token()};
  if (how.all) return wait_for_all(how, from, limited.token());
  const auto runs = from.runs();
  if (!runs) return fail(how.common, runs.error());
  const auto run = resolve(**runs, how.run);
  if (!run) return fail(how.common, run.error());
  return wait_for_one(how, *run, from);
}

}  // namespace perdure::tools::cli
