// difference: what a changed graph is told to have changed.
#include "flow/plan_difference.hpp"

#include "flow/definition.hpp"
#include "perdure/perdure.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace std::chrono_literals;

namespace {

struct note {
  int value = 0;
};
PERDURE_MESSAGE(note, "note/v1", value)

class one : public executor<note> {
  task<> handle(const note&, context&) override { co_return; }
};

workflow_builder two(executor_options options = {}) {
  workflow_builder out{"w", "1"};
  out.add<one>("a", options).add<one>("b").start_at("a").edge("a", "b");
  return out;
}
std::string differ(workflow_builder before, workflow_builder after) {
  const auto was = before.build(), is = after.build();
  CHECK((was.hash() == is.hash()) == flow::difference(was.definition().plan, is.definition().plan).empty());
  return flow::difference(was.definition().plan, is.definition().plan);
}

}  // namespace

TEST_CASE("a graph does not differ from itself") { CHECK(differ(two(), two()).empty()); }

TEST_CASE("executors, edges, policies and limits that changed are named with both sides") {
  workflow_builder other{"w", "1"};
  other.add<one>("a").add<one>("c").start_at("a").edge("a", "c");
  CHECK(differ(two(), std::move(other)) ==
        "executor \"b\" is gone; executor \"c\" is new; edge \"a\" -> \"b\" is gone; edge \"a\" -> \"c\" is new");
  CHECK(differ(two(), two({.timeout = 5s})) == "executor \"a\": start_to_close none, now 5s");
  CHECK(differ(two(), two({.retry = retry(3)})) == "executor \"a\": retries 1 attempts, now 3");
  CHECK(differ(two({.retry = retry(3)}), two({.retry = retry(3, fixed(1s))})) == "executor \"a\": another retry policy");
  auto limited = two();
  limited.with_timeout(1h).with_max_activations(7);
  CHECK(differ(two(), std::move(limited)) == "time limit none, now 1h; max_activations 100000, now 7");
}
