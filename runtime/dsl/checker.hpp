// What the readers of constructs stand on: where they are in the document, the problems found, and the properties of
// objects.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/syntax_tree.hpp"

namespace perdure::dsl {

/// A node and the way to it. Lives on the stack of the reader; its parent lives longer.
class cursor {
 public:
  explicit cursor(const node_ptr& root) : tree_(&root), at_(root->at), named_at_(root->at) {}
  cursor(const cursor& parent, const node::member& member)
      : tree_(&member.value), parent_(&parent), key_(member.key), at_(member.value->at), named_at_(member.at) {}
  cursor(const cursor& parent, std::size_t index)
      : tree_(&parent.tree().items[index]), parent_(&parent), index_(index), at_(tree().at), named_at_(at_) {}

  [[nodiscard]] const node& tree() const noexcept { return **tree_; }
  [[nodiscard]] const node_ptr& shared() const noexcept { return *tree_; }
  [[nodiscard]] mark at() const noexcept { return at_; }
  [[nodiscard]] mark named_at() const noexcept { return named_at_; }  ///< of the property's name
  [[nodiscard]] std::string pointer() const;

 private:
  const node_ptr* tree_;  // inside its parent, or the reader's root
  const cursor* parent_ = nullptr;
  std::string_view key_;
  std::optional<std::size_t> index_;
  mark at_, named_at_;
};

/// Appends a part to a JSON pointer, escaped.
void append_pointer(std::string& pointer, std::string_view part);

class checker {
 public:
  checker(std::string file, std::vector<problem>& problems) : file_(std::move(file)), problems_(problems) {}

  void invalid(const cursor& where, std::string message) {
    add(problem_kind::invalid, where.at(), where.pointer(), std::move(message));
  }
  void unsupported(const cursor& where, const std::string& what);
  /// The same, with a message of its own.
  void lacks(const cursor& where, std::string message) {
    if (tells_unsupported_) add(problem_kind::unsupported, where.named_at(), where.pointer(), std::move(message));
  }
  void forbidden(const cursor& where, const std::string& what) {
    add(problem_kind::forbidden, where.named_at(), where.pointer(), what + " is not allowed here");
  }
  /// Off for components that have no effect as long as nothing that runs uses them.
  void tell_unsupported(bool on) { tells_unsupported_ = on; }
  void add(problem_kind kind, mark at, std::string pointer, std::string message);
  /// "expected …, found …".
  void unfit(const cursor& where, std::string_view expected);

 private:
  std::string file_;
  std::vector<problem>& problems_;
  bool tells_unsupported_ = true;
};

/// The properties of one object. Ask for each by name, then `done` reports those nobody asked for.
class properties {
 public:
  /// Reports when the node is no object; then there are no properties.
  properties(checker& to, const cursor& of, std::string what);

  [[nodiscard]] bool is_object() const noexcept { return of_.tree().is_object(); }
  [[nodiscard]] std::optional<cursor> optional(std::string_view name);
  [[nodiscard]] std::optional<cursor> required(std::string_view name);
  /// Reports unless exactly one of the names is there; gives its name, or nothing.
  std::string_view one_of(std::initializer_list<std::string_view> names);
  void done();

 private:
  checker& to_;
  const cursor& of_;
  std::string what_;
  std::vector<std::string_view> asked_;
};

/// The nearest of `names` when it is near enough to be meant.
[[nodiscard]] std::optional<std::string_view> nearest(std::string_view name, const std::vector<std::string_view>& names);

/// Checks of simple values; each reports what does not fit. A missing cursor fits.
bool check_string(checker& to, const std::optional<cursor>& at, bool may_be_empty = true);
bool check_boolean(checker& to, const std::optional<cursor>& at);
bool check_integer(checker& to, const std::optional<cursor>& at);
bool check_object(checker& to, const std::optional<cursor>& at);
bool check_enum(checker& to, const std::optional<cursor>& at, std::initializer_list<std::string_view> values);
bool check_strings(checker& to, const std::optional<cursor>& at);     ///< an array of strings
bool check_string_map(checker& to, const std::optional<cursor>& at);  ///< an object of strings
[[nodiscard]] bool is_expression(std::string_view text);              ///< "${ … }"

}  // namespace perdure::dsl
