// Jobs over HTTP: submitted, watched, read, cancelled and downloaded, by those who may.
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

struct yard {
  workplace here;
  std::unique_ptr<served> at;
  std::string other;

  explicit yard(const std::vector<std::string>& more = {}) {
    at = std::make_unique<served>(here, more);
    other = at->key({"--tenant", "other"});
  }
  [[nodiscard]] http_answer submit(const std::string& script, const std::string& key = {}, const std::string& as = {},
                                   const std::string& more = {}) const {
    json::object spec{{"program", "sh"}, {"arguments", json::array{"-c", script}}, {"artifacts", json::array{"**"}}};
    http_headers headers{{"Content-Type", "application/json"}};
    if (!key.empty()) headers.emplace_back("Idempotency-Key", key);
    const auto body = R"({"backend":"process","spec":)" + std::string{payload{json::value(spec)}.text()} + more + "}";
    return at->call_as(as.empty() ? at->admin() : as, "POST", "/api/v1/jobs", body, headers);
  }
  [[nodiscard]] json::value job(const std::string& id) const { return at->call("GET", "/api/v1/jobs/" + id).json(); }
  [[nodiscard]] bool reaches(const std::string& id, const std::string& status) const {
    return workplace::eventually([&] { return text_of(job(id).at("status")) == status; });
  }
};

}  // namespace

TEST_CASE("a job is submitted once by its key, ends, and gives its log as JSON, as text and as a stream that resumes") {
  const yard y;
  const std::string script =
      "mkdir d; printf 'data of it' > 'd/a b.txt'; for i in 1 2 3; do echo line $i; sleep 0.2; done; echo bad >&2";
  const auto begun = y.submit(script, "k1");
  INFO(begun.body);
  REQUIRE(begun.status == 202);
  const auto id = text_of(begun.json().at("id"));
  CHECK(begun.header("location") == "/api/v1/jobs/" + id);
  CHECK(y.submit(script, "k1").status == 200);
  CHECK(y.submit("echo other", "k1").status == 409);

  http_connection live{y.at->port()};
  const http_headers streams{{"Authorization", "Bearer " + y.at->admin()}, {"Accept", "text/event-stream"}};
  live.send(http_request("GET", "/api/v1/jobs/" + id + "/logs", streams));
  REQUIRE(live.read_head().status == 200);
  std::vector<sse_frame> frames;
  while (auto frame = live.read_frame()) {
    if (!frame->comment) frames.push_back(std::move(*frame));
  }
  REQUIRE(frames.size() >= 2);
  CHECK(frames.back().event == "end");
  CHECK(has(frames.back().data, "\"succeeded\""));
  std::string told;
  for (const auto& each : frames) {
    CHECK(!each.id.empty());
    if (each.event != "lines") continue;
    const auto page = payload::parse_text(each.data).value().value();
    for (const auto& line : page.at("lines").as_array()) told += text_of(line.at("text")) + "\n";
  }
  for (const auto* line : {"line 1\n", "line 2\n", "line 3\n", "bad\n"}) CHECK(has(told, line));
  auto again = streams;
  again.emplace_back("Last-Event-ID", frames.front().id);
  http_connection rest{y.at->port()};
  rest.send(http_request("GET", "/api/v1/jobs/" + id + "/logs", again));
  REQUIRE(rest.read_head().status == 200);
  const auto next = rest.read_frame();
  REQUIRE(next);
  CHECK(!has(next->data, "line 1"));

  CHECK(y.job(id).at("exit_code") == 0);
  CHECK(y.job(id).at("ended_at").is_string());
  const auto page = y.at->call("GET", "/api/v1/jobs/" + id + "/logs?limit=1").json();
  REQUIRE(page.at("lines").as_array().size() == 1);
  CHECK(page.at("lines").at(0).at("text") == "line 1");
  CHECK(page.at("has_more") == true);
  const auto text =
      y.at->call("GET", "/api/v1/jobs/" + id + "/logs?cursor=" + text_of(page.at("next_cursor")), {}, {{"Accept", "text/plain"}});
  CHECK(has(text.body, "line 2\nline 3\n"));
  CHECK(!has(text.body, "line 1"));
  CHECK(y.at->call("GET", "/api/v1/jobs/" + id + "/logs?cursor=zz").status == 400);
  CHECK(y.at->call("GET", "/api/v1/jobs").json().at("jobs").as_array().size() == 1);
  CHECK(y.at->call("GET", "/api/v1/jobs?status=failed").json().at("jobs").as_array().empty());
  CHECK(!has(y.at->call("GET", "/api/v1/runs").body, "perdure."));

  // Files, whole and in part, by key and by a signed address; not with what is nearly that address.
  const auto files = y.at->call("GET", "/api/v1/jobs/" + id + "/artifacts?expires_in=60").json().at("artifacts");
  REQUIRE(files.as_array().size() == 1);
  CHECK(files.at(0).at("name") == "d/a b.txt");
  const auto url = text_of(files.at(0).at("url"));
  const auto path = url.substr(0, url.find('?'));
  CHECK(y.at->call("GET", path).body == "data of it");
  const auto part = y.at->call_as("", "GET", url, {}, {{"Range", "bytes=5-6"}});
  CHECK(part.status == 206);
  CHECK(part.body == "of");
  auto forged = url;
  forged.back() = forged.back() == '0' ? '1' : '0';
  CHECK(y.at->call_as("", "GET", forged).status == 403);
  auto longer = url;
  longer.insert(longer.find("sign=") + 5, "9");
  CHECK(y.at->call_as("", "GET", longer).status == 403);
  CHECK(y.at->call_as("", "GET", path).status == 401);
  const auto short_lived =
      text_of(y.at->call("GET", "/api/v1/jobs/" + id + "/artifacts?expires_in=1").json().at("artifacts").at(0).at("url"));
  CHECK(workplace::eventually([&] { return y.at->call_as("", "GET", short_lived).status == 403; }, 5s));
  CHECK(y.at->call("GET", "/api/v1/jobs/" + id + "/artifacts/..%2F..%2Fspec").status == 400);
}

