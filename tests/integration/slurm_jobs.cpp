// The Slurm backend on a real cluster of one machine. Where none can be started, this says so and counts as skipped.
#include <future>

#include "perdure/backend_check.hpp"
#include "perdure/backend_file.hpp"
#include "perdure/json.hpp"
#include "perdure/slurm_job.hpp"
#include "support/catch.hpp"
#include "support/slurm_cluster.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::text_of;
using test::workplace;

namespace {

/// One for all cases of this file: it takes a few seconds to start.
test::slurm_cluster& cluster() {
  static test::slurm_cluster one;
  return one;
}

std::shared_ptr<backend> open_cluster() {
  auto opened = read_backend(cluster().file(), "cluster.yaml");
  INFO((opened ? std::string{} : opened.error().message));
  REQUIRE(opened.has_value());
  return opened->what;
}

slurm_job shell(const std::string& script) {
  slurm_job out;
  out.script = "#!/bin/sh\n" + script + "\n";
  return out;
}

template <class T, class F>
result<T> wait(F call) {
  auto promise = std::make_shared<std::promise<result<T>>>();
  auto end = promise->get_future();
  call(backend_call{.deadline = std::chrono::steady_clock::now() + 20s},
       backend_answer<T>{[promise](result<T> got) { promise->set_value(std::move(got)); }});
  REQUIRE(end.wait_for(40s) == std::future_status::ready);
  return end.get();
}
std::string submit(backend& at, const slurm_job& spec, const std::string& key) {
  auto id = wait<std::string>([&](const backend_call& how, auto done) {
    at.submit({.key = key, .name = "t", .spec = payload{to_json(spec)}}, how, done);
  });
  INFO((id ? std::string{} : id.error().message));
  REQUIRE(id.has_value());
  return *id;
}
result<job_report> look(backend& at, const std::string& id) {
  return wait<job_report>([&](const backend_call& how, auto done) { at.status(id, how, done); });
}
job_report end_of(backend& at, const std::string& id, std::chrono::seconds limit = 30s) {
  job_report out;
  REQUIRE(workplace::eventually(
      [&] {
        const auto seen = look(at, id);
        if (seen) out = *seen;
        return out.status && is_terminal(*out.status);
      },
      limit));
  return out;
}

/// A job whose time is over. Slurm looks for such jobs twice a minute: other cases go on meanwhile.
std::string late_job(backend& at) {
  static std::string id;
  if (!id.empty()) return id;
  auto spec = shell("sleep 1000");
  spec.time_limit_s = 60;
  id = submit(at, spec, "slow");
  REQUIRE(workplace::eventually([&] { return look(at, id).value().status == job_status::running; }));
  const auto number = id.substr(0, id.find('-'));
  CHECK(cluster().ask("scontrol show job " + number).find("TimeLimit=00:01:00") != std::string::npos);
  static_cast<void>(cluster().ask("scontrol update JobId=" + number + " EndTime=now"));
  return id;
}

}  // namespace

TEST_CASE("the Slurm backend conforms") {
  if (cluster().missing()) return;
  const auto at = open_cluster();
  static_cast<void>(late_job(*at));
  auto leaves = shell("printf done > result.txt; ln -s /etc/passwd link.txt; mkfifo pipe.txt; echo no > other.bin");
  leaves.artifacts = {"*.txt"};
  testing::backend_check_options options{.succeeds = to_json(shell("exit 0")),
                                         .fails = to_json(shell("exit 3")),
                                         .hangs = to_json(shell("sleep 1000 & sleep 1000")),
                                         .writes = to_json(shell("echo one; echo two >&2; echo three")),
                                         .leaves = to_json(leaves),
                                         .refused = to_json(slurm_job{}),
                                         .patience = 30s};
  for (const auto& problem : testing::check_backend(*at, options)) FAIL_CHECK(problem);
}

