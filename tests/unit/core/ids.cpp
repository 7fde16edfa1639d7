// Run ids: order, layout, text.
#include "support/catch.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include "perdure/ids.hpp"

using perdure::run_id;

TEST_CASE("run ids of one process increase strictly") {
  auto before = run_id::make();
  for (int i = 0; i < 20'000; ++i) {
    auto next = run_id::make();
    REQUIRE(before < next);
    REQUIRE(before.str() < next.str());
    before = next;
  }
}

TEST_CASE("run ids made by several threads are all different, and increase in each") {
  std::vector<std::vector<run_id>> made(4);
  {
    std::vector<std::jthread> threads;
    for (auto& mine : made) {
      threads.emplace_back([&mine] {
        for (int i = 0; i < 2'000; ++i) mine.push_back(run_id::make());
      });
    }
  }
  std::set<run_id> all;
  for (const auto& mine : made) {
    CHECK(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  CHECK(all.size() == 8'000);
}

TEST_CASE("a run id is a UUIDv7 of the present time") {
  const auto id = run_id::make();
  CHECK((id.bytes[6] >> 4) == 7);
  CHECK((id.bytes[8] >> 6) == 2);
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | id.bytes[i];
  const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now().time_since_epoch());
  CHECK(std::abs(now.count() - milliseconds) < 60'000);
}

TEST_CASE("a run id is read from its canonical form in either case, and from nothing else") {
  const auto id = run_id::parse("0190a5d0-7b1c-7def-8123-456789abcdef");
  REQUIRE(id);
  CHECK(id->bytes[0] == 0x01);
  CHECK(id->bytes[15] == 0xef);
  CHECK(id->str() == "0190a5d0-7b1c-7def-8123-456789abcdef");
  CHECK(run_id::parse("0190A5D0-7B1C-7DEF-8123-456789ABCDEF") == id);
  CHECK(run_id::parse(run_id{}.str())->is_nil());
  for (const auto* bad :
       {"", "0190a5d0", "0190a5d07b1c7def8123456789abcdef", "{0190a5d0-7b1c-7def-8123-456789abcdef}",
        "0190a5d0-7b1c-7def-8123-456789abcdeg", "0190a5d0-7b1c-7def-8123-456789abcde", "0190a5d0-7b1c-7def-8123-456789abcdef0",
        "0190a5d0-7b1c-7def-81234-56789abcdef", "-190a5d0-7b1c-7def-8123-456789abcdef", "0190a5d0 7b1c-7def-8123-456789abcdef"}) {
    INFO(bad);
    CHECK_FALSE(run_id::parse(bad));
  }
}

TEST_CASE("hashes of run ids made in one millisecond differ") {
  std::set<std::size_t> hashes;
  for (int i = 0; i < 1'000; ++i) hashes.insert(std::hash<run_id>{}(run_id::make()));
  CHECK(hashes.size() == 1'000);
}
