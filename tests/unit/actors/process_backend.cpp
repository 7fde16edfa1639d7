// Process jobs: what survives, what is kept, what is refused.
#include "actors/backends/process_backend.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <thread>

#include "actors/backends/beneath.hpp"
#include "actors/backends/job_artifacts.hpp"
#include "actors/backends/job_files.hpp"
#include "actors/backends/job_syscalls.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

template <class T>
struct waited {
  std::mutex mutex;
  std::condition_variable came;
  std::optional<result<T>> what;
};

/// The answer to a call.
template <class T, class F>
result<T> ask(F call) {
  const auto box = std::make_shared<waited<T>>();
  call(backend_answer<T>{[box](result<T> got) {
    const std::lock_guard lock{box->mutex};
    box->what.emplace(std::move(got));
    box->came.notify_all();
  }});
  std::unique_lock lock{box->mutex};
  if (!box->came.wait_for(lock, 10s, [&] { return box->what.has_value(); })) return error{errc::timeout, "no answer"};
  return std::move(*box->what);
}

struct place {
  test::temp_directory directory;
  std::filesystem::path root = directory.path() / "jobs";
  process_backend backend{root, {}, std::filesystem::path{}};  // control groups have tests of their own
  int keys = 0;

  result<std::string> try_submit(const process_job& spec, const std::string& key) {
    return ask<std::string>([&](auto done) { backend.submit({.key = key, .spec = payload{to_json(spec)}}, {}, done); });
  }
  std::string submit(const process_job& spec) {
    auto id = try_submit(spec, "run/x/1/" + std::to_string(++keys));
    INFO((id ? std::string{} : id.error().message));
    REQUIRE(id.has_value());
    return *id;
  }
  job_report status(const std::string& id) {
    auto got = ask<job_report>([&](auto done) { backend.status(id, {}, done); });
    REQUIRE(got.has_value());
    return *got;
  }
  job_report end_of(const std::string& id, std::chrono::milliseconds patience = 10s) {
    const auto end = std::chrono::steady_clock::now() + patience;
    auto got = status(id);
    while (!is_terminal(*got.status) && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(5ms);
      got = status(id);
    }
    return got;
  }
  job_log_page page(const std::string& id, std::string cursor = {}, std::size_t limit = 10'000) {
    auto got = ask<job_log_page>([&](auto done) { backend.logs(id, {.cursor = cursor, .limit = limit}, {}, done); });
    REQUIRE(got.has_value());
    return *got;
  }
  std::string output(const std::string& id) {
    std::string out;
    for (const auto& each : page(id).lines) out += each.text + (each.continues ? "" : "\n");
    return out;
  }
  void cancel(const std::string& id) {
    REQUIRE(ask<void>([&](auto done) { backend.cancel(id, {}, done); }).has_value());
  }
  /// Who supervises the job.
  job_started supervisor(const std::string& id) {
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (std::chrono::steady_clock::now() < end) {
      std::ifstream in{root / id / "job", std::ios::binary};
      job_head out;
      if (in.read(reinterpret_cast<char*>(&out), sizeof out) && is_there(out.started)) return out.started;
      std::this_thread::sleep_for(2ms);
    }
    FAIL("the job does not begin");
    return {};
  }
};

process_job shell(const std::string& script) { return process_job{"sh"}.arg("-c").arg(script); }

bool exists_process(pid_t pid) { return ::kill(pid, 0) == 0; }

}  // namespace

TEST_CASE("a process job has a folder, a clean environment, its input and its files") {
  ::setenv("PERDURE_TEST_SECRET", "leaks", 1);
  place here;
  auto spec = shell(
      "cat; cat given/a.txt; echo \"$PERDURE_JOB_KEY $EXTRA ${PERDURE_TEST_SECRET:-clean}\"; test \"$PWD\" = "
      "\"$PERDURE_JOB_DIR\" && echo home");
  spec.input = "input\n";
  spec.files = {{"given/a.txt", "file\n"}};
  spec.environment = {{"EXTRA", "more"}};
  const auto id = here.submit(spec);
  const auto end = here.end_of(id);
  CHECK(end.status == job_status::succeeded);
  CHECK(end.exit_code == 0);
  CHECK(here.output(id) == "input\nfile\nrun/x/1/1 more clean\nhome\n");
  ::unsetenv("PERDURE_TEST_SECRET");
}

