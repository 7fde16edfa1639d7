// The Slurm backend on a real cluster of one machine. Where none can be started, this says so and counts as skipped.
#include <sys/stat.h>

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

}  // namespace

TEST_CASE("the Slurm backend conforms") {
  if (cluster().missing()) return;
  const auto at = open_cluster();
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
  // Slurm stores what it knows every few seconds; what it had not stored it does not know afterwards.
  REQUIRE(cluster().stored(id.substr(0, id.find('-'))));
  cluster().kill_controller();
  std::this_thread::sleep_for(150ms);
  const auto down = look(*at, id);
  REQUIRE_FALSE(down.has_value());
  CHECK(down.error().code != errc::not_found);
  std::ofstream{gate} << "open";
  cluster().start_controller();
  REQUIRE(workplace::eventually([&] { return cluster().answers(); }));
  const auto end = end_of(*at, id);
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 7);
}

namespace {

/// The cluster's commands, of which one kills the program when it is run: `PLACE` or `PLACE-after`, once. Submits that Slurm
/// accepted are counted by it.
class deadly_commands {
 public:
  deadly_commands(const workplace& here, const std::string& place) : here_(here) {
    std::filesystem::create_directory(here.path("commands"));
    for (const std::string name : {"sbatch", "squeue", "scontrol", "sacct", "scancel", "sinfo"}) {
      here.write("commands/" + name,
                 "#!/bin/sh\nat=" + here.path("").string() + "\ndie() { mkdir $at/died 2>/dev/null && kill -9 $PPID; }\n" +
                     (place == name ? "die && exit 1\n" : "") + "out=$(/usr/bin/" + name + " \"$@\")\ncode=$?\n" +
                     (name == "sbatch" ? "[ $code = 0 ] && echo \"$out\" >> $at/accepted\n" : "") +
                     (place == name + "-after" ? "die\n" : "") +
                     // What is seen of the job is on its way, and is not heard any more. The next test kills while it runs.
                     (name == "squeue" && place == "ended" ? "case \"$out\" in *COMPLETED*) die;; esac\n" : "") +
                     "echo \"$out\"\nexit $code\n");
      ::chmod(here.path("commands/" + name).c_str(), 0700);
    }
  }
  [[nodiscard]] bool killed() const { return std::filesystem::exists(here_.path("died")); }

 private:
  const workplace& here_;
};

}  // namespace

TEST_CASE("a program killed between any two lines of a cluster's job has one job, and collects its result") {
  if (cluster().missing()) return;
  const auto place = GENERATE(std::string{"sbatch"}, "sbatch-after", "ended", "scancel", "scancel-after");
  INFO(place);
  const bool cancels = place.starts_with("scancel");
  workplace here;
  const deadly_commands commands{here, place};
  const auto ledger = here.path("ledger").string();
  const auto file = here.document(
      "far",
      "  - train:\n      call: job\n      with:\n        backend: cluster\n        spec:\n          script: |\n"
      "            #!/bin/sh\n            echo start >> \"$1\"\n            " +
          std::string{cancels ? "exec sleep 1000" : "sleep 0.3"} + "\n            echo end >> \"$1\"\n          arguments: ['" +
          ledger + "']\n        poll: {interval: {milliseconds: 50}}\n");
  auto described = cluster().file() + "commands: " + here.path("commands").string() + "\n";
  described.replace(described.find("directory: "), std::string{"directory: "}.size() + cluster().path("jobs").string().size(),
                    "directory: " + here.path("jobs").string());
  auto first = here.start({"run", file, "--backend", "cluster=" + here.write("cluster.yaml", described), "--key", "one"});
  const auto list = [&] { return here.call({"jobs", "list", "--all", "--json"}).json().at("jobs").as_array(); };
  if (cancels) {
    REQUIRE(workplace::eventually([&] { return !here.lines("ledger").empty(); }));
    const auto run = text_of(list().at(0).at("run_id"));
    static_cast<void>(here.call({"jobs", "cancel", run}));
  }
  REQUIRE(workplace::eventually([&] { return !first->running(); }));
  CHECK(commands.killed());
  CHECK(here.lines("accepted").size() == (place == "sbatch" ? 0 : 1));
  const auto again = here.call({"run", file, "--key", "one", "--json"});
  INFO(again.err);
  CHECK(again.code == (cancels ? 1 : 0));
  CHECK(here.lines("accepted").size() == 1);  // counted where Slurm's own answer is seen
  CHECK(here.lines("ledger") == (cancels ? std::vector<std::string>{"start"} : std::vector<std::string>{"start", "end"}));
  const auto jobs = list();
  REQUIRE(jobs.size() == 1);
  CHECK(text_of(jobs[0].at("status")) == (cancels ? "cancelled" : "succeeded"));
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
