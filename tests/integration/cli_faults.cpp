// The program where its surroundings fail it: closed streams, signals, a disk without room, output beyond limits.
#include <csignal>

#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace std::chrono_literals;
using perdure::test::program;
using perdure::test::slurp;
using perdure::test::text_of;
using perdure::test::workplace;
namespace json = perdure::json;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const char* slow_tasks = "  - slow:\n      run: {shell: {command: sleep 60}}\n";

std::string only_run(const workplace& here) {
  const auto listed = here.call({"runs", "list", "--json"});
  if (listed.code != 0) return {};
  const auto runs = listed.json().at("runs").as_array();
  return runs.size() == 1 ? text_of(runs[0].at("run_id")) : std::string{};
}
std::string started_run(const workplace& here) {
  REQUIRE(workplace::eventually([&] {
    const auto run = only_run(here);
    return !run.empty() && text_of(here.call({"runs", "show", run, "--json"}).json().at("status")) == "running";
  }));
  return only_run(here);
}
bool closed_cleanly(const workplace& here) {
  return here.call({"journal", "stats", "--json"}).json().at("closed_cleanly").as_bool();
}
/// A shell's, with the program as $P, its data as $D and the place as $H.
int shell(const workplace& here, const std::string& script) {
  const auto line = "P='" + std::string{std::getenv("PERDURE_BINARY")} + "' D='" + here.data() + "' H='" +
                    here.path("").string() + "'\n" + script;
  const auto file = here.write("script.sh", line);
  return std::system(("/bin/sh " + file).c_str());
}

}  // namespace

TEST_CASE("a command that is left in a directory does not make its clean stop an unclean one") {
  // It did: every command that was left offline opened the journal for writing and did not say that it had closed it. A run that
  // was in flight at three such stops was quarantined, though nothing had ever crashed.
  const workplace here;
  auto node = here.start({"run", here.document("slow", slow_tasks)});
  const auto run = started_run(here);
  node->signal(SIGTERM);
  node->finish();
  REQUIRE(closed_cleanly(here));
  CHECK(here.call({"runs", "signal", run, "hello"}).code == 0);
  CHECK(closed_cleanly(here));
  CHECK(here.call({"runs", "pause", run}).code == 0);
  CHECK(closed_cleanly(here));
}

TEST_CASE("a terminal that is closed ends a node in order") {
  const workplace here;
  auto node = here.start({"run", here.document("slow", slow_tasks)});
  started_run(here);
  node->signal(SIGHUP);
  node->finish();
  CHECK(closed_cleanly(here));
}

TEST_CASE("what waits beside a node ends at the first interrupt") {
  const workplace here;
  auto node = here.start({"run", here.document("slow", slow_tasks)});
  const auto run = started_run(here);
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"runs", "wait", run}, {"runs", "events", run, "--follow"}}) {
    for (const int by : {SIGINT, SIGTERM}) {
      auto waits = here.start(command);
      std::this_thread::sleep_for(300ms);
      CHECK(waits->running());
      waits->signal(by);
      CHECK(workplace::eventually([&] { return !waits->running(); }, 5s));
    }
  }
}

TEST_CASE("with closed standard streams nothing is written into a file of the journal") {
  const workplace here;
  const auto good = here.document("good", "  - one: {set: {x: 1}}\n");
  const auto bad = here.document("bad", "  - one: {raise: {error: {type: 'https://x.example/e', status: 500, title: broken}}}\n");
  REQUIRE(here.call({"run", good}).code == 0);
  CHECK(shell(here, "$P run " + good + " --data $D --json --follow <&- 2>&- >$H/out") == 0);
  CHECK(has(slurp(here.path("out")), "succeeded"));
  CHECK(shell(here, "$P run " + bad + " --data $D <&- >&- 2>&-") != 0);
  (void)shell(here,
              "$P journal verify --data $D <&- >&-; $P runs list --data $D <&- >&-; $P journal checkpoint --data $D >&- 2>&-");
  for (const auto* name : {"lock", "journal.mdb-lock"}) {
    CHECK_FALSE(has(slurp(here.path("data") / name), "perdure"));
    CHECK_FALSE(has(slurp(here.path("data") / name), "run"));
  }
  CHECK(here.call({"journal", "verify"}).code == 0);
}

TEST_CASE("output that is cut is an error of the task, not a shorter result") {
  const workplace here;
  const auto noisy =
      here.document("noisy", "  - big:\n      run: {shell: {command: \"head -c 5000000 /dev/zero | tr '\\\\0' x\"}}\n");
  const auto ended = here.call({"run", noisy, "--json"});
  CHECK(ended.code == 1);
  const auto told = ended.json();
  const auto& why = told.at("error");
  CHECK(has(text_of(why.at("detail")), "process_output_bytes"));
  CHECK(text_of(why.at("executor")) == "big");
  const auto quiet = here.document(
      "quiet", "  - big:\n      run: {shell: {command: \"head -c 5000000 /dev/zero | tr '\\\\0' x\"}, return: none}\n");
  CHECK(here.call({"run", quiet}).code == 0);
}

