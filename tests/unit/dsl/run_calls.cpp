// Tasks that run other tasks: functions, extensions, other workflows. Every document also with a crash after each step.
#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;

using lines = std::vector<std::string>;

namespace {

/// Answers of a child: its id at once, its end as given.
outside child_that(const core::outcome& end, std::vector<json::value>* asked = nullptr) {
  return [end, asked](const core::pending_step& step) -> std::optional<core::outcome> {
    if (step.kind == core::step_kind::child) {
      if (asked != nullptr) asked->push_back(step.args.value());
      return core::outcome{payload{json::value{{"run_id", "child-1"}}}, {}};
    }
    return end;
  };
}

failure of_child() {
  failure cause{
      .code = "communication", .message = "no answer", .type = "https://serverlessworkflow.io/spec/1.0.0/errors/communication"};
  cause.status = 503;
  cause.instance = "/do/4/x";
  failure out{.code = "child_failed", .message = "child child-1 ended as failed: no answer"};
  out.causes.push_back(std::move(cause));
  return out;
}

}  // namespace

TEST_CASE("a function gets what it is called with, and gives the call's output") {
  const auto done = run_document(R"(
use:
  functions:
    add:
      input: {from: '{sum: (.a + .b)}'}
      set: {total: '${ .sum }', raw: '${ $task.input.a }', called: '${ $task.reference }'}
      output: {as: '{total, raw, called}'}
do:
  - one: {call: add, with: {a: '${ .x }', b: 2}, output: {as: '. + {out: true}'}}
)",
                                 {{"x", 5}});
  CHECK(done.result == json::value{{"total", 7}, {"raw", 5}, {"called", "/use/functions/add"}, {"out", true}});
  CHECK(done.scopes() == lines{"start one 1 {\"x\":5}", "start add 1 {\"sum\":7}",
                               "end add 1 {\"total\":7,\"raw\":5,\"called\":\"/use/functions/add\"}",
                               "end one 1 {\"total\":7,\"raw\":5,\"called\":\"/use/functions/add\",\"out\":true}"});
}

TEST_CASE("a function called with nothing gets the task's input; functions call functions") {
  CHECK(result_of(R"(
use:
  functions:
    outer: {do: [{a: {call: inner, with: {v: '${ .x }'}}}, {b: {call: inner}}]}
    inner: {set: {v: '${ .v + 1 }'}}
do:
  - one: {call: outer}
)",
                  {{"x", 1}}) == json::value{{"v", 3}});
}

TEST_CASE("a function knows no variables of where it is called; its errors come out there") {
  CHECK(mentions(told_of("use: {functions: {f: {set: {x: '${ $item }'}}}}\ndo:\n  - l: {for: {in: .l}, do: [{c: {call: f}}]}\n"),
                 "$item is not available"));
  const auto done = run_document(R"(
use: {functions: {f: {raise: {error: {type: 'https://x.y/bad', status: 418}}}}}
do:
  - t: {try: [{c: {call: f}}], catch: {errors: {with: {status: 418}}, as: e, do: [{h: {set: {at: '${ $e.instance }'}}}]}}
)");
  CHECK(done.result == json::value{{"at", "/use/functions/f"}});
}

TEST_CASE("functions that call themselves for ever end in an error") {
  const auto done = run_document("use: {functions: {f: {call: g}, g: {call: f}}}\ndo:\n  - a: {call: f}\n");
  REQUIRE(done.failed);
  CHECK(done.failed->message.find("function_depth") != std::string::npos);
  CHECK(
      result_of("use: {functions: {f: {do: [{a: {set: '${ . + 1 }'}}, {b: {if: '. < 20', call: f}}]}}}\ndo:\n  - a: {call: f}\n",
                json::value(0)) == json::value(20));
}

TEST_CASE("functions are checked where they stand, and must be there") {
  CHECK(mentions(told_of("do:\n  - a: {call: addd}\nuse: {functions: {add: {set: {x: 1}}}}\n"),
                 "expected the name of a function defined in \"use\", found \"addd\"; did you mean \"add\"?"));
  CHECK(
      mentions(told_of("do: []\nuse: {functions: {add: {sett: {x: 1}}}}\n"), "/use/functions/add: expected what the task does"));
  // What does not run yet is refused only in a function that is called.
  const std::string kafka =
      "{call: asyncapi, with: {document: {endpoint: 'file://a'}, operation: o, protocol: kafka, message: {}}}";
  CHECK(told_of("do: []\nuse: {functions: {f: " + kafka + "}}\n").empty());
  CHECK(mentions(told_of("do:\n  - a: {call: f}\nuse: {functions: {f: " + kafka + "}}\n"),
                 "/use/functions/f/with/protocol: call: asyncapi over the protocol \"kafka\""));
}

