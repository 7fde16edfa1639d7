// Every endpoint of openapi.yaml with another tenant's key: it shows and changes nothing of the first one's. An endpoint that has
// no case here fails the test.
#include <set>

#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

/// Stands in everything that the first tenant has.
const std::string marker = "zebra-marker";

/// What is asked of an endpoint, and what the other tenant may be told.
struct ask {
  std::string path;  ///< with the first tenant's ids
  std::string body;
  std::set<int> statuses;
};

struct house {
  workplace here;
  std::unique_ptr<served> at;
  std::string acme, other;
  std::string run, ended, job, file, token, workflow_id, schedule, hook;

  house() {
    at = std::make_unique<served>(here, std::vector<std::string>{"--allow-processes"});
    acme = at->key({"--tenant", "acme", "--rights", "run,read,deploy,admin"});
    other = at->key({"--tenant", "other", "--rights", "run,read,deploy,admin"});
    put("ask", "do:\n  - q:\n      call: request\n      with: {content: '" + marker + "'}\n");
    put("tick", "schedule: {every: {hours: 1}}\ndo: [{a: {set: {x: " + marker + "}}}]\n");
    const auto only = at->key({"--tenant", "acme", "--workflow", "acme/ask"});
    const auto begun =
        json_of(post(only, "/v1/workflows/run",
                     R"({"inputs":{"m":")" + marker + R"("},"user":")" + marker + R"(","response_mode":"blocking"})"));
    run = text_of(begun.at("workflow_run_id"));
    workflow_id = text_of(begun.at("data").at("workflow_id"));
    token = token_of(only);
    ended = text_of(json_of(post(acme, "/api/v1/runs", R"({"workflow":"acme/tick"})")).at("run_id"));
    job = text_of(json_of(post(acme, "/api/v1/jobs",
                               R"({"backend":"process","spec":{"program":"sh","arguments":["-c","echo )" + marker +
                                   R"( | tee a.txt; sleep 60"],"artifacts":["*"]}})"))
                      .at("id"));
    hook = text_of(json_of(post(acme, "/api/v1/webhooks", R"({"url":"https://example.com/)" + marker + R"("})")).at("id"));
    schedule = text_of(get(acme, "/api/v1/schedules").json().at("schedules").at(0).at("id"));
    const std::string multipart =
        "--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nada\r\n--b\r\nContent-Disposition: form-data; "
        "name=\"file\"; filename=\"" +
        marker + ".txt\"\r\n\r\n" + marker + "\r\n--b--\r\n";
    file = text_of(
        json_of(at->call_as(acme, "POST", "/v1/files/upload", multipart, {{"Content-Type", "multipart/form-data; boundary=b"}}))
            .at("id"));
    REQUIRE(workplace::eventually([&] { return has(get(acme, "/api/v1/jobs/" + job + "/logs").body, marker); }));
  }
  void put(const std::string& name, const std::string& rest) const {
    const auto answer = at->call_as(
        acme, "PUT", "/api/v1/workflows/acme%2F" + name,
        "document: {dsl: '1.0.3', namespace: acme, name: " + name + ", version: 1.0.0, title: " + marker + "}\n" + rest,
        {{"Content-Type", "application/yaml"}});
    INFO(answer.body);
    REQUIRE(answer.status == 201);
  }
  [[nodiscard]] http_answer post(const std::string& as, const std::string& path, const std::string& body) const {
    return at->call_as(as, "POST", path, body, {{"Content-Type", "application/json"}});
  }
  [[nodiscard]] http_answer get(const std::string& as, const std::string& path) const { return at->call_as(as, "GET", path); }
  static json::value json_of(const http_answer& answer) {
    INFO(answer.body);
    REQUIRE(answer.status >= 200);
    REQUIRE(answer.status < 300);
    return answer.json();
  }
  [[nodiscard]] std::string token_of(const std::string& as) const {
    http_connection to{at->port()};
    to.send(http_request("GET", "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true",
                         {{"Authorization", "Bearer " + as}}));
    REQUIRE(to.read_head().status == 200);
    for (const auto& [id, each] : heard(to)) {
      if (each.at("event") == "human_input_required") return text_of(each.at("data").at("form_token"));
    }
    return {};
  }

  /// By method and path as openapi.yaml has them.
  [[nodiscard]] std::map<std::string, ask> asks() const {
    const std::string one = "/api/v1/runs/" + run, v1 = "/v1/";
    std::map<std::string, ask> out;
    out["get /metrics"] = {"/metrics", "", {404}};
    out["get /api/v1/stats"] = {"/api/v1/stats", "", {404}};
    out["get /api/v1/keys"] = {"/api/v1/keys", "", {200}};
    out["get /api/v1/tenants"] = {"/api/v1/tenants", "", {200}};
    out["post /api/v1/keys"] = {"/api/v1/keys", R"({"tenant":"acme"})", {403}};
    out["delete /api/v1/keys/{id}"] = {"/api/v1/keys/" + acme.substr(4, acme.find('_', 4) - 4), "", {404}};
    out["post /api/v1/backends/{name}/callback"] = {"/api/v1/backends/process/callback", "{}", {404}};
    out["get /api/v1/workflows"] = {"/api/v1/workflows", "", {200}};
    out["get /api/v1/workflows/{name}"] = {"/api/v1/workflows/acme%2Fask", "", {404}};
    out["put /api/v1/workflows/{name}"] = {"/api/v1/workflows/acme%2Fask", "document: {}", {404}};
    out["get /api/v1/runs"] = {"/api/v1/runs", "", {200}};
    out["post /api/v1/runs"] = {"/api/v1/runs", R"({"workflow":"acme/ask"})", {404}};
    out["get /api/v1/runs/{id}"] = {one, "", {404}};
    for (const auto* verb : {"events", "journal", "journal/verify"})
      out["get /api/v1/runs/{id}/" + std::string{verb}] = {one + "/" + verb, "", {404}};
    for (const auto* verb : {"cancel", "pause", "resume", "retry"})
      out["post /api/v1/runs/{id}/" + std::string{verb}] = {one + "/" + verb, "{}", {404}};
    out["post /api/v1/runs/{id}/fork"] = {one + "/fork", R"({"from":1})", {404}};
    out["post /api/v1/runs/{id}/signal"] = {one + "/signal", R"({"name":"x"})", {404}};
    out["post /api/v1/runs/{id}/respond"] = {one + "/respond", R"({"request_id":"1.1","value":1})", {404}};
    out["post /api/v1/events"] = {"/api/v1/events", R"({"specversion":"1.0","id":"1","source":"/s","type":"t"})", {202}};
    out["get /api/v1/schedules"] = {"/api/v1/schedules", "", {200}};
    out["post /api/v1/schedules"] = {"/api/v1/schedules", R"({"workflow":"acme/tick"})", {404}};
    out["delete /api/v1/schedules/{id}"] = {"/api/v1/schedules/" + schedule, "", {404}};
    out["get /api/v1/timers"] = {"/api/v1/timers", "", {200}};
    out["get /api/v1/webhooks"] = {"/api/v1/webhooks", "", {200}};
    out["post /api/v1/webhooks"] = {"/api/v1/webhooks", R"({"url":"https://example.com","workflow":"acme/ask"})", {404}};
    out["delete /api/v1/webhooks/{id}"] = {"/api/v1/webhooks/" + hook, "", {404}};
    out["get /api/v1/jobs"] = {"/api/v1/jobs", "", {200}};
    out["post /api/v1/jobs"] = {"/api/v1/jobs", R"({"backend":"none","spec":{}})", {400}};
    out["get /api/v1/jobs/{id}"] = {"/api/v1/jobs/" + job, "", {404}};
    out["post /api/v1/jobs/{id}/cancel"] = {"/api/v1/jobs/" + job + "/cancel", "{}", {404}};
    for (const auto* what : {"logs", "artifacts"})
      out["get /api/v1/jobs/{id}/" + std::string{what}] = {"/api/v1/jobs/" + job + "/" + what, "", {404}};
    out["get /api/v1/jobs/{id}/artifacts/{name}"] = {"/api/v1/jobs/" + job + "/artifacts/a.txt", "", {404}};
    // Backends are the node's, and no tenant's.
    out["get /api/v1/backends"] = {"/api/v1/backends", "", {200}};
    out["get /api/v1/backends/{name}/check"] = {"/api/v1/backends/process/check", "", {200}};
    out["post /api/v1/backends/{name}/estimate"] = {"/api/v1/backends/process/estimate", R"({"spec":{}})", {200, 415}};
    out["post /v1/workflows/run"] = {"/v1/workflows/run", R"({"inputs":{},"user":"u"})", {404}};
    out["post /v1/workflows/{workflow_id}/run"] = {"/v1/workflows/" + workflow_id + "/run", R"({"inputs":{},"user":"u"})", {404}};
    out["get /v1/workflows/run/{id}"] = {"/v1/workflows/run/" + run, "", {404}};
    out["post /v1/workflows/tasks/{id}/stop"] = {"/v1/workflows/tasks/" + run + "/stop", R"({"user":"u"})", {200}};
    out["get /v1/workflows/logs"] = {"/v1/workflows/logs", "", {200}};
    out["get /v1/workflow/{id}/events"] = {"/v1/workflow/" + run + "/events?user=u", "", {404}};
    out["post /v1/files/upload"] = {"/v1/files/upload", "--b--", {400}};
    out["delete /v1/files/{id}"] = {"/v1/files/" + file, "", {404}};
    out["get /v1/files/{id}/preview"] = {"/v1/files/" + file + "/preview", "", {404}};
    out["get /v1/form/human_input/{form_token}"] = {"/v1/form/human_input/" + token, "", {404}};
    out["post /v1/form/human_input/{form_token}"] = {
        "/v1/form/human_input/" + token, R"({"inputs":{},"action":"submit","user":"u"})", {404}};
    out["get /v1/parameters"] = {"/v1/parameters", "", {404}};
    out["get /v1/info"] = {"/v1/info", "", {404}};
    return out;
  }
};

const std::set<std::string> open_to_all{"get /healthz", "get /readyz", "get /openapi.json"};
/// Their bodies prove themselves.
const std::set<std::string> by_proof{"post /api/v1/backends/{name}/callback"};

/// Every operation of openapi.yaml, as "method path".
std::vector<std::string> operations() {
  const auto read =
      cluster::json_of_yaml(slurp(std::filesystem::path{PERDURE_SOURCE_DIR} / "tools" / "gateway" / "openapi.yaml"));
  std::vector<std::string> out;
  for (const auto& [path, item] : read.value().at("paths").as_object()) {
    for (const auto& [name, operation] : item.as_object()) {
      const std::string method{name};
      if (method != "parameters") out.push_back(method + " " + std::string{path});
    }
  }
  return out;
}

}  // namespace

TEST_CASE("another tenant's key sees and changes nothing of a tenant's, at any endpoint there is") {
  const house h;
  REQUIRE(!h.token.empty());
  const auto asks = h.asks();
  const auto all = operations();
  REQUIRE(all.size() > 40);
  for (const auto& each : all) {
    INFO(each);
    if (open_to_all.contains(each)) continue;
    REQUIRE(asks.contains(each));
    const auto& ask = asks.at(each);
    auto method = each.substr(0, each.find(' '));
    for (auto& c : method) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    http_headers headers;
    if (!ask.body.empty()) {
      const auto upload = has(ask.path, "/files/upload"), yaml = method == "PUT", event = has(ask.path, "/v1/events");
      headers.emplace_back("Content-Type", upload  ? "multipart/form-data; boundary=b"
                                           : yaml  ? "application/yaml"
                                           : event ? "application/cloudevents+json"
                                                   : "application/json");
    }
    const auto answer = h.at->call_as(h.other, method, ask.path, ask.body, headers);
    INFO(answer.body);
    CHECK(ask.statuses.contains(answer.status));
    CHECK(!has(answer.body, marker));
    CHECK(!has(answer.body, "acme/ask\","));
    // Nor does anybody without a key.
    const auto unknown = h.at->call_as("", method, ask.path, ask.body, headers).status;
    CHECK((unknown == 401 || by_proof.contains(each)));
  }
  // All of it is as it was.
  CHECK(h.get(h.acme, "/api/v1/keys").status == 200);
  // The node's admin is told of all tenants, each of those of itself.
  const auto tenants = [&](const std::string& as) { return h.get(as, "/api/v1/tenants").json().at("tenants").as_array(); };
  REQUIRE(tenants(h.other).size() == 1);
  CHECK(tenants(h.other)[0].at("tenant") == "other");
  CHECK(tenants(h.other)[0].at("keys") == 1);
  CHECK(tenants(h.other)[0].at("file_bytes") == 0);
  REQUIRE(tenants(h.acme).size() == 1);
  CHECK(tenants(h.acme)[0].at("keys") == 2);
  CHECK(tenants(h.acme)[0].at("file_bytes") == marker.size());
  CHECK(tenants(h.acme)[0].at("open_runs").as_int64() >= 3);
  CHECK(tenants(h.at->admin()).size() == 3);
  CHECK(h.get(h.acme, "/api/v1/runs/" + h.run).json().at("status") == "waiting");
  CHECK(h.get(h.acme, "/api/v1/jobs/" + h.job).json().at("cancel_wanted") == false);
  CHECK(h.get(h.acme, "/v1/files/" + h.file + "/preview").body == marker);
  CHECK(h.get(h.acme, "/v1/form/human_input/" + h.token).status == 200);
  CHECK(h.get(h.acme, "/api/v1/schedules").json().at("schedules").as_array().size() == 1);
  CHECK(h.get(h.acme, "/api/v1/webhooks").json().at("webhooks").as_array().size() == 1);
}
