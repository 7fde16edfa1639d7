// Events between documents on a real node: who gets what, in which order, and that nothing is lost or doubled by kill -9.
#include <thread>

#include "cluster/documents.hpp"
#include "cluster/event_broker.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/program.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace std::chrono_literals;
using test::eventually;
using test::finish;
using test::workplace;

namespace {

/// A node with documents.
class stage {
 public:
  explicit stage(const std::filesystem::path& data)
      : reader_(data, std::getenv("PERDURE_BINARY")), node_(test::open_node(data)) {}
  void add(const std::string& name, const std::string& tasks) {
    const auto text = "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\ndo:\n" + tasks;
    const auto read = reader_.read(text, name + ".yaml");
    INFO((read ? "" : read.error().message));
    REQUIRE(read.has_value());
    REQUIRE(node_.add(read->definition));
  }
  run_ref start(const std::string& name, const json::value& input = nullptr) { return node_.start(name, input).value(); }
  /// As many tasks listen.
  bool listen(std::size_t count) {
    return eventually([&] {
      std::size_t waiting = 0;
      const auto page = node_.list({.workflow = ""}).value();
      for (const auto& each : page.runs) {
        if (each.status != run_status::waiting || cluster::is_own_workflow(each.workflow)) continue;
        const auto ref = node_.get(each.id).value();
        const auto events = ref.events(0, 1'000).value();
        for (const auto& event : events) {
          if (std::string{payload{json::value(event.data)}.text()}.find("\"listen.") != std::string::npos &&
              event.kind == "turn") {
            ++waiting;
            break;
          }
        }
      }
      return waiting == count;
    });
  }
  [[nodiscard]] node& engine() { return node_; }

 private:
  cluster::document_reader reader_;
  node node_;
};

const std::string emits =
    "  - e: {emit: {event: {with: {source: 'https://s.x', type: '${ .type }', data: '${ .data }', room: '${ .room }'}}}}\n";

}  // namespace

TEST_CASE("an event reaches the runs that listen for it, and no other") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add("emits", emits);
  here.add("hears", "  - l: {listen: {to: {one: {with: {type: '${ $input.type }'}}}}}\n");
  here.add("fixed", "  - l: {listen: {to: {one: {with: {type: a}}}}}\n");
  here.add("pattern", "  - l: {listen: {to: {one: {with: {type: 'x[0-9]+'}}}}}\n");
  const auto one = here.start("fixed"), two = here.start("hears", {{"type", "a"}}), other = here.start("hears", {{"type", "b"}}),
             matches = here.start("pattern");
  REQUIRE(here.listen(4));
  finish(here.start("emits", {{"type", "a"}, {"data", 7}, {"room", "r"}}));
  CHECK(finish(one).output.value() == json::value(json::array{7}));
  CHECK(finish(two).output.value() == json::value(json::array{7}));
  finish(here.start("emits", {{"type", "x1y"}, {"data", 1}, {"room", "r"}}));
  finish(here.start("emits", {{"type", "x12"}, {"data", 2}, {"room", "r"}}));
  CHECK(finish(matches).output.value() == json::value(json::array{2}));
  CHECK_FALSE(is_terminal(other.status()->status));
}

TEST_CASE("a listener gets all events in the order in which they were emitted") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add(
      "many",
      "  - f: {for: {in: '.list'}, do: [{e: {emit: {event: {with: {source: 'https://s.x', type: n, data: '${ $item }'}}}}}]}\n");
  here.add("hears", "  - l: {listen: {to: {any: [{with: {type: n}}], until: '(. | length) == 100'}}}\n");
  const auto first = here.start("hears"), second = here.start("hears");
  REQUIRE(here.listen(2));
  json::array list;
  for (int i = 0; i < 100; ++i) list.push_back(i);
  finish(here.start("many", {{"list", list}}), 60s);
  CHECK(finish(first, 60s).output.value() == json::value(list));
  CHECK(finish(second, 60s).output.value() == json::value(list));
}

