// What documents need of the world, through the program: schemas checked by workers and read from files, other workflows,
// scripts, containers, processes that nobody waits for.
#include <sys/stat.h>

#include <iostream>

#include "cluster/documents.hpp"
#include "support/catch.hpp"
#include "support/program.hpp"

using namespace perdure;
using perdure::test::workplace;

namespace {

constexpr auto validation = "https://serverlessworkflow.io/spec/1.0.0/errors/validation";

/// PATH of this process, and so of the programs it starts, for as long as it lives.
class path_variable {
 public:
  explicit path_variable(const std::string& value) : before_(std::getenv("PATH")) { ::setenv("PATH", value.c_str(), 1); }
  ~path_variable() { ::setenv("PATH", before_.c_str(), 1); }
  [[nodiscard]] const std::string& before() const { return before_; }

 private:
  std::string before_;
};

}  // namespace

TEST_CASE("a schema with references and patterns is checked by a worker, before the document runs and on every value") {
  const workplace here;
  const auto with = [&](const std::string& schema) {
    return here.write(
        "s.yaml", "document: {dsl: '1.0.3', namespace: default, name: s, version: 1.0.0}\ninput: {schema: {document: " + schema +
                      "}}\ndo:\n  - a: {set: {ok: true}}\n");
  };
  const auto file =
      with("{definitions: {name: {type: string, pattern: '^[a-z]+$'}}, properties: {n: {$ref: '#/definitions/name'}}}");
  CHECK(here.call({"run", file, "--input", R"({"n":"abc"})"}).out == "{\"ok\":true}\n");
  const auto bad = here.call({"run", file, "--input", R"({"n":"ABC"})", "--json"});
  CHECK(bad.code == 1);
  CHECK(bad.json().at("error").at("type") == validation);
  CHECK(bad.json().at("error").at("status") == 400);
  CHECK(bad.err.find("/n") == std::string::npos);  // told in the outcome, not on standard error
  CHECK(test::text_of(bad.json().at("error").at("detail")).find("at /n: ") != std::string::npos);
  const auto invalid = here.run({"validate", with("{$ref: '#/nowhere'}")});
  CHECK(invalid.code == 1);
  CHECK(invalid.err.find("not a JSON Schema of draft 7") != std::string::npos);
}

TEST_CASE("documents are kept for their owner alone, also where an older version kept them for everybody") {
  const workplace here;
  const auto mode_of = [](const std::filesystem::path& path) {
    struct stat info {};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777U : 0U;
  };
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  REQUIRE(here.call({"run", file}).code == 0);
  const auto kept = here.path("data") / "documents";
  CHECK(mode_of(kept) == 0700);
  for (const auto& each : std::filesystem::recursive_directory_iterator(kept))
    CHECK(mode_of(each.path()) == (each.is_directory() ? 0700U : 0600U));
  std::filesystem::permissions(kept, std::filesystem::perms{0755});
  REQUIRE(here.call({"run", file}).code == 0);
  CHECK(mode_of(kept) == 0700);
}

TEST_CASE("a kept document that cannot be read is told, not passed over") {
  const workplace here;
  const auto file = here.document("d", "  - a:\n      set: {x: 1}\n");
  const auto first = here.call({"run", file, "--json"});
  REQUIRE(first.code == 0);
  CHECK(first.err.empty());
  for (const auto& each : std::filesystem::recursive_directory_iterator(here.path("data") / "documents"))
    if (each.path().extension() == ".yaml") std::ofstream{each.path()} << "document: [\n";
  const auto told = [](const test::program_result& done) {
    return done.err.find("a kept document cannot be read") != std::string::npos && done.err.find("1.0.0-") != std::string::npos;
  };
  const auto named = here.call({"run", "d"});
  CHECK(named.code == 1);
  CHECK(told(named));
  CHECK(told(here.call({"journal", "replay", test::text_of(first.json().at("run_id"))})));
  const auto other = here.call({"run", here.document("e", "  - a:\n      set: {x: 1}\n")});
  CHECK(other.code == 0);
  CHECK(told(other));
}

