// What is refused, where it is told to be, and what was expected instead.
#include "documents.hpp"
#include "perdure/limits.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("all problems are told at once, in the order of the text, each with its place") {
  const auto lines = told(problems_of(R"(document:
  dsl: '2.0.0'
  namespace: -bad
  name: sample
  version: 1.0
do:
  - a:
      sett: {x: 1}
  - b:
      set: {x: "${ .a + }"}
      then: nowhere
  - c:
      wait: {second: 1}
outputs: {}
)"));
  CHECK(lines ==
        std::vector<std::string>{
            "2:8 /document/dsl: version 2.0.0 of the DSL is not known here; documents of 1.0 run",
            "3:14 /document/namespace: expected 1 to 63 letters, digits and hyphens, no hyphen at either end, found a string "
            "(\"-bad\")",
            "5:12 /document/version: expected a string, found a number (1.0); put it in quotes",
            "8:7 /do/0/a: expected what the task does: one of \"call\", \"do\", \"emit\", \"for\", \"fork\", \"listen\", "
            "\"raise\", \"run\", "
            "\"set\", \"switch\", \"try\", \"wait\"",
            "8:7 /do/0/a/sett: unknown property \"sett\" in a task; did you mean \"set\"?",
            "10:16 /do/1/b/set/x: not a valid expression: unexpected the end of the expression, at character 7 of \" .a + \"",
            "11:13 /do/1/b/then: expected \"continue\", \"exit\", \"end\" or the name of a task of the same list, found "
            "\"nowhere\"",
            "13:14 /do/2/c/wait/second: unknown property \"second\" in a duration; did you mean \"seconds\"?",
            "14:1 /outputs: unknown property \"outputs\" in a workflow; did you mean \"output\"?"});
}

TEST_CASE("the header's rules") {
  const auto with = [](const std::string& line) { return told(problems_of("document:\n" + line + "\ndo: []\n")); };
  CHECK(mentions(with("  dsl: 1.0.3\n  namespace: n\n  name: m"), "expected the property \"version\""));
  CHECK(mentions(with("  dsl: 1.0.3\n  namespace: n\n  name: a_b\n  version: 0.1.0"), "/document/name"));
  CHECK(mentions(with("  dsl: 1.0.3\n  namespace: n\n  name: " + std::string(64, 'a') + "\n  version: 0.1.0"), "/document/name"));
  for (const std::string bad : {"1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", "1.0.0+", "'1'"}) {
    CHECK(mentions(with("  dsl: 1.0.3\n  namespace: n\n  name: m\n  version: " + bad), "/document/version"));
  }
  for (const std::string good : {"1.0.0", "0.1.0-alpha.1", "1.0.0-x-y.7+build.01", "10.20.30"}) {
    CHECK(with("  dsl: 1.0.0\n  namespace: n\n  name: m\n  version: " + good).empty());
  }
  CHECK(mentions(told(problems_of("do: []\n")), "expected the property \"document\""));
  CHECK(mentions(told(problems_of("[]\n")), "expected a workflow, which is an object with properties, found an array"));
  CHECK(mentions(told(problems_of(header)), "expected the property \"do\""));
}

TEST_CASE("a task that is not indented below its name is told as that") {
  CHECK(told_of("do:\n  - greet:\n    set: {x: 1}\n    then: end\n") ==
        std::vector<std::string>{
            "8:5 /do/0: \"set\" stands beside the task \"greet\", which is empty; indent it further than \"greet\", as a "
            "part of the task"});
}

TEST_CASE("two tasks in one item, a task without its name, duplicate names") {
  CHECK(mentions(told_of("do:\n  - a: {set: {x: 1}}\n    b: {set: {x: 1}}\n"),
                 "7:5 /do/0: expected one task in this item, found 2: begin each with"));
  CHECK(mentions(told_of("do:\n  - set: {x: 1}\n    then: end\n"), "write the task under its name"));
  CHECK(mentions(told_of("do:\n  - a: {set: {x: 1}}\n  - a: {set: {x: 1}}\n"),
                 "8:5 /do/1: duplicate task name \"a\"; the first is in line 7"));
  CHECK(mentions(told_of("do:\n  a: {set: {x: 1}}\n"), "/do: expected an array of tasks"));
  CHECK(mentions(told_of("do:\n  - a\n"), "/do/0: expected a task"));
  CHECK(mentions(told_of("do:\n  - a: {set: {x: 1}, wait: PT1S}\n"),
                 "/do/0/a: expected one kind of task, found \"set\", \"wait\""));
  // The same name in another list is fine.
  CHECK(told_of("do:\n  - a:\n      do:\n        - a: {set: {x: 1}}\n").empty());
}

