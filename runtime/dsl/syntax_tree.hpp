// A document as data, every node with its place in the text. Aliases share their node.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/problem.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

enum class node_kind : std::uint8_t { null, boolean, integer, number, string, array, object };
/// "a string", "a number" …
[[nodiscard]] std::string_view to_string(node_kind kind) noexcept;

struct node;
using node_ptr = std::shared_ptr<const node>;

struct node {
  struct member {
    std::string key;
    mark at;
    node_ptr value;
  };

  node_kind kind = node_kind::null;
  mark at;
  json::value scalar;           ///< of null, boolean, integer, number and string
  std::string source;           ///< scalars that are no strings: as written
  std::vector<node_ptr> items;  ///< of an array
  std::vector<member> members;  ///< of an object, in the order of the text, keys unique
  std::size_t size = 1;         ///< nodes in it, aliases expanded

  [[nodiscard]] const member* find(std::string_view key) const noexcept;
  [[nodiscard]] bool is_string() const noexcept { return kind == node_kind::string; }
  [[nodiscard]] bool is_array() const noexcept { return kind == node_kind::array; }
  [[nodiscard]] bool is_object() const noexcept { return kind == node_kind::object; }
  [[nodiscard]] std::string_view text() const noexcept;  ///< of a string
};

[[nodiscard]] json::value to_json(const node& tree);

/// The value of a plain scalar by the YAML 1.2 core schema: kind, scalar and source of `out` are set. False: it is an
/// infinity or NaN, which JSON does not have.
bool resolve_plain(std::string_view text, node& out);

/// Reads a document's text. Null when there are problems (appended).
[[nodiscard]] node_ptr read_tree(std::string_view text, const std::string& file, std::vector<problem>& problems);
/// The two languages of `read_tree`. The text is UTF-8.
[[nodiscard]] node_ptr read_yaml(std::string_view text, const std::string& file, std::vector<problem>& problems);
[[nodiscard]] node_ptr read_json(std::string_view text, const std::string& file, std::vector<problem>& problems);

}  // namespace perdure::dsl
