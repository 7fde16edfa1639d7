// The commands of docs/http-api.md, run from the first to the last against a real server.
#include <iostream>

#include "support/catch.hpp"
#include "support/http_client.hpp"

using namespace perdure;
using test::workplace;

namespace {

/// All ```sh blocks of a document, one after the other.
std::string commands_of(const std::filesystem::path& document) {
  std::ifstream in{document};
  std::string out;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line == "```sh" || (inside && line == "```")) {
      inside = !inside;
    } else if (inside) {
      out += line + "\n";
    }
  }
  return out;
}

}  // namespace

TEST_CASE("an answer is the same compressed and not") {
  if (std::system("command -v curl > /dev/null") != 0) {
    std::cout << "\nskipped: no curl on this machine\n";
    return;
  }
  const workplace here;
  const test::served at{here};
  const auto fetch = [&](const std::string& option) {
    const auto to = here.path("answer").string();
    const auto url = "http://127.0.0.1:" + std::to_string(at.port()) + "/openapi.json";
    REQUIRE(std::system(("curl -sf " + option + " -o '" + to + "' " + url).c_str()) == 0);
    return test::slurp(to);
  };
  const auto plain = fetch("");
  CHECK(plain.size() > 1'024);
  CHECK(fetch("--compressed") == plain);
  CHECK(fetch("-H 'Accept-Encoding: gzip'").size() < plain.size() / 2);
  const auto refused = at.call_as("", "GET", "/healthz", {}, {{"Accept-Encoding", "gzip"}});
  CHECK(refused.header("content-encoding").empty());  // too short to be worth it
}

TEST_CASE("every command of the HTTP API's page does what the page says") {
  if (std::system("command -v curl jq > /dev/null") != 0) {
    std::cout << "\nskipped: no curl or jq on this machine\n";
    return;
  }
  const workplace here;
  std::filesystem::create_directory(here.path("workflows"));
  here.write("workflows/greet.yaml",
             "document: {dsl: '1.0.3', namespace: default, name: greet, version: 1.0.0}\n"
             "do:\n  - compose:\n      set: {text: '${ \"Hello \" + .name }'}\n");
  const test::served at{here, {"--workflows", here.path("workflows").string()}};
  const auto commands = commands_of(std::filesystem::path{PERDURE_SOURCE_DIR} / "docs" / "http-api.md");
  REQUIRE(commands.find("curl") != std::string::npos);
  const auto script = here.write("script.sh", "set -eux\ncd '" + here.path("").string() + "'\n" + commands + "echo all done\n");
  const auto said = here.path("said").string();
  const auto run = "PERDURE_URL=http://127.0.0.1:" + std::to_string(at.port()) + " PERDURE_KEY=" + at.admin() +
                   " PERDURE_APP_KEY=" + at.key({"--workflow", "greet"}) + " timeout 120 sh '" + script + "' > '" + said +
                   "' 2>&1";
  const auto code = std::system(run.c_str());
  INFO(test::slurp(said));
  CHECK(code == 0);
  CHECK(test::slurp(said).find("all done") != std::string::npos);
}
