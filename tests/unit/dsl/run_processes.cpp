// Scripts, containers, and processes that nobody waits for. Every document also with a crash after each step.
#include <fstream>
#include <iostream>

#include "document_world.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

/// Says why a test cannot be made on this machine.
bool lacks(const std::string& program) {
  if (std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0) return false;
  std::cout << "\nskipped: " << program << " is not here" << std::endl;
  return true;
}

class folder : public dsl::resource_host {
 public:
  explicit folder(std::filesystem::path at) : at_(std::move(at)) {}
  std::string locate(const std::string& path) const override { return (at_ / path).string(); }
  result<std::string> read(const std::string& path) override { return error{errc::not_found, path}; }

 private:
  std::filesystem::path at_;
};

/// Notes what steps that are no processes ask for, and answers all of them with one value.
outside answers_with(json::value value, std::vector<json::value>& asked) {
  return [value = std::move(value), &asked](const core::pending_step& step) -> std::optional<core::outcome> {
    asked.push_back(step.args.value());
    return core::outcome{payload{value}, {}};
  };
}

json::value container_result(int code, const std::string& out, const std::string& err) {
  return json::object{{"code", code}, {"output", out}, {"error", err}};
}

}  // namespace

TEST_CASE("run: script in JavaScript, with arguments where a file's would be, environment and standard input") {
  if (lacks("node")) return;
  const auto with = [](const std::string& language, const std::string& code) {
    return result_of(
        "do:\n  - s:\n      run:\n        script:\n          language: " + language +
            "\n          arguments: ['${ .n | tostring }', --flag]\n          environment: {GREETING: 'hi ${ .name }'}\n"
            "          stdin: ${ .list }\n          code: |\n" +
            code,
        {{"n", 2}, {"name", "you"}, {"list", {1, 2}}});
  };
  CHECK(with("javascript", R"(
            import { readFileSync } from 'node:fs';
            const stdin = readFileSync(process.stdin.fd, 'utf8');
            const [_, __, arg, flag] = process.argv;
            console.log(`${ stdin }|${arg}|${flag}|${process.env.GREETING}`);
)") == json::value("[1,2]|2|--flag|hi you\n"));
  CHECK(with("js", R"(
            const { readFileSync } = require('fs');
            console.log(readFileSync(0, 'utf8') + process.argv[2]);
)") == json::value("[1,2]2\n"));
}

TEST_CASE("run: script in Python; return, and a script that fails") {
  if (lacks("python3")) return;
  const auto with = [](const std::string& gives) {
    return run_document(
        "do:\n  - s:\n      run:\n        script:\n          language: python\n          arguments: [a]\n          code: |\n"
        "            import sys, os\n            print(sys.argv[1] + os.environ.get('X', '-'))\n"
        "            print('bad', file=sys.stderr)\n            sys.exit(3)\n        return: " +
        gives + "\n");
  };
  CHECK(with("all").result == json::value{{"code", 3}, {"stdout", "a-\n"}, {"stderr", "bad\n"}});
  const auto failed = with("stdout");
  REQUIRE(failed.failed);
  CHECK(failed.failed->code == "runtime");
  CHECK(failed.failed->message == "the script ended with exit code 3: bad");
}

TEST_CASE("run: script from a file beside the document") {
  if (lacks("python3")) return;
  const temp_directory directory;
  std::ofstream{directory.path() / "my script.py"} << "import sys\nprint(sys.argv[1:])\n";
  const auto files = std::make_shared<folder>(directory.path());
  const auto done = run_document(
      "do:\n  - s: {run: {script: {language: python, source: {endpoint: 'file://my%20script.py'}, arguments: [x]}}}\n", nullptr,
      {}, files);
  CHECK(done.result == json::value("['x']\n"));
  CHECK(mentions(told_of("do:\n  - s: {run: {script: {language: python, source: {endpoint: 'ftp://x.y/s.py'}}}}\n"),
                 "a script at an address of the kind \"ftp\""));
  const auto wrong =
      run_document("do:\n  - s: {run: {script: {language: python, source: {endpoint: '${ .at }'}}}}\n", {{"at", "x"}});
  REQUIRE(wrong.failed);
  CHECK(wrong.failed->code == "expression");
}

TEST_CASE("scripts: unknown languages and named arguments are refused when the document is read") {
  CHECK(
      mentions(told_of("do:\n  - s: {run: {script: {language: ruby, code: x}}}\n"), "/language: expected a language of scripts"));
  CHECK(mentions(told_of("do:\n  - s: {run: {script: {language: js, code: x, arguments: {a: 1}}}}\n"),
                 "a script with named arguments is not supported"));
  CHECK(mentions(told_of("do:\n  - s: {run: {script: {language: js}}}\n"), "exactly one of the properties \"code\", \"source\""));
}

TEST_CASE("await: false begins the process in a run beside this one, and the input goes on") {
  std::vector<json::value> asked;
  const auto done = run_document("do:\n  - s: {run: {shell: {command: 'echo ${ .n }'}, await: false}}\n", {{"n", 1}},
                                 answers_with({{"run_id", "beside"}}, asked));
  CHECK(done.result == json::value{{"n", 1}});
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].at("background") == true);
  CHECK(asked[0].at("close").to_number<int>() == static_cast<int>(background_end::detach));
  CHECK(asked[0].at("message") == "perdure.process_order/v1");
  const auto& work = asked[0].at("input").at("works").at(0);
  CHECK(work.at("capability") == "process");
  CHECK(work.at("spec").at("arguments") == json::value{"-c", "echo 1", "sh"});
}

