// `perdure jobs` and `perdure backends`: through the socket of a running node, and of a directory that no node holds.
#include <signal.h>

#include <thread>

#include "perdure/memory_backend.hpp"
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/program.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using perdure::test::text_of;
using perdure::test::workplace;

namespace {

struct order {
  std::string script;
};
PERDURE_MESSAGE(order, "order/v1", script)

/// A node of this process, with a workflow that runs a shell script as a job.
struct desk {
  workplace here;
  std::optional<node> held;

  desk() {
    node_options options;
    options.data_dir = here.data();
    options.control_socket = true;
    held.emplace(std::move(node::open(std::move(options)).value()));
    REQUIRE(held->add(test::single<order>("work", [](const order& in, context& ctx) -> task<> {
      auto spec = process_job{"sh"}.arg("-c").arg(in.script);
      spec.artifacts = {"*.bin", "deep/**"};
      const auto end = co_await ctx.run_job("process", spec);
      ctx.yield_output(*end.exit_code);
    })));
  }
  std::string start(const std::string& script) { return held->start("work", order{script}).value().id().str(); }
  std::string end(const std::string& run) {
    return std::string{to_string(test::finish(held->get(*run_id::parse(run)).value()).status)};
  }
};

std::string job_status_of(const workplace& here, const std::string& job) {
  const auto shown = here.call({"jobs", "show", job, "--json"});
  return shown.code == 0 ? text_of(shown.json().at("status")) : shown.err;
}

}  // namespace

TEST_CASE("jobs list shows what goes on, and with --all what has ended") {
  desk d;
  const auto done = d.start("exit 0"), open = d.start("exec sleep 1000");
  CHECK(d.end(done) == "succeeded");
  REQUIRE(workplace::eventually([&] { return job_status_of(d.here, open) == "running"; }));
  const auto list = d.here.call({"jobs", "list", "--json"});
  REQUIRE(list.code == 0);
  const auto jobs = list.json().at("jobs").as_array();
  REQUIRE(jobs.size() == 1);
  CHECK(text_of(jobs[0].at("run_id")) == open);
  CHECK(jobs[0].at("job").as_int64() == 1);
  CHECK(text_of(jobs[0].at("backend")) == "process");
  CHECK(text_of(jobs[0].at("key")) == open + "/only/1/0");
  const auto all = d.here.call({"jobs", "list", "--all", "--json"});
  CHECK(all.json().at("jobs").as_array().size() == 2);
  const auto ended = d.here.call({"jobs", "list", "--status", "succeeded", "--json"}).json().at("jobs").as_array();
  REQUIRE(ended.size() == 1);
  CHECK(ended[0].at("exit_code").as_int64() == 0);
  CHECK(d.here.call({"jobs", "list", "--backend", "other", "--json"}).json().at("jobs").as_array().empty());
  const auto table = d.here.call({"jobs", "list"});
  CHECK(table.out.find("running") != std::string::npos);
  const auto shown = d.here.call({"runs", "show", open, "--json"}).json().at("jobs").as_array();
  REQUIRE(shown.size() == 1);
  CHECK(text_of(shown[0].at("status")) == "running");

  const auto cancelled = d.here.call({"jobs", "cancel", open + "/1", "--json"});
  CHECK(cancelled.code == 0);
  CHECK(d.end(open) == "failed");
  CHECK(job_status_of(d.here, open) == "cancelled");
}

TEST_CASE("jobs logs follows a job to its end, and goes on from a cursor") {
  desk d;
  const auto run = d.start("echo one; " + d.here.gate("go") + "; echo two >&2; sleep 0.3; echo three");
  REQUIRE(workplace::eventually([&] { return job_status_of(d.here, run) == "running"; }));
  auto follower = d.here.start({"jobs", "logs", run, "--follow"});
  std::this_thread::sleep_for(200ms);
  CHECK(follower->running());
  d.here.write("go", "");
  const auto followed = follower->finish();
  CHECK(followed.code == 0);
  CHECK(followed.out == "one\ntwo\nthree\n");
  const auto whole = d.here.call({"jobs", "logs", run, "--json"});
  const auto lines = test::json_lines(whole.out);
  REQUIRE(lines.size() == 4);
  CHECK(text_of(lines[1].at("stream")) == "stderr");
  CHECK(text_of(lines[1].at("text")) == "two");
  const auto rest = d.here.call({"jobs", "logs", run, "--cursor", text_of(lines[3].at("next_cursor"))});
  CHECK(rest.code == 0);
  CHECK(rest.out.empty());
}

