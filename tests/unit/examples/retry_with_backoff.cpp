#include "examples/retry_with_backoff.hpp"

#include "perdure/testing.hpp"
#include "support/catch.hpp"

using namespace retry_with_backoff;

TEST_CASE("a page that is away twice is got with the third try, later each time") {
  testing::for_each_crash([](testing::virtual_node& node) {
    node.add(crawl());
    const auto began = node.now();
    const auto run = node.start("crawl", fetch{"index"});
    run.expect_output(json::value("<html>"));
    CHECK(node.now() - began <= 20ms + 40ms);
    CHECK(run.count_events({"step_retrying", "fetcher", "get"}) == 2);
  });
}

TEST_CASE("a page that is not there is not tried again") {
  testing::virtual_node node;
  node.add(crawl());
  CHECK(node.start("crawl", fetch{"missing"}).expect_end(run_status::failed).error->code == "not_found");
  CHECK(node.calls("fetcher", "get") == 1);
}

TEST_CASE("a service that stays away is given up after five tries") {
  testing::virtual_node node;
  node.add(crawl());
  node.fail_step({"fetcher", "get"}, "unavailable");
  CHECK(node.start("crawl", fetch{"index"}).expect_end(run_status::failed).error->code == "unavailable");
  CHECK(node.calls("fetcher", "get") == 5);
}
