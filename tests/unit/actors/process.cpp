#include "actors/capabilities/process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "perdure/context.hpp"
#include "support/catch.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::actors;
namespace fs = std::filesystem;

namespace {

template <class F>
bool within(std::chrono::milliseconds bound, F&& condition) {
  const auto until = std::chrono::steady_clock::now() + bound;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

struct scratch {
  fs::path at;
  scratch() {
    std::string name = (fs::temp_directory_path() / "perdure-process-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    at = name;
  }
  ~scratch() { fs::remove_all(at); }
};

std::string text_of(const fs::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

// Fields of /proc/PID/stat after the name: state, parent, group …
std::vector<std::string> stat_of(pid_t pid) {
  const auto text = text_of("/proc/" + std::to_string(pid) + "/stat");
  const auto end = text.rfind(')');
  if (end == std::string::npos) return {};
  std::istringstream rest(text.substr(end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

// A zombie is dead: whoever should collect it may be slow, or not there (a container without an init).
bool lives(pid_t pid) {
  const auto fields = stat_of(pid);
  return !fields.empty() && fields[0] != "Z" && fields[0] != "X";
}

std::vector<pid_t> reapers_of(pid_t parent) {
  std::vector<pid_t> out;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const auto pid = static_cast<pid_t>(std::atoi(entry.path().filename().c_str()));
    if (pid <= 0 || text_of(entry.path() / "comm") != "perdure-reaper\n" || !lives(pid)) continue;
    const auto fields = stat_of(pid);
    if (fields.size() > 1 && fields[1] == std::to_string(parent)) out.push_back(pid);
  }
  return out;
}

std::size_t open_files() {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator{}));
}

// Starts processes and waits for their outcomes; every outcome must come exactly once.
class bench {
 public:
  explicit bench(spawner::options options = {}) : children(std::make_shared<spawner>(std::move(options))), processes(children) {}

  std::future<core::outcome> start(const process_spec& spec, std::stop_token stop = {}) {
    return start(payload{to_json(spec)}, stop);
  }
  std::future<core::outcome> start(payload spec, std::stop_token stop = {}) {
    auto promise = std::make_shared<std::promise<core::outcome>>();
    auto outcome = promise->get_future();
    // A second call would throw future_error out of the spawner's thread and end the test.
    processes.start({.key = "run/exec/1/2",
                     .run = "run",
                     .executor = "exec",
                     .spec = std::move(spec),
                     .stop = std::move(stop),
                     .done = [promise](core::outcome what) { promise->set_value(std::move(what)); },
                     .tell = {}});
    return outcome;
  }
  core::outcome end_of(std::future<core::outcome> outcome) {
    REQUIRE(outcome.wait_for(30s) == std::future_status::ready);
    return outcome.get();
  }
  core::outcome run(const process_spec& spec) { return end_of(start(spec)); }
  process_result result(const process_spec& spec) {
    const auto outcome = run(spec);
    INFO((outcome.error ? outcome.error->message : ""));
    REQUIRE_FALSE(outcome.error);
    return from_json<process_result>(outcome.value.value()).value();
  }
  failure failed(const process_spec& spec) {
    const auto outcome = run(spec);
    REQUIRE(outcome.error);
    return *outcome.error;
  }

  std::shared_ptr<spawner> children;
  process_capability processes;
};

process_spec shell(const std::string& script) { return process_spec{"sh"}.arg("-c").arg(script); }

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a program runs; its output, errors and code are the result") {
  bench b;
  auto spec = shell("echo out; echo err >&2; exit 3");
  spec.check = false;
  const auto got = b.result(spec);
  CHECK(got.code == 3);
  CHECK(got.output == "out\n");
  CHECK(got.error == "err\n");
  CHECK_FALSE(got.cut_bytes);
  CHECK(b.run(process_spec{"true"}).value.text() == R"({"code":0,"output":"","error":""})");
}

TEST_CASE("arguments are passed as they are") {
  bench b;
  const auto got = b.result(process_spec{"printf"}.arg("[%s]").arg("two words").arg("").arg("$HOME;`id`").arg("\"'\\"));
  CHECK(got.output == "[two words][][$HOME;`id`][\"'\\]");
}

TEST_CASE("standard input comes from the spec, else it is empty") {
  bench b;
  CHECK(b.result(process_spec{"cat"}).output.empty());
  process_spec spec{"cat"};
  spec.input = std::string(300'000, 'x') + "\nend";
  CHECK(b.result(spec).output == *spec.input);
  process_spec deaf{"true"};  // never reads: nothing may break on it
  deaf.input = std::string(1'000'000, 'x');
  CHECK(b.result(deaf).code == 0);
}

TEST_CASE("the environment is clean: PATH, HOME, LANG, the idempotency key and what the spec says") {
  setenv("PERDURE_TEST_SECRET", "leaked", 1);
  bench b;
  process_spec spec{"env"};
  spec.environment = {{"GREETING", "hello world"}, {"LANG", "C.UTF-8"}};
  const auto got = b.result(spec).output;
  unsetenv("PERDURE_TEST_SECRET");
  CHECK(contains(got, "GREETING=hello world\n"));
  CHECK(contains(got, "LANG=C.UTF-8\n"));
  CHECK(contains(got, "PATH="));
  CHECK(contains(got, "PERDURE_IDEMPOTENCY_KEY=run/exec/1/2\n"));
  CHECK_FALSE(contains(got, "leaked"));
}

TEST_CASE("the directory is the spec's") {
  bench b;
  scratch dir;
  process_spec spec{"pwd"};
  spec.directory = dir.at.string();
  CHECK(b.result(spec).output == fs::canonical(dir.at).string() + "\n");
  spec.directory = (dir.at / "absent").string();
  const auto why = b.failed(spec);
  CHECK(why.code == "process");
  CHECK(contains(why.message, "absent"));
  CHECK(contains(why.message, "No such file"));
}

TEST_CASE("a child has no descriptor but its streams, and signals as a fresh process has them") {
  bench b;
  const int leaky = ::open("/dev/null", O_RDONLY);  // without O_CLOEXEC, as host code may do
  const auto before = ::signal(SIGPIPE, SIG_IGN);
  const auto fds = b.result(shell("ls /proc/$$/fd")).output;
  const auto status = b.result(process_spec{"grep"}.arg("-E").arg("^Sig(Blk|Ign)").arg("/proc/self/status")).output;
  ::signal(SIGPIPE, before);
  ::close(leaky);
  CHECK(fds == "0\n1\n2\n");
  CHECK(status == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_CASE("big output is kept up to its limit, the rest is read, dropped and counted") {
  bench b;
  const auto both = b.result(shell("head -c 3000000 /dev/zero | tr '\\0' a; head -c 3000000 /dev/zero | tr '\\0' b >&2"));
  CHECK(both.output == std::string(3'000'000, 'a'));
  CHECK(both.error == std::string(3'000'000, 'b'));
  const auto cut = b.result(shell("head -c 9000000 /dev/zero | tr '\\0' a"));
  CHECK(cut.output == std::string(limits::process_output_bytes, 'a'));
  REQUIRE(cut.cut_bytes);
  CHECK(*cut.cut_bytes == 9'000'000 - limits::process_output_bytes);
  // Control characters take six bytes each in JSON: the result must stay a payload.
  const auto outcome = b.run(shell("head -c 4000000 /dev/zero"));
  REQUIRE_FALSE(outcome.error);
  CHECK(outcome.value.size() < limits::payload_bytes);
}

TEST_CASE("output that is not UTF-8 gets replacement characters") {
  const auto shown = [](std::string_view bytes, bool goes_on = false) { return to_text(bytes, goes_on, 100, 100); };
  CHECK(shown("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80").text == "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(shown("a\xFFz").text == "a\xEF\xBF\xBDz");
  CHECK(shown("\xC0\xAF").text == "\xEF\xBF\xBD\xEF\xBF\xBD");                  // overlong
  CHECK(shown("\xED\xA0\x80").text == "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // surrogate
  CHECK(shown("\xE2\x82z").text == "\xEF\xBF\xBDz");
  CHECK(shown("a\xE2\x82").text == "a\xEF\xBF\xBD");
  CHECK(shown("a\xE2\x82", true).text == "a");
  CHECK(shown("a\xE2\x82", true).cut_bytes == 2);
  CHECK(to_text("abcdef", false, 4, 100).text == "abcd");
  CHECK(to_text("ab\xE2\x82\xAC", false, 4, 100).text == "ab");
  CHECK(to_text(std::string_view{"a\0\0\0", 4}, false, 100, 14).cut_bytes == 1);

  bench b;
  CHECK(b.result(process_spec{"printf"}.arg("ok\\377\\n")).output == "ok\xEF\xBF\xBD\n");
}

TEST_CASE("a program that cannot be started says why and what to do") {
  bench b;
  scratch dir;
  const auto missing = b.failed(process_spec{"no-such-program-anywhere"});
  CHECK(missing.code == "process");
  CHECK(contains(missing.message, "\"no-such-program-anywhere\": No such file or directory; is it installed"));
  CHECK(contains(b.failed(process_spec{"/no/such/program"}).message, "check the path"));
  std::ofstream(dir.at / "plain") << "#!/bin/sh\n";
  CHECK(contains(b.failed(process_spec{(dir.at / "plain").string()}).message, "Permission denied; is it a program file"));
  std::ofstream(dir.at / "odd") << "no magic\n";
  fs::permissions(dir.at / "odd", fs::perms::owner_all);
  CHECK(contains(b.failed(process_spec{(dir.at / "odd").string()}).message, "#!"));
  CHECK(contains(b.failed(process_spec{"true"}.arg(std::string(3'000'000, 'x'))).message, "pass the data as input"));
}

TEST_CASE("a bad spec is a failure that names the problem") {
  bench b;
  const auto why = [&](const json::value& spec) {
    const auto outcome = b.end_of(b.start(payload{spec}));
    REQUIRE(outcome.error);
    CHECK(outcome.error->code == "process");
    return outcome.error->message;
  };
  CHECK(contains(why({{"arguments", json::array{}}}), "names no program"));
  CHECK(contains(why({{"program", 7}}), "/program"));
  CHECK(contains(why({{"program", "true"}, {"arguments", {std::string_view{"a\0b", 3}}}}), "NUL"));
  CHECK(contains(why({{"program", "true"}, {"environment", {{"A=B", "c"}}}}), "environment variable"));
}

TEST_CASE("an exit code other than 0, or a signal, fails a checked process with the end of its errors") {
  bench b;
  auto why = b.failed(shell("i=0; while [ $i -lt 500 ]; do echo line $i >&2; i=$((i+1)); done; echo last words >&2; exit 7"));
  CHECK(why.code == "process");
  CHECK(contains(why.message, "\"sh\" ended with exit code 7: line "));
  CHECK(contains(why.message, "last words"));
  CHECK(why.message.size() < limits::process_error_tail_bytes + 100);
  CHECK(contains(b.failed(shell("kill -SEGV $$")).message, "was ended by signal 11 (Segmentation fault)"));
  auto unchecked = shell("kill -KILL $$");
  unchecked.check = false;
  CHECK(b.result(unchecked).code == 137);
}

TEST_CASE("a stop ends the whole group; what ignores SIGTERM is killed after its grace") {
  bench b;
  scratch dir;
  const auto ready = dir.at / "ready";
  const auto stop_it = [&](const std::string& script, std::int64_t grace_ms) {
    fs::remove(ready);
    std::stop_source stop;
    auto spec = shell(script);
    spec.directory = dir.at.string();
    spec.grace_ms = grace_ms;
    auto end = b.start(spec, stop.get_token());
    REQUIRE(within(10s, [&] { return !text_of(ready).empty(); }));
    const auto began = std::chrono::steady_clock::now();
    stop.request_stop();
    const auto outcome = b.end_of(std::move(end));
    REQUIRE(outcome.error);
    CHECK(outcome.error->code == "cancelled");
    const auto pid = static_cast<pid_t>(std::stol(text_of(ready)));
    CHECK(within(5s, [&] { return !lives(pid); }));
    return std::make_pair(std::chrono::steady_clock::now() - began, outcome.error->message);
  };
  const auto polite = stop_it("sleep 300 & echo $! > part; mv part ready; wait", 20'000);
  CHECK(polite.first < 10s);
  CHECK(contains(polite.second, "signal 15"));
  const auto stubborn = stop_it("trap '' TERM; sleep 300 & echo $! > part; mv part ready; while :; do sleep 1; done", 300);
  CHECK(stubborn.first >= 300ms);
  CHECK(contains(stubborn.second, "signal 9"));
}

TEST_CASE("what a program leaves behind in its group ends with it, and does not hold its result up") {
  bench b;
  const auto began = std::chrono::steady_clock::now();
  const auto left = static_cast<pid_t>(std::stol(b.result(shell("sleep 300 & echo $!")).output));
  CHECK(within(5s, [&] { return !lives(left); }));
  // One that leaves the group cannot be found, but its open pipe is not waited for.
  const auto escaped = static_cast<pid_t>(std::stol(b.result(shell("setsid sleep 300 & sleep 0.2; echo $!")).output));
  CHECK(std::chrono::steady_clock::now() - began < 20s);
  ::kill(escaped, SIGKILL);
}

TEST_CASE("a hundred at once, side by side") {
  bench b;
  std::vector<std::future<core::outcome>> ends;
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) ends.push_back(b.start(shell("sleep 0.5; echo " + std::to_string(i))));
  for (int i = 0; i < 100; ++i) {
    const auto outcome = b.end_of(std::move(ends[static_cast<std::size_t>(i)]));
    REQUIRE_FALSE(outcome.error);
    CHECK(outcome.value.value().at("output").as_string() == std::to_string(i) + "\n");
  }
  CHECK(std::chrono::steady_clock::now() - began < 25s);  // one after the other they need 50 s
}

TEST_CASE("more than may run at once wait for their turn; past the limit they are refused; waiting ones can be stopped") {
  bench b({.running = 2, .waiting = 4});
  std::stop_source release, withdraw;
  std::vector<std::future<core::outcome>> running, waiting;
  for (int i = 0; i < 2; ++i) running.push_back(b.start(process_spec{"sleep"}.arg("300"), release.get_token()));
  REQUIRE(within(10s, [&] { return b.children->running() == 2; }));
  for (int i = 0; i < 4; ++i) waiting.push_back(b.start(process_spec{"true"}, i == 3 ? withdraw.get_token() : std::stop_token{}));
  const auto refused = b.end_of(b.start(process_spec{"true"}));
  REQUIRE(refused.error);
  CHECK(refused.error->code == "limit");
  withdraw.request_stop();
  CHECK(b.end_of(std::move(waiting[3])).error->code == "cancelled");
  CHECK(waiting[0].wait_for(50ms) == std::future_status::timeout);
  release.request_stop();
  for (int i = 0; i < 3; ++i) CHECK_FALSE(b.end_of(std::move(waiting[static_cast<std::size_t>(i)])).error);
}

TEST_CASE("closing stops all children within its own grace, whatever theirs is, and leaves no descriptor open") {
  const auto before = open_files();
  std::future<core::outcome> end, late;
  const auto began = std::chrono::steady_clock::now();
  {
    bench b({.shutdown_grace = 200ms});
    auto spec = shell("trap '' TERM; while :; do sleep 1; done");
    spec.grace_ms = 3'600'000;
    end = b.start(spec);
    for (int i = 0; i < 20; ++i) CHECK(b.result(process_spec{"true"}).code == 0);
    b.processes.stop_all();
    late = b.start(process_spec{"true"});
  }
  CHECK(std::chrono::steady_clock::now() - began < 15s);
  CHECK(end.get().error->code == "cancelled");
  CHECK(late.get().error->code == "cancelled");
  CHECK(open_files() == before);
  CHECK(reapers_of(getpid()).empty());
}

TEST_CASE("a host that ignores SIGCHLD gets an error that says so, not a wrong exit code") {
  bench b;
  const auto before = ::signal(SIGCHLD, SIG_IGN);
  const auto why = b.failed(shell("sleep 0.1; exit 3"));
  ::signal(SIGCHLD, before);
  CHECK(why.code == "process");
  CHECK(contains(why.message, "SIGCHLD"));
}

TEST_CASE("when the node dies by SIGKILL its programs die too, with all their children") {
  // The test runs itself again as the node that dies: see the variable. `again` = its reaper is killed first.
  const char* role = std::getenv("PERDURE_TEST_NODE_DIR");
  if (role != nullptr) {
    const fs::path dir = role;
    bench b;
    auto spec = shell("sleep 300 & first=$!; (sleep 300; true) & echo $first $! $$ > part; mv part pids; sleep 300");
    spec.directory = dir.string();
    auto end = b.start(spec);
    if (std::getenv("PERDURE_TEST_LOSE_REAPER") != nullptr) {
      while (text_of(dir / "pids").empty()) std::this_thread::sleep_for(5ms);
      const auto old = reapers_of(getpid());
      ::kill(old.at(0), SIGKILL);
      while (reapers_of(getpid()).empty() || reapers_of(getpid()) == old) std::this_thread::sleep_for(5ms);
      std::this_thread::sleep_for(200ms);  // it is told of the group right after
      std::ofstream(dir / "again") << "yes";
    }
    for (;;) ::pause();
  }

  const bool lose_reaper = GENERATE(false, true);
  scratch dir;
  const std::string node_dir = dir.at.string();
  const std::string node_binary = fs::read_symlink("/proc/self/exe").string();
  setenv("PERDURE_TEST_NODE_DIR", node_dir.c_str(), 1);
  if (lose_reaper) setenv("PERDURE_TEST_LOSE_REAPER", "1", 1);
  const pid_t node = ::fork();
  if (node == 0) {
    const int nothing = ::open("/dev/null", O_WRONLY);
    ::dup2(nothing, 1);
    ::execl(node_binary.c_str(), node_binary.c_str(), "when the node dies by SIGKILL*", static_cast<char*>(nullptr));
    ::_exit(127);
  }
  unsetenv("PERDURE_TEST_NODE_DIR");
  unsetenv("PERDURE_TEST_LOSE_REAPER");
  REQUIRE(node > 0);
  const auto wanted = dir.at / (lose_reaper ? "again" : "pids");
  CHECK(within(30s, [&] { return !text_of(wanted).empty(); }));
  std::istringstream listed(text_of(dir.at / "pids"));
  const std::vector<pid_t> pids{std::istream_iterator<pid_t>(listed), {}};
  CHECK(pids.size() == 3);
  for (const auto pid : pids) CHECK(lives(pid));
  const auto reapers = reapers_of(node);
  CHECK(reapers.size() == 1);

  ::kill(node, SIGKILL);
  ::waitpid(node, nullptr, 0);
  for (const auto pid : pids) CHECK(within(10s, [&] { return !lives(pid); }));
  for (const auto pid : reapers) CHECK(within(10s, [&] { return !lives(pid); }));
}
