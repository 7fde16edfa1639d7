// Jobs of a remote service from the command line: killed between the two lines of a submit, callbacks, and what a service that
// changes its mind makes of a run.
#include "core/hmac.hpp"
#include "support/catch.hpp"
#include "support/http_client.hpp"
#include "support/remote_service.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::remote_service;
using test::server_request;
using test::server_response;
using test::text_of;
using test::workplace;

namespace {

/// A service, its file, and a document with one job on it.
struct office {
  remote_service service;
  workplace here;
  office() { ::setenv("PERDURE_SECRET_remote_service", "sesame-secret", 1); }

  std::string file(const std::string& text) const { return "far=" + here.write("service.yaml", text); }
  std::string document(const std::string& what, const std::string& more = "") const {
    return here.document("far", "  - train:\n      call: job\n      with:\n        backend: far\n        spec: {do: " + what +
                                    "}\n        poll: {interval: {milliseconds: 50}}\n" + more);
  }
};

bool is_submit(const server_request& of) { return of.method == "POST" && of.path == "/v1/jobs"; }

std::string signature_of(const std::string& body) {
  std::string hex;
  for (const unsigned char c : core::hmac_sha256("sesame-secret", body)) {
    hex += "0123456789abcdef"[c >> 4U];
    hex += "0123456789abcdef"[c & 15U];
  }
  return hex;
}

}  // namespace

TEST_CASE("a document's job on a remote service gives its result, its log and its files") {
  office o;
  const auto ran = o.here.call({"run", o.document("writes"), "--backend", o.file(o.service.file()), "--json"});
  INFO(ran.err);
  REQUIRE(ran.code == 0);
  const auto output = ran.json().at("output");
  CHECK(text_of(output.at("id")) == "job-1");
  CHECK(text_of(output.at("raw")) == "DONE");
  CHECK(output.at("code").as_int64() == 0);
  CHECK(output.at("result").at("loss").as_double() == 0.25);
  // The backend is kept with the directory: nobody has to name it again.
  CHECK(o.here.call({"jobs", "logs", text_of(ran.json().at("run_id"))}).out == "one\ntwo\nthree\n");
  const auto list = o.here.call({"backends", "list", "--json"}).json().at("backends").as_array();
  const auto far = std::ranges::find_if(list, [](const auto& each) { return text_of(each.at("name")) == "far"; });
  REQUIRE(far != list.end());
  CHECK(far->at("capabilities").at("find").as_bool());
  CHECK(o.here.call({"backends", "check", "far"}).code == 0);
}

TEST_CASE("a job that failed there fails here, with its code and its reason") {
  office o;
  const auto ran = o.here.call({"run", o.document("fails"), "--backend", o.file(o.service.file()), "--json"});
  CHECK(ran.code == 1);
  CHECK(text_of(ran.json().at("error").at("detail")) ==
        "job \"train\" on backend \"far\" (job-1) failed with exit code 3 (BROKEN): it broke");
}

