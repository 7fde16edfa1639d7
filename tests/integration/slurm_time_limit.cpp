// A job of a real Slurm cluster that takes longer than it may. Slurm looks for such jobs twice a minute, so this is a test of
// its own, which begins before the others.
#include <future>

#include "perdure/backend_file.hpp"
#include "perdure/json.hpp"
#include "perdure/slurm_job.hpp"
#include "support/catch.hpp"
#include "support/slurm_cluster.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::workplace;

namespace {

template <class T, class F>
T wait(F call) {
  auto promise = std::make_shared<std::promise<result<T>>>();
  auto end = promise->get_future();
  call(backend_call{.deadline = std::chrono::steady_clock::now() + 20s},
       backend_answer<T>{[promise](result<T> got) { promise->set_value(std::move(got)); }});
  REQUIRE(end.wait_for(40s) == std::future_status::ready);
  auto got = end.get();
  INFO((got ? std::string{} : got.error().message));
  REQUIRE(got.has_value());
  return *got;
}

}  // namespace

TEST_CASE("a job that takes longer than it may is out of time") {
  test::slurm_cluster cluster;
  if (cluster.missing()) return;
  const auto at = read_backend(cluster.file(), "cluster.yaml").value().what;
  slurm_job spec;
  spec.script = "#!/bin/sh\nsleep 1000\n";
  spec.time_limit_s = 60;
  const auto id = wait<std::string>([&](const backend_call& how, auto done) {
    at->submit({.key = "slow", .name = "t", .spec = payload{to_json(spec)}}, how, done);
  });
  job_report seen;
  const auto comes_to = [&](auto holds, std::chrono::seconds limit) {
    return workplace::eventually(
        [&] {
          seen = wait<job_report>([&](const backend_call& how, auto done) { at->status(id, how, done); });
          return holds();
        },
        limit);
  };
  REQUIRE(comes_to([&] { return seen.status == job_status::running; }, 30s));
  const auto number = id.substr(0, id.find('-'));
  CHECK(cluster.ask("scontrol show job " + number).find("TimeLimit=00:01:00") != std::string::npos);
  static_cast<void>(cluster.ask("scontrol update JobId=" + number + " EndTime=now"));
  REQUIRE(comes_to([&] { return seen.status && is_terminal(*seen.status); }, 150s));
  CHECK(seen.status == job_status::timed_out);
  CHECK(seen.raw == "TIMEOUT");
}