TEST_CASE("then goes to tasks of the same list only") {
  CHECK(told_of("do:\n  - a: {set: {x: 1}, then: b}\n  - b: {set: {x: 1}}\n").empty());
  CHECK(told_of("do:\n  - a: {set: {x: 1}, then: a}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {do: [{inner: {set: {x: 1}}}], then: inner}\n"), "/do/0/a/then: expected"));
  CHECK(mentions(told_of("do:\n  - a: {set: {x: 1}, then: ned}\n"), "did you mean \"end\"?"));
  CHECK(mentions(told_of("do:\n  - a: {switch: [{x: {then: b}}]}\n"), "/do/0/a/switch/0/x/then"));
}

TEST_CASE("wrong types are told with what was found") {
  CHECK(mentions(told_of("do:\n  - a: {set: 5}\n"),
                 "/do/0/a/set: expected an object, or one expression in \"${ }\", found an integer (5)"));
  CHECK(mentions(told_of("do:\n  - a: {set: .x}\n"), "/do/0/a/set: expected"));
  CHECK(mentions(told_of("do:\n  - a: {set: {}}\n"), "at least one property"));
  CHECK(mentions(told_of("do:\n  - a: {if: true, set: {x: 1}}\n"),
                 "/do/0/a/if: expected a string with an expression, found a boolean (true)"));
  CHECK(mentions(told_of("do:\n  - a: {wait: 5}\n"), "/do/0/a/wait: expected a duration"));
  CHECK(mentions(told_of("do:\n  - a: {wait: 5s}\n"), "ISO 8601"));
  CHECK(mentions(told_of("do:\n  - a: {wait: {seconds: -1}}\n"), "/do/0/a/wait/seconds"));
  CHECK(mentions(told_of("do:\n  - a: {wait: {seconds: 1.5}}\n"), "expected an integer, found a number (1.5)"));
  CHECK(mentions(told_of("do:\n  - a: {wait: {days: 999999999}}\n"), "thousand years"));
  CHECK(mentions(told_of("do:\n  - a: {fork: {branches: [], compete: yes}}\n"),
                 "compete: expected true or false, found a string (\"yes\")"));
  CHECK(mentions(told_of("do:\n  - a: {fork: {branches: []}}\n"), "at least one branch"));
  CHECK(mentions(told_of("do:\n  - a: {for: {each: x}, do: []}\n"), "expected the property \"in\""));
  CHECK(mentions(told_of("do:\n  - a: {for: {in: .x}}\n"), "expected the property \"do\""));
  CHECK(mentions(told_of("do:\n  - a: {for: {in: .x, each: input}, do: []}\n"), "choose another name"));
  CHECK(mentions(told_of("do:\n  - a: {for: {in: .x, each: a-b}, do: []}\n"), "variable's name"));
  CHECK(mentions(told_of("do:\n  - a: {for: {in: .x, each: i, at: i}, do: []}\n"), "same variable"));
  CHECK(mentions(told_of("do:\n  - a: {switch: []}\n"), "at least one case"));
  CHECK(mentions(told_of("do:\n  - a: {switch: [{x: {then: end}}, {y: {then: end}}]}\n"), "second case without \"when\""));
  CHECK(mentions(told_of("do:\n  - a: {switch: [{x: {when: .a}}]}\n"), "expected the property \"then\""));
  CHECK(mentions(told_of("do:\n  - a: {try: [], catch: {retry: {limit: {attempt: {count: -1}}}}}\n"),
                 "/count: expected an integer from 0"));
  CHECK(mentions(told_of("do:\n  - a: {try: []}\n"), "expected the property \"catch\""));
  CHECK(mentions(told_of("do:\n  - a: {try: [], catch: {retry: {backoff: {linear: {}, constant: {}}}}}\n"),
                 "exactly one of the properties"));
  CHECK(mentions(told_of("do:\n  - a: {try: [], catch: {retry: {jitter: {from: PT2S, to: PT1S}}}}\n"),
                 "\"from\" is longer than \"to\""));
  CHECK(mentions(told_of("do:\n  - a: {raise: {error: {type: 'https://x.y/z'}}}\n"), "expected the property \"status\""));
  CHECK(mentions(told_of("do:\n  - a: {raise: {error: {type: nope, status: 1}}}\n"), "a URI such as"));
  CHECK(mentions(told_of("do:\n  - a: {run: {shell: {command: ''}}}\n"), "/command: expected text, found an empty string"));
  CHECK(mentions(told_of("do:\n  - a: {run: {shell: {command: x}, return: output}}\n"), "/return: expected one of \"stdout\""));
  CHECK(mentions(told_of("do:\n  - a: {run: {shell: {command: x}, script: {}}}\n"), "exactly one of the properties"));
  CHECK(mentions(told_of("do:\n  - a: {run: {shell: {command: x, environment: {'A=B': 1}}}}\n"), "environment variable"));
  CHECK(
      mentions(told_of("do:\n  - a: {set: {x: 1}, timeout: {after: {seconds: 1}, before: 1}}\n"), "unknown property \"before\""));
  CHECK(mentions(told_of("do: []\nevaluate: {mode: lose}\n"), "/evaluate/mode: expected one of \"strict\", \"loose\""));
}

