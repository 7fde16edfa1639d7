// graph: a workflow as a picture. Those who know a workflow (a plan, a document) say what is drawn: nodes, groups inside
// groups, edges; the writers turn that into Mermaid or DOT text. The same graph gives the same text, byte for byte.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/plan.hpp"
#include "flow/definition.hpp"

namespace perdure::flow {

struct graph {
  enum class shape : std::uint8_t {
    start,    ///< where a run begins; without text
    finish,   ///< where a whole run ends; without text
    step,     ///< work
    wait,     ///< nothing but time, or somebody outside
    choice,   ///< one of several ways
    loop,     ///< comes back here for each round
    bar,      ///< several ways at once begin or meet
    failure,  ///< ends with an error
  };
  struct node {
    shape kind = shape::step;
    std::vector<std::string> lines;  ///< its name, then what else is to be known
    std::size_t group = 0;
  };
  struct group {
    std::string title;
    std::size_t parent = 0;
  };
  struct edge {
    std::size_t from = 0, to = 0;
    std::string label{};
    bool dashed = false;  ///< taken on errors only
  };

  std::string title;
  std::vector<group> groups{group{}};  ///< the first is the picture itself; parents come before their children
  std::vector<node> nodes;
  std::vector<edge> edges;

  std::size_t add(node what) {
    nodes.push_back(std::move(what));
    return nodes.size() - 1;
  }
};

/// What a C++ workflow looks like: an executor is a node, a switch, a multi-selection and a fan-in have nodes of their own.
[[nodiscard]] graph graph_of(const detail::definition& definition);

[[nodiscard]] std::string write_mermaid(const graph& what);
[[nodiscard]] std::string write_dot(const graph& what);

/// What is longer is cut.
inline constexpr std::size_t label_characters = 60;
/// One line for a picture: well-formed UTF-8, no control characters, at most `label_characters`.
[[nodiscard]] std::string short_label(std::string_view text);

}  // namespace perdure::flow
