// A part of a backend's file: typed members, each problem with its place.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/backends/http_service.hpp"
#include "dsl/checker.hpp"

namespace perdure::cluster {

using name_set = std::set<std::string, std::less<>>;
using text_pairs = std::vector<std::pair<std::string, std::string>>;

class section {
 public:
  section(dsl::checker& to, const dsl::cursor& at, std::string what) : to_(to), at_(at), all_(to, at, std::move(what)) {}

  [[nodiscard]] std::optional<dsl::cursor> part(std::string_view name) { return all_.optional(name); }
  [[nodiscard]] std::optional<dsl::cursor> needed_part(std::string_view name) { return all_.required(name); }
  [[nodiscard]] std::string text(std::string_view name, std::string otherwise = {});
  [[nodiscard]] std::string needed_text(std::string_view name);
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name, std::int64_t least, std::int64_t most);
  [[nodiscard]] bool flag(std::string_view name, bool otherwise);
  [[nodiscard]] std::vector<std::string> texts(std::string_view name);
  [[nodiscard]] std::optional<std::set<long>> statuses(std::string_view name);  ///< of HTTP
  /// A JSON pointer, or several.
  [[nodiscard]] actors::answer_place place(std::string_view name, bool needed = false);
  /// A text with {names}.
  [[nodiscard]] std::string pattern(std::string_view name, const name_set& known, std::string otherwise = {});
  [[nodiscard]] text_pairs patterns(std::string_view name, const name_set& known);
  void wrong(std::string_view name, std::string message);
  void done() { all_.done(); }
  [[nodiscard]] dsl::checker& to() { return to_; }
  [[nodiscard]] const dsl::cursor& at() const { return at_; }

 private:
  [[nodiscard]] std::string text_of(const std::optional<dsl::cursor>& at);
  void check_names(const dsl::cursor& at, std::string_view text, const name_set& known);

  dsl::checker& to_;
  const dsl::cursor& at_;
  dsl::properties all_;
};

/// The members of both, those of `over` first; a member that is null there is in neither.
[[nodiscard]] dsl::node_ptr merged(const dsl::node_ptr& base, const dsl::node_ptr& over);

}  // namespace perdure::cluster
