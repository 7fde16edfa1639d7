// emit and listen: what the broker is told, and which events a listener takes. Every document also with a crash after each step.
#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr auto broker = "0190a5d0-7b1c-7def-8123-456789abcdee";

/// Answers as the broker does, and gives a listener the events one after the other.
struct bus {
  std::vector<json::value> events, told;
  std::size_t next = 0;

  outside answers() {
    return [this](const core::pending_step& step) -> std::optional<core::outcome> {
      if (step.kind == core::step_kind::capability) return core::outcome{payload{json::value{{"run", broker}}}, {}};
      if (step.kind == core::step_kind::tell) {
        const auto args = step.args.value();
        CHECK(args.at("to") == broker);
        if (args.at("value").as_object().contains("subscribe")) next = 0;
        told.push_back(args.at("value"));
        return core::outcome{};
      }
      if (next == events.size()) return std::nullopt;
      return core::outcome{payload{json::value(json::object{{"event", events[next++]}})}, {}};
    };
  }
};

json::value event(const std::string& type, const json::value& data, const std::string& room = "") {
  json::object out{{"specversion", "1.0"}, {"id", "1"}, {"source", "https://s.x/" + type}, {"type", type}, {"data", data}};
  if (!room.empty()) out.emplace("room", room);
  return out;
}

std::string listen(const std::string& to, const std::string& more = "") {
  return "do:\n  - l: {listen: {to: " + to + "}" + more + "}\n";
}

constexpr auto hot = "{with: {type: temperature, data: '${ .t > 38 }'}}";
constexpr auto pulse = "{with: {type: bpm, data: '${ .b < 60 or .b > 100 }'}}";

}  // namespace

TEST_CASE("emit tells the broker an event with what CloudEvents want, and gives it") {
  bus told;
  const auto done = run_document(
      "do:\n  - e: {emit: {event: {with: {source: 'https://s.x', type: 't.${ .n }', data: {n: '${ .n }'}, roomid: 'r'}}}}\n",
      {{"n", 7}}, told.answers());
  REQUIRE_FALSE(told.told.empty());
  CHECK(done.result == told.told[0].at("event"));
  const auto& event = told.told[0].at("event").as_object();
  CHECK(event.at("specversion") == "1.0");
  CHECK(event.at("source") == "https://s.x");
  CHECK(event.at("type") == "t.7");
  CHECK(event.at("data") == json::value{{"n", 7}});
  CHECK(event.at("roomid") == "r");
  CHECK(event.at("datacontenttype") == "application/json");
  CHECK(event.at("id").as_string().size() == 36);
  CHECK(event.at("time").as_string().ends_with("Z"));
  // The same event after a crash.
  CHECK(told.told.front() == told.told.back());
  const auto own = run_document(
      "do:\n  - e: {emit: {event: {with: {source: 'https://s.x', type: t, id: mine, time: '2020-01-01T00:00:00Z'}}}}\n", nullptr,
      told.answers());
  CHECK(told.told.back().at("event") ==
        json::value{
            {"source", "https://s.x"}, {"type", "t"}, {"id", "mine"}, {"time", "2020-01-01T00:00:00Z"}, {"specversion", "1.0"}});
  const auto wrong =
      run_document("do:\n  - e: {emit: {event: {with: {source: 'https://s.x', type: '${ .t }'}}}}\n", nullptr, told.answers());
  REQUIRE(wrong.failed);
  CHECK(wrong.failed->code == "expression");
}

TEST_CASE("listen to one: the first event that fits, as an array of its data") {
  bus told;
  told.events = {event("other", 1), event("temperature", {{"t", 37}}), event("temperature", {{"t", 39}}),
                 event("temperature", {{"t", 40}})};
  CHECK(run_document(listen("{one: " + std::string{hot} + "}"), nullptr, told.answers()).result == json::value{{{"t", 39}}});
  REQUIRE(told.told.size() >= 2);
  const auto& wish = told.told[0].at("subscribe");
  CHECK(wish.at("filters") == json::value(json::array{json::object{{"attributes", {{"type", "temperature"}}}}}));
  CHECK(wish.at("run") == "0190a5d0-7b1c-7def-8123-456789abcdef");
  CHECK(told.told[1].at("unsubscribe") == wish.at("id"));
  // Nothing fits: it waits.
  told.events.resize(2);
  document_world waits{header + listen("{one: " + std::string{hot} + "}"), nullptr, told.answers()};
  waits.run();
  CHECK_FALSE(waits.over());
}

TEST_CASE("listen to any and all; envelopes; data that is compared") {
  bus told;
  told.events = {event("bpm", {{"b", 80}}), event("bpm", {{"b", 120}}), event("bpm", {{"b", 130}}),
                 event("temperature", {{"t", 39}})};
  const auto filters = "[" + std::string{hot} + ", " + pulse + "]";
  CHECK(run_document(listen("{any: " + filters + "}"), nullptr, told.answers()).result == json::value{{{"b", 120}}});
  CHECK(run_document(listen("{all: " + filters + "}"), nullptr, told.answers()).result == json::value{{{"b", 120}}, {{"t", 39}}});
  CHECK(run_document(listen("{any: []}"), nullptr, told.answers()).result == json::value{{{"b", 80}}});
  CHECK(told.told.back().as_object().contains("unsubscribe"));
  const auto whole = run_document("do:\n  - l: {listen: {to: {any: []}, read: envelope}}\n", nullptr, told.answers());
  CHECK(whole.result == json::value(json::array{told.events[0]}));
  CHECK(run_document(listen("{one: {with: {data: {b: 130}}}}"), nullptr, told.answers()).result == json::value{{{"b", 130}}});
  CHECK(run_document(listen("{one: {with: {source: '${ $input.from }'}}}"), {{"from", "https://s.x/temperature"}}, told.answers())
            .result == json::value{{{"t", 39}}});
}

