#include "tools/cli/bulk.hpp"

#include <algorithm>

namespace perdure::tools::cli {

namespace {

constexpr std::size_t page_runs = 1'000;
/// A retry is said to be this one, so that a run has one linked run however often it is asked for.
constexpr const char* retry_command_id = "bulk";

/// The status as it will be once the inbox is taken in.
run_status after(run_status status, const std::string& pending) {
  if (is_terminal(status)) return status;
  if (pending == "cancel") return run_status::cancelling;
  if (pending == "pause") return run_status::paused;
  return pending == "resume" ? run_status::running : status;
}

/// No further run can be reached when one fails like this.
bool concerns_all(const error& why) {
  return why.code == errc::shutting_down || why.code == errc::io_error || why.code == errc::locked;
}

}  // namespace

bool fits(std::string_view command, run_status status) {
  const bool ending = status == run_status::cancelling || status == run_status::compensating;
  if (command == "cancel") return !is_terminal(status) && !ending;
  if (command == "pause") return !is_terminal(status) && !ending && status != run_status::paused;
  if (command == "resume") return status == run_status::paused;
  return status == run_status::failed || status == run_status::cancelled || status == run_status::timed_out;
}

bulk::bulk(client& through, selection which, cluster::run_command what, timestamp now)
    : through_(through), which_(std::move(which)), what_(std::move(what)), began_(now) {
  if (what_.what == "retry") what_.command_id = retry_command_id;
}

result<void> bulk::learn_pending() {
  pending_.clear();
  return through_.each_pending([&](const cluster::run_command& each) { pending_[each.run] = each.what; });
}

result<void> bulk::each_page(const take_page& take) {
  list_options how;
  how.limit = page_runs;
  do {
    auto page = selected_page(through_, which_, how);
    if (!page) return page.error();
    how.cursor = page->next_cursor;
    // What this command itself starts must not be found by it.
    std::erase_if(page->runs, [&](const run_summary& each) { return each.created_at > began_; });
    if (!take(std::move(page->runs))) return {};
  } while (!how.cursor.empty());
  return {};
}

bool bulk::eligible(const run_summary& run) {
  const auto found = pending_.find(run.id);
  const auto pending = found == pending_.end() ? std::string{} : found->second;
  if (pending == what_.what || !fits(what_.what, after(run.status, pending))) return false;
  return what_.what != "retry" || !through_.summary(cluster::linked_id(run.id, what_.command_id));
}

result<bulk_plan> bulk::look() {
  if (auto known = learn_pending(); !known) return known.error();
  bulk_plan out;
  const auto looked = each_page([&](const std::vector<run_summary>& runs) {
    out.matched += runs.size();
    for (const auto& each : runs) {
      if (!eligible(each)) continue;
      ++out.eligible;
      ++out.groups[{each.workflow + " " + each.version, each.status}];
    }
    return true;
  });
  if (!looked) return looked.error();
  return out;
}

void bulk::carry_out(const std::vector<run_summary>& runs, bulk_outcome& out) {
  std::vector<cluster::run_command> commands;
  for (const auto& each : runs) {
    commands.push_back(what_);
    commands.back().run = each.id;
  }
  const auto answers = through_.commands(commands);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const auto& run = commands[i].run;
    if (answers[i]) {
      ++(answers[i]->pending ? out.pending : out.done);
      continue;
    }
    // It may have ended, or somebody else was faster.
    const auto& why = answers[i].error();
    if (why.code == errc::conflict) {
      const auto now = through_.summary(run);
      if (now && !fits(what_.what, now->status)) {
        ++out.skipped;
        continue;
      }
    }
    ++out.failed;
    if (out.errors.size() < bulk_errors) out.errors.push_back({run, why});
  }
}

result<bulk_outcome> bulk::act(const std::function<void(const bulk_outcome&)>& told, std::stop_token stop) {
  if (auto known = learn_pending(); !known) return known.error();
  bulk_outcome out;
  std::optional<error> broken;
  const auto acted = each_page([&](std::vector<run_summary> runs) {
    const auto all = runs.size();
    std::erase_if(runs, [&](const run_summary& each) { return !eligible(each); });
    out.skipped += all - runs.size();
    const auto batch = through_.batch();
    for (std::size_t at = 0; at < runs.size(); at += batch) {
      out.interrupted = stop.stop_requested();
      if (out.interrupted) return false;
      const auto end = std::min(runs.size(), at + batch);
      carry_out({runs.begin() + static_cast<std::ptrdiff_t>(at), runs.begin() + static_cast<std::ptrdiff_t>(end)}, out);
      told(out);
      if (!out.errors.empty() && concerns_all(out.errors.back().why)) {
        broken = out.errors.back().why;
        return false;
      }
    }
    return true;
  });
  if (!acted && out.tried() == 0) return acted.error();
  if (!acted) broken = acted.error();
  if (broken && out.done + out.pending == 0) return *broken;
  out.interrupted = out.interrupted || broken.has_value();
  return out;
}

}  // namespace perdure::tools::cli
