// Documents that take more steps than one activation may: another one goes on where it ended. Each also with crashes, one of them
// right after the next activation began.
#include "document_world.hpp"
#include "perdure/limits.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

/// Runs it calmly and with crashes, which must make no difference.
document_world run_long(std::string_view rest, const json::value& input = nullptr, const outside& answers = {}) {
  const auto text = header + std::string{rest};
  document_world calm{text, input, answers};
  calm.run();
  document_world shaken{text, input, answers};
  for (std::size_t steps = 0, seen = 1; !shaken.over() && shaken.next();) {
    const bool begins = std::exchange(seen, shaken.activations) != shaken.activations;
    if ((begins || ++steps % 1'999 == 0) && !shaken.over()) shaken.crash();
  }
  CHECK(shaken.result == calm.result);
  CHECK(shaken.failed == calm.failed);
  CHECK(shaken.elapsed() == calm.elapsed());
  CHECK(shaken.activations == calm.activations);
  CHECK(shaken.scopes() == calm.scopes());
  if (calm.failed) UNSCOPED_INFO(calm.failed->code + ": " + calm.failed->message);
  CHECK(calm.over());
  return calm;
}

/// Every task that was told to begin was told to end, once, and numbers were given once.
void check_pairs(const document_world& of) {
  std::map<std::uint32_t, int> told;
  for (const auto& each : of.outputs) {
    if (each.kind == core::output_kind::scope_start) CHECK(++told[each.number] == 1);
    if (each.kind == core::output_kind::scope_end) CHECK(++told[each.number] == 2);
  }
  for (const auto& [number, times] : told) CHECK(times == 2);
}

}  // namespace

TEST_CASE("a loop goes on in another activation, with all that is around it") {
  const auto done = run_long(R"(
timeout: {after: {hours: 10}}
input: {from: '{count: .count, sum: 0}'}
do:
  - outer:
      input: {from: '. + {seen: 0}'}
      timeout: {after: {hours: 5}}
      try:
        - inner:
            do:
              - loop:
                  for: {each: n, in: '${ [range(.count)] }', at: i}
                  while: '$i < 8500'
                  do:
                    - rest: {wait: {milliseconds: 1}}
                    - note:
                        set: {sum: '${ .sum + $n }', seen: '${ .seen + 1 }'}
                        export: {as: '$context + {last: $n}'}
              - after:
                  set: '${ . + {last: $context.last, count: $workflow.input.count} }'
                  output: {as: '. + {began: ($task.startedAt.epoch.milliseconds - $workflow.startedAt.epoch.milliseconds)}'}
      catch: {}
      output: {as: '. + {ref: $task.reference, took: $input.seen, raw: $task.input.sum}'}
  - last: {set: '${ . + {done: true} }'}
)",
                             {{"count", 10'000}});
  REQUIRE(done.result);
  CHECK(*done.result == json::value{{"sum", 8'499 * 4'250},
                                    {"seen", 8'500},
                                    {"last", 8'499},
                                    {"count", 10'000},
                                    {"began", 8'500},
                                    {"ref", "/do/0/outer"},
                                    {"took", 0},
                                    {"raw", 0},
                                    {"done", true}});
  CHECK(done.activations == 3);
  CHECK(done.elapsed() == 8500ms);
  CHECK(done.kept_bytes() < 4'500 * 200);
  check_pairs(done);
}

TEST_CASE("a loop keeps its items when what they came from has changed") {
  const auto done = run_long(R"(
do:
  - begin: {set: '${ [range(5000)] }', export: {as: .}}
  - loop:
      for: {each: n, in: $context}
      do:
        - rest: {wait: {milliseconds: 1}, export: {as: '[$n]'}}
        - sum: {set: '${ (if type == "array" then 0 else . end) + $n }'}
)");
  CHECK(done.result == json::value(4'999 * 2'500));
  CHECK(done.activations == 2);
}

TEST_CASE("tasks that jump back for ever get no end by that") {
  const auto done = run_long(R"(
do:
  - begin: {set: {n: 0}}
  - rest: {wait: {milliseconds: 1}}
  - count: {set: {n: '${ .n + 1 }'}}
  - more: {switch: [{yes: {when: .n < 21000, then: rest}}, {no: {then: end}}]}
)");
  CHECK(done.result == json::value{{"n", 21'000}});
  CHECK(done.activations == 6);
  check_pairs(done);
}

TEST_CASE("attempts of a try and its limits are kept, and the error that it handles") {
  const std::string rest = R"(
do:
  - tried:
      try:
        - loop:
            for: {in: '${ [range(4500)] }'}
            do:
              - rest: {wait: {milliseconds: 1}}
        - bad: {raise: {error: {type: 'https://x.y/bad', status: 418, title: '${ $task.name }'}}}
      catch:
        as: problem
        retry: {delay: {seconds: 1}, limit: %s}
        do:
          - again:
              for: {in: '${ [range(4500)] }'}
              do:
                - rest: {wait: {milliseconds: 1}}
          - told: {set: {status: '${ $problem.status }', title: '${ $problem.title }'}}
)";
  const auto with = [&](const std::string& limit) {
    auto text = rest;
    return run_long(text.replace(text.find("%s"), 2, limit));
  };
  const auto counted = with("{attempt: {count: 2}}");
  CHECK(counted.result == json::value{{"status", 418}, {"title", "bad"}});
  CHECK(counted.elapsed() == 4 * 4500ms + 2s);
  CHECK(counted.activations == 5);
  const auto lines = counted.scopes();
  CHECK(std::count(lines.begin(), lines.end(), "fail bad 3 bad") == 1);
  CHECK(with("{duration: {seconds: 9}}").elapsed() == 2 * 4500ms + 1s + 4500ms);
  // Of a second attempt the time is over in the activation after the one that began it.
  CHECK(with("{attempt: {count: 1, duration: {milliseconds: 4300}}}").elapsed() == 4500ms + 1s + 4300ms + 4500ms);
}

TEST_CASE("time limits go on, those of tasks and that of the workflow") {
  const std::string loop = "      for: {in: '${ [range(9000)] }'}\n      do: [{rest: {wait: {milliseconds: 1}}}]\n";
  const auto task = run_long("do:\n  - loop:\n      timeout: {after: {milliseconds: 4321}}\n" + loop);
  REQUIRE(task.failed);
  CHECK(task.failed->message == "the task took longer than 4.321s");
  CHECK(task.elapsed() == 4321ms);
  check_pairs(task);
  const auto whole = run_long("timeout: {after: {milliseconds: 8765}}\ndo:\n  - loop:\n" + loop);
  REQUIRE(whole.failed);
  CHECK(whole.failed->message == "the workflow took longer than 8.765s");
  CHECK(whole.elapsed() == 8765ms);
}

TEST_CASE("a function and an extended task are gone on with") {
  const auto done = run_long(R"(
use:
  functions:
    count:
      do:
        - loop:
            for: {each: n, in: '${ [range(.upto)] }'}
            do:
              - rest: {wait: {milliseconds: 1}}
              - keep: {set: '${ {upto: $n, n: $n} }'}
  extensions:
    - around: {extend: composite, before: [{first: {set: {x: 1}, export: {as: '$context + {before: ($context.before + 1)}'}}}],
               after: [{second: {set: {x: 2}, export: {as: '$context + {after: ($context.after + 1)}'}}}]}
do:
  - outer:
      do:
        - called: {call: count, with: {upto: 4500}}
  - told: {set: '${ [.n, $context.before, $context.after] }'}
)",
                             {{"before", 0}, {"after", 0}});
  CHECK(done.result == json::value{4'499, 2, 2});
  CHECK(done.activations == 2);
  check_pairs(done);
}

TEST_CASE("large results of steps make an activation hand over sooner") {
  const auto done = run_long(R"(
do:
  - loop:
      for: {in: '${ [range(70)] }'}
      do:
        - get: {call: http, with: {method: get, endpoint: 'https://x.y'}, output: {as: length}}
)",
                             nullptr, [](const core::pending_step& step) -> std::optional<core::outcome> {
                               if (step.kind != core::step_kind::capability) return std::nullopt;
                               return core::outcome{payload{json::value(std::string(1U << 20, 'x'))}, {}};
                             });
  CHECK(done.result == json::value(1U << 20));
  CHECK(done.activations == 3);
  CHECK(done.kept_bytes() < 34U << 20);
}

TEST_CASE("branches of a fork cannot be handed over, and a limit ends them") {
  const auto text = header + std::string{R"(
do:
  - both:
      fork:
        branches:
          - a: {for: {in: '${ [range(30000)] }'}, do: [{rest: {wait: {milliseconds: 1}}}]}
          - b: {set: {x: 1}}
)"};
  document_world done{text};
  done.run();
  CHECK(done.activations == 1);
  REQUIRE(done.failed);
  CHECK(done.failed->code == failure_code::limit);
}
