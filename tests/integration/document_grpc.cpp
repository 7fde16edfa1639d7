// Documents that call gRPC services, of a server of the test's own.
#include <iostream>

#include "support/catch.hpp"
#include "support/grpc_server.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::grpc_answer;
using perdure::test::grpc_server;
using perdure::test::workplace;

namespace {

constexpr auto proto = R"(syntax = "proto3";
package GreeterApi;
import "google/protobuf/empty.proto";
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; int32 times = 2; }
service Greeter {
  rpc SayHello (HelloRequest) returns (HelloReply);
  rpc SayMore (HelloRequest) returns (stream HelloReply);
  rpc Hear (stream HelloRequest) returns (google.protobuf.Empty);
}
)";

std::string text_field(int number, const std::string& value) {
  return std::string(1, static_cast<char>(number << 3 | 2)) + static_cast<char>(value.size()) + value;
}

/// "Hello, NAME", as often as the name begins with 'm'; "gone" is not found.
grpc_answer greet(const std::string& request) {
  const auto name = request.size() > 2 ? request.substr(2) : std::string{};
  if (name == "gone") return {.messages = {}, .status = 5, .message = "no%20such person"};
  const auto one = text_field(1, "Hello, " + name);
  return name.starts_with('m') ? grpc_answer{.messages = {one, one + "\x10\x02"}} : grpc_answer{.messages = {one}};
}

bool lacks_grpc(const workplace& here) {
  here.write("greet.proto", proto);
  const auto told = here.run({"validate", here.document("probe",
                                                        "  - a: {call: grpc, with: {proto: {endpoint: 'file://greet.proto'}, "
                                                        "service: {name: GreeterApi.Greeter, host: h}, method: SayHello}}\n")});
  if (told.code == 0) return false;
  CHECK(told.err.find("libprotobuf") != std::string::npos);
  std::cout << "\nskipped: this build has no gRPC (libprotobuf-dev was not there)" << std::endl;
  return true;
}

std::string call(int port, const std::string& method, const std::string& service = "GreeterApi.Greeter") {
  return "  - greet:\n      call: grpc\n      with:\n        proto: {endpoint: 'file://greet.proto'}\n        service: {name: " +
         service + ", host: localhost, port: " + std::to_string(port) + "}\n        method: " + method +
         "\n        arguments: {name: '${ .who }'}\n";
}

}  // namespace

TEST_CASE("a document calls a gRPC service that a proto file describes") {
  const workplace here;
  if (lacks_grpc(here)) return;
  const grpc_server server{greet};
  const auto run = [&](const std::string& tasks, const std::string& who) {
    return here.call({"run", here.document("greets", tasks), "--input", "{\"who\":\"" + who + "\"}", "--json"}).json();
  };
  const auto said = run(call(server.port(), "SayHello"), "Ann");
  INFO(payload{said}.text());
  CHECK(said.at("output") == json::value{{"message", "Hello, Ann"}, {"times", 0}});
  CHECK(run(call(server.port(), "SayHello", "Greeter"), "Bob").at("output").at("message") == "Hello, Bob");
  CHECK(run(call(server.port(), "SayMore"), "many").at("output") ==
        json::value(json::array{json::object{{"message", "Hello, many"}, {"times", 0}},
                                json::object{{"message", "Hello, many"}, {"times", 2}}}));
  const auto gone = run(call(server.port(), "SayHello"), "gone").at("error");
  CHECK(gone.at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
  CHECK(gone.at("status") == 404);
  CHECK(gone.at("detail") == "/GreeterApi.Greeter/SayHello failed with NOT_FOUND (5): no such person");
  CHECK(server.calls() == 4);
}

TEST_CASE("what is wrong with a gRPC call is told by name") {
  const workplace here;
  if (lacks_grpc(here)) return;
  const auto told = [&](const std::string& tasks) {
    const auto done = here.call({"run", here.document("wrong", tasks), "--input", "{\"who\":\"x\"}", "--json"}).json();
    return test::text_of(done.at("error").at("type")) + " " + test::text_of(done.at("error").at("detail"));
  };
  // What only the run knows is told by the run.
  const std::string configuration = "https://serverlessworkflow.io/spec/1.0.0/errors/configuration ";
  CHECK(told(call(1, "'${ \"SayBye\" }'")) == configuration + "the service \"GreeterApi.Greeter\" has no method \"SayBye\"");
  CHECK(told(call(1, "SayHello", "'${ \"Other\" }'")) == configuration + "the proto file has no service \"Other\"");
  CHECK(told(call(1, "'${ \"Hear\" }'")).find("takes a stream of messages") != std::string::npos);
  auto wrong = call(1, "SayHello");
  wrong.replace(wrong.find("name: '${ .who }'"), 17, "nam: 1");
  CHECK(told(wrong).find("the arguments do not fit GreeterApi.HelloRequest") != std::string::npos);
  CHECK(told(call(1, "SayHello")).starts_with("https://serverlessworkflow.io/spec/1.0.0/errors/communication "));
}

TEST_CASE("a gRPC call that the proto file beside the document forbids is a problem of the document") {
  const workplace here;
  if (lacks_grpc(here)) return;
  const auto problem = [&](const std::string& tasks) {
    const auto file = here.document("wrong", tasks);
    const auto all = here.run({"validate", file, "--json"}).json().at("files").at(0).at("problems").as_array();
    if (all.empty()) return std::string{};
    const auto run = here.call({"run", file});  // the same, and nothing begins
    CHECK(run.code == 1);
    CHECK(run.err.find(test::text_of(all[0].at("message"))) != std::string::npos);
    return std::to_string(all[0].at("line").to_number<int>()) + ": " + test::text_of(all[0].at("message"));
  };
  CHECK(problem(call(1, "SayMore")).empty());
  CHECK(problem(call(1, "Hear")) ==
        "8: /GreeterApi.Greeter/Hear takes a stream of messages, which a call of a document cannot give");
  CHECK(problem(call(1, "SayBye")) == "8: the service \"GreeterApi.Greeter\" has no method \"SayBye\"");
  CHECK(problem(call(1, "SayHello", "Other")) == "8: the proto file has no service \"Other\"");
  // One that ran keeps to what it says itself: the file may change, or go.
  const auto nobody = here.document("keeps", call(1, "SayHello"));
  CHECK(here.call({"run", nobody, "--input", R"({"who":"x"})"}).code == 1);
  here.write("greet.proto", "syntax = \"proto3\";\nservice S {\n  rpc x;\n}\n");
  CHECK(problem(call(1, "SayHello")).find("8: the proto file cannot be read: line 3, column 8: ") == 0);
  CHECK(here.call({"runs", "wait", "--all"}).err.find("cannot be read") == std::string::npos);
  std::filesystem::remove(here.path("greet.proto"));
  CHECK(problem(call(1, "Hear")).empty());
}
