#include "dsl/checker.hpp"

#include <algorithm>

#include "dsl/expression.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

void append_pointer(std::string& pointer, std::string_view part) {
  pointer += '/';
  for (const char c : part) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
}

std::string cursor::pointer() const {
  auto out = parent_ != nullptr ? parent_->pointer() : std::string{};
  if (parent_ == nullptr) return out;
  append_pointer(out, index_ ? std::to_string(*index_) : std::string{key_});
  return out;
}

void checker::add(problem_kind kind, mark at, std::string pointer, std::string message) {
  if (problems_.size() > limits::document_problems) return;
  if (problems_.size() == limits::document_problems) message = "more problems follow, not shown";
  problems_.push_back({kind, file_, at, std::move(pointer), std::move(message)});
}

void checker::unsupported(const cursor& where, const std::string& what) {
  if (tells_unsupported_)
    add(problem_kind::unsupported, where.named_at(), where.pointer(), what + " is not supported by this version");
}

void checker::unfit(const cursor& where, std::string_view expected) {
  const auto& tree = where.tree();
  auto message = "expected " + std::string{expected} + ", found " + std::string{to_string(tree.kind)};
  if (tree.is_string()) {
    const auto text = tree.text();
    if (text.size() <= 60) message += " (\"" + std::string{text} + "\")";
  } else if (!tree.source.empty() && tree.kind != node_kind::null) {
    message += " (" + tree.source + ")";
    if (expected.find("string") != std::string_view::npos || expected.find("name") != std::string_view::npos)
      message += "; put it in quotes";
  }
  invalid(where, std::move(message));
}

properties::properties(checker& to, const cursor& of, std::string what) : to_(to), of_(of), what_(std::move(what)) {
  if (!is_object()) to_.unfit(of_, what_ + ", which is an object with properties");
}

std::optional<cursor> properties::optional(std::string_view name) {
  asked_.push_back(name);
  const auto* found = of_.tree().find(name);
  if (found == nullptr) return std::nullopt;
  return cursor{of_, *found};
}

std::optional<cursor> properties::required(std::string_view name) {
  auto found = optional(name);
  if (!found && is_object()) to_.invalid(of_, "expected the property \"" + std::string{name} + "\" in " + what_);
  return found;
}

std::string_view properties::one_of(std::initializer_list<std::string_view> names) {
  std::string_view found;
  bool several = false;
  std::string list;
  for (const auto name : names) {
    if (std::find(asked_.begin(), asked_.end(), name) == asked_.end()) asked_.push_back(name);
    list += (list.empty() ? "\"" : ", \"") + std::string{name} + "\"";
    if (of_.tree().find(name) == nullptr) continue;
    several = several || !found.empty();
    found = name;
  }
  if (!is_object() || (!found.empty() && !several)) return found;
  to_.invalid(of_, "expected exactly one of the properties " + list + " in " + what_);
  return {};
}

void properties::done() {
  for (const auto& member : of_.tree().members) {
    if (std::find(asked_.begin(), asked_.end(), member.key) != asked_.end()) continue;
    auto message = "unknown property \"" + member.key + "\" in " + what_;
    if (member.key == "<<") {
      message += "; merge keys are not part of YAML 1.2";
    } else if (const auto meant = nearest(member.key, asked_)) {
      message += "; did you mean \"" + std::string{*meant} + "\"?";
    }
    const cursor at{of_, member};
    to_.add(problem_kind::invalid, member.at, at.pointer(), std::move(message));
  }
}

std::optional<std::string_view> nearest(std::string_view name, const std::vector<std::string_view>& names) {
  if (name.size() > 64) return std::nullopt;
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const auto candidate : names) {
    // Optimal string alignment: a swap of neighbours is one edit.
    std::vector<std::size_t> before, last, row(candidate.size() + 1);
    for (std::size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      before = std::exchange(last, row);
      row[0] = i;
      for (std::size_t j = 1; j <= candidate.size(); ++j) {
        const bool same = lower(name[i - 1]) == lower(candidate[j - 1]);
        row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (same ? 0 : 1)});
        if (i > 1 && j > 1 && lower(name[i - 1]) == lower(candidate[j - 2]) && lower(name[i - 2]) == lower(candidate[j - 1])) {
          row[j] = std::min(row[j], before[j - 2] + 1);
        }
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

bool check_string(checker& to, const std::optional<cursor>& at, bool may_be_empty) {
  if (!at) return true;
  if (!at->tree().is_string()) {
    to.unfit(*at, "a string");
    return false;
  }
  if (!may_be_empty && at->tree().text().empty()) {
    to.invalid(*at, "expected text, found an empty string");
    return false;
  }
  return true;
}

bool check_boolean(checker& to, const std::optional<cursor>& at) {
  if (!at || at->tree().kind == node_kind::boolean) return true;
  to.unfit(*at, "true or false");
  return false;
}

bool check_integer(checker& to, const std::optional<cursor>& at) {
  if (!at || at->tree().kind == node_kind::integer) return true;
  to.unfit(*at, "an integer");
  return false;
}

bool check_object(checker& to, const std::optional<cursor>& at) {
  if (!at || at->tree().is_object()) return true;
  to.unfit(*at, "an object");
  return false;
}

bool check_enum(checker& to, const std::optional<cursor>& at, std::initializer_list<std::string_view> values) {
  if (!at) return true;
  if (!check_string(to, at)) return false;
  if (std::find(values.begin(), values.end(), at->tree().text()) != values.end()) return true;
  std::string list;
  for (const auto value : values) list += (list.empty() ? "\"" : ", \"") + std::string{value} + "\"";
  to.unfit(*at, "one of " + list);
  return false;
}

bool check_strings(checker& to, const std::optional<cursor>& at) {
  if (!at) return true;
  if (!at->tree().is_array()) {
    to.unfit(*at, "an array of strings");
    return false;
  }
  bool fine = true;
  for (std::size_t i = 0; i < at->tree().items.size(); ++i) fine = check_string(to, cursor{*at, i}) && fine;
  return fine;
}

bool check_string_map(checker& to, const std::optional<cursor>& at) {
  if (!check_object(to, at)) return false;
  if (!at) return true;
  bool fine = true;
  for (const auto& member : at->tree().members) fine = check_string(to, cursor{*at, member}) && fine;
  return fine;
}

bool is_expression(std::string_view text) { return whole_expression(text).has_value(); }

}  // namespace perdure::dsl