TEST_CASE("listen until: a condition about what was consumed, and events that are not part of it") {
  bus told;
  for (int i = 0; i < 5; ++i) told.events.push_back(event("n", i));
  CHECK(run_document(listen("{any: [], until: '( . | length ) >= 3'}"), nullptr, told.answers()).result == json::value{0, 1, 2});
  told.events.insert(told.events.begin() + 2, event("stop", "s"));
  CHECK(run_document(listen("{any: [{with: {type: n}}], until: {one: {with: {type: stop}}}}"), nullptr, told.answers()).result ==
        json::value{0, 1});
  CHECK(told.told.back().as_object().contains("unsubscribe"));
  const auto& wish = told.told[told.told.size() - 2].at("subscribe");
  CHECK(wish.at("filters").as_array().size() == 2);
}

TEST_CASE("correlation: the first event's value, or what is expected, must be the others' too") {
  bus told;
  told.events = {event("humidity", 1, "b"), event("temperature", 2, "a"), event("humidity", 3, "a"),
                 event("temperature", 4, "b")};
  const auto with = [&](const std::string& expect) {
    const auto filter = [&](const std::string& type) {
      return "{with: {type: " + type + "}, correlate: {room: {from: .room" + expect + "}}}";
    };
    return run_document(listen("{all: [" + filter("temperature") + ", " + filter("humidity") + "]}"), {{"room", "a"}},
                        told.answers());
  };
  CHECK(with("").result == json::value{1, 4});
  CHECK(with(", expect: '${ .room }'").result == json::value{2, 3});
  CHECK_FALSE(document_world{header + listen("{one: {with: {type: humidity}, correlate: {room: {from: .room, expect: c}}}}"),
                             nullptr, told.answers()}
                  .run()
                  .over());
}

TEST_CASE("foreach: tasks for each event in turn, their output, and what they export") {
  bus told;
  for (int i = 1; i <= 3; ++i) told.events.push_back(event("n", i));
  const auto done = run_document(R"(
do:
  - l:
      listen: {to: {any: [], until: '(. | length) == 3'}}
      foreach:
        item: event
        at: i
        do:
          - twice: {set: {v: '${ $event * 2 }', i: '${ $i }', in: '${ .start }'}}
        output: {as: '.v + .i + .in'}
        export: {as: '$context + {last: .}'}
  - r: {set: {all: '${ . }', context: '${ $context }'}}
)",
                                 {{"start", 100}}, told.answers());
  CHECK(done.result == json::value{{"all", {102, 105, 108}}, {"context", {{"start", 100}, {"last", 108}}}});
  // Without output.as it is the event.
  CHECK(run_document(listen("{any: []}", ", foreach: {do: [{a: {set: {x: 1}}}]}"), nullptr, told.answers()).result ==
        json::value(json::array{1}));
  CHECK(run_document(
            listen("{any: [], until: '${ false }'}", ", foreach: {do: [{a: {switch: [{over: {when: $item == 2, then: end}}]}}]}"),
            nullptr, told.answers())
            .over());
}

TEST_CASE("a listener that is cut off, or whose tasks fail, listens no more; one that is refused says so") {
  bus told;
  told.events = {event("n", 1)};
  const auto failing =
      run_document(listen("{any: []}", ", foreach: {do: [{a: {raise: {error: {type: 'https://x.y/z', status: 1}}}}]}"), nullptr,
                   told.answers());
  CHECK(failing.failed->code == "z");
  CHECK(told.told.back().as_object().contains("unsubscribe"));
  told.events.clear();
  told.told.clear();
  const auto late = run_document(
      "do:\n  - t: {try: [{l: {listen: {to: {any: []}}, timeout: {after: PT5S}}}], catch: {do: [{h: {set: {late: 1}}}]}}\n",
      nullptr, told.answers());
  CHECK(late.result == json::value{{"late", 1}});
  CHECK(told.told.back().as_object().contains("unsubscribe"));
  const outside refuses = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    if (step.kind == core::step_kind::signal) return core::outcome{payload{json::value{{"refused", "too many listen"}}}, {}};
    return told.answers()(step);
  };
  const auto refused = run_document(listen("{any: []}"), nullptr, refuses);
  REQUIRE(refused.failed);
  CHECK(refused.failed->message == "too many listen");
}

TEST_CASE("events and strategies are checked when the document is read") {
  CHECK(mentions(told_of("do:\n  - a: {emit: {event: {with: {type: t}}}}\n"), "expected the property \"source\""));
  CHECK(mentions(told_of("do:\n  - a: {emit: {event: {with: {source: 'https://s.x', type: t, time: soon}}}}\n"),
                 "a timestamp such as"));
  bus silent;
  for (const std::string wrong : {"time: '${ \"soon\" }'", "time: '${ 5 }'", "id: '${ 5 }'"}) {
    const auto bad = run_document("do:\n  - e: {emit: {event: {with: {source: 'https://s.x', type: t, " + wrong + "}}}}\n",
                                  nullptr, silent.answers());
    REQUIRE(bad.failed);
    CHECK(bad.failed->code == "expression");
  }
  CHECK(mentions(told_of(listen("{one: {with: {}}}")), "at least one property to filter"));
  CHECK(mentions(told_of(listen("{all: []}")), "expected at least one event filter"));
  CHECK(mentions(told_of(listen("{one: {with: {type: t}}, until: x}")), "unknown property \"until\""));
  CHECK(mentions(told_of(listen("{any: [], until: '. +'}")), "not a valid expression"));
  CHECK(mentions(told_of(listen("{any: []}", ", foreach: {item: context}")), "choose another name"));
}
