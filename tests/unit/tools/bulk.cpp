#include "tools/cli/bulk.hpp"

#include <map>

#include "support/catch.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/terminal.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::tools::cli;

namespace {

/// Runs as a directory would have them, without one.
class fake_client : public client {
 public:
  std::map<run_id, run_summary, std::greater<>> runs;  ///< newest first
  std::map<run_id, error> refuses;
  std::vector<cluster::run_command> sent, inbox;
  bool offline = false;
  std::size_t largest_page = 0;
  std::function<void()> before_list;
  std::function<void(const cluster::run_command&)> on_command;

  run_id add(run_status status, std::string workflow = "work", timestamp created = timestamp{1000s}) {
    run_summary out;
    out.id = run_id::make();
    out.workflow = std::move(workflow);
    out.version = "1";
    out.status = status;
    out.created_at = created;
    runs[out.id] = out;
    return out.id;
  }

  result<run_page> list(const list_options& options) override {
    if (before_list) before_list();
    run_page out;
    for (const auto& [id, each] : runs) {
      if (!options.cursor.empty() && !(id < *run_id::parse(options.cursor))) continue;
      if (options.status && each.status != *options.status) continue;
      if (!options.workflow.empty() && each.workflow != options.workflow) continue;
      out.runs.push_back(each);
      if (out.runs.size() == options.limit) {
        out.next_cursor = id.str();
        break;
      }
    }
    largest_page = std::max(largest_page, out.runs.size());
    return out;
  }
  result<run_summary> summary(const run_id& run) override {
    const auto found = runs.find(run);
    if (found == runs.end()) return error{errc::not_found, "no run"};
    return found->second;
  }
  result<void> stored(const run_id&, run_seq, const take_event&) override { return {}; }
  result<json::value> about_jobs(const json::object&) override { return error{errc::unsupported, "no jobs"}; }
  result<void> follow(const run_id&, run_seq, const take_event&, std::stop_token) override { return {}; }
  result<done> command(const cluster::run_command& what) override {
    sent.push_back(what);
    if (on_command) on_command(what);
    if (const auto found = refuses.find(what.run); found != refuses.end()) return found->second;
    if (offline) {
      inbox.push_back(what);
      return done{what.run, true};
    }
    auto& run = runs.at(what.run);
    if (what.what == "pause") run.status = run_status::paused;
    if (what.what == "resume") run.status = run_status::running;
    if (what.what == "cancel") run.status = run_status::cancelled;
    if (what.what != "retry") return done{what.run, false};
    const auto linked = cluster::linked_id(what.run, what.command_id);
    runs[linked] = run;
    runs[linked].id = linked;
    runs[linked].created_at = timestamp{5000s};
    return done{linked, false};
  }
  result<void> each_pending(const std::function<void(const cluster::run_command&)>& take) override {
    for (const auto& each : inbox) take(each);
    return {};
  }
  result<json::object> stats() override { return json::object{}; }
  std::string_view kind() const override { return offline ? "offline" : "socket"; }
};

cluster::run_command verb(std::string what) {
  cluster::run_command out;
  out.what = std::move(what);
  return out;
}

struct done_bulk {
  bulk_plan plan;
  bulk_outcome outcome;
};
done_bulk carry_out(fake_client& in, std::string what, selection which = {}) {
  bulk many{in, std::move(which), verb(std::move(what)), timestamp{4000s}};
  auto plan = many.look().value();
  return {std::move(plan), many.act([](const bulk_outcome&) {}).value()};
}

}  // namespace

TEST_CASE("a command for many runs changes those it fits and leaves the others alone") {
  fake_client in;
  for (const auto status : {run_status::running, run_status::waiting, run_status::paused, run_status::cancelling,
                            run_status::succeeded, run_status::failed})
    in.add(status);
  const auto paused = carry_out(in, "pause");
  CHECK(paused.plan.matched == 6);
  CHECK(paused.plan.eligible == 2);
  CHECK(paused.outcome.done == 2);
  CHECK(paused.outcome.skipped == 4);
  CHECK(carry_out(in, "resume").outcome.done == 3);
  CHECK(carry_out(in, "cancel").outcome.done == 3);
  CHECK(carry_out(in, "retry").outcome.done == 4);
}

TEST_CASE("a command for many runs that is said again does nothing") {
  for (const auto* what : {"pause", "cancel", "retry"}) {
    fake_client in;
    for (int i = 0; i < 20; ++i) in.add(std::string{what} == "retry" ? run_status::failed : run_status::running);
    CHECK(carry_out(in, what).outcome.done == 20);
    const auto sent = in.sent.size();
    const auto again =
        carry_out(in, what, std::string{what} == "retry" ? selection{.created_before = timestamp{4000s}} : selection{});
    INFO(what);
    CHECK(again.plan.eligible == 0);
    CHECK(again.outcome.done == 0);
    CHECK(in.sent.size() == sent);
  }
}

TEST_CASE("the filters choose by status, workflow and age") {
  fake_client in;
  in.add(run_status::running, "a", timestamp{100s});
  in.add(run_status::waiting, "a", timestamp{100s});
  const auto old = in.add(run_status::running, "b", timestamp{100s});
  in.add(run_status::running, "b", timestamp{3000s});
  const auto which = read_filter({.status = "running", .workflow = "b", .older_than = "30m"}, timestamp{4000s}).value();
  const auto done = carry_out(in, "cancel", which);
  CHECK(done.plan.matched == 1);
  REQUIRE(in.sent.size() == 1);
  CHECK(in.sent.front().run == old);
  CHECK(read_filter({.status = "fine"}, timestamp{}).error().code == errc::invalid_argument);
  CHECK(read_filter({.older_than = "soon"}, timestamp{}).error().code == errc::invalid_argument);
}

