#include "tools/gateway/durations.hpp"

#include <charconv>
#include <string>

namespace perdure::tools::gateway {

result<duration> read_length(std::string_view member, const json::value& given) {
  if (given.is_null()) return duration{0};
  double amount = -1, seconds = 1;
  if (given.is_number()) {
    amount = given.to_number<double>();
  } else if (given.is_string()) {
    const std::string_view text = given.get_string();
    const auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), amount);
    const auto unit = text.substr(static_cast<std::size_t>(rest - text.data()));
    seconds = unit.empty() || unit == "s" ? 1
              : unit == "ms"              ? 0.001
              : unit == "m"               ? 60
              : unit == "h"               ? 3600
              : unit == "d"               ? 86400
                                          : 0;
    if (bad != std::errc{}) amount = -1;
  }
  // What is less than a microsecond would become none.
  if (!(amount * seconds >= 1e-6) || seconds == 0 || amount * seconds > 1e11)
    return error{errc::invalid_argument,
                 "\"" + std::string{member} + "\" is a number of seconds, or a text like 90s, 250ms, 15m, 2h or 1d"};
  return duration{static_cast<duration::rep>(amount * seconds * 1e6)};
}

}  // namespace perdure::tools::gateway
