// Webhooks out: signed, tried again, through kills, and not to addresses that are not allowed.
#include "cluster/job_verbs.hpp"
#include "core/base64.hpp"
#include "core/hmac.hpp"
#include "support/http_server.hpp"
#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

/// Takes what comes, once it is told to.
struct receiver {
  std::mutex mutex;
  std::vector<server_request> came;
  std::atomic<int> status{200};
  test::http_server server{[this](const server_request& in) {
    const std::lock_guard lock{mutex};
    came.push_back(in);
    return server_response{.status = status, .body = "{}"};
  }};
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(server.port()) + "/hook"; }
  [[nodiscard]] std::vector<server_request> all() {
    const std::lock_guard lock{mutex};
    return came;
  }
};

struct office {
  workplace here;
  std::unique_ptr<served> at;
  std::string acme;

  explicit office(std::vector<std::string> more = {"--allow-calls"}) {
    std::filesystem::create_directory(here.path("workflows"));
    here.write("workflows/good.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: good, version: 1.0.0}\ndo: [{a: {set: {x: 1}}}]\n");
    here.write("workflows/bad.yaml",
               "document: {dsl: '1.0.3', namespace: default, name: bad, version: 1.0.0}\ndo: [{a: {raise: {error: {type: "
               "'https://example.com/e', status: 500, detail: it broke}}}}]\n");
    more.insert(more.end(), {"--workflows", here.path("workflows").string()});
    at = std::make_unique<served>(here, more);
    acme = at->key({"--tenant", "acme", "--rights", "run,read,deploy"});
  }
  [[nodiscard]] http_answer hook(const std::string& url, const std::string& as, const std::string& more = {}) const {
    return at->call_as(as, "POST", "/api/v1/webhooks", R"({"url":")" + url + "\"" + more + "}");
  }
  [[nodiscard]] std::string run(const std::string& workflow, const std::string& as) const {
    return text_of(at->call_as(as, "POST", "/api/v1/runs", R"({"workflow":")" + workflow + R"("})").json().at("run_id"));
  }
};

bool is_signed(const server_request& in, const std::string& secret) {
  const auto bytes = cluster::from_base64(std::string_view{secret}.substr(6));
  if (!bytes) return false;
  const auto of = [&](const char* name) { return in.headers.contains(name) ? in.headers.at(name) : std::string{}; };
  const auto age = std::time(nullptr) - std::atoll(of("webhook-timestamp").c_str());
  return age >= 0 && age < 60 &&
         of("webhook-signature") ==
             "v1," + core::to_base64(core::hmac_sha256(*bytes, of("webhook-id") + "." + of("webhook-timestamp") + "." + in.body));
}

}  // namespace

TEST_CASE("what was asked for is told, signed, of the tenant's own runs") {
  office o;
  receiver all, failures;
  const auto first = o.hook(all.url(), o.acme);
  REQUIRE(first.status == 201);
  const auto secret = text_of(first.json().at("secret"));
  CHECK(secret.starts_with("whsec_"));
  REQUIRE(o.hook(failures.url(), o.acme, R"(,"events":["run.failed","run.started"],"workflow":"bad")").status == 201);
  const auto good = o.run("good", o.acme), bad = o.run("bad", o.acme);
  static_cast<void>(o.run("good", o.at->admin()));
  REQUIRE(workplace::eventually([&] { return all.all().size() >= 2 && failures.all().size() >= 2; }, 10s));
  std::this_thread::sleep_for(500ms);
  REQUIRE(all.all().size() == 2);
  REQUIRE(failures.all().size() == 2);
  std::map<std::string, json::value> told;
  for (const auto& each : all.all()) {
    CHECK(is_signed(each, secret));
    CHECK(!is_signed(each, "whsec_AAAA"));
    const auto body = payload::parse_text(each.body).value().value();
    told[text_of(body.at("data").at("run_id"))] = body;
  }
  CHECK(told.at(good).at("type") == "run.succeeded");
  CHECK(told.at(good).at("data").at("output") == json::value{{"x", 1}});
  CHECK(told.at(bad).at("type") == "run.failed");
  CHECK(told.at(bad).at("data").at("error").at("detail") == "it broke");

  const auto list = o.at->call_as(o.acme, "GET", "/api/v1/webhooks");
  CHECK(list.json().at("webhooks").as_array().size() == 2);
  CHECK(!has(list.body, "whsec_"));
  const auto id = text_of(first.json().at("id"));
  CHECK(o.at->call("GET", "/api/v1/webhooks").json().at("webhooks").as_array().empty());
  CHECK(o.at->call("DELETE", "/api/v1/webhooks/" + id).status == 404);
  CHECK(o.at->call_as(o.acme, "DELETE", "/api/v1/webhooks/" + id).status == 200);
  static_cast<void>(o.run("good", o.acme));
  std::this_thread::sleep_for(700ms);
  CHECK(all.all().size() == 2);
  for (const auto* wrong : {"ftp://x", "http://", "https://a@b/", "http:///x"}) CHECK(o.hook(wrong, o.acme).status == 400);
  CHECK(o.hook("https://example.com", o.acme, R"(,"events":["run.odd"])").status == 400);
  CHECK(o.hook("https://example.com", o.at->key({"--tenant", "acme", "--rights", "run,read"})).status == 403);
}

TEST_CASE("news that nobody took yet survives kills: between the run's end and its delivery, and between two tries") {
  office o;
  receiver to;
  to.status = 503;
  REQUIRE(o.hook(to.url(), o.acme).status == 201);
  // Killed as soon as it has ended: the log has not been looked over since, most likely.
  const auto run = o.run("good", o.acme);
  workplace::eventually(
      [&] { return text_of(o.at->call_as(o.acme, "GET", "/api/v1/runs/" + run).json().at("status")) == "succeeded"; });
  o.at->node().kill();
  o.at->start();
  REQUIRE(workplace::eventually([&] { return !to.all().empty(); }, 10s));
  const auto id = to.all().front().headers.at("webhook-id");
  o.at->node().kill();
  to.status = 204;
  const auto before = to.all().size();
  o.at->start();
  REQUIRE(workplace::eventually([&] { return to.all().size() > before; }, 15s));
  for (const auto& each : to.all()) CHECK(each.headers.at("webhook-id") == id);
  std::this_thread::sleep_for(500ms);
  CHECK(to.all().size() == before + 1);
}

TEST_CASE("an address of this machine is not called unless the operator allows it") {
  office o{{}};
  receiver to;
  REQUIRE(o.hook(to.url(), o.acme).status == 201);
  static_cast<void>(o.run("good", o.acme));
  // The delivery is a run of the node's own; its first try says why not.
  const auto tried = [&] {
    const auto runs = o.here.call({"runs", "list", "--workflow", "perdure.webhook", "--json"}).json().at("runs").as_array();
    return !runs.empty() && has(o.here.call({"runs", "events", text_of(runs[0].at("run_id")), "--json"}).out, "not allowed");
  };
  CHECK(workplace::eventually(tried, 10s));
  CHECK(to.all().empty());
}
