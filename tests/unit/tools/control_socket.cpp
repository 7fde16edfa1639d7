#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "cluster/control_server.hpp"
#include "perdure/perdure.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"
#include "tools/cli/control_client.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using perdure::tools::cli::client;
using perdure::tools::cli::control_client;

namespace {

class gate : public executor<json::value> {
  task<> handle(const json::value& what, context& ctx) override {
    for (int i = 0; i < 3; ++i) {
      auto body = [i] { return i; };
      co_await ctx.call("count", body);
    }
    const json::value question{{"text", "go on?"}};
    const auto answer = co_await ctx.request<json::value>(question);
    const auto sent = co_await ctx.wait_signal<json::value>("open");
    const json::array all{what, answer, sent};
    ctx.yield_output(json::value(all));
  }
};

class chatter : public executor<json::value> {
  task<> handle(const json::value&, context& ctx) override {
    const std::string text(2000, 'x');
    auto body = [&] { return text; };
    for (int i = 0; i < 5000; ++i) co_await ctx.call("say", body);
  }
};

template <class T>
bool fine(const result<T>& what) {
  if (!what) UNSCOPED_INFO(what.error().message);
  return what.has_value();
}

/// A node in memory behind a control socket.
struct served {
  test::temp_directory directory;
  node running;
  std::unique_ptr<cluster::control_server> server;

  served() : running(open()) {
    auto started =
        cluster::control_server::start(directory.path(), {.get = [this](const run_id& id) { return running.get(id); },
                                                          .list = [this](const list_options& how) { return running.list(how); },
                                                          .stats = [this] { return running.stats(); }});
    REQUIRE(fine(started));
    server = std::move(*started);
  }
  ~served() {
    server.reset();
    running.close();
  }
  static node open() {
    auto opened = node::open({.engine = journal_engine::memory}).value();
    opened.add(workflow_builder("gate", "1").add<gate>("gate").start_at("gate").build()).value();
    opened.add(workflow_builder("chatter", "1").add<chatter>("chatter", {.cooperative = true}).start_at("chatter").build())
        .value();
    return opened;
  }
  [[nodiscard]] std::unique_ptr<control_client> connect() const { return control_client::connect(directory.path()).value(); }
};

template <class F>
void wait_until(F holds) {
  for (int i = 0; i < 500 && !holds(); ++i) std::this_thread::sleep_for(10ms);
  REQUIRE(holds());
}

int raw_socket(const std::filesystem::path& directory) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const auto path = (directory / "control.sock").string();
  path.copy(name.sun_path, sizeof name.sun_path - 1);
  REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
  return fd;
}

std::string say(int fd, const std::string& text) {
  REQUIRE(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
  std::string answer;
  char byte = 0;
  while (answer.find('\n') == std::string::npos && ::recv(fd, &byte, 1, 0) == 1) answer += byte;
  return answer;
}

}  // namespace

TEST_CASE("a run is watched, answered, signalled and finished through the socket") {
  served node;
  const auto run = node.running.start("gate", json::value(7)).value();
  auto client = node.connect();
  wait_until([&] { return !tools::cli::view_of(*client, run.id()).value().requests().empty(); });
  const auto view = tools::cli::view_of(*client, run.id()).value();
  CHECK(view.status() == "waiting");
  CHECK(view.requests()[0].id == "1.3");
  CHECK(client->summary(run.id()).value().status == run_status::waiting);
  CHECK(client->list({}).value().runs.size() == 1);

  std::vector<std::string> seen;
  auto follower = std::thread([&, other = node.connect()] {
    const auto done = other->follow(run.id(), 0,
                                    [&](const run_event& event) {
                                      seen.push_back(event.kind);
                                      return true;
                                    },
                                    {});
    seen.push_back(done ? "over" : done.error().message);
  });
  CHECK(fine(client->command({.what = "respond", .run = run.id(), .request_id = "1.3", .value = "yes"})));
  CHECK(fine(client->command({.what = "signal", .run = run.id(), .name = "open", .value = 3})));
  follower.join();
  REQUIRE(seen.size() > 4);
  CHECK(seen.front() == "run_started");
  CHECK(seen[seen.size() - 2] == "run_ended");
  CHECK(seen.back() == "over");
  const auto ended = tools::cli::view_of(*client, run.id()).value();
  CHECK(ended.status() == "succeeded");
  CHECK(ended.output() == json::value({7, "yes", 3}));
}

