// Files that describe backends: what is wrong with one is told with its place, and presets fit the services they are for.
#include "perdure/backend_file.hpp"

#include "cluster/backend_set.hpp"
#include "cluster/documents.hpp"
#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/temp_directory.hpp"

#include <fstream>
#include <future>

using namespace std::chrono_literals;
using namespace perdure;
using test::server_request;
using test::server_response;

namespace {

std::string problem_of(const std::string& text) {
  const auto got = read_backend(text, "gpu.yaml");
  return got ? std::string{} : got.error().message;
}

const std::string least =
    "kind: http\nurl: http://127.0.0.1:1\nsubmit: {path: /jobs, id: /id}\n"
    "status: {path: \"/jobs/{id}\", state: /state, states: {ok: succeeded}}\n";

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Between the test and the threads of its server.
class told_text {
 public:
  explicit told_text(std::string text = {}) : text_(std::move(text)) {}
  void set(const std::string& text) {
    const std::lock_guard lock{mutex_};
    text_ = text;
  }
  [[nodiscard]] std::string get() const {
    const std::lock_guard lock{mutex_};
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

template <class T, class F>
result<T> wait(F call) {
  auto promise = std::make_shared<std::promise<result<T>>>();
  auto end = promise->get_future();
  call(backend_call{.deadline = std::chrono::steady_clock::now() + 5s},
       backend_answer<T>{[promise](result<T> got) { promise->set_value(std::move(got)); }});
  REQUIRE(end.wait_for(20s) == std::future_status::ready);
  return end.get();
}

}  // namespace

TEST_CASE("the least file opens a backend that can do the least") {
  const auto got = read_backend(least, "gpu.yaml");
  REQUIRE(got.has_value());
  CHECK(got->kind == "http");
  const auto can = got->what->capabilities();
  CHECK_FALSE((can.find || can.idempotent || can.cancel || can.logs || can.artifacts || can.estimate || can.notices));
}

TEST_CASE("a file bounds its backend: jobs at once, the rate of submits, when it counts as down") {
  const auto got =
      read_backend(least + "jobs_at_once: 3\nsubmits_per_minute: 30\nburst: 2\ndown_after: 7\nwhen_down: fail\n", "gpu.yaml");
  INFO((got ? std::string{} : got.error().message));
  REQUIRE(got.has_value());
  CHECK(got->options.running == 3);
  CHECK(got->options.submits_per_second == 0.5);
  CHECK(got->options.burst == 2);
  CHECK(got->options.down_after == 7);
  CHECK(got->options.down == when_down::fail);
}

TEST_CASE("what is wrong with a file is told with line, column and what was expected") {
  const auto [text, part] = GENERATE(table<std::string, std::string>(
      {{"", "gpu.yaml:1:1"},
       {"- a\n", "gpu.yaml:1:1: expected a backend"},
       {"url: http://x\n", "expected the property \"kind\""},
       {"kind: carrier-pigeon\n", "gpu.yaml:1:7: there is no kind of backend \"carrier-pigeon\"; there are http and slurm"},
       {"kind: http\npreset: moon\n", "gpu.yaml:2:9: there is no preset \"moon\"; there are jungle-grid, runpod"},
       {"kind: http\npreset: runpod\n", "expected the property \"url\""},
       {"kind: http\nkind: http\n", "gpu.yaml:2:1"},
       {least + "urll: x\n", "gpu.yaml:5:1: unknown property \"urll\""},
       {least + "timeout_s: soon\n", "gpu.yaml:5:12: expected an integer"},
       {least + "timeout_s: 0\n", "gpu.yaml:5:12: expected a whole number from 1 to 600"},
       {least + "auth: {bearer: {secret: a}, basic: {user: u, secret: s}}\n", "gpu.yaml:5:7: expected one of"},
       {least + "auth: {bearer: {}}\n", "expected the property \"secret\""},
       {least + "cancel: {path: \"/x/{job}\"}\n", "gpu.yaml:5:16: there is no {job} here; there is {id}"},
       {least + "cancel: {path: x}\n", "a path begins with"},
       {least + "cancel: {path: /x, method: FETCH}\n", "gpu.yaml:5:28: expected GET, POST"},
       {least + "logs: {path: /x, items: lines}\n", "gpu.yaml:5:25: a JSON pointer begins with"},
       {least + "webhook: {signature: {header: X, secret: s, signs: nothing}}\n", "has to contain {body}"},
       {least + "when_down: wait\n", "gpu.yaml:5:12: expected park or fail"},
       {least + "jobs_at_once: -1\n", "gpu.yaml:5:15: expected a whole number"},
       {"kind: slurm\n", "expected the property \"directory\""},
       {"kind: slurm\ndirectory: jobs\n", "gpu.yaml:2:12: expected an absolute path"},
       {"kind: slurm\ndirectory: /a%j\n", "gpu.yaml:2:12: expected a path without %"},
       {"kind: slurm\ndirectory: /a\noptions: {output: x}\n", "the option \"output\" of sbatch is this backend's own"},
       {"kind: slurm\ndirectory: /a\nurl: x\n", "gpu.yaml:3:1: unknown property \"url\""},
       {"kind: http\nurl: ftp://x\n", "gpu.yaml:2:6: expected an address that begins with http"},
       {"kind: http\nurl: http://x\nstatus: {path: /x, state: /s, states: {a: fine}}\nsubmit: {path: /x, id: /id}\n",
        "gpu.yaml:3:43: expected queued, running"}}));
  INFO(text);
  const auto got = problem_of(text);
  INFO(got);
  CHECK(has(got, part));
}

TEST_CASE("all problems of a file are told at once, in their order") {
  const auto got = problem_of(least + "a: 1\ncancel: {path: x}\nb: 2\n");
  const auto first = got.find(":5:1"), second = got.find(":6:16"), third = got.find(":7:1");
  CHECK(first < second);
  CHECK(second < third);
  CHECK(third != std::string::npos);
}

TEST_CASE("the presets are whole, and a file changes their parts") {
  for (const auto* preset : {"jungle-grid", "runpod"}) {
    const auto got =
        read_backend("kind: http\nurl: http://127.0.0.1:1\npreset: " + std::string{preset} + "\ncancel: null\n", "gpu.yaml");
    INFO((got ? std::string{} : got.error().message));
    REQUIRE(got.has_value());
    CHECK_FALSE(got->what->capabilities().cancel);
  }
}

TEST_CASE("RunPod's shape is understood") {
  told_text body, status{"IN_QUEUE"};
  test::http_server service{[&](const server_request& of) -> server_response {
    if (of.path == "/v2/abc/run") {
      body.set(of.body);
      return {.body = R"({"id":"u1-e1","status":"IN_QUEUE"})"};
    }
    if (of.path == "/v2/abc/status/u1-e1")
      return {.body = R"({"id":"u1-e1","status":")" + status.get() +
                      R"(","output":{"image":"x"},"executionTime":12,"error":"no memory"})"};
    return {.status = of.path == "/v2/abc/cancel/u1-e1" && of.method == "POST" ? 200 : 404, .body = "{}"};
  }};
  const auto opened = read_backend("kind: http\npreset: runpod\nurl: " + service.url("/v2/abc") + "\n", "gpu.yaml");
  REQUIRE(opened.has_value());
  auto& at = *opened->what;
  const auto spec = json::value(json::object{{"input", json::object{{"prompt", "p"}}}});
  const auto id =
      wait<std::string>([&](const backend_call& how, auto done) { at.submit({.key = "k", .spec = payload{spec}}, how, done); });
  REQUIRE(id.value() == "u1-e1");
  CHECK(body.get() == R"({"input":{"prompt":"p"}})");
  for (const auto& [raw, meant] : std::vector<std::pair<std::string, job_status>>{{"IN_QUEUE", job_status::queued},
                                                                                  {"IN_PROGRESS", job_status::running},
                                                                                  {"COMPLETED", job_status::succeeded},
                                                                                  {"FAILED", job_status::failed},
                                                                                  {"CANCELLED", job_status::cancelled},
                                                                                  {"TIMED_OUT", job_status::timed_out}}) {
    status.set(raw);
    const auto got = wait<job_report>([&](const backend_call& how, auto done) { at.status(*id, how, done); });
    CHECK(got.value().status == meant);
    CHECK(got->raw == raw);
    CHECK(got->message == (raw == "FAILED" || raw == "CANCELLED" || raw == "TIMED_OUT" ? "no memory" : ""));
    CHECK(got->result.is_null() == !is_terminal(meant));
  }
  CHECK(wait<void>([&](const backend_call& how, auto done) { at.cancel(*id, how, done); }).has_value());
}