TEST_CASE("run: container is work of the capability of that name") {
  std::vector<json::value> asked;
  const auto with = [&](const std::string& rest, const json::value& result) {
    asked.clear();
    return run_document("do:\n  - my task: {run: {container: {image: alpine" + rest + "}}\n", {{"n", 1}},
                        answers_with(result, asked));
  };
  const auto done = with(
      ", command: 'cat; echo $1', stdin: '${ . }', arguments: [x], environment: {A: '${ .n }'}, ports: {8080: 80}, "
      "volumes: {/a: /b}, name: 'c-${ .n }', pullPolicy: always, lifetime: {cleanup: always}}",
      container_result(0, "out", "err"));
  CHECK(done.result == json::value("out"));
  REQUIRE_FALSE(asked.empty());
  CHECK(asked[0].at("capability") == "container");
  CHECK(asked[0].at("spec") == json::value{{"image", "alpine"},
                                           {"name", "c-1"},
                                           {"command", "cat; echo $1"},
                                           {"stdin", {{"n", 1}}},
                                           {"ports", {{"8080", 80}}},
                                           {"volumes", {{"/a", "/b"}}},
                                           {"arguments", json::array{"x"}},
                                           {"environment", {{"A", 1}}},
                                           {"pull", "always"},
                                           {"remove", true},
                                           {"durable", true}});
  CHECK(with("}, return: code", container_result(7, "", "")).result == json::value(7));
  const auto& spec = asked[0].at("spec").as_object();
  CHECK(spec.at("pull") == "missing");
  CHECK(spec.at("remove") == false);
  // The name that the specification recommends.
  const std::string name{spec.at("name").as_string()};
  CHECK(name.find("sample-") == 0);
  CHECK(name.find(".test-my_task") != std::string::npos);
  const auto failed = with("}", container_result(7, "", "no"));
  REQUIRE(failed.failed);
  CHECK(failed.failed->message == "the container ended with exit code 7: no");
}

TEST_CASE("a container that is removed eventually is removed by work beside the run") {
  std::vector<json::value> asked;
  const outside answers = [&](const core::pending_step& step) -> std::optional<core::outcome> {
    asked.push_back(step.args.value());
    if (step.kind == core::step_kind::child) return core::outcome{payload{json::value{{"run_id", "beside"}}}, {}};
    return core::outcome{payload{container_result(0, "out", "")}, {}};
  };
  const auto done = run_document(
      "do:\n  - a: {run: {container: {image: alpine, name: mine, lifetime: {cleanup: eventually, after: {minutes: 30}}}}}\n",
      nullptr, answers);
  CHECK(done.result == json::value("out"));
  CHECK(done.elapsed() == 0s);
  REQUIRE(asked.size() >= 2);
  const auto& work = asked[1].at("input").at("works").at(0);
  CHECK(work.at("spec") == json::value{{"drop", "mine"}});
  CHECK(work.at("delay").to_number<std::int64_t>() == std::chrono::microseconds{30min}.count());
  CHECK(mentions(told_of("do:\n  - a: {run: {container: {image: x, lifetime: {cleanup: eventually}}}}\n"),
                 "expected the property \"after\""));
}
