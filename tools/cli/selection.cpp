#include "tools/cli/selection.hpp"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

void add_filter_options(CLI::App& command, run_filter& to) {
  command.add_option("--status", to.status, "Only runs with this status (running, waiting, failed ...)");
  command.add_option("--workflow", to.workflow, "Only runs of this workflow");
  command.add_option("--older-than", to.older_than, "Only runs that were created longer ago (30s, 15m, 2h, 7d)")
      ->type_name("DURATION");
}

result<selection> read_filter(const run_filter& from, timestamp now) {
  selection out;
  if (!from.status.empty()) {
    out.status = cluster::status_from_name(from.status);
    if (!out.status) return error{errc::invalid_argument, "--status: \"" + from.status + "\" is no status of a run"};
  }
  out.workflow = from.workflow;
  if (!from.older_than.empty()) {
    const auto age = read_duration(from.older_than, "--older-than");
    if (!age) return age.error();
    out.created_before = now - *age;
  }
  return out;
}

result<run_page> selected_page(client& from, const selection& which, const list_options& how) {
  auto options = how;
  options.status = which.status;
  options.workflow = which.workflow;
  if (!which.created_before) return from.list(options);
  run_page out;
  while (true) {
    auto page = from.list(options);
    if (!page) return page.error();
    for (auto& each : page->runs) {
      if (each.created_at >= *which.created_before) continue;
      out.runs.push_back(std::move(each));
      if (out.runs.size() < how.limit) continue;
      out.next_cursor = out.runs.back().id.str();
      return out;
    }
    options.cursor = page->next_cursor;
    if (options.cursor.empty()) return out;
  }
}

}  // namespace perdure::tools::cli