TEST_CASE("an array, a job that fails, one without a place and one that is cancelled while it waits end as they do") {
  if (cluster().missing()) return;
  const auto at = open_cluster();
  auto array = shell("echo \"task $SLURM_ARRAY_TASK_ID\"; exit $(( SLURM_ARRAY_TASK_ID == 2 ? 5 : 0 ))");
  array.array = "1-4%3";
  auto waits = shell("echo never");
  waits.options["begin"] = "now+1hour";
  auto nowhere = shell("exit 0");
  nowhere.partition = "nowhere";
  const auto many = submit(*at, array, "array"), failing = submit(*at, shell("echo broken; kill -SEGV $$"), "failing"),
             waiting = submit(*at, waits, "waiting");
  const auto refused = wait<std::string>(
      [&](const backend_call& how, auto done) { at->submit({.key = "nowhere", .spec = payload{to_json(nowhere)}}, how, done); });
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(refused.error().message.find("nvalid partition") != std::string::npos);

  const auto queued = look(*at, waiting).value();
  CHECK(queued.status == job_status::queued);
  CHECK(queued.raw == "PENDING");
  CHECK(wait<void>([&](const backend_call& how, auto done) { at->cancel(waiting, how, done); }).has_value());
  CHECK(end_of(*at, waiting).status == job_status::cancelled);

  const auto array_end = end_of(*at, many);
  CHECK(array_end.status == job_status::failed);
  CHECK(array_end.exit_code == 5);
  CHECK(array_end.message == "1 of 4 tasks did not complete");
  const auto page = wait<job_log_page>([&](const backend_call& how, auto done) { at->logs(many, {}, how, done); }).value();
  std::string all;
  for (const auto& each : page.lines) all += each.stream + ":" + each.text + "|";
  CHECK(all == "task 1:task 1|task 2:task 2|task 3:task 3|task 4:task 4|");

  const auto failed = end_of(*at, failing);
  CHECK(failed.status == job_status::failed);
  CHECK(failed.raw == "FAILED");
  CHECK(failed.exit_code == 139);
}

TEST_CASE("a controller that is killed and started again in the middle of a job loses nothing") {
  if (cluster().missing()) return;
  const auto at = open_cluster();
  const auto gate = cluster().path("gate");
  const auto id = submit(*at, shell("while [ ! -e " + gate.string() + " ]; do sleep 0.1; done; echo through; exit 7"), "gate");
  REQUIRE(workplace::eventually([&] { return look(*at, id).value().status == job_status::running; }));
  cluster().kill_controller();
  std::this_thread::sleep_for(150ms);
  const auto down = look(*at, id);
  REQUIRE_FALSE(down.has_value());
  CHECK(down.error().code != errc::not_found);
  const auto other = wait<std::string>([&](const backend_call& how, auto done) {
    at->submit({.key = "down", .spec = payload{to_json(shell("exit 0"))}}, how, done);
  });
  CHECK_FALSE(other.has_value());
  std::ofstream{gate} << "open";
  cluster().start_controller();
  REQUIRE(workplace::eventually([&] { return cluster().answers(); }));
  const auto end = end_of(*at, id);
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 7);
  // What could not be told then can be now, once.
  const auto again = submit(*at, shell("exit 0"), "down");
  CHECK(end_of(*at, again).status == job_status::succeeded);
}

TEST_CASE("a program that is killed goes on with the same job of the cluster, and its document gets all of it") {
  if (cluster().missing()) return;
  workplace here;
  const auto gate = here.path("gate").string(), ledger = here.path("ledger").string();
  const auto file =
      here.document("far",
                    "  - train:\n      call: job\n      with:\n        backend: cluster\n        spec:\n          script: |\n"
                    "            #!/bin/sh\n            echo start >> \"$1\"\n            echo '::progress 1/2 half'\n"
                    "            while [ ! -e \"$2\" ]; do sleep 0.1; done\n            echo hello; echo made > made.txt\n"
                    "            echo end >> \"$1\"\n"
                    "          arguments: ['" +
                        ledger + "', '" + gate +
                        "']\n"
                        "        artifacts: ['*.txt']\n        poll: {interval: {milliseconds: 100}}\n");
  const auto backend = "cluster=" + here.write("cluster.yaml", cluster().file());
  auto first = here.start({"run", file, "--backend", backend, "--key", "one"});
  REQUIRE(workplace::eventually([&] { return !here.lines("ledger").empty(); }));
  first->kill();
  here.write("gate", "open");
  const auto again = here.call({"run", file, "--key", "one", "--json"});
  INFO(again.err);
  REQUIRE(again.code == 0);
  CHECK(here.lines("ledger") == std::vector<std::string>{"start", "end"});
  const auto output = again.json().at("output");
  CHECK(text_of(output.at("raw")) == "COMPLETED");
  CHECK(text_of(output.at("artifacts").as_array().at(0).at("name")) == "made.txt");
  const auto run = text_of(again.json().at("run_id"));
  CHECK(here.call({"jobs", "logs", run}).out == "::progress 1/2 half\nhello\n");
  CHECK(here.call({"jobs", "download", run, "made.txt", "-o", "-"}).out == "made\n");
  CHECK(here.call({"backends", "check", "cluster"}).out.find("partitions: main*") != std::string::npos);
}

TEST_CASE("a job that takes longer than it may is out of time") {
  if (cluster().missing()) return;
  const auto at = open_cluster();
  const auto end = end_of(*at, late_job(*at), 100s);
  CHECK(end.status == job_status::timed_out);
  CHECK(end.raw == "TIMEOUT");
}
