// The specification's examples that need more than HTTP: time, events, programs that stand for those of others, gRPC, AsyncAPI.
#include <sys/stat.h>

#include "example_stage.hpp"
#include "support/grpc_server.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

/// Programs that are found first, for as long as it lives.
class programs {
 public:
  explicit programs(const std::filesystem::path& folder) : folder_(folder / "bin"), before_(std::getenv("PATH")) {
    std::filesystem::create_directory(folder_);
    ::setenv("PATH", (folder_.string() + ":" + before_).c_str(), 1);
  }
  ~programs() { ::setenv("PATH", before_.c_str(), 1); }
  void add(const std::string& name, const std::string& script) const {
    std::ofstream{folder_ / name} << "#!/bin/sh\n" << script;
    ::chmod((folder_ / name).c_str(), 0755);
  }

 private:
  std::filesystem::path folder_;
  std::string before_;
};

/// Waits that are over when the clock has gone on by half a minute.
json::value after_half_a_minute(const std::string& name) {
  json::value out;
  on_stage([&](stage& here) {
    const auto run = here.start(name, {{"n", 1}});
    REQUIRE(eventually([&] { return run.status()->status == run_status::waiting; }));
    here.skip(29s);
    std::this_thread::sleep_for(50ms);
    CHECK(run.status()->status == run_status::waiting);
    here.skip(2s);
    out = finish(run).output.value();
  });
  return out;
}

bool asked(const stage& of, const std::string& path) {
  const auto all = of.server.requests();
  return std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.path == path; });
}

}  // namespace

TEST_CASE("examples that wait") {
  if (lacks_examples()) return;
  CHECK(after_half_a_minute("wait-duration-inline") == json::value{{"n", 1}});
  CHECK(after_half_a_minute("wait-duration-iso8601") == json::value{{"n", 1}});
}

TEST_CASE("an example that catches goes on as its export says") {
  if (lacks_examples()) return;
  // In "set" the error's name is plain text, as it stands there; what "export" says is the error.
  CHECK(result_of("try-catch-then", {{"petId", 404}}) == json::value{{"error", "$error"}});
  CHECK(result_of("try-catch-then", {{"petId", 1}}).at("method") == "PUT");
}

TEST_CASE("examples that take the array of a listen for its event end in the error of expressions") {
  if (lacks_examples()) return;
  const auto hear = [](const std::string& name, const json::value& input, const std::vector<std::string>& types) {
    failure out;
    on_stage([&](stage& here) {
      const auto run = here.start(name, input);
      here.listens(run);
      for (const auto& each : types)
        here.emit(each, {{"reading", 1}}, {{"source", "https://my.home.com/sensor"}, {"roomid", "r"}});
      const auto end = finish(run);
      REQUIRE(end.error);
      out = *end.error;
    });
    return out;
  };
  CHECK(hear("for", {{"pets", {{{"id", 1}}}}, {"vet", "v"}}, {"com.fake.petclinic.pets.checkup.completed.v2"}).code ==
        "expression");
  const auto readings = hear("accumulate-room-readings", nullptr, {"my.home.sensors.temperature", "my.home.sensors.humidity"});
  CHECK(readings.code == "expression");
  CHECK(readings.instance == "/do/0/consumeReading");
}

TEST_CASE("examples whose subscriptions do not end do their work until they are cancelled") {
  if (lacks_examples()) return;
  on_stage([](stage& here) {
    const auto run = here.start("listen-to-any-forever-foreach", {{"roomId", 7}});
    here.listens(run);
    here.emit("gossip", "x");
    REQUIRE(eventually([&] { return asked(here, "/room/7"); }));
    REQUIRE(run.cancel());
    CHECK(finish(run).status == run_status::cancelled);
  });
  const json::value contact{{"userId", "u1"}, {"contact", {{"firstName", "Ann"}, {"lastName", "Lee"}}}};
  on_stage([&](stage& here) {
    here.define(
        "document: {dsl: '1.0.3', namespace: default, name: hears, version: '0.1.0'}\ndo:\n  - l: {listen: {to: {one: {with: "
        "{type: "
        "io.serverlessworkflow.samples.asyncapi.message.consumed.v1}}}}}\n");
    const auto listener = here.engine().start("hears", json::value{}).value();
    here.listens(listener);
    const auto run = here.start("call-asyncapi-subscribe-consume-forever-foreach", contact);
    const auto heard = finish(listener).output.value();
    CHECK(heard.at(0).at("message").at("payload").at("n") == 1);
    REQUIRE(run.cancel());
    CHECK(finish(run).status == run_status::cancelled);
  });
  on_stage([&](stage& here) {
    const auto run = here.start("call-asyncapi-subscribe-consume-while", contact);
    REQUIRE(eventually([&] { return asked(here, "/notes"); }));
    REQUIRE(run.cancel());
    CHECK(finish(run).status == run_status::cancelled);
  });
}