TEST_CASE("many runs are gone through a page at a time, each once, and none that came later") {
  fake_client in;
  for (int i = 0; i < 2'500; ++i) in.add(run_status::running);
  in.before_list = [&] { in.add(run_status::running, "late", timestamp{4500s}); };
  const auto done = carry_out(in, "cancel");
  CHECK(done.plan.eligible == 2'500);
  CHECK(done.outcome.done == 2'500);
  CHECK(in.sent.size() == 2'500);
  CHECK(in.largest_page <= 1'000);
}

TEST_CASE("a run that fails does not hold up the others, and is told with its reason") {
  fake_client in;
  for (int i = 0; i < 10; ++i) in.add(run_status::running);
  const auto bad = in.add(run_status::running);
  in.refuses[bad] = error{errc::corrupt, "its history is damaged"};
  const auto done = carry_out(in, "pause");
  CHECK(done.outcome.done == 10);
  CHECK(done.outcome.failed == 1);
  REQUIRE(done.outcome.errors.size() == 1);
  CHECK(done.outcome.errors.front().run == bad);
  CHECK(done.outcome.errors.front().why.message == "its history is damaged");
}

TEST_CASE("a run that ended between the count and the command is left alone, one that cannot be changed has failed") {
  fake_client in;
  const auto ended = in.add(run_status::running);
  const auto stuck = in.add(run_status::running);
  in.refuses[ended] = in.refuses[stuck] = error{errc::conflict, "cannot"};
  in.on_command = [&](const cluster::run_command& what) {
    if (what.run == ended) in.runs[ended].status = run_status::succeeded;
  };
  const auto done = carry_out(in, "cancel");
  CHECK(done.plan.eligible == 2);
  CHECK(done.outcome.skipped == 1);
  REQUIRE(done.outcome.failed == 1);
  CHECK(done.outcome.errors.front().run == stuck);
}

TEST_CASE("when the node goes away the command stops and says so") {
  fake_client in;
  for (int i = 0; i < 200; ++i) in.refuses[in.add(run_status::running)] = error{errc::shutting_down, "the node closed"};
  bulk many{in, {}, verb("pause"), timestamp{4000s}};
  CHECK(many.act([](const bulk_outcome&) {}).error().code == errc::shutting_down);
  CHECK(in.sent.size() < 200);
}

TEST_CASE("an interrupted command tells what it did") {
  fake_client in;
  for (int i = 0; i < 200; ++i) in.add(run_status::running);
  std::stop_source stop;
  bulk many{in, {}, verb("pause"), timestamp{4000s}};
  const auto outcome = many.act([&](const bulk_outcome&) { stop.request_stop(); }, stop.get_token()).value();
  CHECK(outcome.interrupted);
  CHECK(outcome.done > 0);
  CHECK(outcome.done < 200);
}

TEST_CASE("without a node what waits in the inbox already counts as done, and can be taken back") {
  fake_client in;
  in.offline = true;
  for (int i = 0; i < 5; ++i) in.add(run_status::running);
  CHECK(carry_out(in, "pause").outcome.pending == 5);
  CHECK(carry_out(in, "pause").outcome.pending == 0);
  CHECK(carry_out(in, "resume").outcome.pending == 5);
  CHECK(carry_out(in, "pause").outcome.pending == 5);
  CHECK(carry_out(in, "cancel").outcome.pending == 5);
  CHECK(carry_out(in, "resume").outcome.pending == 0);
  in.add(run_status::failed);
  CHECK(carry_out(in, "retry").outcome.pending == 1);
  CHECK(carry_out(in, "retry").outcome.pending == 0);
}

TEST_CASE("the id of a retry comes from its run and its command, and sorts beside its run") {
  const auto run = run_id::make();
  const auto linked = cluster::linked_id(run, "bulk");
  CHECK(linked == cluster::linked_id(run, "bulk"));
  CHECK(linked != cluster::linked_id(run, "other"));
  CHECK(linked != cluster::linked_id(run_id::make(), "bulk"));
  CHECK(linked.str().substr(0, 13) == run.str().substr(0, 13));
  CHECK(linked.str()[14] == '7');
  CHECK(run_id::parse(linked.str()) == linked);
}

TEST_CASE("a progress line fits its width and says how many are done, failed and left") {
  const auto line = progress_line("pause", 50, 200, 3, 10s, 80);
  CHECK(line.find("50/200") != std::string::npos);
  CHECK(line.find("3 failed") != std::string::npos);
  CHECK(line.find("5/s") != std::string::npos);
  CHECK(line.find("30s left") != std::string::npos);
  for (const std::size_t width : {1U, 20U, 40U, 80U, 200U}) {
    for (const std::uint64_t done : {0U, 1U, 199U, 200U})
      CHECK(display_width(progress_line("cancel", done, 200, 0, 0ms, width)) <= width);
  }
  CHECK(progress_line("cancel", 0, 0, 0, 0ms, 40).find("0/0") != std::string::npos);
}
