// Documents whose tasks fail: raise, try, retry, timeouts, shells. Every one also with a crash after each step.
#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr auto type = "https://serverlessworkflow.io/spec/1.0.0/errors/";

std::string raise(const std::string& kind, int status) {
  return "{raise: {error: {type: '" + (type + kind) + "', status: " + std::to_string(status) +
         ", title: T, detail: '${ \"d\\(.n)\" }'}}}";
}

}  // namespace

TEST_CASE("an error that is not caught fails the run with its RFC 7807 members") {
  const auto done = run_document("do:\n  - a: {set: {n: 7}}\n  - b: " + raise("communication", 503) + "\n");
  REQUIRE(done.failed);
  CHECK(done.failed->type == std::string{type} + "communication");
  CHECK(done.failed->status == 503);
  CHECK(done.failed->title == "T");
  CHECK(done.failed->message == "d7");
  CHECK(done.failed->instance == "/do/1/b");
  CHECK(done.failed->code == "communication");
  CHECK(done.failed->executor == "b");
  CHECK(done.scopes().back() == "fail b 1 communication");
}

TEST_CASE("errors of use.errors, and expressions in them") {
  const auto done = run_document(R"yaml(
use:
  errors:
    nope:
      type: 'https://x.y/not-implemented'
      status: 500
      detail: '${ "\($workflow.definition.document.name):\($workflow.definition.document.version)" }'
      instance: /mine
do:
  - a: {raise: {error: nope}}
)yaml");
  REQUIRE(done.failed);
  CHECK(done.failed->code == "not-implemented");
  CHECK(done.failed->message == "sample:0.1.0");
  CHECK(done.failed->instance == "/mine");
}

TEST_CASE("an expression that fails is an expression error of its task") {
  const auto done = run_document("do:\n  - a: {do: [{b: {set: {x: '${ .n + 1 }'}}}]}\n", {{"n", "t"}});
  REQUIRE(done.failed);
  CHECK(done.failed->type == std::string{type} + "expression");
  CHECK(done.failed->status == 400);
  CHECK(done.failed->instance == "/do/0/a/do/0/b");
  CHECK(done.failed->message.find("cannot be added") != std::string::npos);
}

TEST_CASE("catch: filters by type, status, title, detail and instance") {
  const auto caught = [](const std::string& with) {
    const auto done = run_document(
        "do:\n  - t: {try: [{a: " + raise("communication", 503) + "}], catch: {errors: {with: " + with + "}}}\n", {{"n", 1}});
    return !done.failed;
  };
  CHECK(caught("{status: 503}"));
  CHECK(caught("{type: '" + std::string{type} + "communication', status: 503, title: T, detail: d1, instance: /do/0/t/try/0/a}"));
  CHECK(caught("{details: '${ \"d\\(.n)\" }'}"));
  CHECK_FALSE(caught("{status: 404}"));
  CHECK_FALSE(caught("{type: '" + std::string{type} + "timeout'}"));
  CHECK_FALSE(caught("{instance: /do/0/t}"));
}

TEST_CASE("catch: when, exceptWhen, as, do; without do the input goes on") {
  const auto with = [](const std::string& handler) {
    return run_document(
        "do:\n  - t: {try: [{a: " + raise("runtime", 500) + "}], catch: " + handler + "}\n  - z: {set: '${ . + {z: true} }'}\n",
        {{"n", 1}});
  };
  CHECK(with("{}").result == json::value{{"n", 1}, {"z", true}});
  CHECK(with("{when: $error.status == 500}").result == json::value{{"n", 1}, {"z", true}});
  CHECK(with("{when: $error.status == 1}").failed);
  CHECK(with("{exceptWhen: $error.status == 500}").failed);
  CHECK(with("{as: e, do: [{h: {set: {got: '${ $e }', n: '${ .n }'}}}]}").result ==
        json::value{{"got",
                     {{"type", std::string{type} + "runtime"},
                      {"status", 500},
                      {"title", "T"},
                      {"detail", "d1"},
                      {"instance", "/do/0/t/try/0/a"}}},
                    {"n", 1},
                    {"z", true}});
  const auto again = with("{do: [{h: " + raise("validation", 400) + "}]}");
  REQUIRE(again.failed);
  CHECK(again.failed->code == "validation");
  CHECK(again.failed->instance == "/do/0/t/catch/do/0/h");
}

TEST_CASE("retry: counts tries after the first, tells each as an attempt, then gives up") {
  const std::string rest = R"(
do:
  - t:
      try:
        - a: )" + raise("communication", 503) +
                           R"(
      catch:
        errors: {with: {status: 503}}
        retry: {delay: {seconds: 3}, backoff: {%s: {}}, limit: {attempt: {count: 3}}}
)";
  const auto with = [&](const std::string& backoff) {
    auto text = rest;
    text.replace(text.find("%s"), 2, backoff);
    return run_document(text);
  };
  const auto constant = with("constant");
  REQUIRE(constant.failed);
  CHECK(constant.failed->status == 503);
  CHECK(constant.elapsed() == 9s);
  const auto told = constant.scopes();
  for (const auto* attempt : {"1", "2", "3", "4"})
    CHECK(std::count(told.begin(), told.end(), std::string{"fail a "} + attempt + " communication") == 1);
  CHECK(with("linear").elapsed() == 3s + 6s + 9s);
  CHECK(with("exponential").elapsed() == 3s + 6s + 12s);
}