TEST_CASE("Jungle Grid's shape is understood") {
  told_text status{"running"};
  test::http_server service{[&](const server_request& of) -> server_response {
    if (of.path == "/v1/jobs/estimate")
      return {.body = R"({"can_submit":false,"unavailable_code":"no_gpu","estimated_cost_usd":{"min":0.5,"max":2}})"};
    if (of.path == "/v1/jobs") return {.status = 201, .body = R"({"job_id":"j1","status":"pending"})"};
    if (of.path == "/v1/jobs/j1/logs")
      return {
          .body =
              R"({"items":[{"timestamp":"2026-01-01T00:00:00Z","level":"info","message":"hi"}],"next_cursor":"c2","has_more":true})"};
    if (of.path == "/v1/jobs/j1/artifacts")
      return {.body = R"({"items":[{"artifact_id":"a1","filename":"m.bin","content_type":"x/y","size_bytes":3,"ready":true},
                          {"artifact_id":"a2","filename":"later.bin","ready":false}]})"};
    if (of.path == "/v1/jobs/j1/artifacts/a1/download")
      return {.body = R"({"url":"/signed/a1","expires_at":"2026-01-01T00:10:00Z"})"};
    if (of.path == "/signed/a1") return {.status = 206, .body = "abc", .headers = {{"Content-Range", "bytes 0-2/3"}}};
    return {.body =
                R"({"status":")" + status.get() + R"(","runtime":{"exit_code":137,"timed_out":true,"stderr_tail":"killed"}})"};
  }};
  const auto opened = read_backend("kind: http\npreset: jungle-grid\nurl: " + service.url() + "\n", "gpu.yaml");
  REQUIRE(opened.has_value());
  auto& at = *opened->what;
  CHECK(wait<std::string>([&](const backend_call& how, auto done) {
          at.submit({.key = "k", .spec = payload{json::value(json::object{})}}, how, done);
        }).value() == "j1");
  CHECK(wait<job_report>([&](const backend_call& how, auto done) { at.status("j1", how, done); }).value().status ==
        job_status::running);
  status.set("failed");
  const auto end = wait<job_report>([&](const backend_call& how, auto done) { at.status("j1", how, done); }).value();
  CHECK(end.status == job_status::timed_out);
  CHECK(end.raw == "failed");
  CHECK(end.exit_code == 137);
  CHECK(end.message == "killed");
  const auto page = wait<job_log_page>([&](const backend_call& how, auto done) { at.logs("j1", {}, how, done); }).value();
  REQUIRE(page.lines.size() == 1);
  CHECK(page.lines[0].text == "hi");
  CHECK(page.lines[0].stream == "info");
  CHECK(page.has_more);
  const auto files =
      wait<std::vector<job_artifact>>([&](const backend_call& how, auto done) { at.artifacts("j1", how, done); }).value();
  REQUIRE(files.size() == 1);
  const auto reader = wait<std::shared_ptr<artifact_reader>>([&](const backend_call& how, auto done) {
                        at.open_artifact("j1", "m.bin", how, done);
                      }).value();
  char buffer[8];
  CHECK(std::string_view(buffer, reader->read(0, buffer, sizeof buffer).value()) == "abc");
  const auto estimate = wait<job_estimate>([&](const backend_call& how, auto done) { at.estimate({}, how, done); }).value();
  CHECK_FALSE(estimate.can_submit);
  CHECK(estimate.reason == "no_gpu");
  CHECK(estimate.cost_max_usd == 2);
}

