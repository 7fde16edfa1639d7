// Expressions, values with expressions inside, and durations.
#include <algorithm>

#include "dsl/iso_duration.hpp"
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {

bool is_name(std::string_view text) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !text.empty() && letter(text[0]) &&
         std::all_of(text.begin(), text.end(), [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

}  // namespace

std::vector<std::string> reader::names_at(expression_site site) const {
  if (site == expression_site::workflow_input) return {"workflow", "runtime", "secrets"};
  if (site == expression_site::workflow_output) return {"context", "workflow", "runtime", "secrets"};
  std::vector<std::string> out{"context", "task", "workflow", "runtime"};
  // A function of others must not get at the secrets of the document that calls it.
  if (!caller_) out.emplace_back("secrets");
  if (site != expression_site::before_task) out.insert(out.end(), {"input", "authorization"});
  if (site == expression_site::task_export) out.emplace_back("output");
  out.insert(out.end(), variables_.begin(), variables_.end());
  return out;
}

expression_ptr reader::compile(const cursor& at, std::string_view source, expression_site site) {
  auto compiled = expression::compile(std::string{source}, names_at(site));
  if (!compiled) {
    to_.invalid(at, "not a valid expression: " + compiled.error().message);
    return nullptr;
  }
  const auto& used = (*compiled)->variables();
  if (std::find(used.begin(), used.end(), "secrets") != used.end()) check_secrets(at, source);
  if (!(*compiled)->is_native()) {
    needs_jq_ = true;
    programs_.push_back({at.at(), at.pointer(), {(*compiled)->source(), used}});
  }
  return std::move(*compiled);
}

/// Names that stand there as they are: $secrets.name and $secrets["name"].
void reader::check_secrets(const cursor& at, std::string_view source) {
  constexpr std::string_view variable = "$secrets";
  for (auto from = source.find(variable); from != std::string_view::npos; from = source.find(variable, from)) {
    from += variable.size();
    auto rest = source.substr(from);
    std::string_view name;
    if (rest.starts_with(".\"") || rest.starts_with("[\"")) {
      rest.remove_prefix(2);
      name = rest.substr(0, rest.find('"'));
    } else if (rest.starts_with('.')) {
      rest.remove_prefix(1);
      std::size_t size = 0;
      while (size < rest.size() && is_name(rest.substr(0, size + 1))) ++size;
      name = rest.substr(0, size);
    }
    if (name.empty() || std::find(secrets_.begin(), secrets_.end(), name) != secrets_.end()) continue;
    to_.invalid(at, "expected the name of a secret listed in \"use.secrets\", found \"" + std::string{name} + "\"");
  }
}

expression_ptr reader::read_expression(const std::optional<cursor>& at, expression_site site) {
  if (!at) return nullptr;
  if (!at->tree().is_string()) {
    to_.unfit(*at, "a string with an expression");
    return nullptr;
  }
  const auto text = at->tree().text();
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    to_.invalid(*at, "expected an expression, found an empty string");
    return nullptr;
  }
  return compile(*at, whole_expression(text).value_or(text), site);
}

dynamic_value reader::read_text(const cursor& at, expression_site site) {
  const auto text = at.tree().text();
  if (const auto program = whole_expression(text)) {
    auto compiled = compile(at, *program, site);
    if (!compiled) return dynamic_value{};
    if (mode_ == evaluate_mode::loose) return dynamic_value{dynamic_value::loose{std::move(compiled), std::string{text}}};
    return dynamic_value{std::move(compiled)};
  }
  const auto pieces = split_text(text);
  if (pieces.size() > 1 || pieces[0].program) {
    dynamic_value::text out;
    for (const auto& piece : pieces) {
      if (!piece.program) {
        out.parts.emplace_back(std::string{piece.text});
      } else if (auto compiled = compile(at, piece.text, site)) {
        out.parts.emplace_back(std::move(compiled));
      }
    }
    return dynamic_value{std::move(out)};
  }
  if (mode_ == evaluate_mode::loose && text.find_first_not_of(" \t\r\n") != std::string_view::npos) {
    // Any text may be an expression; what is none stays text.
    auto names = names_at(site);
    if (auto compiled = expression::compile(std::string{text}, names)) {
      needs_jq_ = needs_jq_ || !(*compiled)->is_native();
      return dynamic_value{dynamic_value::loose{std::move(*compiled), std::string{text}}};
    }
  }
  return dynamic_value{at.tree().scalar};
}

dynamic_value reader::read_dynamic(const cursor& at, expression_site site) {
  const auto& tree = at.tree();
  if (tree.is_string()) return read_text(at, site);
  bool constant = true;
  if (tree.is_array()) {
    dynamic_value::list items;
    items.reserve(tree.items.size());
    for (std::size_t i = 0; i < tree.items.size(); ++i) {
      items.push_back(read_dynamic(cursor{at, i}, site));
      constant = constant && items.back().constant() != nullptr;
    }
    if (!constant) return dynamic_value{std::move(items)};
  } else if (tree.is_object()) {
    dynamic_value::map members;
    members.reserve(tree.members.size());
    for (const auto& member : tree.members) {
      members.emplace_back(member.key, read_dynamic(cursor{at, member}, site));
      constant = constant && members.back().second.constant() != nullptr;
    }
    if (!constant) return dynamic_value{std::move(members)};
  }
  return dynamic_value{to_json(tree)};
}

std::optional<duration_value> reader::read_duration(const std::optional<cursor>& at, expression_site site) {
  if (!at) return std::nullopt;
  const auto& tree = at->tree();
  if (tree.is_string()) {
    if (const auto program = whole_expression(tree.text())) {
      auto compiled = compile(*at, *program, site);
      return compiled ? std::optional<duration_value>{dynamic_value{std::move(compiled)}} : std::nullopt;
    }
    const auto fixed = parse_iso_duration(tree.text());
    if (!fixed) to_.unfit(*at, "an ISO 8601 duration such as PT30S, at most a thousand years");
    return fixed ? std::optional<duration_value>{*fixed} : std::nullopt;
  }
  if (!tree.is_object()) {
    to_.unfit(
        *at,
        "a duration: an object such as {seconds: 30} (days, hours, minutes, seconds, milliseconds), PT30S as ISO 8601 writes it, "
        "or an expression");
    return std::nullopt;
  }
  properties parts{to_, *at, "a duration"};
  duration sum{0};
  bool fine = true, any = false;
  const auto add = [&](std::string_view name, duration unit) {
    const auto part = parts.optional(name);
    if (!part) return;
    any = true;
    if (!check_integer(to_, part)) {
      fine = false;
      return;
    }
    const auto* count = part->tree().scalar.if_int64();
    if (count == nullptr || *count < 0 || *count > longest_duration.count() / unit.count()) {
      to_.unfit(*part, "an integer from 0 up to a thousand years");
      fine = false;
      return;
    }
    sum += *count * unit;
  };
  add("days", std::chrono::hours{24});
  add("hours", std::chrono::hours{1});
  add("minutes", std::chrono::minutes{1});
  add("seconds", std::chrono::seconds{1});
  add("milliseconds", std::chrono::milliseconds{1});
  parts.done();
  if (!any && tree.members.empty())
    to_.invalid(*at, "expected a duration with days, hours, minutes, seconds or milliseconds, found an empty object");
  if (!fine || !any) return std::nullopt;
  return sum;
}

std::string reader::read_variable(const std::optional<cursor>& at, std::string_view otherwise) {
  if (!at || !check_string(to_, at)) return std::string{otherwise};
  const auto name = at->tree().text();
  constexpr std::array<std::string_view, 8> taken{"context",       "input", "output",   "secrets",
                                                  "authorization", "task",  "workflow", "runtime"};
  if (!is_name(name) || is_jq_keyword(name)) {
    to_.unfit(*at, "a variable's name: letters, digits and underscores");
  } else if (std::find(taken.begin(), taken.end(), name) != taken.end()) {
    to_.invalid(*at, "\"" + std::string{name} + "\" is a variable of the DSL; choose another name");
  }
  return std::string{name};
}

}  // namespace perdure::dsl