TEST_CASE("an expression that fails names the task it stands in") {
  const workplace here;
  const auto wrong = here.document("wrong", "  - first: {set: {v: '${ .a.b.c }'}}\n");
  const auto ended = here.call({"run", wrong, "--json", "--input", R"({"a":1})"});
  CHECK(ended.code == 1);
  CHECK(text_of(ended.json().at("error").at("executor")) == "first");
}

TEST_CASE("on a full disk others are answered, a cancel is taken, what had ended is told, and with room all goes on") {
  if (std::system("unshare -m true 2> /dev/null") != 0) {
    WARN("skipped: there is no mount namespace of one's own here");
    return;
  }
  const workplace here;
  const auto slow = here.document("slow", slow_tasks);
  const auto quick = here.document("quick", "  - one: {set: {x: 1}}\n");
  std::filesystem::create_directory(here.path("data"));
  // In a mount namespace of its own: a file system of 90 MiB, which the script fills to the last byte.
  const auto script = here.write("full.sh", "quick='" + quick + "' slow='" + slow + "'\n" + R"sh(
mount -t tmpfs -o size=90m none "$D" || exit 77
$P run $quick --data $D --key done --json >$H/first || exit 1
$P run $slow --data $D >$H/node 2>&1 &
node=$!
for i in $(seq 200); do $P runs list --data $D 2>/dev/null | grep -q running && break; sleep 0.05; done
id=$($P runs list --data $D --status running --json | sed 's/.*"run_id":"\([^"]*\)".*/\1/')
cat /dev/zero >$D/filler 2>/dev/null
sleep 1.2
$P runs pause $id --data $D >$H/paused 2>&1 &
sleep 0.3
timeout 5 $P runs list --data $D >$H/listed || exit 2
timeout 5 $P runs show $id --data $D --json >$H/blocked || exit 10
timeout 5 $P runs wait $id --timeout 300ms --data $D 2>$H/waited && exit 11
timeout 20 $P runs cancel $id --data $D >$H/cancelled 2>&1 || exit 3
wait $node
$P runs show $id --data $D --json >$H/shown || exit 4
$P run $quick --data $D --key done --json >$H/again 2>$H/again.err || exit 5
rm $D/filler
$P run $quick --data $D --json >$H/last || exit 6
$P journal verify --data $D >$H/verified || exit 7
mkdir $H/none && mount -t tmpfs -o size=64k none $H/none || exit 8
cat /dev/zero >$H/none/filler 2>/dev/null
$P run $quick --data $H/none/data >$H/new 2>&1 && exit 9
exit 0
)sh");
  const auto code = shell(here, "export P D H; unshare -m /bin/sh " + script + " || exit $?");
  if (WEXITSTATUS(code) == 77 || has(slurp(here.path("full.err")), "unshare")) {
    WARN("skipped: a file system of one's own cannot be mounted here");
    return;
  }
  INFO(slurp(here.path("node")) << slurp(here.path("cancelled")) << slurp(here.path("again")) << slurp(here.path("again.err")));
  CHECK(WEXITSTATUS(code) == 0);
  // That the run waited stood in the node's log only.
  CHECK(has(slurp(here.path("listed")), "blocked: waits"));
  CHECK(has(slurp(here.path("blocked")), R"("blocked":"waits for room in the journal: )"));
  CHECK(has(slurp(here.path("waited")), "waits for room in the journal: "));
  CHECK(has(slurp(here.path("waited")), "not ended in time"));
  CHECK(has(slurp(here.path("shown")), R"("status":"cancelled")"));
  CHECK(has(slurp(here.path("shown")), R"("blocked":null)"));
  CHECK(has(slurp(here.path("again")), "succeeded"));
  // A new directory there was told to be a broken journal, to be restored from a copy.
  CHECK(has(slurp(here.path("new")), "No space left on device"));
  CHECK(has(slurp(here.path("new")), "make room"));
}

TEST_CASE("a run whose large payload is gone is named, shown as far as it is known, and holds up no other") {
  // The error said only that there was no such blob, with the code of a run that is not there.
  const workplace here;
  const auto file = here.document("large", "  - a:\n      set: {x: '${ \"y\" * 200000 }'}\n  - b:\n      wait: {minutes: 5}\n");
  auto killed = here.start({"run", file, "--key", "k"});
  REQUIRE(workplace::eventually([&] { return has(here.call({"runs", "list"}).out, "waiting"); }));
  killed->kill();
  const auto id = only_run(here);
  std::filesystem::remove_all(here.path("data") / "blobs");
  const auto again = here.call({"run", file, "--key", "k"});
  CHECK(again.code == 1);
  CHECK(has(again.err, id));
  CHECK(has(again.err, "there is no blob"));
  const auto shown = here.call({"runs", "show", id, "--json"});
  CHECK(shown.code == 1);
  CHECK(shown.json().at("status") == "waiting");
  CHECK(has(text_of(shown.json().at("blocked")), "there is no blob"));
  const auto events = here.call({"runs", "events", id, "--json"});
  CHECK(events.code == 1);
  CHECK(has(events.err, R"("corrupt")"));
  const auto quick = here.document("quick", "  - one: {set: {x: 1}}\n");
  CHECK(here.call({"run", quick}).out == "{\"x\":1}\n");
  CHECK(has(here.call({"journal", "verify"}).out, id));
}
