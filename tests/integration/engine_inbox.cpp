// Commands that were left in a directory while no node held it.
#include "cluster/control_protocol.hpp"
#include "persistence/journal.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct tag {
  int value = 0;
};
PERDURE_MESSAGE(tag, "tag/v1", value)

/// As the command line does, so many times: a node that dies before it drops an entry leaves it for the next one.
void leave(const std::filesystem::path& directory, const cluster::run_command& what, int times) {
  auto journal = persistence::open_lmdb_journal(directory, persistence::open_mode::read_write, std::size_t{1} << 30, 0).value();
  for (int i = 0; i < times; ++i) REQUIRE(journal->put_inbox(payload{json::value(cluster::to_wire(what))}.text()));
}

std::size_t left_in(const std::filesystem::path& directory) {
  return persistence::open_lmdb_journal(directory, persistence::open_mode::read_only, std::size_t{1} << 30, 0)
      .value()
      ->inbox()
      .size();
}

}  // namespace

TEST_CASE("a command of the inbox that comes again is done once") {
  const test::temp_directory directory;
  const auto define = [](node& into) {
    REQUIRE(into.add(test::single<tag>("sum", [](const tag&, context& ctx) -> task<> {
      int sum = 0;
      for (int i = 0; i < 2; ++i) sum += (co_await ctx.wait_signal<tag>("more")).value;
      ctx.yield_output(tag{sum});
    })));
  };
  run_id id;
  {
    auto node = test::open_node(directory.path());
    define(node);
    id = node.start("sum", tag{}).value().id();
  }
  leave(directory.path(), {.what = "signal", .run = id, .name = "more", .value = to_json(tag{3}), .command_id = "c1"}, 2);
  {
    auto node = test::open_node(directory.path());
    define(node);
    const auto run = node.get(id).value();
    REQUIRE(run.signal("more", tag{4}));
    CHECK(test::finish(run).output.text() == R"({"value":7})");
  }
  CHECK(left_in(directory.path()) == 0);
}

TEST_CASE("a retry that comes again starts one linked run, also when its workflow is registered late") {
  const test::temp_directory directory;
  const auto fails = test::single<tag>("fails", [](const tag&, context&) -> task<> {
    throw step_error("no", "always");
    co_return;
  });
  run_id id;
  {
    auto node = test::open_node(directory.path());
    REQUIRE(node.add(fails));
    const auto run = node.start("fails", tag{}).value();
    CHECK(test::finish(run).status == run_status::failed);
    id = run.id();
  }
  leave(directory.path(), {.what = "retry", .run = id, .command_id = run_id::make().str()}, 2);
  { auto node = test::open_node(directory.path()); }  // without the workflow: it stays
  CHECK(left_in(directory.path()) == 2);
  {
    auto node = test::open_node(directory.path());
    REQUIRE(node.add(fails));
    const auto runs = node.list().value().runs;
    REQUIRE(runs.size() == 2);
    CHECK(test::finish(node.get(runs[0].id).value()).status == run_status::failed);
  }
  CHECK(left_in(directory.path()) == 0);
}
