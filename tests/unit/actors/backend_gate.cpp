// Whose turn it is at a backend, and whether the backend is there.
#include "actors/backends/backend_gate.hpp"

#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

const backend_gate::time start{std::chrono::hours{1}};

std::vector<std::string> all_of(backend_gate& gate, backend_gate::time now = start) {
  std::vector<std::string> out;
  while (auto next = gate.next(now)) out.push_back(*next);
  return out;
}

}  // namespace

TEST_CASE("without limits everybody goes at once, the highest priority first, then the oldest") {
  backend_gate gate{{}};
  gate.enter("a", "t", 0);
  gate.enter("b", "t", 5);
  gate.enter("c", "t", 0);
  gate.enter("a", "t", 0);  // again: it keeps its place
  CHECK(all_of(gate) == std::vector<std::string>{"b", "a", "c"});
  CHECK(gate.health().running == 3);
  CHECK(gate.health().waiting == 0);
}

TEST_CASE("a priority that changes changes the place in the row") {
  backend_gate gate{{}};
  gate.enter("a", "t", 0);
  gate.enter("b", "t", 0);
  gate.enter("b", "t", 1);
  CHECK(all_of(gate) == std::vector<std::string>{"b", "a"});
}

TEST_CASE("no more than the limit are there at once, and a place that is given back is taken by the next") {
  backend_gate gate{{.running = 2}};
  for (const auto* each : {"a", "b", "c", "d"}) gate.enter(each, "t", 0);
  CHECK(all_of(gate) == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(gate.again_at(start));
  gate.free("a");
  gate.free("a");
  CHECK(all_of(gate) == std::vector<std::string>{"c"});
  gate.leave("d");
  gate.free("b");
  CHECK(all_of(gate).empty());
}

TEST_CASE("jobs that are there already count, also beyond the limit") {
  backend_gate gate{{.running = 1}};
  gate.hold("x", "t");
  gate.hold("y", "t");
  gate.enter("a", "t", 0);
  CHECK(all_of(gate).empty());
  gate.free("x");
  CHECK(all_of(gate).empty());
  gate.free("y");
  CHECK(all_of(gate) == std::vector<std::string>{"a"});
}

TEST_CASE("a tenant with many jobs does not keep another one waiting, whatever their priorities") {
  backend_gate gate{{.running = 4}};
  for (int i = 0; i < 100; ++i) gate.enter("many" + std::to_string(i), "many", 100);
  gate.enter("few0", "few", 0);
  gate.enter("few1", "few", 0);
  const auto first = all_of(gate);
  REQUIRE(first.size() == 4);
  CHECK(std::count_if(first.begin(), first.end(), [](const auto& each) { return each.starts_with("few"); }) == 2);
  // Whose place comes free does not matter: who has fewer there is next.
  gate.enter("few2", "few", 0);
  gate.free("few0");
  CHECK(all_of(gate) == std::vector<std::string>{"few2"});
}

TEST_CASE("tenants with as many jobs take turns") {
  backend_gate gate{{.running = 1}};
  for (const auto* each : {"a", "b", "c"}) {
    for (int i = 0; i < 2; ++i) gate.enter(each + std::to_string(i), each, 0);
  }
  std::string order;
  for (int i = 0; i < 6; ++i) {
    const auto next = gate.next(start);
    REQUIRE(next);
    order += next->front();
    gate.free(*next);
  }
  CHECK(order == "abcabc");
}

TEST_CASE("a place that is held for a time is free after it") {
  backend_gate gate{{.running = 1}};
  gate.hold("a", "t", start + 10s);
  gate.enter("b", "t", 0);
  CHECK_FALSE(gate.next(start + 9s));
  REQUIRE(gate.again_at(start));
  CHECK(*gate.again_at(start) == start + 10s);
  CHECK(gate.next(start + 10s) == std::optional<std::string>{"b"});
  // One that is kept on has no time.
  gate.hold("b", "t", start + 20s);
  gate.hold("b", "t");
  gate.enter("c", "t", 0);
  CHECK_FALSE(gate.next(start + 1h));
}

TEST_CASE("the rate holds over any time, and a burst is made up for") {
  backend_gate gate{{.submits_per_second = 10, .burst = 5}};
  for (int i = 0; i < 1'000; ++i) gate.enter(std::to_string(i), "t", 0);
  CHECK(all_of(gate).size() == 5);
  std::size_t count = 0;
  for (auto now = start; now < start + 10s; now += 7ms) count += all_of(gate, now).size();
  CHECK(count >= 98);
  CHECK(count <= 101);
  const auto again = gate.again_at(start + 10s);
  REQUIRE(again);
  CHECK(*again > start + 9s);
  CHECK(*again <= start + 10s + 101ms);
}

TEST_CASE("after some failures in a row a backend is down: one tries, the others wait, and an answer brings it back") {
  backend_gate gate{{.retry = fixed(10s), .down_after = 3}};
  CHECK_FALSE(gate.missed("cut", start));
  CHECK_FALSE(gate.missed("cut", start));
  CHECK(gate.up());
  CHECK_FALSE(gate.reached());  // a row that ends does not count
  CHECK_FALSE(gate.missed("cut", start));
  CHECK_FALSE(gate.missed("cut", start));
  CHECK(gate.missed("cut again", start));
  CHECK_FALSE(gate.up());
  CHECK(gate.health().why == "cut again");
  gate.enter("a", "t", 0);
  gate.enter("b", "t", 0);
  CHECK(all_of(gate, start + 9s).empty());
  CHECK(all_of(gate, start + 10s) == std::vector<std::string>{"a"});
  CHECK_FALSE(gate.may_call(start + 10s));
  gate.free("a");
  CHECK_FALSE(gate.missed("still", start + 11s));
  CHECK(*gate.again_at(start + 11s) == start + 21s);
  CHECK(gate.may_call(start + 21s));
  CHECK_FALSE(gate.may_call(start + 21s));
  CHECK(gate.reached());
  CHECK(gate.health().why.empty());
  CHECK(all_of(gate, start + 21s) == std::vector<std::string>{"b"});
}

TEST_CASE("a trial that comes to nothing leaves it to another") {
  backend_gate gate{{.retry = fixed(10s), .down_after = 1}};
  CHECK(gate.missed("cut", start));
  gate.enter("a", "t", 0);
  gate.enter("b", "t", 0);
  CHECK(gate.next(start + 10s) == std::optional<std::string>{"a"});
  CHECK_FALSE(gate.next(start + 10s));
  gate.free("a");  // its run did not want it any more
  CHECK(gate.next(start + 10s) == std::optional<std::string>{"b"});
}
