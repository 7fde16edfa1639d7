// Story: `perdure runs signal` beside a node that closed at that moment, while another one was about to open, said that the
// node had closed the connection, and left it to its caller whether the signal had been taken.
#include "tools/cli/steady_client.hpp"

#include "support/journal_records.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::tools::cli;

namespace {

const error gone{errc::shutting_down, "the node closed the control connection"};

/// A node that closes: every question meets its end. It notes the ids of the commands that it may have carried out.
class closing_node final : public client {
 public:
  explicit closing_node(std::vector<std::string>& ids) : ids_(ids) {}
  result<run_page> list(const list_options&) override { return gone; }
  result<run_summary> summary(const run_id&) override { return gone; }
  result<void> stored(const run_id&, run_seq, const take_event&) override { return gone; }
  result<void> follow(const run_id&, run_seq, const take_event&, std::stop_token) override { return gone; }
  result<done> command(const cluster::run_command& what) override {
    ids_.push_back(what.command_id);
    return gone;
  }
  result<json::value> about_jobs(const json::object&) override { return gone; }
  result<json::object> stats() override { return gone; }
  [[nodiscard]] std::string_view kind() const override { return "socket"; }

 private:
  std::vector<std::string>& ids_;
};

struct place {
  place() {
    auto journal =
        persistence::open_lmdb_journal(directory.path(), persistence::open_mode::read_write, std::size_t{1} << 30, 0).value();
    test::must_append(*journal, run.item(run.start({run_status::waiting, false, {}})));
    REQUIRE(journal->flush().has_value());
    journal->mark_closed();
  }
  steady_client beside_closing_node() { return {directory.path(), std::make_unique<closing_node>(ids)}; }

  test::temp_directory directory;
  test::scripted_run run{run_id::make()};
  std::vector<std::string> ids;
};

}  // namespace

TEST_CASE("a command that meets a closing node is given to whoever has the directory then, under the same id") {
  place here;
  auto client = here.beside_closing_node();
  const cluster::run_command signal{.what = "signal", .run = here.run.id, .name = "go"};
  const bool many = GENERATE(false, true);
  const auto done = many ? client.commands({signal}).at(0) : client.command(signal);
  REQUIRE(done.has_value());
  CHECK(done->pending);
  CHECK(client.kind() == "offline");
  std::vector<std::string> left;
  REQUIRE(client.each_pending([&](const cluster::run_command& what) { left.push_back(what.command_id); }));
  REQUIRE(here.ids.size() == 1);
  CHECK_FALSE(here.ids[0].empty());
  CHECK(left == here.ids);
}

TEST_CASE("questions that meet a closing node are asked again, and what follows is left to the caller") {
  place here;
  CHECK(here.beside_closing_node().list({}).value().runs.size() == 1);
  CHECK(here.beside_closing_node().summary(here.run.id).value().status == run_status::waiting);
  CHECK(here.beside_closing_node().stats().has_value());
  std::size_t events = 0;
  CHECK(here.beside_closing_node()
            .stored(here.run.id, 0,
                    [&](const run_event&) {
                      ++events;
                      return true;
                    })
            .has_value());
  CHECK(events == 1);
  CHECK(here.beside_closing_node().follow(here.run.id, 0, [](const run_event&) { return true; }, {}).error().code ==
        errc::shutting_down);
}

TEST_CASE("an error that has nothing to do with a closing node is given at once") {
  place here;
  auto client = here.beside_closing_node();
  CHECK(client.summary(run_id::make()).error().code == errc::not_found);
  CHECK(client.command({.what = "respond", .run = here.run.id, .request_id = "1.0"}).error().code == errc::not_found);
  CHECK(here.ids.empty());
}