TEST_CASE("examples that call AsyncAPI, and functions of catalogs") {
  if (lacks_examples()) return;
  const auto published = result_of("call-asyncapi-publish", {{"pet", {{"id", 5}}}, {"token", "t"}});
  CHECK(published == json::value{{"body", "{\"petId\":5}"}, {"auth", "Bearer t"}});
  CHECK(result_of("call-custom-function-cataloged") == json::value{{"said", "[information] Hello, world!"}});
}

TEST_CASE("the example that calls gRPC") {
  if (lacks_examples()) return;
#ifndef PERDURE_GRPC
  std::cout << "\nskipped: this build has no gRPC (libprotobuf-dev was not there)" << std::endl;
#else
  const grpc_server greeter{[](const std::string& request) {
    const auto said = "Hello, " + request.substr(2);
    return grpc_answer{.messages = {std::string{"\x0a"} + static_cast<char>(said.size()) + said}};
  }};
  on_stage([&](stage& here) {
    std::filesystem::create_directory(here.folder / "app");
    std::ofstream{here.folder / "app" / "greet.proto"} << "syntax = \"proto3\";\npackage GreeterApi;\nmessage Request { string "
                                                          "name = 1; }\nmessage Reply { string message = 1; }\n"
                                                          "service Greeter { rpc SayHello (Request) returns (Reply); }\n";
    here.replaced = {{"5011", std::to_string(greeter.port())}};
    CHECK(here.result("call-grpc", {{"user", {{"preferredDisplayName", "Ann"}}}}) == json::value{{"message", "Hello, Ann"}});
  });
#endif
}

TEST_CASE("the example of an MCP server of the machine, and those of containers, with programs that stand for theirs") {
  if (lacks_examples()) return;
  const temp_directory bin;
  const programs found{bin.path()};
  found.add("npx",
            "cat > /dev/null\n"
            "echo '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{}}}'\n"
            "echo '{\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"sent\"}]}}'\n");
  CHECK(result_of("call-mcp").at("content").at(0).at("text") == "sent");
  found.add("docker", "[ \"$1\" = run ] || exit 0\nprintf out; printf err >&2\n");
  CHECK(result_of("run-return-all") == json::value{{"code", 0}, {"stdout", "out"}, {"stderr", "err"}});
  CHECK(result_of("run-return-code") == json::value(0));
  CHECK(result_of("run-return-none").is_null());
  CHECK(result_of("run-return-stderr") == json::value("err"));
  for (const auto* name :
       {"run-container", "run-container-with-name", "run-container-with-pull-policy", "run-container-cleanup-always",
        "run-container-cleanup-eventually", "run-container-stdin-and-arguments"}) {
    INFO(name);
    CHECK(result_of(name) == json::value("out"));
  }
}

TEST_CASE("examples with schedules begin their runs when it is time") {
  if (lacks_examples()) return;
  const auto schedule = [](stage& here, const std::string& name) {
    auto read = here.read(name);
    REQUIRE(here.engine().add(read.definition));
    return cluster::begin_schedule(here.engine(), read, "once").value();
  };
  on_stage([&](stage& here) {
    const auto run = schedule(here, "schedule-event-driven");
    here.listens(run);
    here.emit("com.example.hospital.events.patients.heartbeat.low", {{"patient", {{"id", 9}}}});
    REQUIRE(eventually([&] { return asked(here, "/api/v1/notify"); }));
    const auto all = here.server.requests();
    CHECK(payload::parse_text(all.back().body).value().value().at("patientId") == 9);
  });
  on_stage([&](stage& here) {
    const auto run = schedule(here, "schedule-cron");
    REQUIRE(eventually([&] { return run.status()->status == run_status::waiting; }));
    CHECK_FALSE(asked(here, "/api/v1/backup/start"));
    here.skip(24h);
    REQUIRE(eventually([&] { return asked(here, "/api/v1/backup/start"); }));
  });
}
