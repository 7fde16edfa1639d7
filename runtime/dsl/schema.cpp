// Operation: valijson does the work; its errors come as exceptions and end here.
// Limitations: draft 7; schemas of later ones are written anew first (schema_drafts.hpp), or refused. References lead into the
// schema itself only.
#include "dsl/schema.hpp"

#include <valijson/adapters/boost_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <algorithm>
#include <array>

#include "dsl/schema_drafts.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

namespace {

using valijson::adapters::BoostJsonAdapter;

constexpr std::array<std::string_view, 5> busy_keywords{"$ref", "pattern", "patternProperties", "format", "uniqueItems"};

/// "<root>", "[name]", "[0]" as a JSON pointer.
std::string pointer_of(const std::vector<std::string>& context) {
  std::string out;
  for (std::size_t i = 1; i < context.size(); ++i) {
    auto part = std::string_view{context[i]};
    if (part.starts_with('[') && part.ends_with(']')) part = part.substr(1, part.size() - 2);
    out.append("/").append(part);
  }
  return out;
}

/// Of a misfit deep inside every level above says so too; one place is enough.
bool repeats_another(std::string_view description) {
  constexpr std::array<std::string_view, 3> above{"Failed to validate against schema associated with",
                                                  "Failed to validate item #",
                                                  "Failed to validate against additional properties schema"};
  return std::any_of(above.begin(), above.end(), [&](auto each) { return description.starts_with(each); });
}

}  // namespace

struct schema::parts {
  json::value document;
  valijson::Schema compiled;
  bool is_compiled = false;
};

result<schema_ptr> schema::keep(json::value document) {
  if (!document.is_object() && !document.is_bool())
    return error{errc::invalid_argument, "expected a JSON Schema: an object, or true or false"};
  auto known = as_draft_7(std::move(document));
  if (!known) return known.error();
  auto made = std::make_shared<parts>();
  made->document = std::move(*known);
  auto out = std::make_shared<schema>();
  out->parts_ = std::move(made);
  return schema_ptr{std::move(out)};
}

result<schema_ptr> schema::compile(json::value document) {
  if (!document.is_object() && !document.is_bool())
    return error{errc::invalid_argument, "expected a JSON Schema: an object, or true or false"};
  auto known = as_draft_7(std::move(document));
  if (!known) return known.error();
  auto made = std::make_shared<parts>();
  made->document = std::move(*known);
  made->is_compiled = true;
  try {
    valijson::SchemaParser parser{valijson::SchemaParser::kDraft7};
    parser.populateSchema(BoostJsonAdapter{made->document}, made->compiled);
  } catch (const std::exception& thrown) {
    return error{errc::invalid_argument, std::string{"not a JSON Schema of draft 7: "} + thrown.what()};
  }
  auto out = std::make_shared<schema>();
  out->parts_ = std::move(made);
  return schema_ptr{std::move(out)};
}

bool schema::is_simple(const json::value& document) {
  if (const auto* items = document.if_array())
    return std::all_of(items->begin(), items->end(), [](const auto& each) { return is_simple(each); });
  const auto* members = document.if_object();
  if (members == nullptr) return true;
  return std::all_of(members->begin(), members->end(), [](const auto& member) {
    const auto& key = member.key();
    const bool busy =
        std::find(busy_keywords.begin(), busy_keywords.end(), std::string_view{key.data(), key.size()}) != busy_keywords.end();
    return !busy && is_simple(member.value());
  });
}

const json::value& schema::document() const noexcept { return parts_->document; }
bool schema::is_compiled() const noexcept { return parts_->is_compiled; }

std::vector<std::string> schema::problems(const json::value& value) const {
  std::vector<std::string> out;
  valijson::ValidationResults found;
  try {
    valijson::Validator validator;
    if (validator.validate(parts_->compiled, BoostJsonAdapter{value}, &found)) return out;
  } catch (const std::exception& thrown) {
    out.emplace_back(std::string{"the schema cannot be applied: "} + thrown.what());
    return out;
  }
  valijson::ValidationResults::Error each;
  const bool one_place =
      std::any_of(found.begin(), found.end(), [](const auto& told) { return !repeats_another(told.description); });
  while (found.popError(each)) {
    if (one_place && repeats_another(each.description)) continue;
    if (out.size() == limits::schema_problems) {
      out.emplace_back("and more");
      break;
    }
    const auto where = pointer_of(each.context);
    out.push_back((where.empty() ? "" : "at " + where + ": ") + each.description);
  }
  if (out.empty()) out.emplace_back("no value fits this schema");
  return out;
}

}  // namespace perdure::dsl
