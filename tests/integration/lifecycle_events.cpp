// Lifecycle events of workflows and tasks: what is told of a run, to whom, and that kill -9 loses none of it.
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include "cluster/documents.hpp"
#include "cluster/event_broker.hpp"
#include "perdure/lifecycle.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"
#include "support/seed.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::eventually;
using test::finish;
using test::http_server;
using test::server_request;
using test::server_response;
using test::text_of;
using test::workplace;

namespace {

/// "workflow.started.v1 orders", "task.faulted.v1 /do/0/a": type and what it is about; run ids left out.
std::string brief(const json::value& event) {
  constexpr std::string_view prefix = "io.serverlessworkflow.";
  const auto type = text_of(event.at("type"));
  REQUIRE(type.starts_with(prefix));
  const auto& data = event.at("data").as_object();
  auto subject = data.contains("task") ? text_of(data.at("task")) : text_of(data.at("name"));
  if (!data.contains("task")) subject = subject.substr(0, subject.find("-0"));
  return type.substr(prefix.size()) + " " + subject;
}

/// Events of one list, each id once, in the order in which they came first.
std::vector<std::string> briefs(const std::vector<json::value>& events) {
  std::set<std::string> seen;
  std::vector<std::string> out;
  for (const auto& each : events) {
    if (seen.insert(text_of(each.at("id"))).second) out.push_back(brief(each));
  }
  return out;
}

/// An endpoint that takes events, or not.
class endpoint {
 public:
  explicit endpoint(std::function<int(std::size_t)> status = {})
      : status_(std::move(status)), server_([this](const auto& request) { return take(request); }) {}
  [[nodiscard]] std::string url() const { return server_.url("/events"); }
  [[nodiscard]] std::vector<json::value> events() const {
    const std::lock_guard lock{mutex_};
    return taken_;
  }
  [[nodiscard]] std::vector<server_request> requests() const { return server_.requests(); }

 private:
  server_response take(const server_request& request) {
    const std::lock_guard lock{mutex_};
    const int status = status_ ? status_(++asked_) : 204;
    if (status < 300) taken_.push_back(payload::parse_text(request.body).value().value());
    return {.status = status, .body = {}};
  }
  std::function<int(std::size_t)> status_;
  mutable std::mutex mutex_;
  std::size_t asked_ = 0;
  std::vector<json::value> taken_;
  http_server server_;
};

class stage {
 public:
  stage(const std::filesystem::path& data, const lifecycle_options& how)
      : reader_(data, std::getenv("PERDURE_BINARY")), node_([&] {
          node_options options;
          options.data_dir = data;
          return std::move(node::open(std::move(options)).value());
        }()) {
    if (how.any()) passing_ = pass_on_lifecycle(node_, how).value();
  }
  void add(const std::string& name, const std::string& tasks) {
    const auto text = "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\ndo:\n" + tasks;
    const auto read = reader_.read(text, name + ".yaml");
    INFO((read ? "" : read.error().message));
    REQUIRE(read.has_value());
    REQUIRE(node_.add(read->definition));
  }
  [[nodiscard]] node& engine() { return node_; }

 private:
  cluster::document_reader reader_;
  node node_;
  subscription passing_;
};

const std::string tries_again =
    "  - t:\n      try: [{boom: {run: {shell: {command: 'test -e %s || { touch %s; exit 3; }', arguments: []}}}}]\n"
    "      catch: {retry: {delay: {milliseconds: 10}}}\n";

}  // namespace

