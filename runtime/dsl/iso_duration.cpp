#include "dsl/iso_duration.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace perdure::dsl {

namespace {

struct unit {
  char name;
  double seconds;
};
constexpr std::array<unit, 4> date_units{{{'Y', 365.0 * 86400}, {'M', 30.0 * 86400}, {'W', 7.0 * 86400}, {'D', 86400.0}}};
constexpr std::array<unit, 3> time_units{{{'H', 3600.0}, {'M', 60.0}, {'S', 1.0}}};

/// Reads the parts at the front of `text` in the order of `units`. The sum, or empty when a part is malformed.
template <std::size_t N>
std::optional<double> read_parts(std::string_view& text, const std::array<unit, N>& units) {
  double sum = 0;
  std::size_t next = 0;
  while (!text.empty() && text[0] != 'T') {
    const auto end = text.find_first_not_of("0123456789.");
    if (end == 0 || end == std::string_view::npos) return std::nullopt;
    const auto digits = text.substr(0, end);
    const auto point = digits.find('.');
    if (point == 0 || point + 1 == digits.size() || digits.find('.', point + 1) != std::string_view::npos) {
      if (point != std::string_view::npos) return std::nullopt;
    }
    while (next < units.size() && units[next].name != text[end]) ++next;
    if (next == units.size()) return std::nullopt;
    double value = 0;
    if (std::from_chars(digits.data(), digits.data() + digits.size(), value).ec != std::errc{}) return std::nullopt;
    sum += value * units[next++].seconds;
    text.remove_prefix(end + 1);
  }
  return sum;
}

}  // namespace

std::optional<duration> parse_iso_duration(std::string_view text) {
  if (text.size() < 2 || text.size() > 100 || text[0] != 'P') return std::nullopt;
  text.remove_prefix(1);
  const auto days = read_parts(text, date_units);
  if (!days) return std::nullopt;
  double seconds = *days;
  if (!text.empty()) {
    text.remove_prefix(1);  // 'T'
    if (text.empty() || text[0] == 'T') return std::nullopt;
    const auto times = read_parts(text, time_units);
    if (!times || !text.empty()) return std::nullopt;
    seconds += *times;
  }
  const auto micros = std::round(seconds * 1e6);
  if (!(micros <= static_cast<double>(longest_duration.count()))) return std::nullopt;
  return duration{static_cast<duration::rep>(micros)};
}

}  // namespace perdure::dsl