TEST_CASE("a program killed between any two lines of a remote job has one job, and collects its result") {
  // When the service has heard a request (`before` it does what was asked, or after that) the program dies, without an answer.
  struct moment {
    const char* what;
    bool before;
  };
  const auto at = GENERATE(moment{"submit", true}, moment{"submit", false}, moment{"running", false}, moment{"ended", false},
                           moment{"cancel", true}, moment{"cancel", false}, moment{"cancelled", false}, moment{"files", false});
  INFO(at.what << (at.before ? ", before" : ", after"));
  office o;
  const bool cancels = std::string{at.what}.starts_with("cancel");
  std::unique_ptr<test::program> first;
  std::mutex mutex;
  std::atomic<bool> killed{false};
  const auto is_now = [&](const server_request& of) {
    const std::string what = at.what;
    if (what == "submit") return is_submit(of);
    if (what == "cancel") return of.path == "/v1/jobs/job-1/cancel";
    if (what == "files") return of.path == "/v1/jobs/job-1/files";
    const auto jobs = o.service.jobs();
    const auto state = jobs.empty() ? std::string{} : jobs[0].state;
    return of.method == "GET" && of.path == "/v1/jobs/job-1" &&
           (what == "running" ? state == "BUSY"
            : what == "ended" ? state == "DONE"
                              : state == "STOPPED");
  };
  const auto die = [&](const server_request& of) -> std::optional<server_response> {
    if (!is_now(of) || killed.exchange(true)) return std::nullopt;
    const std::lock_guard lock{mutex};
    first->kill();
    return server_response{.cut = true};
  };
  (at.before ? o.service.before : o.service.after) = die;
  const auto document = o.document(cancels ? "hangs" : "leaves", cancels ? "" : "        artifacts: ['*']\n");
  {
    const std::lock_guard lock{mutex};
    first = o.here.start({"run", document, "--backend", o.file(o.service.file()), "--key", "one"});
  }
  const auto run_of = [&] {
    const auto runs = o.here.call({"runs", "list", "--json"}).json().at("runs").as_array();
    return runs.empty() ? std::string{} : text_of(runs[0].at("run_id"));
  };
  if (cancels) {
    REQUIRE(workplace::eventually([&] { return o.service.accepted() == 1 && o.service.jobs()[0].state == "BUSY"; }));
    static_cast<void>(o.here.call({"jobs", "cancel", run_of()}));
  }
  REQUIRE(workplace::eventually([&] { return killed.load(); }));
  { const std::lock_guard ended{mutex}; }
  CHECK(o.service.accepted() == (std::string{at.what} == "submit" && at.before ? 0 : 1));
  const auto began = std::chrono::steady_clock::now();
  const auto again = o.here.call({"run", document, "--key", "one", "--json"});
  INFO(again.err);
  CHECK(again.code == (cancels ? 1 : 0));
  CHECK(o.service.accepted() == 1);  // the service's own count
  // The job is looked at when the next node is there, not when its run would have looked by itself.
  CHECK(std::chrono::steady_clock::now() - began < 10s);
  const auto run = text_of(again.json().at("run_id"));
  const auto jobs = o.here.call({"jobs", "list", run, "--json"}).json().at("jobs").as_array();
  REQUIRE(jobs.size() == 1);
  CHECK(text_of(jobs[0].at("status")) == (cancels ? "cancelled" : "succeeded"));
  CHECK(text_of(jobs[0].at("id")) == "job-1");
  if (!cancels) CHECK(text_of(again.json().at("output").at("artifacts").at(0).at("name")) == "result.txt");
  std::size_t ends = 0;
  for (const auto& each : test::json_lines(o.here.call({"runs", "events", run, "--json"}).out))
    ends += text_of(each.at("kind")) == "job_ended" ? 1 : 0;
  CHECK(ends == 1);
}

TEST_CASE("a service that cannot list jobs but knows repeated keys has one job, too, when the program is killed") {
  office o;
  o.service.idempotent = true;
  auto file = o.service.file();
  file.erase(file.find("find: {path"), file.find("status:") - file.find("find: {path"));
  file.replace(file.find("  id: /job/id"), 0, "  idempotent: true\n");
  std::unique_ptr<test::program> first;
  std::mutex mutex;
  std::atomic<int> submits{0};
  o.service.after = [&](const server_request& of) -> std::optional<server_response> {
    if (!is_submit(of) || submits++ > 0) return std::nullopt;
    const std::lock_guard lock{mutex};
    first->kill();
    return server_response{.cut = true};
  };
  const auto document = o.document("ends");
  {
    const std::lock_guard lock{mutex};
    first = o.here.start({"run", document, "--backend", o.file(file), "--key", "one"});
  }
  REQUIRE(workplace::eventually([&] { return submits > 0; }));
  { const std::lock_guard ended{mutex}; }
  CHECK(o.here.call({"run", document, "--key", "one"}).code == 0);
  CHECK(submits == 2);
  CHECK(o.service.accepted() == 1);
}

