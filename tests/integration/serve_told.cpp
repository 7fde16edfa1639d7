// What a run's calls tell while they go on, and the rounds of its loops, in the streams of the workflow service API.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "support/serve.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace std::chrono_literals;

namespace {

/// A server that answers every request with the stream that the test lets it say, one connection at a time.
class speaker {
 public:
  speaker() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listener_, 16) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
      throw std::runtime_error("no port for the test's server");
    port_ = ntohs(at.sin_port);
    thread_ = std::thread{[this] { accept_all(); }};
  }
  ~speaker() {
    over_ = true;
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/"; }
  /// Says it to whoever is there, and to those who come later, again.
  void say(const std::string& text) {
    const std::lock_guard lock{mutex_};
    said_ += text;
  }
  void end() { ended_ = true; }
  [[nodiscard]] int calls() const { return calls_; }

 private:
  void accept_all() {
    while (!over_) {
      pollfd watched{listener_, POLLIN, 0};
      if (::poll(&watched, 1, 10) <= 0) continue;
      const int to = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (to < 0) continue;
      ++calls_;
      serve(to);
      ::close(to);
    }
  }
  void serve(int to) {
    char request[16384];
    if (::recv(to, request, sizeof request, 0) <= 0) return;
    put(to, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    for (std::size_t sent = 0; !over_;) {
      pollfd watched{to, POLLIN, 0};
      char byte = 0;
      if (::poll(&watched, 1, 5) > 0 && ::recv(to, &byte, 1, MSG_PEEK) <= 0) return;  // it has gone
      std::string next;
      const bool last = ended_;
      {
        const std::lock_guard lock{mutex_};
        next = said_.substr(sent);
      }
      put(to, next);
      sent += next.size();
      if (last) return;
    }
  }
  static void put(int to, const std::string& text) { static_cast<void>(::send(to, text.data(), text.size(), MSG_NOSIGNAL)); }

  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<bool> over_{false}, ended_{false};
  std::atomic<int> calls_{0};
  std::mutex mutex_;
  std::string said_;
  std::thread thread_;
};

std::string artifact(const std::string& text) {
  return R"(data: {"jsonrpc":"2.0","id":1,"result":{"kind":"artifact-update","artifact":{"parts":[{"kind":"text","text":")" +
         text + "\"}]}}}\n\n";
}
std::string state(const std::string& text) {
  return R"(data: {"jsonrpc":"2.0","id":1,"result":{"kind":"status-update","status":{"message":{"parts":[{"kind":"text","text":")" +
         text + "\"}]}}}}\n\n";
}

struct stage {
  workplace here;
  speaker agent;
  std::unique_ptr<served> at;

  stage() {
    std::filesystem::create_directory(here.path("workflows"));
    put("ask", "  - ask:\n      call: a2a\n      with: {method: message/stream, server: '" + agent.url() +
                   "', parameters: {message: {parts: [{kind: text, text: hi}]}}}\n  - after: {set: {done: true}}\n");
    put("rounds",
        "  - count:\n      for: {each: n, in: '${ [1, 2, 3] }'}\n      while: '${ (.n // 0) < 2 }'\n      do:\n"
        "        - one: {set: {n: '${ $n }'}}\n        - inner:\n            for: {each: m, in: '${ [ .n ] }'}\n            do:\n"
        "              - two: {set: {n: '${ $m }'}}\n");
    put("works",
        "  - train:\n      call: job\n      with:\n        backend: process\n        spec: {program: sh, arguments: ['-c', "
        "'echo \"::progress 1/2 half\"; sleep 1']}\n        poll: {interval: {milliseconds: 200}}\n");
    at = std::make_unique<served>(here, std::vector<std::string>{"--workflows", here.path("workflows").string()});
    for (const auto* name : {"ask", "rounds", "works"}) keys[name] = at->key({"--workflow", name});
  }
  void put(const std::string& name, const std::string& tasks) const {
    here.write("workflows/" + name + ".yaml",
               "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\ndo:\n" + tasks);
  }
  /// Begins a run, whose stream comes by the connection.
  void begin(http_connection& by, const std::string& workflow) const {
    by.send(http_request("POST", "/v1/workflows/run",
                         {{"Authorization", "Bearer " + keys.at(workflow)}, {"Content-Type", "application/json"}},
                         R"({"inputs":{},"user":"u","response_mode":"streaming"})"));
    REQUIRE(by.read_head().status == 200);
  }
  [[nodiscard]] std::vector<std::pair<std::string, json::value>> story(const std::string& workflow, const std::string& run,
                                                                       const std::string& after = {}) const {
    http_connection by{at->port()};
    by.send(http_request(
        "GET", "/v1/workflow/" + run + "/events?user=u&include_state_snapshot=true" + (after.empty() ? "" : "&after=" + after),
        {{"Authorization", "Bearer " + keys.at(workflow)}}));
    REQUIRE(by.read_head().status == 200);
    return heard(by);
  }
  std::map<std::string, std::string> keys;
};

using frame = std::pair<std::string, json::value>;

/// Frames up to the first of this name, that one last.
std::vector<frame> up_to(http_connection& from, const std::string& event) {
  std::vector<frame> out;
  while (auto each = from.read_frame()) {
    if (each->data.empty()) continue;
    out.emplace_back(each->id, payload::parse_text(each->data).value().value());
    if (out.back().second.at("event") == json::value(event)) return out;
  }
  FAIL("no " << event);
  return out;
}

std::vector<std::string> names(const std::vector<frame>& of) {
  std::vector<std::string> out;
  for (const auto& [id, each] : of) out.push_back(text_of(each.at("event")));
  return out;
}

