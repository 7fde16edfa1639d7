// The part of a workflow definition that decisions need: policies and edges, without the code of the executors.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "perdure/payload.hpp"
#include "perdure/policy.hpp"
#include "perdure/workflow.hpp"

namespace perdure::core {

struct executor_plan {
  std::string name;
  perdure::timeouts timeouts;
  retry_policy retry;
  bool cooperative = false;
  std::vector<std::string> takes;  ///< message names; empty = any
};

enum class edge_kind : std::uint8_t { direct = 1, conditional = 2, selection = 3, fan_in = 4 };

/// One or more edges that decide together. Its index in `plan::groups` is stored in fan-in events.
struct edge_group {
  edge_kind kind = edge_kind::direct;
  std::vector<std::size_t> from;  ///< executor indices; several only for fan_in
  std::vector<std::size_t> to;    ///< direct and selection may have several
  std::string type;               ///< only messages of this name; empty = all that the target takes
  fan_in_mode mode = fan_in_mode::all;
  std::function<bool(std::string_view, const payload&)> condition;
  std::function<std::vector<std::size_t>(std::string_view, const payload&)> choose;  ///< indices into `to`
};

struct plan {
  std::string name, version, hash;
  std::vector<executor_plan> executors;
  std::map<std::string, std::size_t, std::less<>> by_name;
  std::size_t start = 0;
  std::vector<edge_group> groups;
  std::vector<std::vector<std::size_t>> groups_from;  ///< per executor, in the order of definition
  duration timeout{0};
  std::uint32_t max_activations = limits::run_activations;

  [[nodiscard]] const executor_plan* find(std::string_view name) const {
    const auto at = by_name.find(name);
    return at == by_name.end() ? nullptr : &executors[at->second];
  }
};

}  // namespace perdure::core
