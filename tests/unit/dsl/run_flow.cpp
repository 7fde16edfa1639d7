// Documents that run: order of tasks, data flow, loops and branches. Every one also with a crash after each step.
#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;

using lines = std::vector<std::string>;

TEST_CASE("set gives its value, and the next task takes it as input") {
  const auto done =
      run_document("do:\n  - a: {set: {x: '${ .n + 1 }', fixed: [1, {k: v}]}}\n  - b: {set: '${ .x * 2 }'}\n", {{"n", 4}});
  CHECK(done.result == json::value(10));
  CHECK(done.scopes() == lines{"start a 1 {\"n\":4}", "end a 1 {\"x\":5,\"fixed\":[1,{\"k\":\"v\"}]}",
                               "start b 1 {\"x\":5,\"fixed\":[1,{\"k\":\"v\"}]}", "end b 1 10"});
  CHECK(done.recorded_steps == 0);
  CHECK(done.outputs[0].reference == "/do/0/a");
  CHECK(done.outputs[0].number == 1);
  CHECK(done.outputs[2].number == 2);
}

TEST_CASE("a document without tasks gives its input") { CHECK(result_of("do: []\n", {{"n", 4}}) == json::value{{"n", 4}}); }

TEST_CASE("data flow: input.from, output.as, export.as, and the workflow's own") {
  const auto done = run_document(R"(
input: {from: .order}
do:
  - a:
      input: {from: '{price, twice: (.price * 2)}'}
      set: {sum: '${ .twice + $input.price }', raw: '${ $task.input.price }'}
      output: {as: {total: '${ .sum }', from: '${ $task.output.raw }', kept: .sum}}
      export: {as: '$context + {total: .total, out: $output.total}'}
  - b:
      set: {got: '${ $context }', name: '${ $task.name }', ref: '${ $task.reference }', id: '${ $workflow.id }',
            title: '${ $workflow.definition.document.name }', raw: '${ $workflow.input.order.price }', by: '${ $runtime.name }'}
output: {as: '. + {ctx: $context.total}'}
)",
                                 {{"order", {{"price", 5}}}});
  REQUIRE(done.result);
  CHECK(*done.result == json::value{{"got", {{"price", 5}, {"total", 15}, {"out", 15}}},
                                    {"name", "b"},
                                    {"ref", "/do/1/b"},
                                    {"id", "0190a5d0-7b1c-7def-8123-456789abcdef"},
                                    {"title", "sample"},
                                    {"raw", 5},
                                    {"by", "perdure"},
                                    {"ctx", 15}});
  CHECK(done.scopes()[0] == "start a 1 {\"price\":5,\"twice\":10}");
  CHECK(done.scopes()[1] == "end a 1 {\"total\":15,\"from\":5,\"kept\":\".sum\"}");
}

TEST_CASE("a task whose condition does not hold is skipped, its then too") {
  CHECK(result_of("do:\n  - a: {if: .go, set: {x: 1}, then: end}\n  - b: {set: '${ . + {y: 2} }'}\n", {{"go", false}}) ==
        json::value{{"go", false}, {"y", 2}});
  CHECK(result_of("do:\n  - a: {if: .go, set: {x: 1}, then: end}\n  - b: {set: '${ . + {y: 2} }'}\n", {{"go", true}}) ==
        json::value{{"x", 1}});
}

TEST_CASE("then: continue, exit, end and a task's name") {
  const std::string rest = R"(
do:
  - outer:
      do:
        - a: {set: {at: a}, then: %s}
        - b: {set: {at: b}}
        - c: {set: '${ . + {c: true} }'}
  - after: {set: '${ . + {after: true} }'}
)";
  const auto with = [&](const std::string& then) {
    auto text = rest;
    text.replace(text.find("%s"), 2, then);
    return result_of(text);
  };
  CHECK(with("continue") == json::value{{"at", "b"}, {"c", true}, {"after", true}});
  CHECK(with("exit") == json::value{{"at", "a"}, {"after", true}});
  CHECK(with("end") == json::value{{"at", "a"}});
  CHECK(with("c") == json::value{{"at", "a"}, {"c", true}, {"after", true}});
}

