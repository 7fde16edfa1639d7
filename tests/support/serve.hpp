// What the tests of `perdure serve` have in common.
#pragma once

#include <string>

#include "support/catch.hpp"
#include "support/http_client.hpp"

namespace perdure::test {

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// What a stream says until it ends, or falls silent: ids with JSON.
inline std::vector<std::pair<std::string, json::value>> heard(http_connection& from) {
  std::vector<std::pair<std::string, json::value>> out;
  while (auto frame = from.read_frame()) {
    if (!frame->data.empty()) out.emplace_back(frame->id, payload::parse_text(frame->data).value().value());
  }
  return out;
}

}  // namespace perdure::test
