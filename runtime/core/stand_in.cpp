#include "core/stand_in.hpp"

namespace perdure::core {

void spoil_stand_ins(std::string& text) {
  for (auto at = text.find(stand_in_opening); at != std::string::npos; at = text.find(stand_in_opening, at))
    text[at + stand_in_opening.size() - 1] = '?';
}

void spoil_stand_ins(json::value& value) {
  if (auto* string = value.if_string()) {
    if (!has_stand_in({string->data(), string->size()})) return;
    std::string text{string->data(), string->size()};
    spoil_stand_ins(text);
    value = json::value(text);
  } else if (auto* items = value.if_array()) {
    for (auto& each : *items) spoil_stand_ins(each);
  } else if (auto* members = value.if_object()) {
    json::object out;
    for (auto& [key, member] : *members) {
      std::string name{key.data(), key.size()};
      spoil_stand_ins(name);
      spoil_stand_ins(member);
      out.emplace(name, std::move(member));
    }
    value = std::move(out);
  }
}

}  // namespace perdure::core
