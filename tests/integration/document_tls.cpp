// Documents that call gRPC services and AsyncAPI servers over TLS: with certificates that are trusted, and with those that are
// not.
#include <iostream>

#include "support/catch.hpp"
#include "support/grpc_server.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"
#include "support/tls_front.hpp"
#include "support/websocket_server.hpp"

using namespace perdure;
using perdure::test::make_identity;
using perdure::test::tls_front;
using perdure::test::websocket_server;
using perdure::test::workplace;

namespace {

constexpr auto communication = "https://serverlessworkflow.io/spec/1.0.0/errors/communication";

/// Whom the program trusts, instead of the system's authorities.
struct trusting {
  trusting(const workplace& here, const std::string& certificate) {
    ::setenv("PERDURE_CA_FILE", here.write("authority.pem", certificate).c_str(), 1);
  }
  ~trusting() { ::unsetenv("PERDURE_CA_FILE"); }
};

json::value outcome(const workplace& here, const std::string& name, const std::string& tasks) {
  return here.call({"run", here.document(name, tasks), "--json"}).json();
}

/// Certificates that a client must not take: of another name, of the past, and of somebody whom it does not know.
std::vector<std::pair<std::string, test::tls_identity>> bad_identities() {
  return {{"another name", make_identity("DNS:elsewhere")},
          {"expired", make_identity("DNS:localhost", -3'600)},
          {"unknown", make_identity("DNS:localhost")}};
}

}  // namespace

TEST_CASE("gRPC over TLS: a server that is trusted is called, one that is not gets no byte of the call") {
  const workplace here;
  here.write("echo.proto",
             "syntax = \"proto3\";\npackage p;\nmessage m { string text = 1; }\nservice s { rpc say (m) returns (m); }\n");
  const auto call = [](const std::string& host, int port) {
    return "  - a:\n      call: grpc\n      with:\n        proto: {endpoint: 'file://echo.proto'}\n        service: {name: p.s, "
           "host: "
           "'" +
           host + "', port: " + std::to_string(port) + "}\n        method: say\n        arguments: {text: hello}\n";
  };
  const auto told = here.run({"validate", here.document("probe", call("h", 1))});
  if (told.code != 0) {
    CHECK(told.err.find("libprotobuf") != std::string::npos);
    std::cout << "\nskipped: this build has no gRPC (libprotobuf-dev was not there)" << std::endl;
    return;
  }
  const test::grpc_server server{[](const std::string& request) { return test::grpc_answer{.messages = {request}}; }};
  const auto good = make_identity("DNS:localhost");
  {
    const trusting authority{here, good.certificate};
    const tls_front front{server.port(), good, "h2"};
    const auto said = outcome(here, "good", call("https://localhost", front.port()));
    INFO(payload{said}.text());
    CHECK(said.at("output") == json::value{{"text", "hello"}});
    CHECK(server.calls() == 1);
    const auto plain = outcome(here, "plain", call("localhost", front.port())).at("error");
    CHECK(plain.at("type") == communication);
    CHECK(server.calls() == 1);
  }
  for (const auto& [what, identity] : bad_identities()) {
    INFO(what);
    const trusting authority{here, what == "unknown" ? good.certificate : identity.certificate};
    const tls_front front{server.port(), identity, "h2"};
    const auto refused = outcome(here, "bad", call("https://localhost", front.port())).at("error");
    CHECK(refused.at("type") == communication);
    INFO(test::text_of(refused.at("detail")));
    CHECK(test::text_of(refused.at("detail")).find("certificate") != std::string::npos);
  }
  CHECK(server.calls() == 1);
}

TEST_CASE("AsyncAPI over wss: messages with each policy, a subscription, and no connection to whom is not trusted") {
  std::mutex mutex;
  std::vector<std::string> came;
  const websocket_server server{[&](websocket_server::session& at) {
    if (at.target == "/hear") {
      at.send(R"({"n": 1, "id": "x-1"})");
      (void)at.receive();
      return;
    }
    auto text = at.authorization + " " + at.receive();
    const std::lock_guard lock{mutex};
    came.push_back(std::move(text));
  }};
  const test::http_server tokens{
      [](const test::server_request&) -> test::server_response { return {.body = R"({"access_token": "from-the-server"})"}; }};
  const auto plain = static_cast<int>(std::stoi(server.address().substr(server.address().rfind(':') + 1)));
  const workplace here;
  const auto call = [&](const tls_front& front, const std::string& rest) {
    here.write(
        "api.yaml",
        "asyncapi: 3.0.0\nservers: {s: {host: '" + front.address() +
            "', protocol: wss}}\nchannels:\n  say: {address: /say}\n  hear: {address: /hear, messages: {m: {correlationId: "
            "{location: '$message.payload#/id'}}}}\noperations:\n  say: {action: send, channel: {$ref: "
            "'#/channels/say'}}\n  hear: {action: receive, channel: {$ref: '#/channels/hear'}}\n");
    return "  - a: {call: asyncapi, with: {document: {endpoint: 'file://api.yaml'}, " + rest + "}}\n";
  };
  const auto good = make_identity("DNS:localhost");
  {
    const trusting authority{here, good.certificate};
    const tls_front front{plain, good};
    const auto say = [&](const std::string& policy) {
      const auto done = outcome(here, "say", call(front, "operation: say, message: {payload: {n: 1}}" + policy));
      return test::text_of(done.at("status")) +
             (done.at("error").is_null() ? "" : " " + test::text_of(done.at("error").at("detail")));
    };
    CHECK(say("") == "succeeded");
    CHECK(say(", authentication: {basic: {username: me, password: word}}") == "succeeded");
    CHECK(say(", authentication: {bearer: {token: mine}}") == "succeeded");
    CHECK(say(", authentication: {oauth2: {authority: '" + tokens.url() +
              "', grant: client_credentials, client: {id: i, secret: s}}}") == "succeeded");
    CHECK(say(", authentication: {digest: {username: me, password: word}}") ==
          "failed the authentication \"digest\" is not available for WebSockets");
    const auto heard = outcome(here, "hear", call(front, "operation: hear, subscription: {consume: {amount: 1}}"));
    INFO(payload{heard}.text());
    CHECK(heard.at("output").at(0).at("payload").at("n") == 1);
    CHECK(heard.at("output").at(0).at("correlationId") == "x-1");
    CHECK(front.trusted() == 5);
    const std::lock_guard lock{mutex};
    CHECK(came == std::vector<std::string>{" {\"n\":1}", "Basic bWU6d29yZA== {\"n\":1}", "Bearer mine {\"n\":1}",
                                           "Bearer from-the-server {\"n\":1}"});
  }
  for (const auto& [what, identity] : bad_identities()) {
    INFO(what);
    const trusting authority{here, what == "unknown" ? good.certificate : identity.certificate};
    const tls_front front{plain, identity};
    const auto refused = outcome(here, "bad", call(front, "operation: say, message: {payload: {n: 1}}")).at("error");
    CHECK(refused.at("type") == communication);
    INFO(test::text_of(refused.at("detail")));
    CHECK(test::text_of(refused.at("detail")).find("certificate") != std::string::npos);
  }
  const std::lock_guard lock{mutex};
  CHECK(came.size() == 4);
}
