#include "actors/http/url.hpp"

#include "core/json_text.hpp"
#include "core/percent.hpp"

namespace perdure::actors {

std::string url_escaped(std::string_view text) { return core::percent_encoded(text); }

std::string url_text(const json::value& value) {
  if (const auto* text = value.if_string()) return {text->data(), text->size()};
  std::string out;
  if (!value.is_null()) core::write_json_text(out, value);
  return out;
}

std::string form_encoded(const json::object& members) {
  std::string out;
  const auto add = [&](std::string_view name, const json::value& value) {
    if (value.is_null()) return;
    out += (out.empty() ? "" : "&") + url_escaped(name) + "=" + url_escaped(url_text(value));
  };
  for (const auto& [key, value] : members) {
    const std::string_view name{key.data(), key.size()};
    if (const auto* items = value.if_array()) {
      for (const auto& each : *items) add(name, each);
    } else {
      add(name, value);
    }
  }
  return out;
}

std::string with_query(std::string url, const json::object& members) {
  const auto query = form_encoded(members);
  if (query.empty()) return url;
  const auto fragment = url.find('#');
  const auto end = fragment == std::string::npos ? url.size() : fragment;
  const auto mark = url.find('?');
  const bool has = mark != std::string::npos && mark < end;
  const bool open = has && (mark + 1 == end || url[end - 1] == '&');
  url.insert(end, (has ? (open ? "" : "&") : "?") + query);
  return url;
}

}  // namespace perdure::actors