TEST_CASE("pause, resume and cancel go through, and what does not fit is refused with its code") {
  served node;
  const auto run = node.running.start("gate", json::value(nullptr)).value();
  auto client = node.connect();
  REQUIRE(fine(client->command({.what = "pause", .run = run.id()})));
  CHECK(client->summary(run.id()).value().status == run_status::paused);
  REQUIRE(fine(client->command({.what = "resume", .run = run.id()})));
  const auto wrong = client->command({.what = "respond", .run = run.id(), .request_id = "9.9"});
  REQUIRE_FALSE(fine(wrong));
  CHECK(wrong.error().code == errc::not_found);
  REQUIRE(fine(client->command({.what = "cancel", .run = run.id(), .reason = "enough"})));
  REQUIRE(fine(run.wait(20s)));
  const auto late = client->command({.what = "pause", .run = run.id()});
  REQUIRE_FALSE(fine(late));
  CHECK(late.error().code == errc::conflict);
  const auto linked = client->command({.what = "retry", .run = run.id()});
  REQUIRE(fine(linked));
  CHECK(linked->run != run.id());
  CHECK(client->summary(run_id::make()).error().code == errc::not_found);
}

TEST_CASE("a follower that reads slowly loses nothing and holds up nobody") {
  served node;
  const auto run = node.running.start("chatter", json::value(nullptr)).value();
  run_seq last = 0;
  bool gap = false;
  // About 12 MB of lines, three times what waits for one client.
  auto client = node.connect();
  const auto done = client->follow(run.id(), 0,
                                   [&](const run_event& event) {
                                     gap = gap || event.seq != last + 1;
                                     last = event.seq;
                                     if (last == 10) {
                                       REQUIRE(fine(run.wait(60s)));
                                       std::this_thread::sleep_for(300ms);
                                     }
                                     return true;
                                   },
                                   {});
  REQUIRE(fine(done));
  CHECK_FALSE(gap);
  CHECK(last == run.status().value().seq);
}

TEST_CASE("following stops when asked to, and the connection is good for more") {
  served node;
  const auto run = node.running.start("gate", json::value(nullptr)).value();
  auto client = node.connect();
  std::stop_source stop;
  auto stopper = std::thread([&] {
    std::this_thread::sleep_for(200ms);
    stop.request_stop();
  });
  CHECK(client->follow(
      run.id(), 0, [](const run_event&) { return true; }, stop.get_token()));
  stopper.join();
  CHECK(fine(client->summary(run.id())));
  CHECK(fine(client->stored(run.id(), 0, [](const run_event&) { return false; })));
  CHECK(fine(client->summary(run.id())));
}