TEST_CASE("a task may jump back, and a loop that never takes a step is stopped") {
  CHECK(result_of(R"(
do:
  - count: {set: {n: '${ .n + 1 }'}}
  - check: {switch: [{again: {when: .n < 5, then: count}}, {done: {then: continue}}]}
)",
                  {{"n", 0}}) == json::value{{"n", 5}});
  // Tasks that take no step are no trouble as long as they come to an end.
  json::array many(2'000, json::value(1));
  CHECK(result_of(
            "do:\n  - l: {for: {in: .many}, do: [{a: {if: 'false', set: {no: 1}}}, {b: {switch: [{x: {then: continue}}]}}]}\n",
            {{"many", many}})
            .at("many") == json::value(many));
  const auto stuck = run_document("do:\n  - a: {switch: [{x: {then: a}}]}\n");
  REQUIRE(stuck.failed);
  CHECK(stuck.failed->code == "limit");
  CHECK(stuck.failed->type == "https://serverlessworkflow.io/spec/1.0.0/errors/runtime");
  CHECK(stuck.failed->message.find("idle_tasks") != std::string::npos);
}

TEST_CASE("switch takes the first case that holds, else the default, wherever it stands") {
  const auto chosen = [](json::value input) {
    return result_of(R"(
do:
  - choose:
      switch:
        - otherwise: {then: d}
        - one: {when: .x == 1, then: a}
        - many: {when: '${ .x > 0 }', then: b}
  - a: {set: {at: a}, then: end}
  - b: {set: {at: b}, then: end}
  - d: {set: {at: d}, then: end}
)",
                     input)
        .at("at");
  };
  CHECK(chosen({{"x", 1}}) == json::value("a"));
  CHECK(chosen({{"x", 2}}) == json::value("b"));
  CHECK(chosen({{"x", 0}}) == json::value("d"));
  CHECK(result_of("do:\n  - s: {switch: [{x: {when: .no, then: end}}]}\n  - a: {set: {at: a}}\n").at("at") == json::value("a"));
}

TEST_CASE("for goes over the items and hands each turn's output to the next") {
  CHECK(result_of(R"(
do:
  - loop:
      for: {each: color, in: .colors, at: i}
      do:
        - mark: {set: {seen: '${ .seen + [$color] }', at: '${ .at + [$i] }'}}
)",
                  {{"colors", {"red", "green", "blue"}}}) == json::value{{"seen", {"red", "green", "blue"}}, {"at", {0, 1, 2}}});
  CHECK(result_of("do:\n  - l: {for: {in: .n}, while: $index < 2, do: [{a: {set: '${ . + {last: $item} }'}}]}\n",
                  {{"n", {7, 8, 9}}})
            .at("last") == json::value(8));
  CHECK(result_of("do:\n  - l: {for: {in: '[]'}, do: [{a: {set: {x: 1}}}]}\n", {{"n", 1}}) == json::value{{"n", 1}});
  CHECK(result_of("do:\n  - l: {for: {in: .none}, do: [{a: {set: {x: 1}}}]}\n", {{"n", 1}}) == json::value{{"n", 1}});
  // exit leaves this turn's tasks only; end the workflow.
  CHECK(result_of("do:\n  - l: {for: {in: '[1,2]'}, do: [{a: {set: '${ [.[], $item] }', then: exit}}, {b: {set: {no: 1}}}]}\n",
                  json::array{}) == json::value(json::array{1, 2}));
  CHECK(result_of("do:\n  - l: {for: {in: '[1,2]'}, do: [{a: {set: '${ [$item] }', then: end}}]}\n  - z: {set: {no: 1}}\n") ==
        json::value(json::array{1}));
  const auto wrong = run_document("do:\n  - l: {for: {in: .n}, do: []}\n", {{"n", 1}});
  REQUIRE(wrong.failed);
  CHECK(wrong.failed->code == "expression");
}