TEST_CASE("retry: policies of use.retries, conditions, jitter, total limit, and the handler after the last try") {
  const auto with = [](const std::string& retry, const std::string& more = "") {
    return run_document("use: {retries: {r: {delay: PT1S, limit: {attempt: {count: 2}}}}}\ndo:\n  - t: {try: [{a: " +
                        raise("runtime", 500) + "}], catch: {retry: " + retry + more + "}}\n");
  };
  CHECK(with("r").elapsed() == 2s);
  CHECK(with("{when: $error.status == 500, limit: {attempt: {count: 1}}, delay: PT7S}").elapsed() == 7s);
  CHECK(with("{when: $error.status == 1, limit: {attempt: {count: 1}}, delay: PT7S}").elapsed() == 0s);
  CHECK(with("{exceptWhen: $error.status == 500, limit: {attempt: {count: 1}}, delay: PT7S}").elapsed() == 0s);
  CHECK(with("{delay: PT10S, limit: {duration: PT35S}}").elapsed() == 30s);
  const auto jitter = with("{delay: PT10S, jitter: {from: PT1S, to: PT2S}, limit: {attempt: {count: 4}}}").elapsed();
  CHECK(jitter >= 44s);
  CHECK(jitter <= 48s);
  CHECK(jitter % 1s != 0s);
  const auto handled = with("r", ", do: [{h: {set: {handled: '${ $error.status }'}}}]");
  CHECK(handled.result == json::value{{"handled", 500}});
  CHECK(handled.elapsed() == 2s);
}

TEST_CASE("retry: the limit of an attempt cuts tries that follow the first") {
  const auto done = run_document(R"(
do:
  - t:
      try:
        - first: {if: 'false', set: {x: 1}}
        - w: {wait: PT20S}
        - r: {raise: {error: {type: 'https://x.y/z', status: 1}}}
      catch:
        retry: {limit: {attempt: {count: 2, duration: PT5S}}}
)");
  REQUIRE(done.failed);
  CHECK(done.failed->code == "timeout");
  CHECK(done.elapsed() == 20s + 5s + 5s);
}

TEST_CASE("timeouts of tasks and of the workflow are errors of the type timeout") {
  const auto task = run_document("do:\n  - a: {do: [{b: {wait: PT1H}}], timeout: {after: PT5S}}\n");
  REQUIRE(task.failed);
  CHECK(task.failed->type == std::string{type} + "timeout");
  CHECK(task.failed->status == 408);
  CHECK(task.failed->instance == "/do/0/a");
  CHECK(task.elapsed() == 5s);
  CHECK(task.scopes() == std::vector<std::string>{"start a 1 null", "start b 1 null", "fail b 1 cancelled", "fail a 1 timeout"});

  const auto caught = run_document(R"(
use: {timeouts: {short: {after: {seconds: 5}}}}
do:
  - t: {try: [{a: {wait: PT1H, timeout: short}}], catch: {errors: {with: {status: 408}}, do: [{h: {set: {late: true}}}]}}
)");
  CHECK(caught.result == json::value{{"late", true}});

  const auto whole = run_document("timeout: {after: PT30S}\ndo:\n  - a: {try: [{b: {wait: PT60S}}], catch: {}}\n");
  REQUIRE(whole.failed);
  CHECK(whole.failed->code == "timeout");
  CHECK(whole.elapsed() == 30s);
  CHECK(run_document("timeout: {after: PT30S}\ndo:\n  - a: {wait: PT10S}\n").finished);
  CHECK(run_document("do:\n  - a: {wait: PT10S, timeout: {after: '${ .limit }'}}\n", {{"limit", "PT1S"}}).failed);
}

TEST_CASE("a cancelled run is not held up by try") {
  document_world run{header + "do:\n  - t: {try: [{a: {wait: PT1H}}], catch: {do: [{h: {wait: PT1H}}]}}\n"};
  run.cancel();
  REQUIRE(run.failed);
  CHECK(run.failed->code == "cancelled");
  CHECK(run.scopes().back() == "fail t 1 cancelled");
}

TEST_CASE("run: shell with arguments, environment and standard input") {
  const auto done = run_document(R"(
do:
  - run:
      run:
        shell:
          command: 'printf "%s|%s|%s|" "$1" "$2" "$GREETING"; cat'
          arguments: [one, '${ .n }']
          environment: {GREETING: 'hello ${ .name }', N: 5}
          stdin: ${ .list }
)",
                                 {{"n", 2}, {"name", "you"}, {"list", {1, 2}}});
  CHECK(done.result == json::value("one|2|hello you|[1,2]"));
  REQUIRE(done.processes.size() == 1);
  CHECK(done.processes[0].program == "/bin/sh");
}

TEST_CASE("run: shell, what is returned and what an exit code does") {
  const auto with = [](const std::string& gives) {
    return run_document("do:\n  - a: {run: {shell: {command: 'echo out; echo err >&2; exit 3'}, return: " + gives + "}}\n");
  };
  CHECK(with("code").result == json::value(3));
  CHECK(with("all").result == json::value{{"code", 3}, {"stdout", "out\n"}, {"stderr", "err\n"}});
  for (const auto* gives : {"stdout", "stderr", "none"}) {
    const auto done = with(gives);
    REQUIRE(done.failed);
    CHECK(done.failed->type == std::string{type} + "runtime");
    CHECK(done.failed->status == 500);
    CHECK(done.failed->message == "the command ended with exit code 3: err");
  }
  const auto fine = [](const std::string& gives) {
    return result_of("do:\n  - a: {run: {shell: {command: 'echo out; echo err >&2'}, return: " + gives + "}}\n");
  };
  CHECK(fine("stdout") == json::value("out\n"));
  CHECK(fine("stderr") == json::value("err\n"));
  CHECK(fine("none") == json::value(nullptr));
  CHECK(fine("code") == json::value(0));
}