std::string text_in(const std::vector<frame>& of) {
  std::string out;
  for (const auto& [id, each] : of) {
    if (each.at("event") == "text_chunk") out += text_of(each.at("data").at("text"));
  }
  return out;
}

}  // namespace

TEST_CASE("what an agent writes is told while it writes, and Last-Event-ID goes on within its text") {
  stage s;
  http_connection by{s.at->port()};
  s.begin(by, "ask");
  auto events = up_to(by, "node_started");
  s.agent.say(state("I think"));
  const auto thought = up_to(by, "agent_log");
  events.insert(events.end(), thought.begin(), thought.end());
  const auto& log = events.back().second.at("data");
  CHECK(log.at("label") == "I think");
  CHECK(log.at("status") == "success");
  CHECK(log.at("node_id") == "/do/0/ask");
  CHECK(test::members_of(log) == std::vector<std::string>{"node_execution_id", "id", "label", "parent_id", "error", "status",
                                                          "data", "metadata", "node_id"});
  s.agent.say(artifact("Hel"));
  const auto first = up_to(by, "text_chunk");
  events.insert(events.end(), first.begin(), first.end());
  CHECK(events.back().second.at("data") ==
        json::value{{"text", "Hel"}, {"from_variable_selector", json::array{"/do/0/ask", "text"}}});
  s.agent.say(artifact("lo ") + artifact("World"));
  s.agent.end();
  const auto rest = heard(by);
  events.insert(events.end(), rest.begin(), rest.end());
  CHECK(text_in(events) == "Hello World");
  const auto told = names(events);
  CHECK(std::vector<std::string>(told.end() - 4, told.end()) ==
        std::vector<std::string>{"node_finished", "node_started", "node_finished", "workflow_finished"});
  CHECK(events.back().second.at("data").at("status") == "succeeded");

  const auto run = text_of(events[0].second.at("workflow_run_id"));
  CHECK(s.story("ask", run) == events);
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    CHECK(s.story("ask", run, events[i].first) ==
          std::vector<frame>(events.begin() + static_cast<std::ptrdiff_t>(i) + 1, events.end()));
  }
}

TEST_CASE("what was told of a text stays told when the server is killed, and the call that is made again tells it anew") {
  stage s;
  std::vector<frame> before;
  {
    http_connection by{s.at->port()};
    s.begin(by, "ask");
    before = up_to(by, "node_started");
    s.agent.say(artifact("half"));
    const auto more = up_to(by, "text_chunk");
    before.insert(before.end(), more.begin(), more.end());
    s.at->node().kill();
  }
  s.agent.say(artifact(" and half"));
  s.agent.end();
  s.at->start();
  const auto run = text_of(before[0].second.at("workflow_run_id"));
  const auto after = s.story("ask", run);
  REQUIRE(after.size() > before.size());
  CHECK(std::vector<frame>(after.begin(), after.begin() + static_cast<std::ptrdiff_t>(before.size())) == before);
  CHECK(text_in(after) == "halfhalf and half");
  CHECK(s.agent.calls() == 2);
  CHECK(after.back().second.at("data").at("status") == "succeeded");
}

TEST_CASE("a `for` with a condition is a loop, one within it an iteration, and tasks name both") {
  stage s;
  http_connection by{s.at->port()};
  s.begin(by, "rounds");
  const auto events = heard(by);
  const std::vector<std::string> round{"loop_next",           "node_started",   "node_finished", "node_started",
                                       "iteration_started",   "iteration_next", "node_started",  "node_finished",
                                       "iteration_completed", "node_finished"};
  std::vector<std::string> wanted{"workflow_started", "node_started", "loop_started"};
  for (int i = 0; i < 2; ++i) wanted.insert(wanted.end(), round.begin(), round.end());
  for (const auto* last : {"loop_completed", "node_finished", "workflow_finished"}) wanted.emplace_back(last);
  REQUIRE(names(events) == wanted);
  const auto& loop = events[1].second.at("data");
  const auto& one = events[4].second.at("data");
  const auto& inner = events[6].second.at("data");
  const auto& two = events[9].second.at("data");
  CHECK(loop.at("node_type") == "loop");
  CHECK(loop.at("loop_id").is_null());
  CHECK(events[3].second.at("data").at("index") == 0);
  CHECK(events[13].second.at("data").at("index") == 1);
  CHECK(one.at("loop_id") == loop.at("id"));
  CHECK(one.at("iteration_id").is_null());
  CHECK(inner.at("node_type") == "iteration");
  CHECK(inner.at("loop_id") == loop.at("id"));
  CHECK(two.at("loop_id") == loop.at("id"));
  CHECK(two.at("iteration_id") == inner.at("id"));
  CHECK(events[events.size() - 3].second.at("data").at("steps") == 2);
}

TEST_CASE("a task's job is an entry of the log, which is told again as the job goes on") {
  stage s;
  http_connection by{s.at->port()};
  s.begin(by, "works");
  const auto events = heard(by);
  std::vector<json::value> log;
  for (const auto& [id, each] : events) {
    if (each.at("event") == "agent_log") log.push_back(each.at("data"));
  }
  REQUIRE(log.size() >= 3);
  for (std::size_t i = 0; i < log.size(); ++i) {
    CHECK(log[i].at("id") == log[0].at("id"));
    CHECK(log[i].at("label") == "job 1 (process)");
    CHECK(log[i].at("node_id") == "/do/0/train");
    CHECK(log[i].at("status") == (i + 1 == log.size() ? "success" : "start"));
    if (i > 0) CHECK(log[i] != log[i - 1]);
  }
  const auto half = [](const json::value& each) {
    const auto* progress = each.at("data").as_object().if_contains("progress");
    return progress != nullptr && progress->at("text") == "half";
  };
  CHECK(std::any_of(log.begin(), log.end(), half));
  CHECK(names(events).back() == "workflow_finished");
}
