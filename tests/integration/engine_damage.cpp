// A node over a journal with damaged records: it says so, shows the runs, and begins none of them again.
#include <algorithm>
#include <atomic>
#include <mutex>

#include "support/engine.hpp"
#include "support/journal_engines.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct order {
  int number = 0;
};
PERDURE_MESSAGE(order, "order/v1", number)

struct logged {
  std::mutex mutex;
  std::vector<std::string> errors;

  bool has(const std::string& part) {
    const std::lock_guard lock{mutex};
    return std::any_of(errors.begin(), errors.end(), [&](const auto& each) { return each.find(part) != std::string::npos; });
  }
};

}  // namespace

TEST_CASE("a node tells at its opening of runs that damage blocks, lists them, and refuses their key") {
  const test::temp_directory directory;
  test::scripted_run run{run_id::make(), test::made_run{.workflow = "orders", .key = "K"}};
  {
    // As a crash leaves it: the records are durable, and no row is stored.
    auto journal =
        persistence::open_lmdb_journal(directory.path(), persistence::open_mode::read_write, std::size_t{1} << 30, 0).value();
    test::must_append(*journal, run.item({run.start(), run.turn()}));
  }
  test::damage_record(directory.path(), 1, 100);
  test::damage_record(directory.path(), 2, 60);
  std::atomic<int> executed{0};
  const auto log = std::make_shared<logged>();
  node_options options;
  options.data_dir = directory.path();
  options.log = [log](const log_record& what) {
    const std::lock_guard lock{log->mutex};
    if (what.level == "error") log->errors.push_back(std::string{what.message} + " " + std::string{what.run});
  };
  auto node = std::move(node::open(std::move(options)).value());
  CHECK(log->has("blocked: record 1 is damaged"));
  CHECK(log->has(run.id.str()));
  REQUIRE(node.add(test::single<order>("orders", [&](const order&, context&) -> task<> {
    ++executed;
    co_return;
  })));
  const auto listed = node.list({}).value().runs;
  REQUIRE(listed.size() == 1);
  CHECK(listed[0].id == run.id);
  CHECK(listed[0].blocked == "record 1 is damaged");
  CHECK(node.get(run.id).value().status().value().blocked == "record 1 is damaged");

  const auto again = node.start("orders", order{1}, {.key = "K"});
  REQUIRE(again.has_error());
  CHECK(again.error().code == errc::corrupt);
  CHECK(again.error().message.find("record 1 is damaged") != std::string::npos);
  CHECK(again.error().message.find(run.id.str()) != std::string::npos);

  const auto waited = node.get(run.id).value().wait(20s);
  REQUIRE(waited.has_error());
  CHECK(waited.error().code == errc::corrupt);
  CHECK(node.get(run.id).value().cancel("out of the way").error().message.find("record 1 is damaged") != std::string::npos);
  CHECK(test::finish(node.start("orders", order{2}, {.key = "other"}).value()).status == run_status::succeeded);
  CHECK(executed == 1);
}
