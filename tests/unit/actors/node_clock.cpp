#include "actors/node_clock.hpp"

#include "support/catch.hpp"

using namespace perdure;
using namespace std::chrono_literals;

namespace {

struct clocks {
  timestamp wall{std::chrono::hours{480'000}};
  std::chrono::steady_clock::time_point steady{};
  actors::node_clock of{[this] { return wall; }, [this] { return steady; }};

  void pass(duration length) {
    wall += length;
    steady += length;
  }
};

}  // namespace

TEST_CASE("event time is the system's while that goes ahead") {
  clocks now;
  const auto begun = now.wall;
  CHECK(now.of.now() == begun);
  now.pass(5s);
  CHECK(now.of.now() == begun + 5s);
  now.wall += 3h;
  CHECK(now.of.now() == begun + 3h + 5s);
  CHECK(now.of.ahead() == 0s);
}

TEST_CASE("a clock that is set back does not stop event time") {
  clocks now;
  const auto begun = now.of.now();
  now.wall -= 2h;
  CHECK(now.of.now() == begun);
  CHECK(now.of.ahead() == 2h);
  auto last = begun;
  for (int second = 1; second <= 100; ++second) {
    now.pass(1s);
    const auto read = now.of.now();
    CHECK(read > last);
    last = read;
  }
  CHECK(last == begun + 50s);  // half the pace
  now.pass(4h);                // the system's has caught up in between
  CHECK(now.of.now() == now.wall);
  now.pass(1s);
  CHECK(now.of.now() == now.wall);
}

TEST_CASE("a clock behind the journal at the start goes on from the journal's time") {
  clocks now;
  const auto journal = now.wall + 1h;
  now.of.start_at(journal);
  CHECK(now.of.now() == journal);
  now.pass(10s);
  CHECK(now.of.now() == journal + 5s);
  now.wall -= 24h;  // once more
  now.pass(10s);
  CHECK(now.of.now() == journal + 10s);
}

TEST_CASE("a second jump back, after the system's clock had caught up, is counted from there") {
  clocks now;
  (void)now.of.now();
  now.wall -= 10s;
  (void)now.of.now();
  now.pass(60s);
  const auto caught_up = now.of.now();
  CHECK(caught_up == now.wall);
  now.wall -= 10s;
  CHECK(now.of.now() == caught_up);
  now.pass(4s);
  CHECK(now.of.now() == caught_up + 2s);
}
