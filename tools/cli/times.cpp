#include "tools/cli/times.hpp"

#include <cstdlib>

namespace perdure::tools::cli {

namespace {

/// "45s", "3m", "2h", "5d": the largest unit, which is enough when looking back.
std::string coarse(duration length) {
  using namespace std::chrono;
  const auto seconds = duration_cast<std::chrono::seconds>(length).count();
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86400) return std::to_string(seconds / 3600) + "h";
  return std::to_string(seconds / 86400) + "d";
}

}  // namespace

timestamp wall_clock() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

std::string relative(timestamp at, timestamp now) {
  const auto distance = at > now ? at - now : now - at;
  if (distance < std::chrono::seconds{1}) return at > now ? "now" : "just now";
  return at > now ? "in " + coarse(distance) : coarse(distance) + " ago";
}

std::string absolute_and_relative(timestamp at, timestamp now) {
  auto text = to_string(std::chrono::time_point_cast<duration>(std::chrono::floor<std::chrono::seconds>(at)));
  const auto day_end = text.find('T');
  if (day_end != std::string::npos) text[day_end] = ' ';
  if (const auto fraction = text.find('.'); fraction != std::string::npos) text = text.substr(0, fraction) + "Z";
  return text + " (" + relative(at, now) + ")";
}

std::string absolute_and_relative(const std::string& at, timestamp now) {
  const auto parsed = parse_timestamp(at);
  return parsed ? absolute_and_relative(*parsed, now) : "-";
}

std::string between(const std::string& from, const std::string& to) {
  const auto first = parse_timestamp(from);
  const auto last = parse_timestamp(to);
  return first && last ? to_human(*last - *first) : std::string{};
}

}  // namespace perdure::tools::cli