TEST_CASE("a schema that would keep a process busy for ever, or take it down, ends in an error") {
  const workplace here;
  const std::vector<std::pair<std::string, std::string>> hostile{
      {"{pattern: '^(a+)+$'}", "\"" + std::string(60, 'a') + "b\""},
      {"{allOf: [{$ref: '#'}]}", "1"},
      {"{pattern: '^(a|b|c)*$'}", "\"" + std::string(1'000'000, 'a') + "\""}};
  for (const auto& [schema, value] : hostile) {
    INFO(schema);
    const auto file = here.write("h.yaml",
                                 "document: {dsl: '1.0.3', namespace: default, name: h, version: 1.0.0}\ndo:\n  - a:\n      "
                                 "input: {schema: {document: " +
                                     schema + "}}\n      set: {ok: true}\n");
    here.write("value.json", value);
    const auto done = here.call({"run", file, "--input", "@" + here.path("value.json").string(), "--json"});
    CHECK(done.code == 1);
    const auto error = done.json().at("error");
    CHECK(error.is_object());
    CHECK(error.at("code") == "runtime");
  }
}

TEST_CASE("files that a document names begin at its folder, also after a restart") {
  const workplace here;
  std::filesystem::create_directory(here.path("docs"));
  here.write("docs/order.json", R"({"required": ["id"]})");
  const auto file = here.write("docs/f.yaml",
                               "document: {dsl: '1.0.3', namespace: default, name: f, version: 1.0.0}\ndo:\n"
                               "  - a: {input: {schema: {resource: {endpoint: 'file://order.json'}}}, set: '${ . }'}\n"
                               "  - w: {wait: {milliseconds: 1500}}\n"
                               "  - b: {input: {schema: {resource: {endpoint: 'file://order.json'}}}, set: '${ .id }'}\n");
  const std::vector<std::string> command{"run", file, "--key", "k", "--input", R"({"id":7})", "--json"};
  auto first = here.start(command);
  REQUIRE(workplace::eventually([&] {
    return here.call({"runs", "list", "--json"}).out.find("\"waiting\"") != std::string::npos;
  }));
  first->kill();
  // Through another document the directory is opened: the first one's text comes from what was kept.
  const auto other = here.document("other", "  - o: {wait: {milliseconds: 2500}}\n");
  CHECK(here.call({"run", other}).code == 0);
  const auto again = here.call(command);
  CHECK(again.code == 0);
  CHECK(again.json().at("output") == 7);
}