TEST_CASE("a program that cannot be executed is a failed job that says why") {
  place here;
  const auto id = here.submit(process_job{"no-such-program-here"});
  const auto end = here.end_of(id);
  CHECK(end.status == job_status::failed);
  CHECK(end.raw == "not started");
  CHECK(end.message.find("no-such-program-here") != std::string::npos);
}

TEST_CASE("a signal that ends a job is its exit code plus 128") {
  place here;
  const auto end = here.end_of(here.submit(shell("kill -SEGV $$")));
  CHECK(end.status == job_status::failed);
  CHECK(end.exit_code == 128 + SIGSEGV);
}

TEST_CASE("another backend over the same folder finds the job and its result") {
  place here;
  std::string id;
  id = here.submit(shell("sleep 0.3; echo late; exit 5"));
  here.backend.close();
  process_backend next{here.root};
  const auto found = ask<std::optional<std::string>>([&](auto done) { next.find("run/x/1/1", {}, done); });
  REQUIRE(found.has_value());
  CHECK(*found == id);
  const auto end = std::chrono::steady_clock::now() + 10s;
  auto got = ask<job_report>([&](auto done) { next.status(id, {}, done); });
  while (got && !is_terminal(*got->status) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(5ms);
    got = ask<job_report>([&](auto done) { next.status(id, {}, done); });
  }
  REQUIRE(got.has_value());
  CHECK(got->status == job_status::failed);
  CHECK(got->exit_code == 5);
  const auto log = ask<job_log_page>([&](auto done) { next.logs(id, {}, {}, done); });
  REQUIRE(log.has_value());
  REQUIRE(log->lines.size() == 1);
  CHECK(log->lines[0].text == "late");
}

TEST_CASE("word of jobs that ended while nobody listened comes to who listens next") {
  place here;
  const auto id = here.submit(shell("exit 0"));
  here.backend.close();
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (!std::filesystem::exists(here.root / "ended" / id) && std::chrono::steady_clock::now() < end)
    std::this_thread::sleep_for(2ms);
  std::mutex mutex;
  std::condition_variable came;
  std::vector<std::string> keys;
  process_backend next{here.root};
  next.notify([&](std::string key) {
    const std::lock_guard lock{mutex};
    keys.push_back(std::move(key));
    came.notify_all();
  });
  std::unique_lock lock{mutex};
  CHECK(came.wait_for(lock, 10s, [&] { return !keys.empty(); }));
  CHECK(keys == std::vector<std::string>{"run/x/1/1"});
}

