#include "tools/cli/task_tree.hpp"

#include "support/catch.hpp"

using namespace perdure;
using perdure::tools::executor_view;
using perdure::tools::cli::tree_of;

namespace {

std::string drawn(const std::vector<std::string>& references) {
  std::vector<executor_view> all;
  for (const auto& each : references) {
    executor_view one;
    one.name = each.substr(each.rfind('/') + 1);
    one.reference = each;
    one.activation = 1;
    all.push_back(std::move(one));
  }
  std::string out;
  for (const auto& each : tree_of(all)) out += std::string(each.depth, '.') + each.what->name + " ";
  return out;
}

}  // namespace

TEST_CASE("tasks stand below the task that they are part of, in the order they started") {
  CHECK(drawn({"/do/0/a", "/do/1/b", "/do/2/c"}) == "a b c ");
  // Two branches that go on at the same time, one with a list inside.
  CHECK(drawn({"/do/0/f", "/do/0/f/fork/branches/0/x", "/do/0/f/fork/branches/1/y", "/do/0/f/fork/branches/0/x/do/0/in",
               "/do/0/f/fork/branches/1/y/do/0/in2", "/do/1/last"}) == "f .x ..in .y ..in2 last ");
  // The turns of a loop, and a name that begins as another does.
  CHECK(drawn({"/do/0/l", "/do/0/l/do/0/t", "/do/0/l/do/0/t/do/0/u", "/do/0/l/do/0/t", "/do/0/l/do/0/t/do/0/u", "/do/0/lo"}) ==
        "l .t ..u .t ..u lo ");
  CHECK(drawn({"/do/0/call", "/use/functions/f", "/use/functions/f/do/0/in"}) == "call f .in ");
}

TEST_CASE("executors without references, and those of other activations, are nobody's part") {
  std::vector<executor_view> all(3);
  all[0].reference = "/do/0/a";
  all[0].activation = 1;
  all[1].reference = "/do/0/a/do/0/b";
  all[1].activation = 2;
  for (const auto& each : tree_of(all)) CHECK(each.depth == 0);
  CHECK(tree_of({}).empty());
}
