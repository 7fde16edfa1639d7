// The Slurm backend against commands of the test's own: what their words mean, and how a cluster misbehaves. The real ones are
// in tests/integration/slurm_jobs.cpp.
#include "actors/backends/slurm_backend.hpp"

#include <sys/stat.h>

#include <fstream>
#include <future>

#include "actors/backends/slurm_commands.hpp"
#include "actors/backends/slurm_folder.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::actors;

namespace {

/// A cluster that is a folder: each command is a script, which may use $cluster.
struct fake_cluster {
  test::temp_directory directory;
  std::filesystem::path root = directory.path() / "jobs", commands = directory.path() / "commands";
  std::unique_ptr<slurm_backend> at;

  fake_cluster() {
    std::filesystem::create_directory(commands);
    // Slurm's numbers begin at 7; each submit leaves a line: number, name, batch script.
    command("sbatch",
            "n=$(( $(cat $cluster/ledger 2>/dev/null | wc -l) + 7 ))\n"
            "for each; do case $each in --job-name=*) name=${each#*=};; --comment=*) comment=${each#*=};; esac; done\n"
            "echo \"$n $name $comment $each\" >> $cluster/ledger\necho $n\n");
    command("squeue",
            "case \"$*\" in *--name=*) for each; do case $each in --name=*) name=${each#*=};; esac; done\n"
            "while read n known comment batch; do [ \"$known\" = \"$name\" ] && echo \"$n|$comment\"; done < $cluster/ledger; "
            "exit 0;; esac\n"
            "cat $cluster/queue 2>/dev/null\n:\n");
    command("scontrol",
            "cat $cluster/memory 2>/dev/null && exit 0; echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1\n");
    command("sacct",
            "[ -e $cluster/accounts ] || { echo 'Slurm accounting storage is disabled' >&2; exit 1; }\ncat $cluster/accounts\n");
    command("scancel", "echo \"$*\" >> $cluster/cancels\n");
    command("sinfo", "echo 'main* up 1 idle'\n");
    open();
  }
  void open() { at = std::make_unique<slurm_backend>(slurm_options{.root = root, .commands = commands, .refresh = 0ms}); }
  void command(const std::string& name, const std::string& script) const {
    const auto path = commands / name;
    std::ofstream{path} << "#!/bin/sh\ncluster=" << directory.path().string() << "\n" << script;
    ::chmod(path.c_str(), 0700);
  }
  void say(const std::string& file, const std::string& text) const { std::ofstream{directory.path() / file} << text; }
  [[nodiscard]] std::vector<std::string> lines(const std::string& file) const {
    std::ifstream in{directory.path() / file};
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  /// Runs the batch script of a submit, as Slurm would.
  int begin(std::size_t submit = 0, const std::string& more = "") const {
    const auto line = lines("ledger").at(submit);
    const auto batch = line.substr(line.rfind(' ') + 1), number = line.substr(0, line.find(' '));
    const auto folder = std::filesystem::path{batch}.parent_path().string();
    return std::system(("cd " + folder + " && SLURM_JOB_ID=" + number + " " + more + " sh " + batch + " > log 2>&1").c_str());
  }

  template <class T, class F>
  result<T> wait(F call) {
    auto promise = std::make_shared<std::promise<result<T>>>();
    auto end = promise->get_future();
    call(backend_call{.deadline = std::chrono::steady_clock::now() + patience},
         backend_answer<T>{[promise](result<T> got) { promise->set_value(std::move(got)); }});
    REQUIRE(end.wait_for(20s) == std::future_status::ready);
    return end.get();
  }
  result<std::string> submit(const slurm_job& spec, const std::string& key = "run/e/1/2") {
    return wait<std::string>([&](const backend_call& how, auto done) {
      at->submit({.key = key, .executor = "e", .name = "train me", .spec = payload{to_json(spec)}}, how, done);
    });
  }
  result<job_report> status(const std::string& id) {
    return wait<job_report>([&](const backend_call& how, auto done) { at->status(id, how, done); });
  }
  result<std::optional<std::string>> find(const std::string& key) {
    return wait<std::optional<std::string>>([&](const backend_call& how, auto done) { at->find(key, how, done); });
  }
  result<void> cancel(const std::string& id) {
    return wait<void>([&](const backend_call& how, auto done) { at->cancel(id, how, done); });
  }
  result<job_log_page> logs(const std::string& id, const std::string& cursor = "", std::size_t limit = 1000) {
    return wait<job_log_page>(
        [&](const backend_call& how, auto done) { at->logs(id, {.cursor = cursor, .limit = limit}, how, done); });
  }
  std::chrono::milliseconds patience{5'000};
};

slurm_job shell(const std::string& script) {
  slurm_job out;
  out.script = "#!/bin/sh\n" + script;
  return out;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("Slurm's states are what they mean for a job, and an unknown one is not guessed") {
  for (const auto& [state, meant] : std::vector<std::pair<const char*, job_status>>{{"PENDING", job_status::queued},
                                                                                    {"RUNNING", job_status::running},
                                                                                    {"COMPLETING", job_status::running},
                                                                                    {"COMPLETED", job_status::succeeded},
                                                                                    {"FAILED", job_status::failed},
                                                                                    {"NODE_FAIL", job_status::failed},
                                                                                    {"PREEMPTED", job_status::failed},
                                                                                    {"OUT_OF_MEMORY", job_status::failed},
                                                                                    {"CANCELLED", job_status::cancelled},
                                                                                    {"TIMEOUT", job_status::timed_out}}) {
    INFO(state);
    CHECK(status_of_slurm(state) == meant);
  }
  CHECK_FALSE(status_of_slurm("PONDERING"));
  CHECK_FALSE(status_of_slurm(""));
}

TEST_CASE("exit codes, arrays and listings are read, and what is none is not") {
  CHECK(exit_of_slurm("3:0") == 3);
  CHECK(exit_of_slurm("0:9") == 137);
  for (const auto* text : {"", "3", ":", "-1:0", "3:x", "300:0", "1:999"}) CHECK_FALSE(exit_of_slurm(text));
  CHECK(read_array("1,5,7-9:2%4", 100) == std::vector<std::uint64_t>{1, 5, 7, 9});
  CHECK(read_array("3-1", 100).empty());
  for (const auto* text : {"", ",", "1,", "a", "1-", "-1", "1-5:0", "1:2", "%4", "1%", "0-18446744073709551615", "0-100"})
    CHECK(read_array(text, 100).empty());
  const auto queue = read_squeue("7|N/A|RUNNING|None\n8|3|PENDING|Resources\nnonsense\n|||\n9|N/A|CANCELLED by 0|\n");
  REQUIRE(queue.size() == 3);
  CHECK(queue[1].job == 8);
  CHECK(queue[1].index == 3);
  CHECK(queue[2].state == "CANCELLED");
  const auto shown = read_scontrol(
      "JobId=9 ArrayJobId=8 ArrayTaskId=1 JobName=x UserId=root(0) JobState=FAILED Reason=NonZeroExitCode "
      "ExitCode=3:0 Comment=JobState=COMPLETED\nJobId=10 JobName=y JobState=RUNNING ExitCode=0:0\n");
  REQUIRE(shown.size() == 2);
  CHECK(shown[0].job == 8);
  CHECK(shown[0].state == "FAILED");
  CHECK(shown[0].exit_code == 3);
  const auto counted = read_sacct("8_1|COMPLETED|0:0\n9|CANCELLED by 1000|0:15\n\n|\n");
  REQUIRE(counted.size() == 2);
  CHECK(counted[0].index == 1);
  CHECK(counted[1].state == "CANCELLED");
}

TEST_CASE("what a submit tells Slurm cannot be taken for something else") {
  fake_cluster c;
  auto spec = shell("exit 0");
  spec.options = {{"account", "a b; rm -rf /"}, {"exclusive", ""}};
  spec.time_limit_s = 61;
  spec.memory_mb = 100;
  const auto arguments =
      sbatch_arguments("/f", std::string(32, 'a'), {.key = "k\n|JobState=X 'é", .name = "--uid=0 x"}, spec, {{"qos", "low"}});
  std::string all;
  for (const auto& each : arguments) all += "[" + each + "]";
  CHECK(has(all, "[--job-name=--uid_0_x.aaaaaaaaaaaaaaaa]"));
  CHECK(has(all, "[--comment=perdure:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:k__JobState_X____]"));
  CHECK(has(all, "[--account=a b; rm -rf /][--exclusive][--mem=100M][--qos=low][--time=2][/f/batch]"));
}

TEST_CASE("a spec that Slurm could never take is refused, and leaves nothing") {
  fake_cluster c;
  std::vector<slurm_job> bad(11);
  bad[1] = shell("");
  bad[1].program = "both";
  bad[2].script = "no first line";
  bad[3] = shell("");
  bad[3].array = "9-1";
  bad[4] = shell("");
  bad[4].options = {{"uid", "0"}};
  bad[5] = shell("");
  bad[5].options = {{"-x", "0"}};
  bad[6] = shell("");
  bad[6].files = {{"../x", ""}};
  bad[7] = shell("");
  bad[7].environment = {{"A B", ""}};
  bad[8].program = std::string{"a\0b", 3};
  bad[9] = shell("");
  bad[9].options = {{"outp", "/etc/x"}};
  bad[10] = shell("#SBATCH --mem=1");
  for (const auto& each : bad) CHECK(c.submit(each).error().code == errc::invalid_argument);
  CHECK(c.lines("ledger").empty());
  CHECK_FALSE(c.find("run/e/1/2").value());
  c.command("sbatch", "echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1");
  const auto refused = c.submit(shell("exit 0"));
  CHECK(refused.error().code == errc::invalid_argument);
  CHECK(has(refused.error().message, "Invalid partition"));
  CHECK_FALSE(c.find("run/e/1/2").value());
}

TEST_CASE("a job does its work, and its files tell how it ended when Slurm has forgotten it") {
  fake_cluster c;
  auto spec = shell("echo \"$1|$A|$PERDURE_JOB_KEY\"; echo made > made.txt; cat given; exit 3");
  spec.arguments = {"it's \"one\" $HOME"};
  spec.environment = {{"A", "x'y"}};
  spec.files = {{"given", "content"}};
  spec.artifacts = {"*.txt"};
  const auto id = c.submit(spec, "run/e/1/2").value();
  CHECK(id == "7-" + slurm_hash("run/e/1/2"));
  c.say("queue", "7|N/A|PENDING|Resources\n");
  CHECK(c.status(id)->status == job_status::queued);
  CHECK(c.status(id)->text == "Resources");
  c.begin();
  c.say("queue", "");
  const auto end = c.status(id).value();
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 3);
  CHECK(c.logs(id)->lines.at(0).text == "it's \"one\" $HOME|x'y|run/e/1/2");
  CHECK(c.logs(id)->lines.at(1).text == "content");
  const auto files =
      c.wait<std::vector<job_artifact>>([&](const backend_call& how, auto done) { c.at->artifacts(id, how, done); }).value();
  REQUIRE(files.size() == 1);
  CHECK(files[0].name == "made.txt");
}

TEST_CASE("accounting tells more than the job's own word, and what is told first stays") {
  fake_cluster c;
  const auto id = c.submit(shell("exit 0")).value();
  c.say("accounts", "7|TIMEOUT|0:15\n8|COMPLETED|0:0\n");
  CHECK(c.status(id)->status == job_status::timed_out);
  CHECK(c.status(id)->exit_code == 143);
  // A cluster that changes its mind: done is done.
  c.say("queue", "7|N/A|RUNNING|None\n");
  CHECK(c.status(id)->status == job_status::timed_out);
  c.open();
  CHECK(c.status(id)->status == job_status::timed_out);
}

TEST_CASE("a job of which nobody knows anything is lost") {
  fake_cluster c;
  const auto id = c.submit(shell("exit 0")).value();
  const auto end = c.status(id).value();
  CHECK(end.status == job_status::lost);
  CHECK(has(end.message, "job 7"));
}

TEST_CASE("a controller that is down makes nothing of a job: not lost, not refused, not cancelled") {
  fake_cluster c;
  const auto id = c.submit(shell("exit 0"), "one").value();
  for (const auto* name : {"sbatch", "squeue", "scontrol", "scancel", "sacct"})
    c.command(name, "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1");
  CHECK(c.status(id).error().code == errc::io_error);
  CHECK(c.cancel(id).error().code == errc::io_error);
  CHECK(c.submit(shell("exit 0"), "two").error().code == errc::io_error);
  CHECK(c.find("two").error().code == errc::io_error);
  CHECK(c.find("one").value() == id);  // its number is known
}

TEST_CASE("a job that its killed controller tries to begin a second time ends as it said itself, and is not done again") {
  // Seen with a real cluster: slurmctld was killed a second after a job began. It had not stored that, so it began the job once
  // more, its node had it already, and Slurm held it for ever; the job's result was there all the while.
  fake_cluster c;
  const auto id = c.submit(shell("exit 3")).value();
  c.say("queue", "7|N/A|PENDING|launch failed requeued held\n");
  CHECK(c.status(id)->status == job_status::queued);  // it still runs, for all that is known
  CHECK(c.lines("cancels").empty());
  c.begin();
  c.command("scancel", "echo 'scancel: error: Unable to contact slurm controller (connect failure)' >&2; exit 1");
  CHECK(c.status(id).error().code == errc::io_error);
  c.command("scancel", "echo \"$*\" >> $cluster/cancels\n");
  const auto end = c.status(id).value();
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 3);
  CHECK(c.lines("cancels") == std::vector<std::string>{"7"});
  // One that waits for another reason is to be done again: its site says so.
  const auto other = c.submit(shell("exit 4"), "other").value();
  c.begin(1);
  c.say("queue", "8|N/A|PENDING|BeginTime\n");
  CHECK(c.status(other)->status == job_status::queued);
}

TEST_CASE("a configuration that is not there holds jobs up and refuses none") {
  // sbatch of a real Slurm looks for it for a minute, and then fails as it does for a bad job.
  fake_cluster c;
  c.command("sbatch", "echo 'sbatch: fatal: Unable to process configuration file' >&2; exit 1");
  CHECK(c.submit(shell("exit 0")).error().code == errc::io_error);
  c.at = std::make_unique<slurm_backend>(
      slurm_options{.root = c.root, .commands = c.commands, .conf = c.directory.path() / "slurm.conf", .refresh = 0ms});
  const auto why = c.submit(shell("exit 0")).error();
  CHECK(why.code == errc::io_error);
  CHECK(has(why.message, "slurm.conf: No such file"));
}

TEST_CASE("commands that are not there, hang or print nonsense are errors that pass") {
  fake_cluster c;
  std::filesystem::remove(c.commands / "sbatch");
  CHECK(c.submit(shell("exit 0")).error().code == errc::overloaded);
  CHECK_FALSE(std::filesystem::exists(c.root / slurm_hash("run/e/1/2")));
  c.command("sbatch", "echo 'Submitted, more or less'");
  CHECK(c.submit(shell("exit 0")).error().code == errc::io_error);
  c.patience = 300ms;
  c.command("sbatch", "sleep 30");
  c.command("squeue", "exec sleep 30");
  CHECK(c.submit(shell("exit 0"), "slow").error().code == errc::timeout);
}

TEST_CASE("killed while sbatch ran: the job is found by its key, and not submitted again") {
  fake_cluster c;
  const auto spec = shell("echo work >> \"$PERDURE_JOB_DIR/../../../ledger.work\"");
  c.submit(spec, "one").value();
  // As if nobody had heard the answer.
  std::filesystem::remove(c.root / slurm_hash("one") / "number");
  c.open();
  CHECK(c.find("one").value() == "7-" + slurm_hash("one"));
  CHECK(c.submit(spec, "one").value() == "7-" + slurm_hash("one"));
  CHECK(c.lines("ledger").size() == 1);
}

TEST_CASE("a job that was submitted twice all the same does its work once") {
  fake_cluster c;
  const auto spec = shell("echo work >> \"$PERDURE_JOB_DIR/../../../work\"");
  c.submit(spec, "one").value();
  std::filesystem::remove(c.root / slurm_hash("one") / "number");
  // The controller had not worked off the first submit when it was asked.
  const auto ledger = c.lines("ledger").front();
  c.command("squeue", ":");
  const auto second = c.submit(spec, "one").value();
  CHECK(second == "8-" + slurm_hash("one"));
  REQUIRE(c.lines("ledger").size() == 2);
  c.begin(0);
  c.begin(1);
  c.begin(0);  // requeued
  CHECK(c.lines("work").size() == 2);
  // And its status is that of the one that works.
  c.say("memory", "JobId=7 JobState=RUNNING Reason=None ExitCode=0:0\n");
  CHECK(c.status(second)->status == job_status::running);
  CHECK(c.find("one").value() == "7-" + slurm_hash("one"));
}

TEST_CASE("an array is as its tasks are, and counts them") {
  fake_cluster c;
  auto spec = shell("echo task $SLURM_ARRAY_TASK_ID; exit $(( SLURM_ARRAY_TASK_ID % 2 ))");
  spec.array = "1-3";
  const auto id = c.submit(spec).value();
  c.say("queue", "7|1|COMPLETED|None\n7|2|RUNNING|None\n7|3|PENDING|Resources\n8|1|FAILED|None\n");
  const auto now = c.status(id).value();
  CHECK(now.status == job_status::running);
  CHECK(now.done == 1U);
  CHECK(now.total == 3U);
  c.say("queue", "");
  // One is in Slurm's memory, one in the accounts, one left its own word.
  c.say("memory", "JobId=7 ArrayJobId=7 ArrayTaskId=2 JobState=COMPLETED ExitCode=0:0\n");
  c.say("accounts", "7_1|FAILED|1:0\n");
  c.begin(0, "SLURM_ARRAY_JOB_ID=7 SLURM_ARRAY_TASK_ID=3");
  const auto end = c.status(id).value();
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 1);
  CHECK(has(end.message, "2 of 3 tasks"));
  CHECK(has(std::string{end.result.text()}, R"("not_completed":[{"task":1,"state":"FAILED","exit_code":1},{"task":3)"));
}

TEST_CASE("a log's cursors stay good, lines come whole, and long or strange ones survive") {
  fake_cluster c;
  const auto id = c.submit(shell("exit 0")).value();
  const auto log = c.root / slurm_hash("run/e/1/2") / "log";
  std::ofstream{log} << "one\ntwo\nthr";
  c.say("queue", "7|N/A|RUNNING|None\n");
  const auto first = c.logs(id).value();
  REQUIRE(first.lines.size() == 2);
  std::ofstream{log, std::ios::app} << "ee\n"
                                    << std::string(100'000, 'x') << "\n\xFF\xFEz\n"
                                    << "last without end";
  CHECK(c.logs(id, first.next_cursor)->lines.at(0).text == "three");
  CHECK(c.logs(id)->lines.at(0).text == "one");
  std::string all, cursor;
  std::size_t count = 0;
  for (bool more = true; more; ++count) {
    const auto page = c.logs(id, cursor, 1).value();
    REQUIRE(page.lines.size() <= 1);
    for (const auto& each : page.lines) all += each.text + (each.continues ? "" : "\n");
    cursor = page.next_cursor;
    more = page.has_more;
  }
  CHECK(all == "one\ntwo\nthree\n" + std::string(100'000, 'x') + "\n\xFF\xFEz\n");
  CHECK(count > 6);
  c.say("queue", "");
  c.status(id).value();
  CHECK(c.logs(id, cursor)->lines.at(0).text == "last without end");
  for (const auto* wrong : {"x", "s", "s1.0", "s0.", "s0.zz", "s0.0 ", "s99999999999999999999.0"})
    CHECK(c.logs(id, wrong).error().code == errc::invalid_argument);
}

TEST_CASE("a job that puts links in the place of its files shows nobody else's") {
  fake_cluster c;
  auto spec = shell("ln -s /etc/passwd secret.txt");
  spec.artifacts = {"*"};
  const auto id = c.submit(spec).value();
  c.begin();
  std::filesystem::remove(c.root / slurm_hash("run/e/1/2") / "log");
  std::filesystem::create_symlink("/etc/passwd", c.root / slurm_hash("run/e/1/2") / "log");
  CHECK_FALSE(c.logs(id).has_value());
  const auto opened = c.wait<std::shared_ptr<artifact_reader>>(
      [&](const backend_call& how, auto done) { c.at->open_artifact(id, "secret.txt", how, done); });
  CHECK_FALSE(opened.has_value());
}

TEST_CASE("ids that lead elsewhere name no job") {
  fake_cluster c;
  c.submit(shell("exit 0")).value();
  for (const auto* id : {"", "7", "-", "7-", "7-../x", "x-00000000000000000000000000000000", "7-00000000000000000000000000000000",
                         "7\n8", "../.."})
    CHECK(c.status(id).error().code == errc::not_found);
}

TEST_CASE("a folder goes with its run, an hour later, and never that of a job that goes on, or of another node") {
  fake_cluster c;
  const auto gone = run_id::make(), there = run_id::make();
  const auto key = [](const run_id& run, const char* more) { return run.str() + "/e/1/" + more; };
  const auto ended = c.submit(shell("exit 0"), key(gone, "1")).value(), open = c.submit(shell("exit 0"), key(gone, "2")).value(),
             kept = c.submit(shell("exit 0"), key(there, "3")).value();
  c.say("queue", "8|N/A|RUNNING|None\n");
  c.status(ended).value();
  c.status(kept).value();
  const auto count = [&] { return std::distance(std::filesystem::directory_iterator(c.root), {}); };
  const auto sweep = [&](std::chrono::seconds age, const std::string& owner) {
    c.at = std::make_unique<slurm_backend>(slurm_options{.root = c.root, .commands = c.commands, .refresh = 0ms, .owner = owner});
    c.at->remove_orphans([&](const run_id& run) { return run == there; }, age);
    static_cast<void>(c.status("x"));  // after it, in turn
  };
  sweep(3600s, "");
  CHECK(count() == 3);
  sweep(0s, "another");
  CHECK(count() == 3);
  sweep(0s, "");
  CHECK(count() == 2);
  CHECK(c.status(ended).error().code == errc::not_found);
  CHECK(c.status(open).value().status == job_status::running);
  CHECK(c.status(kept).value().status == job_status::lost);
}

TEST_CASE("progress is what the job printed last") {
  fake_cluster c;
  const auto id = c.submit(shell("exit 0")).value();
  c.say("queue", "7|N/A|RUNNING|None\n");
  std::ofstream{c.root / slurm_hash("run/e/1/2") / "log"}
      << "::progress 1/10 a\nx ::progress 9/10\n::progress -3/10\n::progress 20/10 loss 0.1\n::progress 3";
  const auto now = c.status(id).value();
  CHECK(now.done == 10U);
  CHECK(now.total == 10U);
  CHECK(now.text == "loss 0.1");
}
