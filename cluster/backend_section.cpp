#include "cluster/backend_section.hpp"

#include <algorithm>

namespace perdure::cluster {

std::string section::text_of(const std::optional<dsl::cursor>& at) {
  return at && dsl::check_string(to_, at, false) ? std::string{at->tree().text()} : std::string{};
}

std::string section::text(std::string_view name, std::string otherwise) {
  const auto at = all_.optional(name);
  return at ? text_of(at) : std::move(otherwise);
}

std::string section::needed_text(std::string_view name) { return text_of(all_.required(name)); }

std::optional<std::int64_t> section::number(std::string_view name, std::int64_t least, std::int64_t most) {
  const auto at = all_.optional(name);
  if (!at || !dsl::check_integer(to_, at)) return std::nullopt;
  boost::system::error_code bad;
  const auto out = at->tree().scalar.to_number<std::int64_t>(bad);
  if (!bad && out >= least && out <= most) return out;
  to_.invalid(*at, "expected a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

bool section::flag(std::string_view name, bool otherwise) {
  const auto at = all_.optional(name);
  return at && dsl::check_boolean(to_, at) && at->tree().scalar.is_bool() ? at->tree().scalar.get_bool() : otherwise;
}

std::vector<std::string> section::texts(std::string_view name) {
  std::vector<std::string> out;
  const auto at = all_.optional(name);
  if (!at || !dsl::check_strings(to_, at)) return out;
  for (const auto& each : at->tree().items) out.emplace_back(each->text());
  return out;
}

std::optional<std::set<long>> section::statuses(std::string_view name) {
  const auto at = all_.optional(name);
  if (!at) return std::nullopt;
  std::set<long> out;
  const bool is_list = at->tree().is_array();
  for (std::size_t i = 0; is_list && i < at->tree().items.size(); ++i) {
    const dsl::cursor one{*at, i};
    boost::system::error_code bad;
    const auto value = one.tree().kind == dsl::node_kind::integer ? one.tree().scalar.to_number<std::int64_t>(bad) : 0;
    if (bad || value < 100 || value > 599) to_.unfit(one, "a status of HTTP (100 to 599)");
    out.insert(static_cast<long>(value));
  }
  if (!is_list) to_.unfit(*at, "a list of statuses of HTTP");
  return out;
}

actors::answer_place section::place(std::string_view name, bool needed) {
  actors::answer_place out;
  const auto at = needed ? all_.required(name) : all_.optional(name);
  if (!at) return out;
  const auto take = [&](const dsl::cursor& one) {
    if (!one.tree().is_string()) return to_.unfit(one, "a JSON pointer (\"/a/b\"), or a list of them");
    const std::string pointer{one.tree().text()};
    if (!pointer.empty() && pointer.front() != '/') to_.invalid(one, "a JSON pointer begins with \"/\": \"/" + pointer + "\"");
    out.pointers.push_back(pointer);
  };
  if (!at->tree().is_array()) {
    take(*at);
    return out;
  }
  for (std::size_t i = 0; i < at->tree().items.size(); ++i) take(dsl::cursor{*at, i});
  return out;
}

void section::check_names(const dsl::cursor& at, std::string_view text, const name_set& known) {
  const auto strange = actors::unknown_name(text, known);
  if (!strange) return;
  std::string all;
  for (const auto& each : known) all += (all.empty() ? "{" : ", {") + each + "}";
  to_.invalid(at, "there is no {" + *strange + "} here; " + (all.empty() ? "nothing is put in" : "there is " + all));
}

std::string section::pattern(std::string_view name, const name_set& known, std::string otherwise) {
  const auto at = all_.optional(name);
  if (!at || !dsl::check_string(to_, at)) return otherwise;
  check_names(*at, at->tree().text(), known);
  return std::string{at->tree().text()};
}

text_pairs section::patterns(std::string_view name, const name_set& known) {
  text_pairs out;
  const auto at = all_.optional(name);
  if (!at || !dsl::check_string_map(to_, at)) return out;
  for (const auto& each : at->tree().members) {
    check_names(dsl::cursor{*at, each}, each.value->text(), known);
    out.emplace_back(each.key, std::string{each.value->text()});
  }
  return out;
}

void section::wrong(std::string_view name, std::string message) {
  const auto at = all_.optional(name);
  to_.invalid(at ? *at : at_, std::move(message));
}

dsl::node_ptr merged(const dsl::node_ptr& base, const dsl::node_ptr& over) {
  if (!base->is_object() || !over->is_object()) return over;
  auto out = std::make_shared<dsl::node>(*over);
  out->members.clear();
  for (const auto& each : over->members) {
    if (each.value->kind == dsl::node_kind::null) continue;
    auto member = each;
    if (const auto* before = base->find(each.key)) member.value = merged(before->value, each.value);
    out->members.push_back(std::move(member));
  }
  for (const auto& each : base->members) {
    if (over->find(each.key) == nullptr) out->members.push_back(each);
  }
  return out;
}

}  // namespace perdure::cluster