TEST_CASE("functions of catalogs: by their address, and by name, version and catalog") {
  std::vector<std::string> asked;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    asked.emplace_back(step.args.value().at("spec").at("url").as_string());
    return core::outcome{
        payload{
            json::value("input: {schema: {document: {required: [a]}}}\nset: {twice: '${ .a * 2 }', at: '${ $task.name }'}\n")},
        {}};
  };
  const auto with = [&](const std::string& function, const std::string& arguments = "{a: 4}") {
    asked.clear();
    return run_document(
        "use: {catalogs: {mine: {endpoint: {uri: 'https://x.y/root/', authentication: {bearer: {token: t}}}}, hub: {endpoint: "
        "'https://github.com/me/catalog'}}}\ndo:\n  - c: {call: '" +
            function + "', with: " + arguments + "}\n",
        nullptr, answers);
  };
  CHECK(with("https://x.y/f.yaml").result == json::value{{"twice", 8}, {"at", "https://x.y/f.yaml"}});
  CHECK(with("f:1.0.0@mine").result->at("at") == json::value("f:1.0.0@mine"));
  CHECK(with("f:1.0.0@mine").result->at("twice") == json::value(8));
  CHECK(asked.at(0) == "https://x.y/root/functions/f/1.0.0/function.yaml");
  (void)with("f:1.0.0@hub");
  CHECK(asked.at(0) == "https://raw.githubusercontent.com/me/catalog/refs/heads/main/functions/f/1.0.0/function.yaml");
  (void)with("https://gitlab.com/me/catalog/-/blob/v1/f.yaml");
  CHECK(asked.at(0) == "https://gitlab.com/me/catalog/-/raw/v1/f.yaml");
  const auto unfit = with("f:1.0.0@mine", "{b: 1}");
  CHECK(unfit.failed->code == "validation");
  CHECK(unfit.failed->instance == "/do/0/c");
  CHECK(mentions(told_of("do:\n  - a: {call: 'f:1@none'}\n"),
                 "the name of a catalog defined in \"use\" after \"@\", found \"none\""));
  CHECK(mentions(told_of("do:\n  - a: {call: 'f@none'}\n"), "a function of a catalog: \"name:version@catalog\""));
  const outside broken = [](const core::pending_step&) { return core::outcome{payload{json::value("sett: 1\n")}, {}}; };
  const auto failed = run_document("do:\n  - c: {call: 'https://x.y/f.yaml'}\n", nullptr, broken);
  REQUIRE(failed.failed);
  CHECK(failed.failed->code == "configuration");
  CHECK(failed.failed->message.find("unknown property \"sett\"") != std::string::npos);
}

TEST_CASE("the default catalog is there without being defined, and gives what stands in its folders alone") {
  struct shelf : dsl::resource_host {
    std::string locate(const std::string& path) const override { return path; }
    result<std::string> read(const std::string& path) override {
      if (path == "double/1.0.0") return std::string{"set: {twice: '${ .n * 2 }'}\n"};
      return error{errc::not_found, "there is no " + path};
    }
  };
  const auto call = [](const std::string& function) {
    return run_document("do:\n  - c: {call: '" + function + "', with: {n: 4}}\n", nullptr, {}, std::make_shared<shelf>());
  };
  CHECK(call("double:1.0.0@default").result == json::value{{"twice", 8}});
  const auto missing = call("double:2.0.0@default");
  REQUIRE(missing.failed);
  CHECK(missing.failed->code == "configuration");
  CHECK(missing.failed->message == "there is no double/2.0.0");
  CHECK(run_document("do:\n  - c: {call: 'double:1.0.0@default'}\n").failed->message == "there is no default catalog here");
  for (const auto* bad : {"../x:1@default", "x:..@default", "a/b:1@default", "x:.1@default"})
    CHECK(mentions(told_of("do:\n  - c: {call: '" + std::string{bad} + "'}\n"), "as functions of the default catalog have them"));
  CHECK(mentions(told_of("do:\n  - c: {call: 'catalog://double/1.0.0'}\n"), "an address of the kind \"catalog\""));
  // A document may have one of that name.
  const outside own = [](const core::pending_step&) { return core::outcome{payload{json::value("set: {own: true}\n")}, {}}; };
  CHECK(run_document("use: {catalogs: {default: {endpoint: 'https://x.y'}}}\ndo:\n  - c: {call: 'double:1.0.0@default'}\n",
                     nullptr, own, std::make_shared<shelf>())
            .result == json::value{{"own", true}});
}

