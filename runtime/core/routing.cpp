// Routing along edges.
#include "core/routing.hpp"

#include <algorithm>

namespace perdure::core {

namespace {

bool takes(const executor_plan& target, std::string_view message) {
  return target.takes.empty() || std::find(target.takes.begin(), target.takes.end(), message) != target.takes.end();
}

std::string names(const plan& of, const std::vector<std::size_t>& indices) {
  std::string out;
  for (const auto each : indices) out += (out.empty() ? "\"" : ", \"") + of.executors[each].name + "\"";
  return out;
}

failure edge_failure(const plan& of, const edge_group& group, std::string_view code, const std::string& what) {
  return {.code = std::string{code}, .message = describe(of, group) + ": " + what};
}

/// Runs the user's function; what it throws becomes a failure that names the edge.
template <class F>
boost::system::result<std::invoke_result_t<F&>, failure> guarded(const plan& of, const edge_group& group, F call) {
  try {
    return call();
  } catch (const std::exception& error) {
    return edge_failure(of, group, failure_code::exception, std::string{"its condition threw: "} + error.what());
  } catch (...) {
    return edge_failure(of, group, failure_code::exception, "its condition threw an exception of unknown type");
  }
}

}  // namespace

std::string describe(const plan& of, const edge_group& group) {
  const auto* kind = group.kind == edge_kind::fan_in ? "fan-in " : group.kind == edge_kind::selection ? "selection " : "edge ";
  return kind + names(of, group.from) + " -> " + names(of, group.to);
}

boost::system::result<std::vector<route>, failure> routes_of(const plan& of, std::size_t from, const output& what) {
  std::vector<route> out;
  const auto wanted = [&](std::size_t target) { return what.target.empty() || of.executors[target].name == what.target; };
  bool reachable = what.target.empty();
  for (const auto index : of.groups_from[from]) {
    const auto& group = of.groups[index];
    const auto add = [&](std::size_t target, route_kind kind) {
      if (wanted(target)) out.push_back({static_cast<std::uint32_t>(index), kind, target});
    };
    const bool here = std::any_of(group.to.begin(), group.to.end(), wanted);
    reachable = reachable || here;
    if (!here || (!group.type.empty() && group.type != what.name)) continue;
    switch (group.kind) {
      case edge_kind::direct:
        for (const auto target : group.to) {
          if (takes(of.executors[target], what.name)) add(target, route_kind::direct);
        }
        break;
      case edge_kind::conditional: {
        if (!takes(of.executors[group.to.front()], what.name)) break;
        const auto holds = guarded(of, group, [&] { return group.condition(what.name, what.value); });
        if (!holds) return holds.error();
        if (*holds) add(group.to.front(), route_kind::direct);
        break;
      }
      case edge_kind::selection: {
        auto chosen = guarded(of, group, [&] { return group.choose(what.name, what.value); });
        if (!chosen) return chosen.error();
        std::vector<std::size_t> seen;
        for (const auto each : *chosen) {
          if (each >= group.to.size()) {
            return edge_failure(
                of, group, failure_code::exception,
                "it chose target " + std::to_string(each) + " of " + std::to_string(group.to.size()) + " (counted from 0)");
          }
          const auto target = group.to[each];
          if (std::find(seen.begin(), seen.end(), target) != seen.end()) continue;
          seen.push_back(target);
          if (takes(of.executors[target], what.name)) add(target, route_kind::direct);
        }
        break;
      }
      case edge_kind::fan_in: add(group.to.front(), route_kind::buffer); break;
    }
  }
  if (!reachable) {
    return failure{.code = std::string{failure_code::bad_message},
                   .message = "send_to \"" + what.target + "\": no edge leads there from \"" + of.executors[from].name + "\""};
  }
  return out;
}

}  // namespace perdure::core
