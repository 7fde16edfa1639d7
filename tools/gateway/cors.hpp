// cors: which web pages of other origins may read answers, and what browsers are told when they ask beforehand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tools/gateway/http.hpp"

namespace perdure::tools::gateway {

class cors {
 public:
  cors() = default;
  /// Of none, nothing is ever said. "*" is every origin; keys come in a header, which no browser sends by itself.
  cors(std::vector<std::string> origins, std::uint64_t max_age_s) : origins_(std::move(origins)), max_age_s_(max_age_s) {}

  [[nodiscard]] bool on() const { return !origins_.empty(); }
  /// Adds to the headers of any answer what lets the page that asked read it.
  void allow(const request& in, std::vector<field>& headers) const;
  /// The answer to a browser that asks before it sends a request; nothing when this is no such question, or not for it.
  [[nodiscard]] std::optional<response> preflight(const request& in) const;
  /// "https://app.example.org:8443", "*".
  [[nodiscard]] static bool is_origin(const std::string& text);

 private:
  [[nodiscard]] bool allows(const std::string& origin) const;
  std::vector<std::string> origins_;
  std::uint64_t max_age_s_ = 0;
};

}  // namespace perdure::tools::gateway
