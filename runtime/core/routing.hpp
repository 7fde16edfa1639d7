// Where a message goes: the edges of one executor applied to one output.
#pragma once

#include <boost/system/result.hpp>

#include <cstdint>
#include <vector>

#include "core/events.hpp"
#include "core/plan.hpp"

namespace perdure::core {

enum class route_kind : std::uint8_t {
  direct,  ///< becomes an activation of the target
  buffer,  ///< goes into the fan-in group's buffer
};

struct route {
  std::uint32_t group = 0;  ///< index in plan::groups
  route_kind kind = route_kind::direct;
  std::size_t target = 0;  ///< index in plan::executors
  bool operator==(const route&) const = default;
};

/// All routes of a message in the order of definition; empty when no edge takes it. A target gets it when it takes the
/// type and, for typed edges, when the message is of the edge's type. With `output::target` only routes to that executor
/// count. A failure: a condition or selection threw or chose a target that is not there, or no edge leads to `target`.
/// Pure as long as the conditions are.
[[nodiscard]] boost::system::result<std::vector<route>, failure> routes_of(const plan& of, std::size_t from, const output& what);

/// `edge "a" -> "b"`, `selection "a" -> "b", "c"`, `fan-in "a", "b" -> "c"`: for messages.
[[nodiscard]] std::string describe(const plan& of, const edge_group& group);

}  // namespace perdure::core
