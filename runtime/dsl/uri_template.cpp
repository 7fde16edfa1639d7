#include "dsl/uri_template.hpp"

#include "core/percent.hpp"
#include "dsl/jq_values.hpp"
#include "dsl/run_data.hpp"

namespace perdure::dsl {

std::string url_part(std::string_view text) { return core::percent_encoded(text); }

std::string expand_template(std::string_view text, const json::value& input, const std::string& reference) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto open = text.find('{', at);
    const auto close = open == std::string_view::npos ? open : text.find('}', open);
    out += text.substr(at, close == std::string_view::npos ? close : open - at);
    if (close == std::string_view::npos) break;
    const auto name = text.substr(open + 1, close - open - 1);
    const auto* members = input.if_object();
    const auto* value = members == nullptr ? nullptr : members->if_contains(name);
    if (value != nullptr && value->is_structured()) {
      throw step_error(make_error(
          "expression",
          "\"" + std::string{name} + "\" of the address must be text, a number, a boolean or null, found " + jq::excerpt(*value),
          reference));
    }
    if (value != nullptr && !value->is_null()) out += core::percent_encoded(jq::text(*value));
    at = close + 1;
  }
  return out;
}

}  // namespace perdure::dsl