TEST_CASE("names of components must be defined") {
  CHECK(mentions(told_of("do:\n  - a: {set: {x: 1}, timeout: shor}\nuse: {timeouts: {short: {after: PT1S}}}\n"),
                 "did you mean \"short\"?"));
  CHECK(mentions(told_of("do:\n  - a: {raise: {error: nope}}\n"),
                 "/do/0/a/raise/error: expected the name of an error defined in \"use\""));
  CHECK(mentions(told_of("do:\n  - a: {try: [], catch: {retry: nope}}\n"),
                 "expected the name of a retry policy defined in \"use\""));
  // Components nobody uses are checked all the same.
  CHECK(mentions(told_of("do: []\nuse: {retries: {r: {delay: 5}}}\n"), "/use/retries/r/delay"));
  CHECK(mentions(told_of("do: []\nuse: {timeouts: {t: {afterr: PT1S}}}\n"), "/use/timeouts/t"));
  CHECK(mentions(told_of("do: []\nuse: {errors: {e: {type: x}}}\n"), "/use/errors/e"));
}

TEST_CASE("expressions are compiled when the document is read, with the variables of their place") {
  CHECK(told_of("do:\n  - a: {set: {x: '${ $context.a + $input.b + $task.name + $workflow.id + $runtime.name }'}}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {set: {x: '${ $output }'}}\n"), "$output is not available in"));
  CHECK(mentions(told_of("do:\n  - a: {if: $input.x, set: {x: 1}}\n"), "$input is not available in"));
  CHECK(mentions(told_of("do: []\ninput: {from: $context}\n"), "$context is not available in"));
  CHECK(told_of("do:\n  - a: {set: {x: 1}, export: {as: '$output + $context'}}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {set: {x: '${ $item }'}}\n"), "$item is not available"));
  CHECK(told_of("do:\n  - a: {for: {in: .x}, while: $index < 3, do: [{b: {set: {x: '${ $item }'}}}]}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {for: {in: .x}, do: [], output: {as: $item}}\n"), "$item is not available"));
  CHECK(told_of("do:\n  - a: {try: [], catch: {as: e, when: $e.status == 1, do: [{b: {set: {x: '${ $e }'}}}]}}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {set: {x: '${ foo(1) }'}}\n"), "foo/1 is not defined"));
  CHECK(mentions(told_of("do:\n  - a: {set: {x: '${ .a | env }'}}\n"), "\"env\" is not available in runtime expressions"));
  for (const std::string bad : {"input", "halt", "debug", "$ENV", "import \"a\" as a; 1", "include \"a\"; 1", "[1, input]",
                                "\"\\(env)\"", ".[1, input:2]"}) {
    CHECK_FALSE(told_of("do:\n  - a:\n      set: {x: '${ " + bad + " }'}\n").empty());
  }
  CHECK(told_of("do:\n  - a:\n      set: {x: '${ {env: 1, input} | .halt }'}\n").empty());
}

TEST_CASE("a construct that does not run yet is refused by name, and its properties are checked") {
  const auto kinds = [](std::string_view rest) {
    std::vector<std::string> out;
    for (const auto& each : problems_of(header + std::string{rest})) {
      if (each.kind == problem_kind::unsupported) out.push_back(each.message);
    }
    return out;
  };
  const auto refused = [](const std::string& what) {
    return std::vector<std::string>{what + " is not supported by this version"};
  };
  CHECK(kinds("do: []\nevaluate: {language: python}\n") == refused("the expression language \"python\" (only \"jq\" is)"));
  CHECK(told_of("do: []\nuse: {functions: {f: {call: http, with: {method: get, endpoint: 'https://x.y'}}}, secrets: [s]}\n")
            .empty());

  CHECK(
      mentions(told_of("do:\n  - a: {call: http, with: {method: get, endpont: 'https://x.y'}}\n"), "did you mean \"endpoint\"?"));
  CHECK(mentions(told_of("do:\n  - a: {call: http, with: {method: get, endpoint: nowhere}}\n"), "a URI such as"));
  CHECK(mentions(told_of("do:\n  - a: {call: grpc, with: {proto: {endpoint: 'file://x'}, service: {name: n, host: h, port: "
                         "70000}, method: m}}\n"),
                 "0 to 65535"));
  CHECK(mentions(told_of("do:\n  - a: {emit: {event: {with: {source: 'https://x.y'}}}}\n"), "expected the property \"type\""));
  CHECK(mentions(told_of("do:\n  - a: {listen: {to: {one: {with: {}}}}}\n"), "at least one property to filter"));
  CHECK(mentions(told_of("do:\n  - a: {listen: {to: {one: {with: {type: t}}, any: []}}}\n"), "exactly one of the properties"));
}

