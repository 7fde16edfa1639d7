// Documents and runs as pictures, through the program.
#include "support/catch.hpp"
#include "support/program.hpp"

#include <algorithm>

using namespace perdure;
using namespace perdure::test;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A document that fails once, waits, and succeeds.
std::string flaky(const workplace& here) {
  return here.document(
      "flaky",
      "  - fetch:\n      try:\n        - get:\n            run:\n              shell:\n                command: test -e " +
          here.path("flag").string() + " || { touch " + here.path("flag").string() +
          "; exit 3; }\n      catch:\n        retry: {delay: {milliseconds: 300}, limit: {attempt: {count: 3}}}\n"
          "  - pause:\n      wait: {milliseconds: 400}\n");
}

}  // namespace

TEST_CASE("a document is drawn for Mermaid and for Graphviz, from its file and by its name") {
  const workplace here;
  const auto file = flaky(here);
  const auto mermaid = here.call({"graph", file});
  CHECK(mermaid.code == 0);
  CHECK(has(mermaid.out, "flowchart TD"));
  CHECK(has(mermaid.out, "fetch (try)"));
  const auto dot = here.call({"graph", file, "--format", "dot", "--json"});
  CHECK(dot.code == 0);
  CHECK(dot.json().at("workflow") == "flaky");
  CHECK(dot.json().at("format") == "dot");
  CHECK(has(text_of(dot.json().at("text")), "digraph"));
  CHECK(here.call({"graph", "flaky"}).code == 1);
  REQUIRE(here.call({"run", file}).code == 0);
  CHECK(here.call({"graph", "flaky"}).out == mermaid.out);
  CHECK(here.call({"graph", file, "--format", "png"}).code == 2);
  CHECK(has(here.call({"graph", here.write("bad.yaml", "do: [")}).err, "bad.yaml:1:"));
}

TEST_CASE("a run is drawn over time as text that fits, as JSON and as SVG") {
  const workplace here;
  REQUIRE(here.call({"run", flaky(here)}).code == 0);
  const auto runs = here.call({"runs", "list", "--json"}).json().at("runs").as_array();
  const auto run = text_of(runs.at(0).at("run_id"));
  const auto text = here.call({"runs", "show", run, "--timeline"});
  CHECK(text.code == 0);
  CHECK(has(text.out, "fetch"));
  CHECK(has(text.out, "get ×2"));
  CHECK(has(text.out, "░"));
  const auto shown = here.call({"runs", "show", run, "--timeline", "--json"}).json();
  CHECK(members_of(shown) == std::vector<std::string>{"run_id", "workflow", "version", "run", "rows", "left_out"});
  const auto& rows = shown.at("rows").as_array();
  REQUIRE(rows.size() == 3);
  CHECK(rows[1].at("name") == "get");
  CHECK(rows[1].at("depth") == 1);
  CHECK(rows[1].at("attempts") == 2);
  CHECK(rows[1].at("failures").as_array().size() == 1);
  CHECK(rows[2].at("spans").as_array()[0].at("what") == "waiting");
  CHECK(shown.at("run").at("open") == false);
  const auto few = here.call({"runs", "show", run, "--timeline", "--rows", "1"});
  CHECK(has(few.out, "2 shorter ones"));
  const auto picture = here.path("run.svg").string();
  CHECK(here.call({"runs", "show", run, "--svg", picture}).code == 0);
  CHECK(has(slurp(picture), "</svg>"));
  CHECK(here.call({"runs", "show", run, "--svg", "-"}).out == slurp(picture));
  CHECK(here.call({"runs", "show", run, "--svg", "/nowhere/run.svg"}).code == 1);
}
