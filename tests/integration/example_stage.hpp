// The specification's examples on a real node: a server that stands for all of theirs, events for those that listen, a clock that
// goes ahead for those that wait.
#pragma once

#include <unistd.h>

#include <atomic>
#include <fstream>
#include <iostream>
#include <sstream>

#include "cluster/documents.hpp"
#include "cluster/event_broker.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"
#include "support/temp_directory.hpp"

namespace perdure::test {

inline const auto examples_folder =
    std::filesystem::path{PERDURE_SOURCE_DIR} / ".." / "shared" / "serverless-workflow" / "examples";

inline bool lacks_examples() {
  if (std::filesystem::is_directory(examples_folder)) return false;
  std::cout << "\nskipped: " << examples_folder << " is not there" << std::endl;
  return true;
}

/// A server that is all the servers of the examples.
inline server_response serve(const server_request& request) {
  const auto& path = request.path;
  const auto found = request.headers.find("authorization");
  const auto known = found == request.headers.end() ? std::string{} : found->second;
  const auto json = [](const json::value& value) { return server_response{.body = std::string{payload{value}.text()}}; };
  if (path.ends_with("/token")) return json({{"access_token", "granted"}, {"expires_in", 300}});
  if (path.ends_with("/.well-known/openid-configuration"))
    return json({{"token_endpoint", "http://" + request.headers.at("host") + "/realms/fake-authority/token"}});
  if (path == "/v2/swagger.json") {
    return json(
        {{"swagger", "2.0"},
         {"host", request.headers.at("host")},
         {"basePath", "/v2"},
         {"schemes", {"http"}},
         {"paths",
          {{"/pet/findByStatus",
            {{"get", {{"operationId", "findPetsByStatus"}, {"parameters", {{{"name", "status"}, {"in", "query"}}}}}}}}}}});
  }
  if (path == "/v2/pet/findByStatus") return json({{"query", request.query}});
  if (path == "/v2/pet/404") return {.status = 404, .body = "{}"};
  if (path.starts_with("/v2/pet/"))
    return json({{"id", path.substr(8)}, {"method", request.method}, {"auth", known}, {"body", request.body}});
  if (path == "/api/people/")
    return json({{"query", request.query}, {"accept", request.headers.contains("accept") ? request.headers.at("accept") : ""}});
  if (path == "/api/people/1") return json({{"homeworld", "http://" + request.headers.at("host") + "/api/planets/1"}});
  if (path == "/docs/asyncapi.json") {
    return json({{"asyncapi", "3.0.0"},
                 {"servers", {{"staging", {{"host", request.headers.at("host")}, {"protocol", "http"}}}}},
                 {"channels", {{"pets", {{"address", "/pets"}}}, {"notes", {{"address", "/notes"}}}}},
                 {"operations",
                  {{"findPetsByStatus", {{"action", "send"}, {"channel", {{"$ref", "#/channels/pets"}}}}},
                   {"getNotifications", {{"action", "receive"}, {"channel", {{"$ref", "#/channels/notes"}}}}}}}});
  }
  if (path == "/pets") return json({{"body", request.body}, {"auth", known}});
  if (path == "/notes") {
    return {.body = R"([{"from": {"firstName": "Ann", "lastName": "Lee"}, "n": 1}, {"from": {"firstName": "Bob"}}])",
            .headers = {{"Content-Type", "application/json"}, {"Correlation-Id", "u1"}}};
  }
  if (path.ends_with("/functions/log/1.0.0/function.yaml")) {
    return {.body =
                "input: {schema: {document: {type: object, required: [message]}}}\ndo:\n"
                "  - log: {set: {said: '${ \"[\" + .level + \"] \" + .message }'}}\n",
            .headers = {{"Content-Type", "text/yaml"}}};
  }
  if (path == "/api/planets/1") return json({{"name", "Tatooine"}});
  return json({{"path", path}, {"body", request.body}});
}

class stage {
 public:
  explicit stage(const std::filesystem::path& data)
      : server(serve), folder(data), reader_(data, std::getenv("PERDURE_BINARY")), node_([&] {
          node_options options;
          options.data_dir = data;
          options.clock = [ahead = ahead_] {
            return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) + ahead->load();
          };
          return std::move(node::open(std::move(options)).value());
        }()) {}