TEST_CASE("a component is told once, however often it is used") {
  CHECK(
      told_of("do:\n  - a: {try: [], catch: {retry: r}}\n  - b: {try: [], catch: {retry: r}}\nuse: {retries: {r: {delay: 5}}}\n")
          .size() == 1);
}

TEST_CASE("the number of problems told is limited") {
  std::string text = "do:\n";
  for (int i = 0; i < 1000; ++i) text += "  - t" + std::to_string(i) + ": {sett: 1}\n";
  const auto lines = told_of(text);
  CHECK(lines.size() == limits::document_problems + 1);
  CHECK(mentions(lines, "more problems follow"));
}

TEST_CASE("ten thousand tasks are read, and deep documents refused") {
  std::string many = "do:\n";
  for (int i = 0; i < 10'000; ++i) many += "  - t" + std::to_string(i) + ": {set: {x: '${ .x + 1 }'}}\n";
  const auto read = read_valid(header + many);
  CHECK(read.task_count == 10'000);
  CHECK(read.tasks.size() == 10'000);
  std::string deep = "do: ";
  for (int i = 0; i < 100; ++i) deep += "[{t: {do: ";
  deep += "[]";
  for (int i = 0; i < 100; ++i) deep += "}}]";
  CHECK(mentions(told_of(deep), "document_depth"));
}

TEST_CASE("the hash depends on what the document says, not on how it is written") {
  const auto one = read_valid(header + "do:\n  - a: {set: {x: 1, y: two}}\n");
  const auto same = read_valid(
      "{\"do\": [{\"a\": {\"set\": {\"y\": \"two\", \"x\": 1}}}], \"document\": {\"version\": \"0.1.0\", \"name\": \"sample\", "
      "\"namespace\": \"test\", \"dsl\": \"1.0.3\"}}");
  const auto other = read_valid(header + "do:\n  - a: {set: {x: 1, y: three}}\n");
  CHECK(one.hash.size() == 64);
  CHECK(one.hash == same.hash);
  CHECK(one.hash != other.hash);
  CHECK(dsl::workflow_name(one) == "test/sample");
}

TEST_CASE("the operator's policy: what it does not allow is told when the document is read, all of it") {
  dsl::read_options strict;
  strict.policy = {.may_run = false, .may_read_files = false, .may_use_secrets = false, .may_reach_private = false};
  const auto forbidden = [&](std::string_view rest, const dsl::read_options& how) {
    std::vector<std::string> out;
    for (const auto& each : problems_of(header + std::string{rest}, how)) {
      if (each.kind == problem_kind::forbidden) out.push_back(each.pointer + " " + each.message);
    }
    return out;
  };
  const std::string bad = R"(
use: {secrets: [s]}
input: {schema: {resource: {endpoint: 'file://s.json'}}}
do:
  - a: {run: {shell: {command: x}}}
  - b: {run: {script: {language: js, code: x}}}
  - c: {run: {container: {image: x}}}
  - d: {call: mcp, with: {method: tools/list, transport: {stdio: {command: x}}}}
  - e: {call: http, with: {method: get, endpoint: 'http://127.0.0.1'}}
  - f: {run: {workflow: {namespace: n, name: m, version: latest}}}
)";
  CHECK(forbidden(bad, strict) ==
        std::vector<std::string>{
            "/use/secrets a secret is not allowed here", "/input/schema/resource/endpoint a schema of a file is not allowed here",
            "/do/0/a/run/shell run: shell is not allowed here", "/do/1/b/run/script run: script is not allowed here",
            "/do/2/c/run/container run: container is not allowed here",
            "/do/3/d/with/transport/stdio an MCP server of this machine is not allowed here"});
  CHECK(forbidden(bad, {}).empty());
}