TEST_CASE("the socket is its owner's alone, and one that was left behind is replaced") {
  test::temp_directory directory;
  const auto path = directory.path() / "control.sock";
  const cluster::control_target nothing{.get = [](const run_id&) -> result<run_ref> {
                                          return error{errc::not_found, "none"};
                                        },
                                        .list = [](const list_options&) -> result<run_page> { return run_page{}; },
                                        .stats = [] { return node_stats{}; }};
  {
    auto first = cluster::control_server::start(directory.path(), nothing);
    REQUIRE(fine(first));
    struct stat info {};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    // A process that is killed leaves its socket.
    std::filesystem::rename(path, directory.path() / "kept");
    first->reset();
    std::filesystem::rename(directory.path() / "kept", path);
  }
  REQUIRE(std::filesystem::exists(path));
  CHECK(control_client::connect(directory.path()).error().code == errc::not_found);
  auto second = cluster::control_server::start(directory.path(), nothing);
  REQUIRE(fine(second));
  CHECK(fine(control_client::connect(directory.path())));
  second->reset();
  CHECK_FALSE(std::filesystem::exists(path));
  std::ofstream{path} << "a file";
  CHECK_FALSE(fine(cluster::control_server::start(directory.path(), nothing)));
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("requests that are no requests are answered with an error, and the next one is heard") {
  served node;
  const int fd = raw_socket(node.directory.path());
  CHECK(say(fd, "nonsense\n").find("\"error\"") != std::string::npos);
  CHECK(say(fd, "[1]\n").find("invalid_argument") != std::string::npos);
  CHECK(say(fd, "{\"do\":\"dance\",\"run_id\":\"" + run_id::make().str() + "\"}\n").find("\"error\"") != std::string::npos);
  CHECK(say(fd, "{\"do\":\"signal\",\"run_id\":\"x\"}\n").find("run_id") != std::string::npos);
  CHECK(say(fd, "{\"do\":\"stats\"}\n").starts_with("{\"ok\":"));
  ::close(fd);
}

TEST_CASE("a path longer than a socket address holds is no problem") {
  test::temp_directory directory;
  const auto deep = directory.path() / std::string(100, 'd') / std::string(100, 'e');
  std::filesystem::create_directories(deep);
  auto server = cluster::control_server::start(deep, {.get = [](const run_id&) -> result<run_ref> {
                                                        return error{errc::not_found, "none"};
                                                      },
                                                      .list = [](const list_options&) -> result<run_page> { return run_page{}; },
                                                      .stats = [] { return node_stats{.commits = 5}; }});
  REQUIRE(fine(server));
  CHECK(control_client::connect(deep).value()->stats().value().at("commits") == 5);
}

TEST_CASE("a command that waits for its answer holds up no other client") {
  // It did: commands were carried out on the thread that serves everybody, and one that waited for room on the disk froze the
  // socket for as long as it waited.
  const test::temp_directory directory;
  auto running = served::open();
  const auto run = running.start("gate", json::value(7)).value();
  std::atomic<bool> waits = false, go = false;
  {
    auto server =
        cluster::control_server::start(directory.path(), {.get = [&](const run_id& id) { return running.get(id); },
                                                          .list = [&](const list_options& how) { return running.list(how); },
                                                          .stats = [&] { return running.stats(); },
                                                          .retry = [&](const run_id& id, std::string_view) -> result<run_ref> {
                                                            waits = true;
                                                            wait_until([&] { return go.load(); });
                                                            return running.get(id);
                                                          }})
            .value();
    auto slow = std::thread([&, client = control_client::connect(directory.path()).value()] {
      (void)client->command({.what = "retry", .run = run.id()});
      go = false;
    });
    wait_until([&] { return waits.load(); });
    CHECK(control_client::connect(directory.path()).value()->list({}).value().runs.size() == 1);
    go = true;
    slow.join();
    CHECK_FALSE(go);
    server.reset();
  }
  running.close();
}

TEST_CASE("a command that is on its way when the server stops is answered, and idle clients are let go") {
  // The node closed the connection first: `runs cancel` of a run whose end ended the node was told nothing of its success.
  const test::temp_directory directory;
  auto running = served::open();
  const auto run = running.start("gate", json::value(7)).value();
  std::atomic<bool> waits = false, go = false, answered = false;
  auto server =
      cluster::control_server::start(directory.path(), {.get = [&](const run_id& id) { return running.get(id); },
                                                        .list = [&](const list_options& how) { return running.list(how); },
                                                        .stats = [&] { return running.stats(); },
                                                        .retry = [&](const run_id& id, std::string_view) -> result<run_ref> {
                                                          waits = true;
                                                          wait_until([&] { return go.load(); });
                                                          return running.get(id);
                                                        }})
          .value();
  auto asking = std::thread([&, client = control_client::connect(directory.path()).value()] {
    answered = client->command({.what = "retry", .run = run.id()}).has_value();
  });
  const auto idle = control_client::connect(directory.path()).value();
  CHECK(fine(idle->list({})));
  wait_until([&] { return waits.load(); });
  server->stop();
  CHECK_FALSE(std::filesystem::exists(directory.path() / "control.sock"));
  CHECK(idle->list({}).error().code == errc::shutting_down);
  go = true;
  server.reset();
  asking.join();
  CHECK(answered);
  running.close();
}

TEST_CASE("a client over the limit is told so") {
  served node;
  std::vector<std::unique_ptr<control_client>> held;
  for (std::size_t i = 0; i < cluster::control_clients; ++i) held.push_back(node.connect());
  for (auto& each : {held.front().get(), held.back().get()}) CHECK(each->stats());
  const auto refused = node.connect()->stats();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == errc::overloaded);
  held.pop_back();
  bool taken = false;
  wait_until([&] { return taken = taken || node.connect()->stats().has_value(); });
}