TEST_CASE("a connection that breaks when the job was accepted leads to that job") {
  office o;
  std::atomic<int> cuts{0};
  o.service.after = [&](const server_request& of) -> std::optional<server_response> {
    if (!is_submit(of) || cuts++ > 0) return std::nullopt;
    return server_response{.cut = true};
  };
  const auto ran = o.here.call({"run", o.document("ends"), "--backend", o.file(o.service.file()), "--json"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(o.service.accepted() == 1);
}

TEST_CASE("a service that is down, or overloaded, holds a job up and fails none") {
  office o;
  std::atomic<int> requests{0};
  o.service.before = [&](const server_request&) -> std::optional<server_response> {
    const auto n = ++requests;
    if (n == 1) return server_response{.status = 429, .headers = {{"Retry-After", "1"}}};
    if (n == 2) return server_response{.status = 500, .body = "{}"};
    if (n == 5) return server_response{.cut = true};
    return std::nullopt;
  };
  const auto ran = o.here.call({"run", o.document("ends"), "--backend", o.file("retry_s: 1\n" + o.service.file()), "--json"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  CHECK(o.service.accepted() == 1);
}

TEST_CASE("a status that goes back from done to running changes nothing") {
  office o;
  std::atomic<int> looks{0};
  o.service.after = [&](const server_request& of) -> std::optional<server_response> {
    if (of.method != "GET" || of.path != "/v1/jobs/job-1") return std::nullopt;
    return server_response{.body = ++looks == 2 ? R"({"state":"DONE"})" : R"({"state":"BUSY"})"};
  };
  const auto file = o.document("hangs", "  - pause:\n      wait: {milliseconds: 300}\n");
  const auto ran = o.here.call({"run", file, "--backend", o.file(o.service.file()), "--json"});
  INFO(ran.err);
  CHECK(ran.code == 0);
  const auto jobs = o.here.call({"jobs", "list", text_of(ran.json().at("run_id")), "--json"}).json().at("jobs").as_array();
  REQUIRE(jobs.size() == 1);
  CHECK(text_of(jobs[0].at("status")) == "succeeded");
}

TEST_CASE("a callback ends the wait early, once, and only with its signature") {
  office o;
  const auto file = o.here.document("far",
                                    "  - train:\n      call: job\n      with:\n        backend: far\n        spec: {do: hangs}\n"
                                    "        poll: {interval: {hours: 1}}\n");
  const auto webhook = "webhook:\n  url: http://unused/\n  id: /id\n  signature: {header: X-Signature, secret: remote_service}\n";
  const auto folder = o.here.path("workflows");
  std::filesystem::create_directory(folder);
  std::filesystem::copy_file(file, folder / "far.yaml");
  test::served at{o.here, {"--workflows", folder.string(), "--backend", o.file(o.service.file(webhook))}};
  const auto started = at.call("POST", "/api/v1/runs", R"({"workflow":"far","input":null})");
  REQUIRE(started.status == 201);
  const auto run = text_of(started.json().at("run_id"));
  const auto state = [&] {
    const auto jobs = at.call("GET", "/api/v1/runs/" + run).json().at("jobs").as_array();
    return jobs.empty() ? std::string{} : text_of(jobs[0].at("status"));
  };
  REQUIRE(workplace::eventually([&] { return state() == "running"; }));
  o.service.set("job-1", "DONE");
  const std::string body = R"({"id":"job-1"})", path = "/api/v1/backends/far/callback";
  const auto call = [&](const std::string& signature, const std::string& where) {
    test::http_connection to{at.port()};
    to.send(test::http_request("POST", where, {{"Content-Type", "application/json"}, {"X-Signature", signature}}, body));
    return to.read().status;
  };
  CHECK(call("0000", path) == 401);
  CHECK(call(signature_of(body), "/api/v1/backends/near/callback") == 404);
  CHECK(call(signature_of(body), "/api/v1/backends/process/callback") == 404);
  std::this_thread::sleep_for(200ms);
  CHECK(state() == "running");
  for (int i = 0; i < 3; ++i) CHECK(call(signature_of(body), path) == 204);
  CHECK(workplace::eventually([&] { return text_of(at.call("GET", "/api/v1/runs/" + run).json().at("status")) == "succeeded"; },
                              5s));
  CHECK(at.call("GET", path).status == 405);
}

TEST_CASE("a file that is wrong is told with its place, before anything runs") {
  office o;
  const auto ran = o.here.call({"run", o.document("ends"), "--backend", o.file("kind: http\nurll: x\n")});
  CHECK(ran.code == 1);
  CHECK(ran.err.find("service.yaml:2:1: unknown property \"urll\"") != std::string::npos);
  const auto checked = o.here.run({"backends", "check", "--backend", o.file("kind: http\nurll: x\n")});
  CHECK(checked.code == 1);
  const auto good = o.here.run({"backends", "check", "--backend", o.file(o.service.file())});
  INFO(good.err);
  CHECK(good.code == 0);
  CHECK(good.out.find("answers") != std::string::npos);
}