TEST_CASE("a function of a catalog gets no secrets of the document, and its tasks are below the one that calls it") {
  const auto answering = [](const std::string& text) {
    return outside{[text](const core::pending_step&) { return core::outcome{payload{json::value(text)}, {}}; }};
  };
  const std::string calls = "use: {secrets: [known]}\ndo:\n  - c: {call: 'https://x.y/f.yaml'}\n";
  const auto thief = run_document(calls, nullptr, answering("set: {all: '${ $secrets }'}\n"));
  REQUIRE(thief.failed);
  CHECK(thief.failed->code == "configuration");
  CHECK(thief.failed->message.find("$secrets is not available") != std::string::npos);
  const auto inner = run_document(calls, nullptr, answering("do:\n  - a: {set: {at: '${ $task.reference }'}}\n"));
  CHECK(inner.result == json::value{{"at", "/do/0/c/do/0/a"}});
  // A file is not read for those who may not read files.
  const auto told = problems_of(header + "do:\n  - c: {call: 'file://f.yaml'}\n", {.policy = {.may_read_files = false}});
  REQUIRE(told.size() == 1);
  CHECK(told[0].kind == problem_kind::forbidden);
  CHECK(told[0].pointer == "/do/0/c/call");
}

TEST_CASE("extensions run before and after a task, see it as $task, and leave its data alone") {
  const auto done = run_document(R"(
use:
  extensions:
    - note:
        extend: all
        before:
          - enter: {set: {at: '${ $task.reference }', with: '${ $task.set.x }'}, export: {as: '$context + {before: .}'}}
        after:
          - leave: {set: {out: '${ . }'}, export: {as: '$context + {after: .}'}}
do:
  - a: {set: {x: 1, n: '${ .n }'}}
output: {as: '$context + {out: .}'}
)",
                                 {{"n", 1}});
  CHECK(done.result == json::value{{"n", 1},
                                   {"before", {{"at", "/do/0/a"}, {"with", 1}}},
                                   {"after", {{"out", {{"x", 1}, {"n", 1}}}}},
                                   {"out", {{"x", 1}, {"n", 1}}}});
  // Not before the tasks of the extension itself.
  const auto told = done.scopes();
  CHECK(std::count_if(told.begin(), told.end(), [](const auto& each) { return each.find("start enter") == 0; }) == 1);
}

TEST_CASE("an extension names a kind of task and a condition, and \"exit\" takes the task's place") {
  const std::string rest = R"(
use:
  functions: {f: {raise: {error: {type: 'https://x.y/real', status: 500}}}}
  extensions:
    - mock:
        extend: call
        when: $task.call == "f" and $task.with.mocked
        before: [{answer: {set: {mocked: true}, then: exit}}, {never: {raise: {error: {type: 'https://x.y/never', status: 1}}}}]
        after: [{nor: {raise: {error: {type: 'https://x.y/nor', status: 2}}}}]
do:
  - s: {set: {n: 1}}
  - c: {call: f, with: {mocked: %s}, output: {as: '. + {as: true}'}}
)";
  const auto with = [&](const std::string& mocked) {
    auto text = rest;
    text.replace(text.find("%s"), 2, mocked);
    return run_document(text);
  };
  CHECK(with("true").result == json::value{{"mocked", true}, {"as", true}});
  const auto real = with("false");
  REQUIRE(real.failed);
  CHECK(real.failed->code == "real");
}

TEST_CASE("an extension of extensions extends the tasks of the others, and nothing extends its own") {
  const auto done = run_document(R"(
use:
  extensions:
    - inner: {extend: extension, before: [{deep: {set: {x: 1}}}]}
    - outer: {extend: set, before: [{o: {set: {y: 1}}}]}
do:
  - a: {set: {z: 1}}
)");
  const auto told = done.scopes();
  const auto count = [&](const std::string& name) {
    return std::count_if(told.begin(), told.end(), [&](const auto& each) { return each.find("start " + name + " ") == 0; });
  };
  CHECK(count("a") == 1);
  CHECK(count("o") == 1);
  CHECK(count("deep") == 1);
}

