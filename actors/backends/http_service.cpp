#include "actors/backends/http_service.hpp"

#include <algorithm>
#include <cmath>

#include "actors/http/url.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

/// Printable, as a header has to be.
std::string header_text(std::string_view value) {
  std::string out;
  for (const char c : value) out += c >= 0x20 && c < 0x7F && c != '%' ? std::string{c} : url_escaped({&c, 1});
  return out;
}

/// Calls `take` with each part: a text, or a name that stood in braces.
template <class F>
void each_part(std::string_view text, F take) {
  while (!text.empty()) {
    const auto open = text.find('{');
    const auto close = open == std::string_view::npos ? open : text.find('}', open);
    if (close == std::string_view::npos) return take(text, false);
    const auto name = text.substr(open + 1, close - open - 1);
    if (open > 0) take(text.substr(0, open), false);
    take(name, true);
    text.remove_prefix(close + 1);
  }
}

}  // namespace

std::string expand(std::string_view text, const template_values& values, template_use use) {
  std::string out;
  each_part(text, [&](std::string_view part, bool is_name) {
    if (!is_name) {
      out += part;
      return;
    }
    const auto found = values.find(part);
    if (found == values.end()) return;
    out += use == template_use::url      ? url_escaped(found->second)
           : use == template_use::header ? header_text(found->second)
                                         : found->second;
  });
  return out;
}

std::optional<std::string> unknown_name(std::string_view text, const std::set<std::string, std::less<>>& known) {
  std::optional<std::string> out;
  each_part(text, [&](std::string_view part, bool is_name) {
    if (is_name && !out && !known.contains(part)) out = std::string{part};
  });
  return out;
}

bool put_at(json::value& into, std::string_view pointer, json::value what) {
  auto* at = &into;
  while (!pointer.empty()) {
    auto* members = at->if_object();
    if (members == nullptr) return false;
    pointer.remove_prefix(1);
    const auto end = std::min(pointer.find('/'), pointer.size());
    std::string name{pointer.substr(0, end)};
    for (const auto& [written, meant] : {std::pair{"~1", "/"}, std::pair{"~0", "~"}}) {
      for (auto found = name.find(written); found != std::string::npos; found = name.find(written, found + 1))
        name.replace(found, 2, meant);
    }
    pointer.remove_prefix(end);
    at = &(*members)[name];
    if (!pointer.empty() && at->is_null()) at->emplace_object();
  }
  *at = std::move(what);
  return true;
}

const json::value* answer_place::in(const json::value& answer) const {
  for (const auto& each : pointers) {
    boost::system::error_code bad;
    const auto* found = answer.find_pointer(each, bad);
    if (found != nullptr && !bad && !found->is_null()) return found;
  }
  return nullptr;
}

std::string answer_place::text_in(const json::value& answer) const {
  const auto* found = in(answer);
  if (found == nullptr || found->is_object() || found->is_array()) return {};
  if (const auto* text = found->if_string()) return {text->data(), text->size()};
  std::string out;
  core::write_json_text(out, *found);
  return out;
}

std::optional<double> answer_place::number_in(const json::value& answer) const {
  const auto* found = in(answer);
  if (found == nullptr || !found->is_number()) return std::nullopt;
  const auto out = found->to_number<double>();
  return std::isfinite(out) ? std::optional{out} : std::nullopt;
}

std::optional<std::uint64_t> answer_place::count_in(const json::value& answer) const {
  constexpr double most = 9e15;  // what a double still counts
  const auto found = number_in(answer);
  if (!found || *found < 0) return std::nullopt;
  return static_cast<std::uint64_t>(std::min(*found, most));
}

bool answer_place::flag_in(const json::value& answer, bool otherwise) const {
  const auto* found = in(answer);
  return found != nullptr && found->is_bool() ? found->get_bool() : otherwise;
}

}  // namespace perdure::actors
