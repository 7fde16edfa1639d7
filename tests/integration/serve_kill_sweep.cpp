// Clients submit with idempotency keys while the server is killed with SIGKILL and started again, over and over: every run
// that was acknowledged exists, once, and ends. PERDURE_SWEEP_KILLS=20 is the long form.
#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <set>

#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::http_connection;
using test::http_request;
using test::served;
using test::text_of;
using test::workplace;

namespace {

constexpr int clients = 50;

int kills() {
  const char* chosen = std::getenv("PERDURE_SWEEP_KILLS");
  return chosen == nullptr ? 4 : std::atoi(chosen);
}

/// What the clients know: keys and the runs that were acknowledged for them.
struct ledger {
  std::mutex mutex;
  std::map<std::string, std::string> runs;
  std::vector<std::string> wrong;

  void acknowledge(const std::string& key, const std::string& run) {
    const std::lock_guard lock{mutex};
    const auto [at, fresh] = runs.emplace(key, run);
    if (!fresh && at->second != run) wrong.push_back(key + " began " + at->second + " and " + run);
  }
  void complain(const std::string& what) {
    const std::lock_guard lock{mutex};
    wrong.push_back(what);
  }
};

/// One client: a start with a key of its own, again until it is answered, then the next. Half of them speak the service API.
void submit(int number, const std::atomic<int>& port, const std::string& key_of_api, const std::atomic<bool>& stop, ledger& to) {
  const bool native = number % 2 == 0;
  for (int i = 0; !stop; ++i) {
    const auto key = "client-" + std::to_string(number) + "-" + std::to_string(i);
    const auto request =
        http_request("POST", native ? "/api/v1/runs" : "/v1/workflows/run",
                     {{"Authorization", "Bearer " + key_of_api}, {"Idempotency-Key", key}, {"Content-Type", "application/json"}},
                     native ? R"({"workflow":"brief","input":{"n":)" + std::to_string(i) + "}}"
                            : R"({"inputs":{"n":)" + std::to_string(i) + R"(},"user":"u","response_mode":"async"})");
    while (!stop) {
      http_connection connection{static_cast<std::uint16_t>(port.load())};
      const auto answer = connection.open() && connection.send(request) ? connection.read(5s) : test::http_answer{};
      if (answer.status == 200 || answer.status == 201 || answer.status == 202) {
        to.acknowledge(key, text_of(answer.json().at(native ? "run_id" : "workflow_run_id")));
        break;
      }
      if (answer.status != 0 && answer.status != 503) to.complain(key + ": " + std::to_string(answer.status) + " " + answer.body);
      std::this_thread::sleep_for(10ms);
    }
    std::this_thread::sleep_for(20ms);
  }
}

}  // namespace

TEST_CASE("whenever the server is killed, each acknowledged run exists once and ends") {
  std::mt19937_64 chance{test::session_seed()};
  const workplace here;
  std::filesystem::create_directory(here.path("flows"));
  here.write("flows/brief.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: brief, version: 1.0.0}\n"
             "do:\n  - first: {set: {n: '${ .n }'}}\n  - pause: {wait: {milliseconds: 100}}\n  - last: {set: {done: true}}\n");
  served at{here, {"--workflows", here.path("flows").string(), "--tenant-runs", "0"}};
  std::atomic<int> port{at.port()};
  std::atomic<bool> stop{false};
  ledger told;
  std::vector<std::jthread> all;
  const auto key = at.admin();
  for (int i = 0; i < clients; ++i) all.emplace_back([&, i] { submit(i, port, key, stop, told); });
  for (int i = 0; i < kills(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100 + chance() % 400});
    at.node().kill();
    at.start();
    port = at.port();
  }
  std::this_thread::sleep_for(300ms);
  stop = true;
  all.clear();
  for (const auto& each : told.wrong) FAIL_CHECK(each);
  REQUIRE(told.runs.size() >= static_cast<std::size_t>(clients));

  REQUIRE(workplace::eventually([&] { return at.call("GET", "/api/v1/stats").json().at("open_runs") == 0; }, 60s));
  std::map<std::string, std::vector<std::string>> listed;
  std::map<std::string, int> ends;
  for (std::string cursor;;) {
    const auto page = at.call("GET", "/api/v1/runs?limit=1000" + (cursor.empty() ? "" : "&cursor=" + cursor)).json();
    for (const auto& each : page.at("runs").as_array()) {
      listed[text_of(each.at("key"))].push_back(text_of(each.at("run_id")));
      ++ends[text_of(each.at("status"))];
    }
    if (page.at("next_cursor").is_null()) break;
    cursor = text_of(page.at("next_cursor"));
  }
  for (const auto& [start, run] : told.runs) {
    INFO(start);
    REQUIRE(listed[start] == std::vector<std::string>{run});
  }
  for (const auto& [start, runs] : listed) CHECK(runs.size() == 1);  // those whose answer was lost, too
  // One that was in flight at three kills is put aside: that is an end as well.
  std::cout << "\n"
            << told.runs.size() << " acknowledged, " << ends["succeeded"] << " succeeded, " << ends["failed"] << " failed\n";
  CHECK(ends["succeeded"] + ends["failed"] == static_cast<int>(listed.size()));
  CHECK(ends["succeeded"] > ends["failed"]);
  CHECK(here.run({"journal", "verify", "--json", "--data", here.data()}).json().at("ok") == true);
}