TEST_CASE("a job whose supervisor was killed is lost, and so is its program") {
  place here;
  const auto id = here.submit(shell("echo $$; exec sleep 1000"));
  const auto who = here.supervisor(id);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (here.output(id).empty() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  const auto program = static_cast<pid_t>(std::stol(here.output(id)));
  REQUIRE(::kill(who.pid, SIGKILL) == 0);
  CHECK(here.end_of(id).status == job_status::lost);
  while (exists_process(program) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  CHECK_FALSE(exists_process(program));
}

TEST_CASE("a process with the number of a job's supervisor and another start is not taken for it") {
  place here;
  const auto id = here.submit(shell("exec sleep 1000"));
  auto who = here.supervisor(id);
  CHECK(here.status(id).status == job_status::running);
  const auto real = who;
  const auto pretend = [&](job_started other) {
    other.check = sum_of(other);
    std::fstream file{here.root / id / "job", std::ios::binary | std::ios::in | std::ios::out};
    file.seekp(offsetof(job_head, started)).write(reinterpret_cast<const char*>(&other), sizeof other).flush();
    return here.status(id).status;
  };
  who.start += 1;
  CHECK(pretend(who) == job_status::lost);
  who = real;
  who.boot[0] = who.boot[0] == '0' ? '1' : '0';
  CHECK(pretend(who) == job_status::lost);
  CHECK(pretend(real) == job_status::running);
  here.cancel(id);
  CHECK(here.end_of(id).status == job_status::cancelled);
}

TEST_CASE("a job whose file a power cut left half was not accepted, and is made anew") {
  place here;
  const auto id = here.submit(shell("echo $$"));
  here.end_of(id);
  here.backend.close();
  // What is left may be short, or zeros.
  const bool is_short = GENERATE(true, false);
  const auto file = here.root / id / "job";
  std::filesystem::resize_file(file, is_short ? sizeof(job_request) : 0);
  if (!is_short) std::filesystem::resize_file(file, 4'096);
  process_backend next{here.root};
  const auto found = ask<std::optional<std::string>>([&](auto done) { next.find("run/x/1/1", {}, done); });
  REQUIRE(found.has_value());
  CHECK_FALSE(found->has_value());
  const auto gone = ask<job_report>([&](auto done) { next.status(id, {}, done); });
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().code == errc::not_found);
  const auto again = ask<std::string>(
      [&](auto done) { next.submit({.key = "run/x/1/1", .spec = payload{to_json(shell("exit 6"))}}, {}, done); });
  REQUIRE(again.has_value());
  CHECK(*again == id);
  const auto end = std::chrono::steady_clock::now() + 10s;
  auto got = ask<job_report>([&](auto done) { next.status(id, {}, done); });
  while (got && !is_terminal(*got->status) && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(5ms);
    got = ask<job_report>([&](auto done) { next.status(id, {}, done); });
  }
  REQUIRE(got.has_value());
  CHECK(got->exit_code == 6);
}

TEST_CASE("a record that is being written is not there yet") {
  job_ending end{.code = 7};
  CHECK_FALSE(is_there(end));
  end.check = sum_of(end);
  CHECK(is_there(end));
  auto* bytes = reinterpret_cast<unsigned char*>(&end);
  const auto at = GENERATE(range(std::size_t{0}, sizeof(job_ending)));
  bytes[at] ^= 0x5AU;
  CHECK_FALSE(is_there(end));
}

TEST_CASE("a supervisor is no copy of the node but a small program, and gets no signal's handling from it") {
  place here;
  ::signal(SIGPIPE, SIG_IGN);
  const auto id = here.submit(shell("grep -E 'Sig(Ign|Blk)' /proc/self/status; exec sleep 1000"));
  ::signal(SIGPIPE, SIG_DFL);
  const auto who = here.supervisor(id);
  std::error_code none;
  const auto program = std::filesystem::read_symlink("/proc/" + std::to_string(who.pid) + "/exe", none).string();
  CHECK(program.find("perdure-spawner") != std::string::npos);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (here.page(id).lines.size() < 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  for (const auto& line : here.page(id).lines) CHECK(line.text.substr(line.text.find('\t') + 1) == "0000000000000000");
  here.cancel(id);
  CHECK(here.end_of(id).status == job_status::cancelled);
}

TEST_CASE("a cancel ends the whole group: first asked, then killed") {
  place here;
  auto spec =
      shell("trap 'echo asked' TERM; sh -c \"trap '' TERM; echo $$; sleep 1000\" & echo ready; while :; do sleep 0.05; done");
  spec.grace_ms = 200;
  const auto id = here.submit(spec);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (here.page(id).lines.size() < 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  here.cancel(id);
  const auto got = here.end_of(id);
  CHECK(got.status == job_status::cancelled);
  CHECK(got.exit_code == 128 + SIGKILL);
  CHECK(here.output(id).find("asked") != std::string::npos);
}

TEST_CASE("a job that takes longer than its wall time is ended as timed out") {
  place here;
  auto spec = shell("exec sleep 1000");
  spec.wall_ms = 100;
  const auto end = here.end_of(here.submit(spec));
  CHECK(end.status == job_status::timed_out);
}

TEST_CASE("limits bite, and the result says which kind they are") {
  place here;
  auto spec = shell("ulimit -n; ulimit -f; head -c 5000 /dev/zero > big");
  spec.open_files = 50;
  spec.file_bytes = 1024;
  const auto id = here.submit(spec);
  const auto end = here.end_of(id);
  CHECK(end.status == job_status::failed);
  CHECK(here.output(id).starts_with("50\n2\n"));
  CHECK(end.result.value().at("limits").as_string() == "rlimit");
}

TEST_CASE("progress lines are read, and do not go back") {
  place here;
  const auto id = here.submit(
      shell("echo '::progress 5/10 half way'; echo '::progress 3/10'; echo '::progress x'; sleep 0.5; exec sleep 1000"));
  const auto end = std::chrono::steady_clock::now() + 10s;
  auto got = here.status(id);
  while (!got.done && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(10ms);
    got = here.status(id);
  }
  CHECK(got.done == 5);
  CHECK(got.total == 10);
  CHECK(got.text == "half way");
  here.cancel(id);
  here.end_of(id);
}

TEST_CASE("how far a job came is told with its end") {
  place here;
  const auto end = here.end_of(here.submit(shell("echo '::progress 5/10'; echo '::progress 10/10 all'")));
  CHECK(end.status == job_status::succeeded);
  CHECK(end.done == 10);
  CHECK(end.text == "all");
}

TEST_CASE("a log keeps bytes that are no text, very long lines and the last line without an end") {
  place here;
  const auto id =
      here.submit(shell("printf 'a\\000\\377b\\n'; head -c 100000 /dev/zero | tr '\\0' x; echo; echo err >&2; printf end"));
  here.end_of(id);
  const auto all = here.page(id);
  std::string out, err;
  std::size_t longest = 0;
  for (const auto& each : all.lines) {
    (each.stream == "stdout" ? out : err) += each.text + (each.continues ? "" : "\n");
    longest = std::max(longest, each.text.size());
  }
  CHECK(out == std::string{"a\0\377b\n", 5} + std::string(100'000, 'x') + "\nend\n");
  CHECK(err == "err\n");
  CHECK(longest <= limits::job_log_line_bytes);
  for (const auto& each : all.lines) CHECK(each.time.time_since_epoch().count() > 0);
}

TEST_CASE("a log is read in pages with opaque cursors, while it grows and after the end") {
  place here;
  const auto id =
      here.submit(shell("for i in $(seq 1 50); do echo $i; done; sleep 0.2; for i in $(seq 51 100); do echo $i; done"));
  std::string seen, cursor;
  const auto end = std::chrono::steady_clock::now() + 10s;
  int lines = 0;
  while (lines < 100 && std::chrono::steady_clock::now() < end) {
    const auto next = here.page(id, cursor, 7);
    CHECK(next.lines.size() <= 7);
    for (const auto& each : next.lines) CHECK(each.text == std::to_string(++lines));
    cursor = next.next_cursor;
    if (next.lines.empty()) std::this_thread::sleep_for(5ms);
  }
  CHECK(lines == 100);
  here.end_of(id);
  const auto over = here.page(id, cursor);
  CHECK(over.lines.empty());
  CHECK_FALSE(over.has_more);
  CHECK(over.next_cursor == cursor);
  const auto bad = ask<job_log_page>([&](auto done) { here.backend.logs(id, {.cursor = "7"}, {}, done); });
  REQUIRE(bad.has_error());
  CHECK(bad.error().code == errc::invalid_argument);
}

TEST_CASE("a log over its cap loses its beginning, and a page says how much") {
  place here;
  const auto bytes = limits::job_log_bytes + 4 * limits::job_log_piece_bytes;
  const auto id = here.submit(shell("yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c " +
                                    std::to_string(bytes) + "; echo last"));
  REQUIRE(here.end_of(id, 60s).status == job_status::succeeded);
  std::uint64_t kept = 0;
  for (const auto& each : std::filesystem::directory_iterator(here.root / id)) {
    if (each.path().filename().string().starts_with("log.")) kept += each.file_size();
  }
  CHECK(kept <= limits::job_log_bytes + limits::job_log_piece_bytes);
  const auto first = here.page(id, {}, 1);
  CHECK(first.cut_bytes > 0);
  REQUIRE(first.lines.size() == 1);
  CHECK(first.lines[0].text.size() == 70);
}

TEST_CASE("a job's own cap of its log is kept, and what was cut is told") {
  place here;
  auto spec = shell("yes 0123456789012345678901234567890123456789012345678901234567890123456789 | head -c 8000000; echo last");
  spec.log_bytes = 2'000'000;
  const auto id = here.submit(spec);
  REQUIRE(here.end_of(id).status == job_status::succeeded);
  std::uint64_t kept = 0;
  for (const auto& each : std::filesystem::directory_iterator(here.root / id)) {
    if (each.path().filename().string().starts_with("log.")) kept += each.file_size();
  }
  CHECK(kept <= 3'000'000);
  CHECK(kept >= 1'000'000);
  CHECK(here.page(id, {}, 1).cut_bytes > 4'000'000);
}

TEST_CASE("a job without a word for too long is ended as timed out; one that speaks is not") {
  place here;
  auto spec = shell("echo one; exec sleep 1000");
  spec.silent_ms = 300;
  const auto silent = here.end_of(here.submit(spec));
  CHECK(silent.status == job_status::timed_out);
  CHECK(silent.message.find("silent_ms") != std::string::npos);
  auto speaks = shell("for i in 1 2 3 4 5 6; do sleep 0.1; echo $i; done");
  speaks.silent_ms = 400;
  CHECK(here.end_of(here.submit(speaks)).status == job_status::succeeded);
}

TEST_CASE("a limit that nobody holds here is told of") {
  test::temp_directory directory;
  process_backend backend{directory.path(), {}, std::filesystem::path{}};
  auto spec = shell("exit 0");
  spec.processes = 10;
  const auto id =
      ask<std::string>([&](auto done) { backend.submit({.key = "run/x/1/1", .spec = payload{to_json(spec)}}, {}, done); });
  REQUIRE(id.has_value());
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (std::chrono::steady_clock::now() < end) {
    const auto got = ask<job_report>([&](auto done) { backend.status(*id, {}, done); });
    REQUIRE(got.has_value());
    if (!is_terminal(*got->status)) continue;
    CHECK(got->result.value().at("limits").as_string() == "rlimit");
    CHECK(got->result.value().at("group").as_string() == "process group");
    CHECK(got->result.value().at("not_limited").as_array().size() == 1);
    return;
  }
  FAIL("the job did not end");
}

TEST_CASE("a spec that is none is refused for good") {
  place here;
  process_job no_program;
  process_job out_of_folder = shell("true");
  out_of_folder.files = {{"../outside", "x"}};
  process_job bad_name = shell("true");
  bad_name.environment = {{"A=B", "x"}};
  for (const auto& each : {no_program, out_of_folder, bad_name}) {
    const auto got = here.try_submit(each, "refused");
    REQUIRE(got.has_error());
    CHECK(got.error().code == errc::invalid_argument);
  }
  // A limit that is misspelt is not left out.
  auto misspelt = to_json(shell("true"));
  misspelt.get_object().emplace("memory_byte", 1'000'000);
  const auto got =
      ask<std::string>([&](auto done) { here.backend.submit({.key = "refused", .spec = payload{misspelt}}, {}, done); });
  REQUIRE(got.has_error());
  CHECK(got.error().code == errc::invalid_argument);
  CHECK(got.error().message.find("memory_byte") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(here.directory.path() / "outside"));
}

TEST_CASE("a job is forgotten with its folder, but not while it runs") {
  place here;
  const auto id = here.submit(shell("exec sleep 1000"));
  here.supervisor(id);
  const auto forget = [&] { return ask<void>([&](auto done) { here.backend.forget(id, {}, done); }); };
  CHECK(forget().has_error());
  here.cancel(id);
  here.end_of(id);
  CHECK(forget().has_value());
  CHECK_FALSE(std::filesystem::exists(here.root / id));
  const auto gone = ask<job_report>([&](auto done) { here.backend.status(id, {}, done); });
  REQUIRE(gone.has_error());
  CHECK(gone.error().code == errc::not_found);
}

TEST_CASE("folders go with the runs that their jobs were of, and not before") {
  place here;
  const auto kept = run_id::make(), gone = run_id::make();
  const auto job_of = [&](const run_id& run, const char* script) {
    const auto id = here.try_submit(shell(script), run.str() + "/x/1/0").value();
    here.supervisor(id);
    return id;
  };
  const auto of_kept = job_of(kept, "exit 0"), of_gone = job_of(gone, "exit 0");
  here.end_of(of_kept);
  here.end_of(of_gone);
  const auto lives = here.try_submit(shell("exec sleep 1000"), gone.str() + "/x/1/1").value();
  here.supervisor(lives);
  const auto exists = [&](const run_id& run) { return run == kept; };
  const auto there = [&](const std::string& id) { return std::filesystem::exists(here.root / id); };
  here.backend.remove_orphans(exists, 1h);
  std::this_thread::sleep_for(50ms);
  CHECK(there(of_gone));  // it has ended just now
  here.backend.remove_orphans(exists, 0s);
  const auto end = std::chrono::steady_clock::now() + 10s;
  while (there(of_gone) && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(5ms);
  CHECK_FALSE(there(of_gone));
  CHECK(there(of_kept));
  CHECK(there(lives));
  here.cancel(lives);
  here.end_of(lives);
}

TEST_CASE("files are opened beneath a folder only, and nothing but files") {
  const test::temp_directory directory;
  const auto at = directory.path() / "in";
  std::filesystem::create_directories(at / "deep");
  std::ofstream{directory.path() / "secret"} << "secret";
  std::ofstream{at / "deep" / "file"} << "file";
  std::filesystem::create_symlink(directory.path() / "secret", at / "link");
  std::filesystem::create_directory_symlink(directory.path(), at / "folder");
  REQUIRE(::mkfifo((at / "pipe").c_str(), 0600) == 0);
  const unique_fd folder{::open(at.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  CHECK(open_beneath(folder.get(), "deep/file").has_value());
  for (const auto* name : {"link", "folder/secret", "../secret", "deep/../../secret", "/etc/passwd", "pipe", "deep", "", "none",
                           "deep//file", "./deep/file"}) {
    INFO(name);
    CHECK_FALSE(open_beneath(folder.get(), name).has_value());
  }
  CHECK_FALSE(create_beneath(folder.get(), "folder/new").has_value());
  CHECK(create_beneath(folder.get(), "a/b/c").has_value());
  CHECK_FALSE(create_beneath(folder.get(), "a/b/c").has_value());
}

TEST_CASE("patterns of artifacts") {
  const auto [pattern, path, fits] = GENERATE(table<std::string, std::string, bool>({{"*.txt", "a.txt", true},
                                                                                     {"*.txt", "in/a.txt", false},
                                                                                     {"**/*.txt", "a.txt", true},
                                                                                     {"**/*.txt", "in/deep/a.txt", true},
                                                                                     {"out/**", "out/a/b", true},
                                                                                     {"out/**", "in/a", false},
                                                                                     {"out/*/c", "out/b/c", true},
                                                                                     {"[ab].bin", "b.bin", true},
                                                                                     {"[ab].bin", "c.bin", false},
                                                                                     {"**/**/**/x", "a/b/c/d/e/y", false}}));
  INFO(pattern << " " << path);
  CHECK(fits_pattern(pattern, path) == fits);
}

TEST_CASE("a job's facts are read whatever its program is called") {
  process_facts facts;
  const std::string text = "12 (a) b) R) S 1 12 12 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 100 10 0 0\n";
  REQUIRE(read_facts(text.data(), text.size(), facts));
  CHECK(facts.start == 987654);
  CHECK_FALSE(facts.ended);
  for (std::size_t size = 0; size < text.size() - 20; ++size) (void)read_facts(text.data(), size, facts);
}