TEST_CASE(
    "a loop over ten thousand items costs as much per item as one over a thousand, and keeps next to nothing for a replay") {
  const std::string text = header + "do:\n  - l: {for: {in: .n}, do: [{a: {set: '${ $item + 1 }'}}]}\n";
  const auto looped = [&](int items) {
    json::array list;
    for (int i = 0; i < items; ++i) list.push_back(i);
    document_world world{text, json::object{{"n", list}}};
    world.run();
    CHECK(world.result == json::value(items));
    return world;
  };
  const auto some = looped(1'000), many = looped(10'000);
  // Each item is told with its start and its end.
  CHECK(some.outputs.size() == 2 * 1'000 + 2 + 1);
  CHECK(many.outputs.size() == 2 * 10'000 + 2 + 1);
  CHECK(many.recorded_steps <= 10 * (some.recorded_steps + 1));
  CHECK(many.recorded_steps < 10'000 / 20);
  CHECK(many.kept_bytes() < 200'000);
  CHECK(many.largest_turn < 128 * 1'024);
}

TEST_CASE("a loop takes one step for the effect of each item, also of ten thousand") {
  json::array list;
  for (int i = 0; i < 10'000; ++i) list.push_back(i);
  const outside answers = [](const core::pending_step& step) {
    return core::outcome{payload{step.args.value().at("spec").at("body")}, {}};
  };
  document_world world{
      header +
          "do:\n  - first: {wait: PT1S}\n  - l: {for: {in: .n}, do: [{a: {call: http, with: {method: post, endpoint: "
          "'https://x.y/', body: '${ $item }'}}}]}\n  - last: {wait: PT1S}\n",
      json::object{{"n", list}}, answers};
  world.run();
  if (world.failed) UNSCOPED_INFO(world.failed->message);
  CHECK(world.result == json::value(9'999));
  CHECK(world.recorded_steps == 10'002);
}

TEST_CASE("what many tasks say without a step between them is recorded in time") {
  // One record holds turn_output_bytes; each task tells its input and its output.
  const std::string large(1U << 20, 'x');
  std::string text = "do:\n";
  for (int i = 0; i < 30; ++i) text += "  - t" + std::to_string(i) + ": {set: '${ . }'}\n";
  document_world world{header + text, json::value(large)};
  world.run();
  if (world.failed) UNSCOPED_INFO(world.failed->message);
  REQUIRE(world.result);
  CHECK(world.result->get_string().size() == large.size());
  CHECK(world.largest_turn < limits::turn_output_bytes / 2);
}

TEST_CASE("the journal of a build that made a step of every set replays, and goes on as it began") {
  const std::string text = header + R"(
do:
  - a: {set: {n: '${ .n + 1 }'}}
  - l: {for: {in: '[1, 2, 3]'}, do: [{b: {set: '${ {n: (.n + $item)} }'}}]}
  - w: {wait: PT1S}
  - t: {try: [{r: {raise: {error: {type: 'https://x.y/z', status: 1}}}}], catch: {do: [{h: {set: '${ .n * 2 }'}}]}}
)";
  const json::value input{{"n", 1}};
  document_world now{text, input}, old{text, input, {}, nullptr, true};
  now.run();
  old.run(1);
  CHECK(now.result == json::value(16));
  CHECK(old.result == now.result);
  CHECK(old.scopes() == now.scopes());
  CHECK(now.recorded_steps == 1);
  CHECK(old.recorded_steps == 7);
}

TEST_CASE("fork gives the outputs of its branches in order, and runs them side by side") {
  const auto done = run_document(R"(
do:
  - f:
      fork:
        branches:
          - slow: {do: [{w: {wait: PT10S}}, {s: {set: {at: '${ .n + 1 }'}}}]}
          - quick: {do: [{w: {wait: PT5S}}, {s: {set: {at: '${ .n + 2 }'}}}]}
)",
                                 {{"n", 1}});
  CHECK(done.result == json::value{{{"at", 2}}, {{"at", 3}}});
  CHECK(done.elapsed() == 10s);
}

TEST_CASE("a fork that competes gives the winner's output and cuts the others off") {
  const auto done = run_document(R"(
do:
  - f:
      fork:
        compete: true
        branches:
          - slow: {do: [{w: {wait: PT10S}}, {s: {set: {at: slow}}}]}
          - quick: {do: [{w2: {wait: PT5S}}, {s: {set: {at: quick}}}]}
  - after: {set: '${ . + {after: true} }'}
)");
  CHECK(done.result == json::value{{"at", "quick"}, {"after", true}});
  CHECK(done.elapsed() == 5s);
  const auto told = done.scopes();
  CHECK(std::count(told.begin(), told.end(), "fail w 1 cancelled") == 1);
  CHECK(std::count(told.begin(), told.end(), "fail slow 1 cancelled") == 1);
  std::size_t starts = 0, ends = 0;
  for (const auto& each : done.outputs) {
    starts += each.kind == core::output_kind::scope_start;
    ends += each.kind == core::output_kind::scope_end;
  }
  CHECK(starts == ends);
}

TEST_CASE("a branch that fails fails the fork; a branch may end the workflow") {
  const auto failed = run_document(R"(
do:
  - f:
      fork:
        branches:
          - a: {wait: PT10S}
          - b: {do: [{w: {wait: PT1S}}, {r: {raise: {error: {type: 'https://x.y/boom', status: 418}}}}]}
)");
  REQUIRE(failed.failed);
  CHECK(failed.failed->code == "boom");
  CHECK(failed.failed->instance == "/do/0/f/fork/branches/1/b/do/1/r");
  CHECK(failed.elapsed() == 1s);
  CHECK(result_of(R"(
do:
  - f: {fork: {branches: [{a: {wait: PT10S}}, {b: {set: {x: 1}, then: end}}]}}
  - after: {set: {no: 1}}
)") == json::value{{"x", 1}});
}

TEST_CASE("exports of branches add up") {
  CHECK(result_of(R"(
do:
  - f:
      fork:
        branches:
          - a: {set: {x: 1}, export: {as: '$context + {a: .x}'}}
          - b: {set: {x: 2}, export: {as: '$context + {b: .x}'}}
  - r: {set: '${ $context }'}
)") == json::value{{"a", 1}, {"b", 2}});
}

TEST_CASE("wait keeps its time and passes its input on") {
  const auto done = run_document("do:\n  - a: {wait: {hours: 1, minutes: 30}}\n  - b: {wait: PT0.5S}\n  - c: {wait: '${ .d }'}\n",
                                 {{"d", "PT1M"}});
  CHECK(done.elapsed() == 90min + 500ms + 1min);
  CHECK(done.result == json::value{{"d", "PT1M"}});
  const auto wrong = run_document("do:\n  - a: {wait: '${ .d }'}\n", {{"d", "soon"}});
  REQUIRE(wrong.failed);
  CHECK(wrong.failed->code == "expression");
  CHECK(wrong.failed->instance == "/do/0/a");
}

TEST_CASE("values: expressions as a whole, inside text, and text that is none") {
  CHECK(result_of(R"(
do:
  - a:
      set:
        whole: ' ${ .n } '
        inside: 'n is ${ .n }, list ${ .l }, s ${.s}'
        literal: '.n'
        shell: 'echo ${HOME} $(date)'
        deep: [{x: '${ .n }'}]
        many: '${ .l[] }'
        none: '${ empty }'
)",
                  {{"n", 1}, {"l", {1, 2}}, {"s", "t"}}) == json::value{{"whole", 1},
                                                                        {"inside", "n is 1, list [1,2], s t"},
                                                                        {"literal", ".n"},
                                                                        {"shell", "echo ${HOME} $(date)"},
                                                                        {"deep", {{{"x", 1}}}},
                                                                        {"many", {1, 2}},
                                                                        {"none", nullptr}});
}

TEST_CASE("loose mode evaluates any text, and keeps what cannot be evaluated") {
  CHECK(
      result_of(
          "evaluate: {mode: loose}\ndo:\n  - a: {set: {v: .n, w: hello world, e: '.n.x', c: '${ .n + 1 }', t: 'true', s: ''}}\n",
          {{"n", 1}}) == json::value{{"v", 1}, {"w", "hello world"}, {"e", ".n.x"}, {"c", 2}, {"t", true}, {"s", ""}});
}