TEST_CASE("a directory keeps its backends, and an argument comes before what is kept") {
  const test::temp_directory directory;
  const auto file = directory.path() / "gpu.yaml";
  std::ofstream{file} << least;
  const auto data = directory.path() / "data";
  {
    auto read = cluster::read_backends(data, {"gpu=" + file.string()});
    REQUIRE(read.has_value());
    node_options options;
    options.data_dir = data;
    auto node = node::open(std::move(options)).value();
    REQUIRE(cluster::add_backends(node, data, std::move(*read)).has_value());
    CHECK(node.find_backend("gpu") != nullptr);
  }
  const auto kept = cluster::read_backends(data, {});
  REQUIRE(kept.has_value());
  REQUIRE(kept->size() == 1);
  CHECK(kept->front().name == "gpu");
  CHECK(kept->front().kept);
  const auto again = cluster::read_backends(data, {"gpu=" + file.string(), "other=" + file.string()});
  REQUIRE(again.has_value());
  REQUIRE(again->size() == 2);
  CHECK_FALSE(again->front().kept);
  std::ofstream{data / "backends" / "bad.yaml"} << "kind: http\n";
  CHECK(has(cluster::read_backends(data, {}).error().message, "bad.yaml:1:1"));
  for (const auto* argument : {"gpu", "=x", "a/b=x", "..=x", ".=x", "process=x"})
    CHECK(cluster::read_backends({}, {argument}).error().code == errc::invalid_argument);
  CHECK(cluster::read_backends({}, {"a=" + (directory.path() / "none").string()}).error().code == errc::not_found);
  CHECK(cluster::read_backends({}, {"a=" + file.string(), "a=" + file.string()}).error().code == errc::invalid_argument);
}

TEST_CASE("the files that docs/jobs.md shows are right") {
  std::ifstream in{std::filesystem::path{PERDURE_SOURCE_DIR} / "docs" / "jobs.md"};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  int count = 0;
  for (auto at = text.find("```yaml\nkind: "); at != std::string::npos; at = text.find("```yaml\nkind: ", at + 1)) {
    const auto begin = at + 8, end = text.find("```", begin);
    const auto problem = problem_of(text.substr(begin, end - begin));
    INFO(problem);
    CHECK(problem.empty());
    ++count;
  }
  CHECK(count == 3);
}

TEST_CASE("the examples' files are right") {
  const auto folder = std::filesystem::path{PERDURE_SOURCE_DIR} / "examples" / "jobs";
  for (const auto* name : {"gpu.yaml", "cluster.yaml"}) {
    const auto got = open_backend(folder / name);
    INFO((got ? std::string{} : got.error().message));
    CHECK(got.has_value());
  }
  cluster::document_reader reader;
  const auto text = cluster::read_document_file(folder / "train.yaml");
  const auto read = reader.read(text.value(), "train.yaml");
  INFO((read ? std::string{} : read.error().message));
  CHECK(read.has_value());
}