TEST_CASE("a job survives a kill of the server, and is cancelled by hand; other tenants know nothing of it") {
  const yard y;
  const auto id = text_of(y.submit("echo up; sleep 60").json().at("id"));
  REQUIRE(y.reaches(id, "running"));
  y.at->node().kill();
  y.at->start();
  CHECK(y.job(id).at("status") == "running");
  for (const auto& path : {"", "/logs", "/artifacts", "/artifacts/x"})
    CHECK(y.at->call_as(y.other, "GET", "/api/v1/jobs/" + id + path).status == 404);
  CHECK(y.at->call_as(y.other, "POST", "/api/v1/jobs/" + id + "/cancel").status == 404);
  CHECK(y.at->call_as(y.other, "GET", "/api/v1/jobs").json().at("jobs").as_array().empty());
  CHECK(y.at->call("POST", "/api/v1/jobs/" + id + "/cancel").status == 200);
  REQUIRE(y.reaches(id, "cancelled"));
}

TEST_CASE("only the operator submits jobs unless he allows more; what backends can do is told") {
  const yard y;
  CHECK(y.submit("echo x", {}, y.other).status == 403);
  CHECK(y.submit("echo x", {}, y.at->key({"--rights", "run,read"})).status == 403);
  CHECK(y.at->call("POST", "/api/v1/jobs", R"({"backend":"none","spec":{}})").status == 400);
  CHECK(y.at->call("POST", "/api/v1/jobs", R"({"backend":"process","spec":{},"more":1})").status == 400);
  CHECK(y.at->call("GET", "/api/v1/jobs/none").status == 404);
  const auto all = y.at->call("GET", "/api/v1/backends").json().at("backends");
  CHECK(all.at(0).at("name") == "process");
  CHECK(all.at(0).at("capabilities").at("logs") == true);
  CHECK(all.at(0).at("running") == 0);
  const auto others = y.at->call_as(y.other, "GET", "/api/v1/backends").json().at("backends").at(0).as_object();
  CHECK(others.contains("up"));
  CHECK_FALSE((others.contains("running") || others.contains("waiting") || others.contains("why")));
  CHECK(y.at->call("GET", "/api/v1/backends/process/check").json().at("ok") == true);
  CHECK(y.at->call("GET", "/api/v1/backends/none/check").status == 404);
  const auto wrong = y.submit("exit 3");
  const auto id = text_of(wrong.json().at("id"));
  REQUIRE(y.reaches(id, "failed"));
  CHECK(y.job(id).at("exit_code") == 3);
  const auto late = y.submit("sleep 60", {}, {}, R"(,"timeout":"300ms")");
  CHECK(y.reaches(text_of(late.json().at("id")), "timed_out"));
  const yard open{{"--allow-processes"}};
  CHECK(open.submit("echo x", {}, open.other).status == 202);
}