TEST_CASE("runs that were cancelled while they listened are forgotten, and a cancelled broker is followed by another") {
  const test::temp_directory directory;
  stage here{directory.path()};
  here.add("emits", emits);
  here.add("hears", "  - l: {listen: {to: {one: {with: {type: a}}}}}\n");
  const auto gone = here.start("hears"), stays = here.start("hears");
  REQUIRE(here.listen(2));
  REQUIRE(gone.cancel());
  finish(gone);
  finish(here.start("emits", {{"type", "a"}, {"data", 1}, {"room", ""}}));
  CHECK(finish(stays).output.value() == json::value(json::array{1}));
  const auto brokers = here.engine().list({.workflow = std::string{cluster::event_workflow}})->runs;
  REQUIRE(brokers.size() == 1);
  REQUIRE(here.engine().get(brokers[0].id)->cancel());
  finish(*here.engine().get(brokers[0].id));
  const auto again = here.start("hears");
  REQUIRE(here.listen(1));
  finish(here.start("emits", {{"type", "a"}, {"data", 2}, {"room", ""}}));
  CHECK(finish(again).output.value() == json::value(json::array{2}));
}

TEST_CASE("after kill -9 every listener has each event once") {
  const workplace here;
  const std::string hears = "{listen: {to: {any: [{with: {type: n}}], until: '(. | length) == 12'}}}";
  std::string list;
  for (int i = 0; i < 12; ++i) list += (i == 0 ? "" : ",") + std::to_string(i);
  const auto file =
      here.document("all", "  - f:\n      fork:\n        branches:\n          - one: " + hears + "\n          - two: " + hears +
                               "\n          - tell:\n              do:\n                - w: {wait: {milliseconds: 500}}\n"
                               "                - l: {for: {in: '[" +
                               list +
                               "]'}, do: [{e: {emit: {event: {with: {source: 'https://s.x', type: n, data: '${ $item }'}}}}}, "
                               "{p: {wait: {milliseconds: 30}}}]}\n"
                               "  - r: {set: '${ .[0:2] }'}\n");
  const std::vector<std::string> command{"run", file, "--key", "k", "--json"};
  for (int i = 0; i < 6; ++i) {
    auto once = here.start(command);
    std::this_thread::sleep_for(std::chrono::milliseconds{250 + 60 * i});
    once->kill();
  }
  const auto done = here.call(command);
  CHECK(done.code == 0);
  const std::string wanted = "[[" + list + "],[" + list + "]]";
  CHECK(std::string{payload{done.json().at("output")}.text()} == wanted);
  CHECK(here.call({"journal", "verify"}).code == 0);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);  // the broker is nobody's to wait for
}

TEST_CASE("perdure emit reaches a document that listens, once for each id") {
  const workplace here;
  const auto file = here.document("hears", "  - l: {listen: {to: {any: [{with: {type: a}}], until: '(. | length) == 2'}}}\n");
  CHECK(here.call({"emit", "a", "--json"}).code == 1);  // no directory yet
  auto listens = here.start({"run", file});
  const auto emit = [&](const std::string& id, const std::string& data) {
    return here.call({"emit", "a", "--id", id, "--source", "https://s.x", "--value", data, "--json"});
  };
  REQUIRE(workplace::eventually([&] {
    const auto told = emit("0", "0");
    return told.code == 0 && told.json().at("heard").as_bool();
  }));
  // The first may have come before it listened; then the others are the two.
  for (int i = 0; i < 3; ++i) CHECK(emit("1", "1").code == 0);
  CHECK(emit("2", "2").code == 0);
  const auto done = listens->finish();
  CHECK(done.code == 0);
  CHECK((done.out == "[0,1]\n" || done.out == "[1,2]\n"));
  CHECK(here.call({"emit", "--event", "[]"}).code == 2);
  CHECK(here.call({"emit"}).code == 2);
}
