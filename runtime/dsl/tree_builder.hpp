// Puts a syntax tree together from a parser's events and keeps it within the limits of documents.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dsl/syntax_tree.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

/// Thrown by the builder to leave a parser early; the problem is noted already. Never leaves read_yaml and read_json.
struct abandoned {};

class tree_builder {
 public:
  tree_builder(const std::string& file, std::vector<problem>& problems) : file_(file), problems_(problems) {}

  void open(node_kind kind, mark at, std::size_t anchor = 0);  ///< an array or object begins
  void close();
  void scalar(node leaf, std::size_t anchor = 0);
  void alias(mark at, std::size_t anchor);

  void fail(mark at, std::string what, std::string pointer = {});
  [[noreturn]] void abandon(mark at, std::string what, std::string pointer = {});
  /// JSON pointer of the value that comes next, or of the array or object that it is put into.
  [[nodiscard]] std::string place(bool of_parent = false) const;
  /// Null when nothing was built or a problem was noted.
  [[nodiscard]] node_ptr take();

 private:
  struct open_node {
    std::shared_ptr<node> made;
    std::size_t anchor = 0;
    std::optional<node::member> key;              ///< of an object: read, its value comes next
    bool drop = false;                            ///< the next value belongs to a key that was refused
    std::unordered_map<std::string, mark> names;  ///< of an object: its keys
  };
  void add(node_ptr value, std::size_t anchor);
  void add_key(const node& key);

  const std::string& file_;
  std::vector<problem>& problems_;
  std::vector<open_node> open_;
  std::map<std::size_t, node_ptr> anchors_;
  node_ptr root_;
  bool failed_ = false;
};

}  // namespace perdure::dsl
