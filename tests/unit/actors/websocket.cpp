// Messages over WebSockets against a server of the test's own: sent, waited for, cut off.
#include "actors/http/websocket.hpp"

#include <future>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/websocket_server.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::actors;
using test::websocket_server;

namespace {

class caller {
 public:
  std::future<core::outcome> begin(json::object spec, std::stop_token stop = {}) {
    auto promise = std::make_shared<std::promise<core::outcome>>();
    auto end = promise->get_future();
    sockets->start({.key = "k",
                    .run = "run",
                    .spec = payload{json::value(std::move(spec))},
                    .stop = std::move(stop),
                    .done = [promise](core::outcome out) { promise->set_value(std::move(out)); }});
    return end;
  }
  static core::outcome end_of(std::future<core::outcome> end) {
    REQUIRE(end.wait_for(30s) == std::future_status::ready);
    return end.get();
  }
  json::value content(json::object spec) {
    const auto out = end_of(begin(std::move(spec)));
    if (out.error) UNSCOPED_INFO(out.error->code + ": " + out.error->message);
    REQUIRE_FALSE(out.error);
    return out.value.value().at("content");
  }
  failure error(json::object spec) {
    const auto out = end_of(begin(std::move(spec)));
    REQUIRE(out.error);
    return *out.error;
  }

  std::shared_ptr<http_client> http = std::make_shared<http_client>();
  std::shared_ptr<capability> sockets = make_websocket_capability(std::make_shared<oauth2_tokens>(http));
};

template <class Done>
bool eventually(Done done) {
  for (int i = 0; i < 3'000 && !done(); ++i) std::this_thread::sleep_for(10ms);
  return done();
}

}  // namespace

TEST_CASE("a message is sent as JSON or as its text, with headers and authentication, and the connection closed") {
  std::mutex mutex;
  std::vector<std::string> came;
  const websocket_server server{[&](websocket_server::session& at) {
    auto text = at.target + " " + at.authorization + " " + at.receive();
    const std::lock_guard lock{mutex};
    came.push_back(std::move(text));
  }};
  caller to;
  CHECK(to.content({{"url", server.url("/a?b=c")}, {"body", {{"n", 1}}}, {"authentication", {{"bearer", {{"token", "t"}}}}}}) ==
        json::value{});
  CHECK(to.content({{"url", server.url()}, {"body", "plain"}, {"headers", {{"Authorization", "own"}}}}) == json::value{});
  REQUIRE(eventually([&] { return server.ended() == 2; }));
  CHECK(came == std::vector<std::string>{"/a?b=c Bearer t {\"n\":1}", "/ own plain"});
}

TEST_CASE("a subscription keeps its connection from one question to the next, until it is closed") {
  const websocket_server server{[&](websocket_server::session& at) {
    at.send("{\"n\":1}");
    at.send("words");
    at.send("\x01", true);
    (void)at.receive();  // until it ends
  }};
  caller to;
  const json::object ask{{"url", server.url()}, {"subscription", "s"}};
  json::array all;
  while (all.size() < 3) {
    const auto some = to.content(ask);
    REQUIRE_FALSE(some.as_array().empty());
    for (const auto& each : some.as_array()) all.push_back(each);
  }
  CHECK(all == json::array{json::object{{"n", 1}}, "words", "AQ=="});
  CHECK(server.opened() == 1);
  CHECK(server.ended() == 0);
  auto close = ask;
  close["close"] = true;
  CHECK(to.content(close) == json::value{});
  CHECK(eventually([&] { return server.ended() == 1; }));
  CHECK(to.content(close) == json::value{});  // nothing is open any more
}

TEST_CASE("a question that is stopped ends its connection; a server that goes away is an error after what it said") {
  const websocket_server server{[&](websocket_server::session& at) {
    if (at.target == "/silent") {
      (void)at.receive();
    } else {
      at.send("1");
    }
  }};
  caller to;
  std::stop_source stop;
  auto waiting = to.begin({{"url", server.url("/silent")}, {"subscription", "s"}}, stop.get_token());
  REQUIRE(eventually([&] { return server.opened() == 1; }));
  stop.request_stop();
  CHECK(caller::end_of(std::move(waiting)).error->code == "cancelled");
  CHECK(eventually([&] { return server.ended() == 1; }));
  const json::object ask{{"url", server.url()}, {"subscription", "t"}};
  CHECK(to.content(ask) == json::array{1});
  CHECK(to.error(ask).code == "communication");
  CHECK(to.content(ask) == json::array{1});  // a new connection
  CHECK(server.opened() == 3);
  // What waits when the node closes ends too.
  auto last = to.begin({{"url", server.url("/silent")}, {"subscription", "u"}});
  REQUIRE(eventually([&] { return server.opened() == 4; }));
  to.sockets->stop_all();
  CHECK(caller::end_of(std::move(last)).error->code == "cancelled");
  CHECK(to.error(ask).code == "cancelled");
}

TEST_CASE("what is no WebSocket, is not there, or is not allowed") {
  const test::http_server plain{[](const test::server_request&) { return test::server_response{.status = 403}; }};
  const websocket_server server{[](websocket_server::session&) {}};
  caller to;
  const auto declined = to.error({{"url", "ws://127.0.0.1:" + std::to_string(plain.port()) + "/x"}, {"body", 1}});
  CHECK(declined.code == "communication");
  CHECK(declined.status == 403);
  CHECK(to.error({{"url", "ws://127.0.0.1:1/"}, {"body", 1}}).code == "communication");
  const auto inside = to.error({{"url", server.url()}, {"body", 1}, {"public", true}});
  CHECK(inside.message.find("no address that is allowed here") != std::string::npos);
  CHECK(to.error({{"url", "wss://" + server.address()}, {"body", 1}}).code == "communication");
  for (const auto* bad : {"http://x.y", "ws://", "ws://me@x.y", "nothing"})
    CHECK(to.error({{"url", bad}, {"body", 1}}).code == "configuration");
  CHECK(to.error({{"url", server.url()}, {"body", 1}, {"authentication", {{"digest", {{"username", "u"}, {"password", "p"}}}}}})
            .message == "the authentication \"digest\" is not available for WebSockets");
  CHECK(to.error({{"url", server.url("/a b")}, {"body", 1}}).code == "configuration");
  CHECK(to.error({{"url", server.url()}, {"body", 1}, {"headers", {{"X", "a\r\nY: b"}}}}).message ==
        "the header \"X\" has a bad name, or a line break in its value");
  CHECK(server.opened() == 0);
}
