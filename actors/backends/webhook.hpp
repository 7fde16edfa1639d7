// Callbacks of a remote job service: who takes them, and how their signature is checked.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/backends/http_service.hpp"
#include "perdure/error.hpp"

namespace perdure::actors {

struct callback {
  std::vector<std::pair<std::string, std::string>> headers, query;
  std::string body;
};

/// A backend that takes callbacks. Any thread; must not block.
class callback_receiver {
 public:
  virtual ~callback_receiver() = default;
  /// not_found: this backend takes none, or knows of no such job. invalid_argument: the signature is missing or wrong.
  [[nodiscard]] virtual result<void> take_callback(const callback& what) = 0;
};

/// Whether a callback is signed as the rule says. Of several signatures in the header (parts between spaces and commas) one has
/// to fit.
[[nodiscard]] bool is_signed(const callback& what, const http_service::webhook_rule& rule, const std::string& secret);

}  // namespace perdure::actors
