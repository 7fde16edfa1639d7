#include "dsl/schema_drafts.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

namespace perdure::dsl {

namespace {

using names = std::initializer_list<std::string_view>;

/// Keywords that have no meaning for a value; they stay beside a "$ref", whatever it leads to may be in them.
bool is_beside(std::string_view key) {
  const names all{"$ref",        "$schema", "$id",     "$comment", "$defs",    "$anchor",
                  "definitions", "title",   "default", "examples", "readOnly", "description"};
  return std::find(all.begin(), all.end(), key) != all.end();
}

struct found {
  std::string pointer, keyword;
};

class rewriter {
 public:
  std::optional<found> wrong;

  void rewrite(json::value& schema, const std::string& at) {
    auto* object = schema.if_object();
    if (object == nullptr || wrong) return;
    rename(*object);
    for (const auto* each :
         {"unevaluatedProperties", "unevaluatedItems", "minContains", "maxContains", "$dynamicRef", "$recursiveRef"}) {
      if (object->contains(each)) wrong = found{at, each};
    }
    for (const auto* each :
         {"additionalProperties", "additionalItems", "items", "contains", "propertyNames", "not", "if", "then", "else"})
      inside(*object, each, at);
    for (const auto* each : {"allOf", "anyOf", "oneOf", "items"}) {
      auto* list = object->contains(each) ? object->at(each).if_array() : nullptr;
      for (std::size_t i = 0; list != nullptr && i < list->size(); ++i)
        rewrite((*list)[i], at + "/" + each + "/" + std::to_string(i));
    }
    for (const auto* each : {"properties", "patternProperties", "definitions", "$defs", "dependencies"}) {
      auto* map = object->contains(each) ? object->at(each).if_object() : nullptr;
      if (map == nullptr) continue;
      for (auto& [name, inner] : *map) rewrite(inner, at + "/" + each + "/" + std::string{name});
    }
    split_reference(*object);
  }

 private:
  void inside(json::object& of, const char* name, const std::string& at) {
    if (of.contains(name)) rewrite(of.at(name), at + "/" + name);
  }

  static void rename(json::object& of) {
    for (const auto* each : {"dependentRequired", "dependentSchemas"}) {
      auto* given = of.contains(each) ? of.at(each).if_object() : nullptr;
      if (given == nullptr) continue;
      auto moved = std::move(*given);
      of.erase(each);
      auto& to = of["dependencies"];
      if (!to.is_object()) to = json::object{};
      for (auto& [name, value] : moved) {
        auto& slot = to.get_object()[name];
        if (slot.is_null()) {
          slot = std::move(value);
        } else {  // names in one of them, a schema in the other
          json::array both;
          for (auto* side : {&slot, &value}) both.push_back(side->is_array() ? json::value{{"required", *side}} : *side);
          slot = json::object{{"allOf", std::move(both)}};
        }
      }
    }
    if (of.contains("prefixItems") && of.at("prefixItems").is_array()) {
      auto first = std::move(of.at("prefixItems"));
      of.erase("prefixItems");
      if (of.contains("items")) {
        auto rest = std::move(of.at("items"));
        of["additionalItems"] = std::move(rest);
      }
      of["items"] = std::move(first);
    }
    const names others{"$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependencies"};
    const bool alone = std::none_of(others.begin(), others.end(), [&](auto each) { return of.contains(each); });
    if (of.contains("unevaluatedProperties") && alone) {
      auto rest = std::move(of.at("unevaluatedProperties"));
      of.erase("unevaluatedProperties");
      if (!of.contains("additionalProperties")) of["additionalProperties"] = std::move(rest);
    }
  }

  /// In draft 7 a "$ref" hides what stands beside it.
  static void split_reference(json::object& of) {
    if (!of.contains("$ref")) return;
    json::object kept, others;
    for (auto& [name, value] : of) (is_beside(name) ? kept : others).emplace(name, std::move(value));
    if (!others.empty()) {
      auto reference = std::move(kept.at("$ref"));
      kept.erase("$ref");
      json::array both;
      both.push_back(json::object{{"$ref", std::move(reference)}});
      both.push_back(std::move(others));
      kept.emplace("allOf", std::move(both));
    }
    of = std::move(kept);
  }
};

bool is_of_draft_7_or_before(const json::value& schema) {
  const auto* object = schema.if_object();
  const auto* named = object == nullptr ? nullptr : object->if_contains("$schema");
  if (named == nullptr || !named->is_string()) return false;
  const std::string_view text{named->get_string()};
  const names old{"/draft-03/", "/draft-04/", "/draft-05/", "/draft-06/", "/draft-07/"};
  return std::any_of(old.begin(), old.end(), [&](auto each) { return text.find(each) != std::string_view::npos; });
}

}  // namespace

result<json::value> as_draft_7(json::value schema) {
  if (is_of_draft_7_or_before(schema)) return schema;
  rewriter work;
  work.rewrite(schema, {});
  if (work.wrong) {
    return error{errc::unsupported, "the keyword \"" + work.wrong->keyword + "\" of a later draft of JSON Schema than 7 (at " +
                                        (work.wrong->pointer.empty() ? "/" : work.wrong->pointer) + " of the schema)"};
  }
  return schema;
}

}  // namespace perdure::dsl
