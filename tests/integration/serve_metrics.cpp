// The figures of `perdure serve` as Prometheus' own tool sees them.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

TEST_CASE("Prometheus finds nothing to object to in the figures") {
  if (std::system("command -v promtool > /dev/null") != 0) {
    std::cout << "\nskipped: no promtool on this machine\n";
    return;
  }
  const workplace here;
  const served at{here};
  CHECK(at.call("GET", "/api/v1/runs").status == 200);
  const auto file = here.write("figures", at.call("GET", "/metrics").body);
  CHECK(std::system(("promtool check metrics < '" + file + "'").c_str()) == 0);
}

TEST_CASE("the figures tell of runs, steps, commits, deadlines, jobs and room") {
  const workplace here;
  std::filesystem::create_directory(here.path("workflows"));
  here.write("workflows/naps.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: naps, version: 1.0.0}\n"
             "do: [{work: {run: {shell: {command: 'sleep 0.2'}}}}, {nap: {wait: {hours: 1}}}]\n");
  const served at{here, {"--workflows", here.path("workflows").string()}};
  for (int i = 0; i < 2; ++i) CHECK(at.call("POST", "/api/v1/runs", R"({"workflow":"naps"})").status == 201);
  // A look at every run is good for some seconds.
  std::string told;
  CHECK(workplace::eventually(
      [&] {
        told = at.call("GET", "/metrics").body;
        return has(told, "perdure_runs{status=\"waiting\",workflow=\"naps\"} 2\n");
      },
      20s));
  INFO(told);
  const auto value = [&](const std::string& name) {
    const auto found = told.find("\n" + name + " ");
    return found == std::string::npos ? -1.0 : std::atof(told.c_str() + found + name.size() + 2);
  };
  CHECK(value("perdure_wakeups_pending") == 2);
  CHECK(value("perdure_wakeups_late") == 0);
  for (const std::string name : {"perdure_step_seconds", "perdure_journal_commit_seconds", "perdure_http_request_seconds"}) {
    INFO(name);
    CHECK(has(told, "# TYPE " + name + " histogram\n"));
    CHECK(value(name + "_bucket{le=\"+Inf\"}") == value(name + "_count"));
  }
  CHECK(value("perdure_step_seconds_count") >= 2);
  CHECK(value("perdure_step_seconds_sum") >= 0.4);
  CHECK(value("perdure_step_seconds_bucket{le=\"0.1\"}") <= value("perdure_step_seconds_count") - 2);
  CHECK(value("perdure_journal_commit_seconds_count") == value("perdure_journal_commits_total"));
  CHECK(value("perdure_journal_commit_seconds_sum") > 0);
  CHECK(value("perdure_backend_up{backend=\"process\"}") == 1);
  CHECK(value("perdure_backend_jobs{backend=\"process\",state=\"running\"}") == 0);
  CHECK(value("perdure_actors") >= 4);
  CHECK(value("perdure_pool_queued") == 0);
  CHECK(value("perdure_journal_bytes") > 0);
  CHECK(value("perdure_free_disk_bytes") > 0);
}
