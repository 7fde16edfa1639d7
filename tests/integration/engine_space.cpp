// A journal that fills up under a running node: new work is refused, running work waits, a cancel goes through, and with
// room all goes on.
#include <algorithm>

#include "persistence/journal.hpp"
#include "support/catch.hpp"
#include "support/engine.hpp"
#include "support/temp_directory.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using test::eventually;
using test::finish;

namespace {

struct tag {
  int value = 0;
};
PERDURE_MESSAGE(tag, "tag/v1", value)

node open_with_map(const std::filesystem::path& directory, std::size_t map_bytes) {
  node_options options;
  options.data_dir = directory;
  options.max_map_bytes = map_bytes;
  options.min_free_disk_bytes = 0;
  options.log = [](const log_record&) {};
  auto opened = std::move(node::open(std::move(options)).value());
  // Waits for a word, then records more than the small map holds.
  REQUIRE(opened.add(test::single<tag>("work", [](const tag& in, context& ctx) -> task<> {
    (void)co_await ctx.wait_signal<tag>("go");
    auto fill = [] { return std::string(30'000, 'x'); };
    for (int i = 0; i < 50; ++i) (void)co_await ctx.call("fill", fill);
    ctx.yield_output(in);
  })));
  return opened;
}

bool waits_for_room(const run_summary& of) { return of.blocked.starts_with("waits for room in the journal: "); }

}  // namespace

TEST_CASE("a full journal refuses new runs, lets running ones wait, takes a cancel, and with room all goes on") {
  const test::temp_directory directory;
  std::vector<run_id> left;
  {
    auto node = open_with_map(directory.path(), std::size_t{4} << 20);
    std::vector<run_ref> runs;
    for (int i = 0; i < 4; ++i) runs.push_back(node.start("work", tag{i}).value());
    for (const auto& each : runs) REQUIRE(each.signal("go", tag{}));
    std::optional<error> refused;
    REQUIRE(eventually([&] {
      std::this_thread::sleep_for(50ms);
      const auto started = node.start("work", tag{9});
      if (!started) refused = started.error();
      return refused.has_value();
    }));
    CHECK(refused->code == errc::disk_full);
    // It is full for steps too when nothing is recorded any more.
    std::uint64_t records = 0;
    REQUIRE(eventually(
        [&] {
          const auto before = std::exchange(records, node.stats().records);
          std::this_thread::sleep_for(700ms);
          return before == node.stats().records;
        },
        20s));
    for (const auto& each : runs) {
      const auto now = each.status().value();
      CHECK_FALSE(is_terminal(now.status));
      CHECK(waits_for_room(now));
    }
    for (const auto& each : node.list({}).value().runs) {  // others wait for their word, and may need none
      const bool fills = std::any_of(runs.begin(), runs.end(), [&](const run_ref& of) { return of.id() == each.id; });
      if (fills) CHECK(waits_for_room(each));
    }
    REQUIRE(runs[0].cancel("no room"));
    CHECK(finish(runs[0]).status == run_status::cancelled);
    CHECK(runs[0].status()->blocked.empty());
    for (const auto& each : runs) left.push_back(each.id());
    left.erase(left.begin());
    const auto began = std::chrono::steady_clock::now();
    node.close();
    CHECK(std::chrono::steady_clock::now() - began < 9s);
  }
  auto node = open_with_map(directory.path(), std::size_t{256} << 20);
  for (const auto& each : left) {
    CHECK(finish(node.get(each).value()).status == run_status::succeeded);
    CHECK(node.get(each)->status()->blocked.empty());
  }
  node.close();
  const auto journal =
      persistence::open_lmdb_journal(directory.path(), persistence::open_mode::read_only, std::size_t{1} << 30, 0).value();
  CHECK(journal->verify([](const run_id&) { return true; }).problems.empty());
}