TEST_CASE("artifacts are listed and downloaded whole, and nothing outside the job's folder is") {
  desk d;
  const auto run = d.start(
      "head -c 700000 /dev/urandom > big.bin; mkdir deep; printf small > deep/file; printf no > other; sha256sum big.bin");
  CHECK(d.end(run) == "succeeded");
  const auto listed = d.here.call({"jobs", "artifacts", run, "--json"}).json().at("artifacts").as_array();
  REQUIRE(listed.size() == 2);
  CHECK(text_of(listed[0].at("name")) == "big.bin");
  CHECK(listed[0].at("size_bytes").as_int64() == 700'000);
  CHECK(d.here.call({"jobs", "logs", run}).out.starts_with(text_of(listed[0].at("sha256"))));
  const auto file = d.here.path("copy").string();
  CHECK(d.here.call({"jobs", "download", run, "big.bin", "-o", file}).code == 0);
  CHECK(std::filesystem::file_size(file) == 700'000);
  CHECK(d.here.call({"jobs", "download", run, "deep/file", "-o", "-"}).out == "small");
  for (const auto* name : {"other", "../job", "/etc/passwd"}) {
    const auto refused = d.here.call({"jobs", "download", run, name, "-o", d.here.path("never").string()});
    CHECK(refused.code == 1);
  }
  CHECK_FALSE(std::filesystem::exists(d.here.path("never")));
}

TEST_CASE("without a node the jobs of a directory can be read all the same, and a cancel waits for the next one") {
  desk d;
  const auto run = d.start("echo kept; printf x > a.bin; exec sleep 1000");
  REQUIRE(workplace::eventually([&] { return d.here.call({"jobs", "logs", run}).out == "kept\n"; }));
  // What the run knows of it: a look that came before its supervisor leaves that to the next one.
  REQUIRE(workplace::eventually([&] { return job_status_of(d.here, run) == "running"; }));
  d.held.reset();
  CHECK(job_status_of(d.here, run) == "running");
  CHECK(d.here.call({"jobs", "logs", run}).out == "kept\n");
  CHECK(d.here.call({"jobs", "artifacts", run, "--json"}).json().at("artifacts").as_array().size() == 1);
  const auto cancelled = d.here.call({"jobs", "cancel", run, "--json"});
  REQUIRE(cancelled.code == 0);
  CHECK(cancelled.json().at("pending").as_bool());
  // The next node takes the wish in.
  node_options options;
  options.data_dir = d.here.data();
  options.control_socket = true;
  d.held.emplace(std::move(node::open(std::move(options)).value()));
  CHECK(workplace::eventually([&] { return job_status_of(d.here, run) == "cancelled"; }));
}

TEST_CASE("backends are listed with what they can do, and checked") {
  desk d;
  const auto outside = std::make_shared<testing::memory_backend>();
  REQUIRE(d.held->add_backend("outside", outside));
  const auto list = d.here.call({"backends", "list", "--json"}).json().at("backends").as_array();
  REQUIRE(list.size() == 2);
  CHECK(text_of(list[0].at("name")) == "outside");
  CHECK(list[1].at("capabilities").at("idempotent").as_bool());
  const auto checked = d.here.call({"backends", "check", "--json"});
  CHECK(checked.code == 0);
  CHECK(checked.json().at("ok").as_bool());
  CHECK(d.here.call({"backends", "check", "nowhere"}).code == 1);
  CHECK(d.here.call({"jobs", "estimate", "outside", "--spec", "{}", "--json"}).json().at("can_submit").as_bool());
  CHECK(d.here.call({"jobs", "estimate", "process", "--spec", "{}"}).code == 1);
}

TEST_CASE("a job that is none has a clear error") {
  desk d;
  const auto run = d.start("exit 0");
  CHECK(d.end(run) == "succeeded");
  for (const auto& [job, part] : std::vector<std::pair<std::string, std::string>>{
           {run + "/2", "has no job 2"}, {run + "/x", "is no job"}, {"zzz", "no run id"}}) {
    const auto got = d.here.call({"jobs", "show", job});
    CHECK(got.code == 1);
    INFO(got.err);
    CHECK(got.err.find(part) != std::string::npos);
  }
}

TEST_CASE("a document's call: job gives the job's result, exit code and artifacts") {
  workplace here;
  const auto file =
      here.document("train",
                    "  - train:\n      call: job\n      with:\n        backend: process\n"
                    "        spec: {program: sh, arguments: [-c, 'echo $1; echo made > made.txt', sh, '${ .name }']}\n"
                    "        artifacts: ['*.txt']\n        poll: {interval: {milliseconds: 20}}\n");
  const auto ran = here.call({"run", file, "--input", R"({"name":"m"})", "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto output = ran.json().at("output");
  CHECK(text_of(output.at("status")) == "succeeded");
  CHECK(output.at("code").as_int64() == 0);
  REQUIRE(output.at("artifacts").as_array().size() == 1);
  CHECK(text_of(output.at("artifacts").as_array()[0].at("name")) == "made.txt");
  const auto run = text_of(ran.json().at("run_id"));
  CHECK(here.call({"jobs", "logs", run}).out == "m\n");
}

TEST_CASE("a document catches a job that failed, and one that took too long") {
  workplace here;
  const auto file = here.document(
      "both",
      "  - first:\n      try:\n        - fails:\n            call: job\n            with: {backend: process, "
      "spec: {program: sh, arguments: [-c, 'exit 3']}}\n"
      "      catch:\n        as: why\n        do:\n          - note:\n              set: {first: '${ $why.type }'}\n"
      "  - second:\n      try:\n        - hangs:\n            call: job\n            with: {backend: process, "
      "timeout: {milliseconds: 200}, spec: {program: sleep, arguments: ['1000']}}\n"
      "      catch:\n        as: why\n        do:\n          - note:\n              set: {second: '${ $why.type }'}\n");
  const auto ran = here.call({"run", file, "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  CHECK(text_of(ran.json().at("output").at("second")) == "https://serverlessworkflow.io/spec/1.0.0/errors/timeout");
  const auto jobs = here.call({"jobs", "list", text_of(ran.json().at("run_id")), "--json"}).json().at("jobs").as_array();
  REQUIRE(jobs.size() == 2);
  CHECK(text_of(jobs[0].at("status")) == "failed");
  CHECK(jobs[0].at("exit_code").as_int64() == 3);
  CHECK(text_of(jobs[1].at("status")) == "timed_out");
}

TEST_CASE("a followed run shows how far its job is, and what it said last") {
  workplace here;
  const auto file =
      here.document("long",
                    "  - train:\n      call: job\n      with:\n        backend: process\n        spec: {program: sh, "
                    "arguments: [-c, 'echo loss 0.1; echo ::progress 5/10 half way; sleep 1.5']}\n"
                    "        poll: {interval: {milliseconds: 50}}\n");
  const auto ran = here.call({"run", file, "--follow"});
  INFO(ran.out + ran.err);
  CHECK(ran.code == 0);
  CHECK(ran.err.find("job 1") != std::string::npos);
  CHECK(ran.err.find("loss 0.1") != std::string::npos);
}

TEST_CASE("a document's ambiguous job is answered by a person from the command line") {
  desk d;
  const auto outside = std::make_shared<testing::memory_backend>(backend_capabilities{});
  bool cut = true;
  outside->fail_after([&](const job_submission&) {
    return std::exchange(cut, false) ? std::optional{error{errc::io_error, "the line was cut"}} : std::nullopt;
  });
  REQUIRE(d.held->add_backend("outside", outside));
  REQUIRE(d.held->add(test::single<order>("asks", [](const order& in, context& ctx) -> task<> {
    const auto spec = json::value(in.script);
    co_await ctx.run_job("outside", spec, {.poll = fixed(10ms), .ambiguous = ambiguous_submit::ask});
  })));
  const auto run = d.held->start("asks", order{"x"}).value().id().str();
  REQUIRE(workplace::eventually([&] { return d.here.call({"jobs", "show", run, "--json"}).json().at("asks").as_bool(); }));
  const auto asked = d.here.call({"runs", "show", run, "--json"}).json().at("requests").as_array();
  REQUIRE(asked.size() == 1);
  CHECK(text_of(asked[0].at("id")) == "job.1");
  CHECK(d.here.call({"journal", "verify", "--json"}).code == 0);
  CHECK(d.here.call({"runs", "respond", run, "job.1", "--value", "\"retry\""}).code == 0);
  CHECK(d.end(run) == "succeeded");
  CHECK(outside->accepted() == 2);
  CHECK(d.here.call({"runs", "show", run, "--json"}).json().at("requests").as_array().empty());
}

TEST_CASE("a document killed while its job runs goes on with the same job") {
  workplace here;
  const auto ledger = here.path("ledger").string();
  const auto file =
      here.document("long",
                    "  - train:\n      call: job\n      with:\n        backend: process\n        spec: {program: sh, arguments: "
                    "[-c, 'echo start >> \"$1\"; " +
                        here.gate("go") + "; echo end >> \"$1\"', sh, '" + ledger + "']}\n");
  auto first = here.start({"run", file, "--key", "one"});
  REQUIRE(workplace::eventually([&] { return !here.lines("ledger").empty(); }));
  first->kill();
  here.write("go", "");
  const auto again = here.call({"run", file, "--key", "one", "--json"});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(here.lines("ledger") == std::vector<std::string>{"start", "end"});
}

TEST_CASE("a document killed while its shell runs takes the shell over, and does not run it twice") {
  workplace here;
  const auto ledger = here.path("ledger").string();
  const auto file = here.document(
      "long", "  - work:\n      run:\n        shell:\n          command: 'echo start >> \"$1\"; " + here.gate("go") +
                  "; echo end >> \"$1\"; echo two >&2; printf \"one\\ntwo\"; exit 3'\n          arguments: ['" + ledger +
                  "']\n        return: all\n");
  auto first = here.start({"run", file, "--key", "one"});
  REQUIRE(workplace::eventually([&] { return !here.lines("ledger").empty(); }));
  first->kill();
  here.write("go", "");
  if (GENERATE(true, false)) {  // it ends while nobody is there, or while the next one is
    REQUIRE(workplace::eventually([&] { return here.lines("ledger").size() == 2; }));
  }
  const auto again = here.call({"run", file, "--key", "one", "--json"});
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(here.lines("ledger") == std::vector<std::string>{"start", "end"});
  const auto output = again.json().at("output");
  CHECK(output.at("code").as_int64() == 3);
  CHECK(text_of(output.at("stdout")) == "one\ntwo");
  CHECK(text_of(output.at("stderr")) == "two\n");
}

TEST_CASE("a shell that was taken over ends with the run that is cancelled") {
  workplace here;
  const auto ledger = here.path("ledger").string();
  const auto file =
      here.document("long",
                    "  - work:\n      run:\n        shell:\n          command: 'echo $$ >> \"$1\"; exec sleep 1000'\n"
                    "          arguments: ['" +
                        ledger + "']\n");
  auto first = here.start({"run", file, "--key", "one"});
  REQUIRE(workplace::eventually([&] { return !here.lines("ledger").empty(); }));
  first->kill();
  const auto pid = static_cast<pid_t>(std::stol(here.lines("ledger").at(0)));
  CHECK(::kill(pid, 0) == 0);
  auto second = here.start({"run", file, "--key", "one", "--json"});
  const auto list = [&] { return here.call({"runs", "list", "--json"}).json().at("runs").as_array(); };
  REQUIRE(workplace::eventually([&] { return list().size() == 1; }));
  std::this_thread::sleep_for(300ms);
  CHECK(::kill(pid, 0) == 0);
  CHECK(here.call({"runs", "cancel", text_of(list()[0].at("run_id"))}).code == 0);
  CHECK(workplace::eventually([&] { return ::kill(pid, 0) != 0; }));
  CHECK(second->finish().code == 1);
  CHECK(here.lines("ledger").size() == 1);
}

TEST_CASE("a job's arguments are checked where they stand in the document") {
  workplace here;
  const auto file = here.document("wrong", "  - train:\n      call: job\n      with: {backend: process, spek: {}}\n");
  const auto got = here.run({"validate", file});
  CHECK(got.code == 1);
  CHECK((got.out + got.err).find("spek") != std::string::npos);
  CHECK((got.out + got.err).find("spec") != std::string::npos);
}