TEST_CASE("an endpoint gets every event of a run, in order, as CloudEvents in structured mode") {
  const workplace here;
  const endpoint to;
  auto tasks = tries_again;
  const auto mark = here.path("mark").string();
  for (auto at = tasks.find("%s"); at != std::string::npos; at = tasks.find("%s")) tasks.replace(at, 2, mark);
  tasks += "  - last: {set: {n: 7}}\n";
  const auto file = here.document("orders", tasks);
  const auto done = here.call({"run", file, "--lifecycle-to", to.url()});
  INFO(done.err);
  REQUIRE(done.code == 0);
  REQUIRE(workplace::eventually([&] { return to.events().size() >= 12; }, 5s));
  const std::string inner = "/do/0/t/try/0/boom";
  CHECK(briefs(to.events()) ==
        std::vector<std::string>{"workflow.started.v1 orders", "task.created.v1 /do/0/t", "task.started.v1 /do/0/t",
                                 "task.created.v1 " + inner, "task.started.v1 " + inner, "task.faulted.v1 " + inner,
                                 "task.retried.v1 " + inner, "task.started.v1 " + inner, "task.completed.v1 " + inner,
                                 "task.completed.v1 /do/0/t", "task.created.v1 /do/1/last", "task.started.v1 /do/1/last",
                                 "task.completed.v1 /do/1/last", "workflow.completed.v1 orders"});
  const auto events = to.events();
  const auto& first = events.front().as_object();
  CHECK(first.at("specversion") == "1.0");
  CHECK(first.at("datacontenttype") == "application/json");
  CHECK(text_of(first.at("source")).starts_with("urn:perdure:run:"));
  CHECK(parse_timestamp(text_of(first.at("time"))).has_value());
  const auto& data = first.at("data").as_object();
  CHECK(data.at("definition") == json::value{{"name", "orders"}, {"namespace", "default"}, {"version", "1.0.0"}});
  CHECK(data.at("startedAt") == first.at("time"));
  const auto& fault = events[5].at("data").at("error");
  CHECK(fault.at("status") == 500);
  CHECK(fault.at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/runtime");
  CHECK(events.back().at("data").at("output") == json::value{{"n", 7}});
  for (const auto& each : to.requests()) CHECK(each.headers.at("content-type") == "application/cloudevents+json; charset=utf-8");
}

TEST_CASE("an endpoint that is away gets the events when it is back, each once and in order") {
  const test::temp_directory directory;
  const endpoint to{[](std::size_t asked) { return asked <= 2 ? 503 : 204; }};
  stage here{directory.path(), {.endpoint = to.url()}};
  here.add("short", "  - a: {set: {n: 1}}\n");
  finish(here.engine().start("short", json::value{}).value());
  REQUIRE(eventually([&] { return to.events().size() == 5; }));
  CHECK(briefs(to.events()) == std::vector<std::string>{"workflow.started.v1 short", "task.created.v1 /do/0/a",
                                                        "task.started.v1 /do/0/a", "task.completed.v1 /do/0/a",
                                                        "workflow.completed.v1 short"});
}

TEST_CASE("documents that listen hear of the runs of others, also of pauses, cancels and correlations") {
  const test::temp_directory directory;
  stage here{directory.path(), {.to_listeners = true}};
  here.add("hears",
           "  - l:\n      listen:\n        to: {any: [{with: {type: 'io\\.serverlessworkflow\\..*'}}], until: '.[-1].type == "
           "\"io.serverlessworkflow.workflow.cancelled.v1\"'}\n        read: envelope\n");
  here.add("waits", "  - pause: {wait: {hours: 1}}\n");
  here.add("sought", "  - l: {listen: {to: {one: {with: {type: order}, correlate: {id: {from: '.data.id'}}}}}}\n");
  here.add("tells", "  - e: {emit: {event: {with: {source: 'https://s.x', type: order, data: {id: 5}}}}}\n");
  const auto listener = here.engine().start("hears", json::value{}).value();
  REQUIRE(eventually([&] { return listener.status()->status == run_status::waiting && listener.status()->seq > 3; }));
  const auto sought = here.engine().start("sought", json::value{}).value();
  REQUIRE(eventually([&] { return sought.status()->status == run_status::waiting && sought.status()->seq > 3; }));
  finish(here.engine().start("tells", json::value{}).value());
  finish(sought);
  const auto run = here.engine().start("waits", json::value{}).value();
  REQUIRE(eventually([&] { return run.status()->status == run_status::waiting; }));
  REQUIRE(run.pause());
  REQUIRE(run.resume());
  REQUIRE(run.cancel());
  const auto end = finish(listener, 30s);
  std::set<std::string> heard;
  const auto all = end.output.value();
  for (const auto& each : all.as_array()) {
    heard.insert(brief(each));
    if (brief(each).starts_with("workflow.correlation-completed"))
      CHECK(each.at("data").at("correlationKeys") == json::value{{"id", 5}});
  }
  for (const auto* each :
       {"workflow.correlation-started.v1 sought", "workflow.correlation-completed.v1 sought", "workflow.started.v1 waits",
        "task.suspended.v1 /do/0/pause", "workflow.suspended.v1 waits", "workflow.resumed.v1 waits",
        "task.resumed.v1 /do/0/pause", "task.cancelled.v1 /do/0/pause", "workflow.cancelled.v1 waits"}) {
    INFO(each);
    CHECK(heard.contains(each));
  }
}

TEST_CASE("a C++ subscriber that keeps its place misses nothing between two nodes") {
  const test::temp_directory directory;
  std::mutex mutex;
  std::vector<json::value> seen;
  lsn_t place = 0;
  const auto listen = [&](node& to) {
    return subscribe_lifecycle(
        to,
        [&](lsn_t at, const json::value& event) {
          const std::lock_guard lock{mutex};
          place = at;
          seen.push_back(event);
        },
        place);
  };
  const auto count = [&] {
    const std::lock_guard lock{mutex};
    return seen.size();
  };
  for (std::size_t round = 1; round <= 3; ++round) {
    stage here{directory.path(), {}};
    here.add("short", "  - a: {set: {n: 1}}\n");
    // In the second round nobody listens.
    if (round == 2) {
      finish(here.engine().start("short", json::value{}).value());
      continue;
    }
    const auto held = listen(here.engine());
    finish(here.engine().start("short", json::value{}).value());
    REQUIRE(eventually([&] { return count() == 5 * round; }));
  }
  CHECK(briefs(seen).size() == 15);
  CHECK_FALSE(std::filesystem::exists(directory.path() / "lifecycle"));
}

TEST_CASE("without being asked for it a node does nothing for lifecycle events") {
  const workplace here;
  REQUIRE(here.call({"run", here.document("quiet", "  - a: {set: {n: 1}}\n")}).code == 0);
  CHECK_FALSE(std::filesystem::exists(here.path("data") / "lifecycle"));
  CHECK(here.call({"runs", "list", "--json"}).json().at("runs").as_array().size() == 1);
  CHECK(here.call({"run", "quiet", "--lifecycle-to", "nowhere"}).code == 2);
}

TEST_CASE("kill -9 loses no lifecycle event") {
  std::mt19937_64 chance{test::session_seed()};
  const workplace here;
  const endpoint to{[](std::size_t asked) { return asked % 7 == 0 ? 503 : 204; }};
  const auto file = here.document("killed",
                                  "  - l: {for: {in: '[1, 2, 3, 4]'}, do: [{a: {wait: {milliseconds: 60}}}]}\n"
                                  "  - b: {set: {n: 7}}\n");
  const std::vector<std::string> command{"run", file, "--key", "k", "--json", "--lifecycle-to", to.url()};
  std::size_t kills = 0;
  for (int i = 0; i < 8; ++i) {
    auto once = here.start(command);
    std::this_thread::sleep_for(std::chrono::milliseconds{20 + static_cast<int>(chance() % 250)});
    if (once->running()) ++kills;
    once->kill();
  }
  CHECK(kills > 0);
  REQUIRE(here.call(command).code == 0);
  const auto complete = [&] {
    const auto all = briefs(to.events());
    return !all.empty() && all.back() == "workflow.completed.v1 killed";
  };
  // What the program could not pass on before its end goes out with the next one.
  for (int i = 0; i < 5 && !complete(); ++i) REQUIRE(here.call(command).code == 0);
  std::vector<std::string> wanted{"workflow.started.v1 killed", "task.created.v1 /do/0/l", "task.started.v1 /do/0/l"};
  for (int i = 0; i < 4; ++i)
    for (const auto* what : {"created", "started", "completed"})
      wanted.push_back("task." + std::string{what} + ".v1 /do/0/l/do/0/a");
  for (const auto* last : {"task.completed.v1 /do/0/l", "task.created.v1 /do/1/b", "task.started.v1 /do/1/b",
                           "task.completed.v1 /do/1/b", "workflow.completed.v1 killed"})
    wanted.emplace_back(last);
  CHECK(briefs(to.events()) == wanted);
  CHECK(here.call({"journal", "verify"}).code == 0);
}