TEST_CASE("an extension may end the workflow, and its errors are the task's") {
  CHECK(result_of("use: {extensions: [{e: {extend: wait, before: [{x: {set: {over: 1}, then: end}}]}}]}\n"
                  "do:\n  - a: {wait: PT1H}\n  - b: {set: {no: 1}}\n") == json::value{{"over", 1}});
  CHECK(result_of("use: {extensions: [{e: {extend: wait, after: [{x: {set: {over: 1}, then: end}}]}}]}\n"
                  "do:\n  - a: {wait: PT1H}\n  - b: {set: {no: 1}}\n") == json::value{{"over", 1}});
  const auto failed = run_document(
      "use: {extensions: [{e: {extend: wait, before: [{x: {raise: {error: {type: 'https://x.y/z', "
      "status: 9}}}}]}}]}\ndo:\n  - a: {wait: PT1H}\n");
  REQUIRE(failed.failed);
  CHECK(failed.failed->instance == "/use/extensions/0/e/before/0/x");
  CHECK(failed.scopes().back() == "fail a 1 z");
  CHECK(mentions(told_of("do: []\nuse: {extensions: [{e: {extend: calls}}]}\n"), "/extend: expected one of"));
}

TEST_CASE("run: workflow gives the other's output") {
  std::vector<json::value> asked;
  const auto with = [&](const std::string& more) {
    asked.clear();
    return run_document(
        "do:\n  - s: {run: {workflow: {namespace: other, name: job, version: 1.0.0, input: {n: '${ .n }'}}" + more + "}}\n",
        {{"n", 7}}, child_that({payload{json::value{{"done", true}}}, {}}, &asked));
  };
  CHECK(with("").result == json::value{{"done", true}});
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].at("workflow") == "other/job");
  CHECK(asked[0].at("version") == "1.0.0");
  CHECK(asked[0].at("input") == json::value{{"n", 7}});
  CHECK(asked[0].at("close").to_number<int>() == static_cast<int>(parent_close::cancel));
  CHECK(with(", return: none").result == json::value(nullptr));
  CHECK(with(", await: false").result == json::value{{"n", 7}});
  CHECK(asked[0].at("close").to_number<int>() == static_cast<int>(parent_close::abandon));
}

TEST_CASE("run: workflow, the other's error is the task's, and can be caught as it is") {
  const auto answers = child_that({{}, of_child()});
  const std::string run = "{run: {workflow: {namespace: default, name: job, version: latest}}}";
  const auto done = run_document("do:\n  - s: " + run + "\n", nullptr, answers);
  REQUIRE(done.failed);
  CHECK(done.failed->code == "communication");
  CHECK(done.failed->status == 503);
  CHECK(done.failed->instance == "/do/0/s");
  CHECK(done.failed->message.find("child-1") != std::string::npos);
  CHECK(run_document("do:\n  - t: {try: [{s: " + run + "}], catch: {errors: {with: {status: 503}}, do: [{h: {set: {ok: 1}}}]}}\n",
                     nullptr, answers)
            .result == json::value{{"ok", 1}});
}

TEST_CASE("a task that is cut off asks the run to cancel that it waited for") {
  std::vector<json::value> told;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    if (step.kind == core::step_kind::child)
      return core::outcome{payload{json::value{{"run_id", "0190a5d0-7b1c-7def-8123-456789abcdee"}}}, {}};
    if (step.kind == core::step_kind::tell) {
      told.push_back(step.args.value());
      return core::outcome{};
    }
    return std::nullopt;
  };
  const auto done = run_document(R"(
do:
  - t:
      try: [{s: {run: {workflow: {namespace: default, name: job, version: latest}}, timeout: {after: PT5S}}}]
      catch: {errors: {with: {status: 408}}, do: [{h: {set: {late: 1}}}]}
)",
                                 nullptr, answers);
  CHECK(done.result == json::value{{"late", 1}});
  REQUIRE_FALSE(told.empty());
  CHECK(told[0].at("what") == "cancel");
  CHECK(told[0].at("to") == "0190a5d0-7b1c-7def-8123-456789abcdee");
}
