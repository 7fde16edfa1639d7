// Control groups of jobs: what is written into them, and, where the system has them, that nobody escapes.
#include "actors/backends/job_cgroup.hpp"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "actors/backends/ask.hpp"
#include "actors/backends/job_group.hpp"
#include "actors/backends/process_backend.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in{path};
  return {std::istreambuf_iterator<char>{in}, {}};
}

bool eventually(const std::function<bool()>& holds) {
  for (int i = 0; i < 1'000; ++i, std::this_thread::sleep_for(5ms)) {
    if (holds()) return true;
  }
  return false;
}

job_report status_of(process_backend& at, const std::string& id) {
  auto got = ask<job_report>(10s, [&](const backend_call& how, auto done) { at.status(id, how, std::move(done)); });
  REQUIRE(got.has_value());
  return *got;
}

std::string submit(process_backend& at, const process_job& spec) {
  const auto id = ask<std::string>(10s, [&](const backend_call& how, auto done) {
    at.submit({.key = "run/x/1/1", .spec = payload{to_json(spec)}}, how, std::move(done));
  });
  REQUIRE(id.has_value());
  return *id;
}

}  // namespace

TEST_CASE("a job's group gets the limits that its parent has controllers for, and says which") {
  // A folder with files of the same names stands in for the system's: most machines give tests no controllers.
  const test::temp_directory directory;
  const auto group = directory.path() / "id";
  std::filesystem::create_directory(group);
  const bool memory = GENERATE(true, false);
  for (const auto* name : {"memory.swap.max", "memory.oom.group", "pids.max"}) std::ofstream{group / name};
  if (memory) std::ofstream{group / "memory.max"};
  std::uint32_t limited = 0;
  const int opened = open_job_cgroup(directory.path().c_str(), "id", 1'000'000, 7, limited);
  REQUIRE(opened >= 0);
  CHECK(limited == (memory ? limits_memory | limits_processes : limits_processes));
  CHECK(text_of(group / "pids.max") == "7");
  CHECK(text_of(group / "memory.max") == (memory ? "1000000" : ""));
  CHECK(text_of(group / "memory.swap.max") == (memory ? "0" : ""));
  CHECK(text_of(group / "memory.oom.group") == (memory ? "1" : ""));
  ::close(opened);
}

TEST_CASE("figures of a group are read by their names") {
  const test::temp_directory directory;
  std::ofstream{directory.path() / "cpu.stat"} << "usage_usec 1234567\nuser_usec 1000000\n";
  std::ofstream{directory.path() / "memory.events"} << "low 0\noom 3\noom_kill 2\n";
  std::ofstream{directory.path() / "memory.peak"} << "4096\n";
  const int folder = ::open(directory.path().c_str(), O_RDONLY | O_DIRECTORY);
  CHECK(read_cgroup_number(folder, "cpu.stat", "usage_usec") == 1'234'567);
  CHECK(read_cgroup_number(folder, "memory.events", "oom_kill") == 2);
  CHECK(read_cgroup_number(folder, "memory.events", "none") == 0);
  CHECK(read_cgroup_number(folder, "memory.peak") == 4'096);
  CHECK(read_cgroup_number(folder, "missing") == 0);
  ::close(folder);
}

TEST_CASE("a process that leaves its session and group ends with its job all the same, where there are control groups") {
  const auto groups = find_job_cgroups();
  if (groups.path.empty()) {
    std::cout << "\nskipped: this system gives no control groups: " << groups.why << std::endl;
    return;
  }
  const test::temp_directory directory;
  process_backend backend{directory.path() / "jobs", {}, groups.path};
  const auto file = (directory.path() / "escaped").string();
  process_job spec{"sh"};
  spec.arg("-c").arg(
      "setsid sh -c 'echo $$ > \"$1.new\"; mv \"$1.new\" \"$1\"; exec sleep 1000' sh \"$1\" </dev/null >/dev/null 2>&1 & "
      "while ! test -e \"$1\"; do sleep 0.01; done; exec sleep 1000");
  spec.arg("sh").arg(file);
  const auto id = submit(backend, spec);
  REQUIRE(eventually([&] { return std::filesystem::exists(file); }));
  const auto pid = static_cast<pid_t>(std::stol(text_of(file)));
  CHECK(::kill(pid, 0) == 0);
  CHECK(std::filesystem::exists(groups.path / id));
  const bool supervisor_dies = GENERATE(false, true);
  if (supervisor_dies) {
    std::ifstream in{directory.path() / "jobs" / id / "job", std::ios::binary};
    job_head head;
    REQUIRE(in.read(reinterpret_cast<char*>(&head), sizeof head));
    REQUIRE(is_there(head.started));
    ::kill(static_cast<pid_t>(head.started.pid), SIGKILL);
    REQUIRE(eventually([&] { return status_of(backend, id).status == job_status::lost; }));
  } else {
    REQUIRE(ask<void>(10s, [&](const backend_call& how, auto done) { backend.cancel(id, how, std::move(done)); }));
    REQUIRE(eventually([&] { return status_of(backend, id).status == job_status::cancelled; }));
    CHECK(status_of(backend, id).result.value().at("group").as_string() == "cgroup");
  }
  CHECK(eventually([&] { return ::kill(pid, 0) != 0; }));
  CHECK(eventually([&] { return !std::filesystem::exists(groups.path / id); }));
}
