// A node that works on one job, and kills itself at a place that its caller chooses, once.
//   job_worker DATA LEDGER PLACE [cancel | retry | fail | ask]
// The job writes "start" and "end" to LEDGER. With `cancel` the handler cancels it. When the run has ended, LEDGER gets a line
// "output TEXT". Places: before_submit, accepted, first_look, end_seen, before_collect, collected, before_cancel, cancelled,
// asked, answered, never. With `retry`, `fail` or `ask` the backend neither knows jobs by their keys nor tells repeated submits,
// and that is the step's policy; asked, this program answers "retry".
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <thread>

#include "actors/backends/process_backend.hpp"
#include "perdure/perdure.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct work {
  std::string ledger;
  bool cancel = false;
  std::string policy;
};
PERDURE_MESSAGE(work, "work/v1", ledger, cancel, policy)

std::string chosen, marker;

/// Dies here, unless it did before.
void place(const std::string& name) {
  if (name != chosen) return;
  if (::open(marker.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) < 0) return;
  ::kill(::getpid(), SIGKILL);
}

/// The process backend with places in between.
class places final : public backend {
 public:
  places(const std::filesystem::path& root, bool blind) : inner_(root), blind_(blind) {}
  backend_capabilities capabilities() const override {
    auto out = inner_.capabilities();
    if (blind_) out.find = out.idempotent = false;
    return out;
  }
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override {
    place("before_submit");
    // Each submit is a job of its own.
    if (blind_) what.key += "/" + run_id::make().str();
    inner_.submit(std::move(what), how, [done](const result<std::string>& id) {
      place("accepted");
      done(id);
    });
  }
  void status(std::string id, backend_call how, backend_answer<job_report> done) override {
    place("first_look");
    inner_.status(std::move(id), how, [done](const result<job_report>& got) {
      if (got && got->status && is_terminal(*got->status)) place("end_seen");
      done(got);
    });
  }
  void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) override {
    inner_.find(std::move(key), how, std::move(done));
  }
  void cancel(std::string id, backend_call how, backend_answer<void> done) override {
    place("before_cancel");
    inner_.cancel(std::move(id), how, [done](const result<void>& told) {
      place("cancelled");
      done(told);
    });
  }
  void logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) override {
    inner_.logs(std::move(id), std::move(which), how, std::move(done));
  }
  void artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) override {
    place("before_collect");
    inner_.artifacts(std::move(id), how, [done](const result<std::vector<job_artifact>>& got) {
      place("collected");
      done(got);
    });
  }
  void notify(std::function<void(std::string key)> changed) override { inner_.notify(std::move(changed)); }
  void close() override { inner_.close(); }

 private:
  actors::process_backend inner_;
  bool blind_;
};

class worker : public executor<work> {
  task<> handle(const work& in, context& ctx) override {
    const auto length = in.cancel ? "30" : "0.3";
    auto spec = process_job{"sh"}.arg("-c").arg("echo start >> \"$1\"; sleep " + std::string{length} +
                                                "; echo hello; echo made > made.txt; echo end >> \"$1\"; exit 4");
    spec.arg("sh").arg(in.ledger);
    spec.artifacts = {"*.txt"};
    if (!in.policy.empty()) {
      job_options options{.poll = fixed(20ms)};
      options.ambiguous = in.policy == "ask"    ? ambiguous_submit::ask
                          : in.policy == "fail" ? ambiguous_submit::fail
                                                : ambiguous_submit::retry;
      std::string text;
      try {
        const auto job = co_await ctx.submit_job("places", spec, options);
        const auto end = co_await ctx.poll_until_complete(job);
        text = boost::describe::enum_to_string(end.status, "?");
      } catch (const step_error& e) {
        text = e.why().code;
      }
      ctx.yield_output(text);
      co_return;
    }
    const auto job = co_await ctx.submit_job("places", spec);
    if (in.cancel) {
      co_await ctx.sleep_for(100ms);
      co_await ctx.cancel_job(job);
    }
    const auto end = co_await ctx.poll_until_complete(job, {.backoff = fixed(20ms)});
    const auto log = co_await ctx.job_logs(job);
    const auto files = co_await ctx.artifacts(job);
    std::string text = boost::describe::enum_to_string(end.status, "?");
    if (end.exit_code && !in.cancel) text += " " + std::to_string(*end.exit_code);
    for (const auto& each : log.lines) text += " " + each.text;
    for (const auto& each : files) text += " " + each.name;
    ctx.yield_output(text);
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 && argc != 5) return 2;
  const std::string mode = argc == 5 ? argv[4] : "";
  const bool cancels = mode == "cancel";
  const std::string ledger = argv[2];
  chosen = argv[3];
  marker = ledger + ".died";
  node_options options;
  options.data_dir = argv[1];
  auto opened = node::open(std::move(options));
  if (!opened) {
    std::cerr << opened.error() << "\n";
    return 2;
  }
  auto builder = workflow_builder("work", "1");
  builder.add<worker>("worker").start_at("worker");
  if (auto added = opened->add_backend(
          "places", std::make_shared<places>(std::filesystem::path{argv[1]} / "places", !mode.empty() && !cancels));
      !added)
    return 2;
  if (auto added = opened->add(builder.build()); !added) return 2;
  const auto run = opened->start("work", work{ledger, cancels, cancels ? "" : mode}, {.key = "one"});
  if (!run) {
    std::cerr << run.error() << "\n";
    return 2;
  }
  while (mode == "ask") {
    const auto now = run->status();
    if (!now || is_terminal(now->status)) break;
    if (!now->requests.empty()) {
      place("asked");
      if (auto told = run->respond(now->requests[0].id, json::value("retry")); !told && told.error().code != errc::not_found)
        return 2;
      place("answered");
    }
    std::this_thread::sleep_for(5ms);
  }
  const auto end = run->wait(60s);
  if (!end) {
    std::cerr << end.error() << "\n";
    return 2;
  }
  const auto line = "output " + std::string{end->output.text()} + "\n";
  const int file = ::open(ledger.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (::write(file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 2;
  return 0;
}
