// Edges: where a message goes.
#include "support/catch.hpp"

#include "core/routing.hpp"

using namespace perdure;
using namespace perdure::core;

namespace {

/// a → b (takes x), a → c (takes anything), and what a test adds.
plan sample() {
  plan out;
  for (const auto* name : {"a", "b", "c", "d"}) {
    out.by_name[name] = out.executors.size();
    out.executors.push_back({.name = name});
  }
  out.executors[1].takes = {"x"};
  out.groups_from.resize(4);
  return out;
}
void add(plan& of, edge_group group) {
  for (const auto from : group.from) of.groups_from[from].push_back(of.groups.size());
  of.groups.push_back(std::move(group));
}
output said(std::string name, json::value value = nullptr, std::string target = {}) {
  output out;
  out.name = std::move(name);
  out.value = payload{value};
  out.target = std::move(target);
  return out;
}
std::vector<route> good(const plan& of, const output& what, std::size_t from = 0) {
  auto out = routes_of(of, from, what);
  REQUIRE(out.has_value());
  return *out;
}
failure bad(const plan& of, const output& what) {
  auto out = routes_of(of, 0, what);
  REQUIRE(out.has_error());
  return out.error();
}
using routes = std::vector<route>;

}  // namespace

TEST_CASE("a direct edge delivers what its target takes") {
  auto of = sample();
  add(of, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  add(of, {.kind = edge_kind::direct, .from = {0}, .to = {2, 3}});
  CHECK(good(of, said("x")) == routes{{0, route_kind::direct, 1}, {1, route_kind::direct, 2}, {1, route_kind::direct, 3}});
  CHECK(good(of, said("y")) == routes{{1, route_kind::direct, 2}, {1, route_kind::direct, 3}});
  CHECK(good(of, said("x"), 1).empty());
}

TEST_CASE("send_to reaches one executor, and only along an edge") {
  auto of = sample();
  add(of, {.kind = edge_kind::direct, .from = {0}, .to = {1}});
  add(of, {.kind = edge_kind::direct, .from = {0}, .to = {2}});
  CHECK(good(of, said("x", nullptr, "c")) == routes{{1, route_kind::direct, 2}});
  CHECK(good(of, said("y", nullptr, "b")).empty());
  CHECK(bad(of, said("x", nullptr, "d")).message == "send_to \"d\": no edge leads there from \"a\"");
  CHECK(bad(of, said("x", nullptr, "nobody")).code == "bad_message");
}

TEST_CASE("a conditional edge asks only about its type") {
  auto of = sample();
  int asked = 0;
  add(of, {.kind = edge_kind::conditional,
           .from = {0},
           .to = {2},
           .type = "x",
           .condition = [&](std::string_view, const payload& value) {
             ++asked;
             return value.value().as_int64() > 1;
           }});
  CHECK(good(of, said("x", 2)) == routes{{0, route_kind::direct, 2}});
  CHECK(good(of, said("x", 1)).empty());
  CHECK(good(of, said("y", "text")).empty());
  CHECK(asked == 2);
}

TEST_CASE("what a condition throws is a failure that names the edge") {
  auto of = sample();
  add(of,
      {.kind = edge_kind::conditional, .from = {0}, .to = {2}, .condition = [](std::string_view name, const payload&) -> bool {
         if (name == "x") throw std::runtime_error("no such member");
         throw 5;
       }});
  CHECK(bad(of, said("x")).message == "edge \"a\" -> \"c\": its condition threw: no such member");
  CHECK(bad(of, said("x")).code == "exception");
  CHECK(bad(of, said("y")).message == "edge \"a\" -> \"c\": its condition threw an exception of unknown type");
}

TEST_CASE("a selection delivers to the chosen targets, once each, in the order chosen") {
  auto of = sample();
  std::vector<std::size_t> chosen;
  add(of, {.kind = edge_kind::selection, .from = {0}, .to = {1, 2, 3}, .choose = [&](std::string_view, const payload&) {
             return chosen;
           }});
  CHECK(good(of, said("x")).empty());
  chosen = {2, 0, 2};
  CHECK(good(of, said("x")) == routes{{0, route_kind::direct, 3}, {0, route_kind::direct, 1}});
  CHECK(good(of, said("y")) == routes{{0, route_kind::direct, 3}});
  chosen = {3};
  CHECK(bad(of, said("x")).message == "selection \"a\" -> \"b\", \"c\", \"d\": it chose target 3 of 3 (counted from 0)");
}

TEST_CASE("a fan-in buffers every message of its sources") {
  auto of = sample();
  add(of, {.kind = edge_kind::fan_in, .from = {0, 1}, .to = {3}});
  CHECK(good(of, said("x")) == routes{{0, route_kind::buffer, 3}});
  CHECK(good(of, said("y"), 1) == routes{{0, route_kind::buffer, 3}});
  CHECK(good(of, said("y"), 2).empty());
  CHECK(describe(of, of.groups[0]) == "fan-in \"a\", \"b\" -> \"d\"");
}