TEST_CASE("a function of the data directory's catalog is called by name and version, also by a document that may read no files") {
  const workplace here;
  std::filesystem::create_directories(here.path("data/catalog/functions/double/1.0.0"));
  const auto called = here.document("calls", "  - c: {call: 'double:1.0.0@default', with: {n: 21}, output: {as: .twice}}\n");
  const auto missing = here.call({"run", called, "--json"}).json().at("error");
  CHECK(missing.at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/configuration");
  CHECK(test::text_of(missing.at("detail")).find("data/catalog/functions/double/1.0.0/function.yaml") != std::string::npos);
  here.write("data/catalog/functions/double/1.0.0/function.yaml", "set: {twice: '${ .n * 2 }'}\n");
  CHECK(here.call({"run", called}).out == "42\n");
  cluster::document_reader strict{here.path("data"), std::getenv("PERDURE_BINARY"), cluster::document_limits{}};
  CHECK(strict.read(test::slurp(called), "calls.yaml").has_value());
}

TEST_CASE("a document runs another one that comes along, and takes its error") {
  const workplace here;
  const auto child = here.write("child.yaml",
                                "document: {dsl: '1.0.3', namespace: jobs, name: child, version: 2.0.0}\ndo:\n"
                                "  - a: {switch: [{bad: {when: .bad, then: fail}}, {good: {then: give}}]}\n"
                                "  - give: {set: {twice: '${ .n * 2 }'}, then: end}\n"
                                "  - fail: {raise: {error: {type: 'https://x.y/no-stock', status: 409, detail: sold out}}}\n");
  const auto parent = here.document("parent",
                                    "  - c: {run: {workflow: {namespace: jobs, name: child, version: 2.0.0, input: '${ . }'}}}\n"
                                    "  - d: {set: '${ .twice + 1 }'}\n");
  const auto done = here.call({"run", parent, "--with", child, "--input", R"({"n":20})"});
  CHECK(done.out == "41\n");
  const auto bad = here.call({"run", parent, "--input", R"({"bad":true})", "--json"});  // kept, so it need not come again
  CHECK(bad.code == 1);
  CHECK(bad.json().at("error").at("type") == "https://x.y/no-stock");
  CHECK(bad.json().at("error").at("status") == 409);
  CHECK(bad.json().at("error").at("instance") == "/do/0/c");
  const auto missing = here.call(
      {"run", here.document("lost", "  - c: {run: {workflow: {namespace: jobs, name: child, version: 3.0.0}}}\n"), "--json"});
  CHECK(missing.code == 1);
  CHECK(test::text_of(missing.json().at("error").at("detail")).find("workflow \"jobs/child\" 3.0.0 is not registered") !=
        std::string::npos);
}

TEST_CASE("a retry does the task that failed again: a program's exit code, a time limit, a child") {
  const workplace here;
  const auto ledger = here.path("ledger").string(), flag = here.path("flag").string();
  const auto shell = [&](const std::string& name, const std::string& then) {
    return "  - " + name + ": {run: {shell: {command: 'echo " + name + " >> " + ledger + "; " + then + "'}}";
  };
  const auto needs_flag = "test -e " + flag;
  std::vector<std::string> more, wanted{"a", "b", "b"};
  std::string file;
  SECTION("exit code") { file = here.document("code", shell("a", "true") + "}\n" + shell("b", needs_flag) + "}\n"); }
  SECTION("time limit") {
    file = here.document("late", shell("a", "true") + "}\n" + shell("b", needs_flag + " || sleep 20") +
                                     ", timeout: {after: {milliseconds: 400}}}\n");
  }
  SECTION("child") {
    more = {"--with", here.document("child", shell("b", needs_flag) + "}\n")};
    file = here.document(
        "parent", shell("a", "true") + "}\n  - c: {run: {workflow: {namespace: default, name: child, version: latest}}}\n");
  }
  std::vector<std::string> line{"run", file};
  line.insert(line.end(), more.begin(), more.end());
  CHECK(here.call(line).code == 1);
  here.write("flag", "");
  const auto listed = here.call({"runs", "list", "--json"}).json().at("runs").as_array();
  const auto failed = std::find_if(listed.begin(), listed.end(), [&](const auto& each) {
    return test::text_of(each.at("workflow")).find("child") == std::string::npos;
  });
  REQUIRE(failed != listed.end());
  const auto again = here.call({"runs", "retry", test::text_of(failed->at("run_id")), "--json"});
  CHECK(again.code == 0);
  CHECK(here.call({"runs", "wait", "--all"}).code == 0);
  CHECK(here.lines("ledger") == wanted);
}

TEST_CASE("what a document leaves to itself is waited for before the program ends") {
  const workplace here;
  const auto child = here.document("child", "  - w: {wait: {milliseconds: 300}}\n  - n: {run: {shell: {command: 'echo child >> " +
                                                here.path("ledger").string() + "'}}}\n");
  const auto file =
      here.document("leaves", "  - p: {run: {shell: {command: 'sleep 0.5; echo process >> " + here.path("ledger").string() +
                                  "'}, await: false}}\n"
                                  "  - c: {run: {workflow: {namespace: default, name: child, version: latest}, await: false}}\n"
                                  "  - o: {set: {over: true}}\n");
  const auto done = here.call({"run", file, "--with", child});
  CHECK(done.code == 0);
  CHECK(done.out == "{\"over\":true}\n");
  auto lines = here.lines("ledger");
  std::sort(lines.begin(), lines.end());
  CHECK(lines == std::vector<std::string>{"child", "process"});
}

TEST_CASE("a program that a script needs and the machine lacks is named") {
  const workplace here;
  std::filesystem::create_directory(here.path("empty"));
  const path_variable path{here.path("empty").string()};
  const auto script = here.call({"run", here.document("s", "  - a: {run: {script: {language: js, code: '1'}}}\n"), "--json"});
  CHECK(script.code == 1);
  CHECK(test::text_of(script.json().at("error").at("detail")).find("cannot start \"node\"") != std::string::npos);
  const auto container = here.call({"run", here.document("c", "  - a: {run: {container: {image: x}}}\n"), "--json"});
  CHECK(container.code == 1);
  CHECK(container.json().at("error").at("type") == "https://serverlessworkflow.io/spec/1.0.0/errors/runtime");
  CHECK(test::text_of(container.json().at("error").at("detail")).find("needs docker or podman") != std::string::npos);
}

TEST_CASE("a container runs with the engine on the PATH, and gets all that the document says") {
  const workplace here;
  std::filesystem::create_directory(here.path("bin"));
  // An engine that writes down what it is asked, and runs nothing.
  const auto engine =
      here.write("bin/docker", "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\n' \"$word\" >> " + here.path("asked").string() +
                                   "; done\n[ \"$1\" = run ] || exit 0\n[ -z \"$FAIL\" ] || { echo broken >&2; exit 125; }\n"
                                   "printf 'A=%s in=' \"$A\"; cat\n");
  ::chmod(engine.c_str(), 0755);
  const path_variable path{here.path("bin").string() + ":" + std::getenv("PATH")};
  const std::string more =
      ", command: 'echo $1', arguments: [x y], environment: {A: b%s}, stdin: '${ .in }', ports: {8080: 80}, "
      "volumes: {/a: /b}, name: mine, pullPolicy: never, lifetime: {cleanup: always}}";
  const auto with = [&](const std::string& environment) {
    auto text = "  - a: {run: {container: {image: 'alpine:3'" + more + "}}\n";
    text.replace(text.find("%s"), 2, environment);
    return here.call(
        {"run", here.document("c", text, "1.0." + std::to_string(environment.size())), "--input", R"({"in":"data"})", "--json"});
  };
  const auto done = with("");
  CHECK(done.json().at("output") == "A=b in=data");
  const auto asked = here.lines("asked");
  const auto begins = std::find(asked.begin(), asked.end(), "run");
  REQUIRE(begins != asked.end());
  std::vector<std::string> words(begins, asked.end());
  REQUIRE(words.size() > 3);
  CHECK(words[2].find("perdure.key=") == 0);
  words.erase(words.begin(), words.begin() + 3);
  CHECK(words == std::vector<std::string>{"--pull=never", "--rm", "--name", "mine", "-i", "-e", "A", "-p", "8080:80", "-v",
                                          "/a:/b", "--", "alpine:3", "sh", "-c", "echo $1", "sh", "x y"});
  const auto broken = with(", FAIL: 'yes'");
  CHECK(broken.code == 1);
  CHECK(test::text_of(broken.json().at("error").at("detail")).find("could not run the container: broken") != std::string::npos);
}

TEST_CASE("waits of branches, of a retry and of a time limit are shown at their own tasks") {
  const workplace here;
  const auto file =
      here.document("waits",
                    "  - lanes:\n      fork:\n        branches:\n"
                    "          - first: {do: [{prepare: {set: {x: 1}}}, {long: {wait: {hours: 1}}}]}\n"
                    "          - second: {do: [{brief: {wait: {hours: 2}}}]}\n"
                    "          - third:\n              try:\n"
                    "                - deep: {do: [{fails: {raise: {error: {type: 'https://x.y/z', status: 503}}}}]}\n"
                    "              catch: {retry: {delay: {hours: 3}}}\n"
                    "          - fourth: {do: [{listens: {listen: {to: {any: []}}, timeout: {after: {hours: 4}}}}]}\n");
  auto running = here.start({"run", file, "--json", "--key", "k"});
  json::value shown;
  REQUIRE(workplace::eventually([&] {
    const auto list = here.call({"runs", "list", "--workflow", "waits", "--json"});
    if (list.code != 0 || list.json().at("runs").as_array().empty()) return false;
    shown = here.call({"runs", "show", test::text_of(list.json().at("runs").at(0).at("run_id")), "--json"}).json();
    return shown.at("timers").as_array().size() == 4 && shown.at("status") == "waiting";
  }));
  std::vector<std::string> owners;
  for (const auto& each : shown.at("timers").as_array()) owners.push_back(test::text_of(each.at("executor")));
  CHECK(owners == std::vector<std::string>{"long", "brief", "fails", "listens"});
  for (const auto& each : shown.at("executors").as_array()) {
    const auto name = test::text_of(each.at("name"));
    if (name == "fails") CHECK(each.at("status") == "retrying");
    if (name == "listens" || name == "long" || name == "brief") CHECK(each.at("status") == "waiting");
  }
  running->kill();
}