  /// Starts an example, its servers replaced by the test's.
  run_ref start(const std::string& name, const json::value& input = nullptr) { return add(text_of(name), name, input); }
  cluster::document read(const std::string& name) {
    auto out = reader_.read(text_of(name), name + ".yaml", folder);
    REQUIRE(out.has_value());
    return std::move(*out);
  }
  /// As the clock would show after so long.
  void skip(duration length) { ahead_->store(ahead_->load() + length); }
  [[nodiscard]] node& engine() { return node_; }
  run_ref add(const std::string& text, const std::string& name, const json::value& input) {
    const auto read = reader_.read(text, name + ".yaml", folder);
    INFO(name << (read ? "" : ": " + read.error().message));
    REQUIRE(read.has_value());
    (void)node_.add(read->definition);  // several examples have one name: the same run must be of this one
    auto run = node_.start(read->name, input);
    REQUIRE(run.has_value());
    return *run;
  }
  void define(const std::string& text) {
    const auto read = reader_.read(text, "a.yaml");
    REQUIRE(read.has_value());
    REQUIRE(node_.add(read->definition));
  }
  json::value result(const std::string& name, const json::value& input = nullptr) {
    const auto end = finish(start(name, input), std::chrono::seconds{30});
    INFO(name << (end.error ? ": " + end.error->message : ""));
    REQUIRE(end.status == run_status::succeeded);
    return end.output.value();
  }
  failure error(const std::string& name, const json::value& input = nullptr) {
    const auto end = finish(start(name, input), std::chrono::seconds{30});
    INFO(name);
    REQUIRE(end.error);
    return *end.error;
  }
  void emit(const std::string& type, const json::value& data, const json::object& more = {}) {
    std::optional<run_id> broker;
    REQUIRE(eventually([&] {
      const auto page = node_.list({.workflow = std::string{cluster::event_workflow}}).value();
      for (const auto& each : page.runs) {
        if (!is_terminal(each.status)) broker = each.id;
      }
      return broker.has_value();
    }));
    json::object event{
        {"specversion", "1.0"}, {"id", run_id::make().str()}, {"source", "https://s.x"}, {"type", type}, {"data", data}};
    for (const auto& [name, value] : more) event[name] = value;
    REQUIRE(node_.get(*broker)->signal(cluster::event_signal, json::value(json::object{{"event", std::move(event)}})));
  }
  /// The run waits for events: it has subscribed, and does nothing else.
  void listens(const run_ref& run) {
    REQUIRE(eventually([&] {
      const auto events = run.events(0, 1'000).value();
      for (const auto& each : events) {
        const std::string text{payload{json::value(each.data)}.text()};
        if (each.kind == "turn" && text.find("\"listen.") != std::string::npos && text.find("subscribe") == std::string::npos)
          return true;
      }
      return false;
    }));
  }

  http_server server;
  std::vector<std::pair<std::string, std::string>> replaced;  ///< in the text of examples, beside the addresses
  std::filesystem::path folder;

 private:
  [[nodiscard]] std::string text_of(const std::string& name) const {
    std::ifstream in{examples_folder / (name + ".yaml")};
    std::stringstream text;
    text << in.rdbuf();
    auto whole = text.str();
    for (const auto& [from, to] : replaced) {
      for (auto at = whole.find(from); at != std::string::npos; at = whole.find(from, at + to.size()))
        whole.replace(at, from.size(), to);
    }
    for (const auto* each :
         {"https://fake.com", "https://fake-chat-api.com", "https://raw.githubusercontent.com", "https://example.com",
          "https://petstore.swagger.io", "https://swapi.dev", "http://keycloak", "https://superbet-casinos.com/api",
          "https://fake-hospital.com", "https://virtual-wf-powered-race.com", "https://hospital.example.com"}) {
      for (auto at = whole.find(each); at != std::string::npos; at = whole.find(each, at + 1))
        whole.replace(at, std::string_view{each}.size(), server.url());
    }
    return whole;
  }

  std::shared_ptr<std::atomic<duration>> ahead_ = std::make_shared<std::atomic<duration>>(duration{0});
  cluster::document_reader reader_;
  node node_;
};

/// A stage for one example: several of them have the same name and version.
template <class F>
void on_stage(F what) {
  const temp_directory directory;
  stage here{directory.path()};
  what(here);
}

inline json::value result_of(const std::string& name, const json::value& input = nullptr) {
  json::value out;
  on_stage([&](stage& here) { out = here.result(name, input); });
  return out;
}
inline failure error_of(const std::string& name, const json::value& input = nullptr) {
  failure out;
  on_stage([&](stage& here) { out = here.error(name, input); });
  return out;
}

}  // namespace perdure::test
