// RFC 3339 times and lengths of time for people.
#include "perdure/time.hpp"

#include <algorithm>
#include <array>

namespace perdure {

namespace {

using namespace std::chrono;

constexpr timestamp earliest = sys_days{year{0} / January / 1};
constexpr timestamp latest = sys_days{year{9999} / December / 31} + hours{24} - duration{1};

void digits(char*& out, std::int64_t value, int count) {
  for (int i = count - 1; i >= 0; --i) {
    out[i] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out += count;
}

/// Reads the parts of a text one after the other; any misfit makes all of it wrong.
class scanner {
 public:
  explicit scanner(std::string_view text) : rest_(text) {}
  int number(std::size_t count) {
    if (rest_.size() < count) return fail();
    int out = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!is_digit(rest_[i])) return fail();
      out = out * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(count);
    return out;
  }
  bool take(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void need(std::string_view any_of) {
    if (!take(any_of)) fail();
  }
  /// One to nine fraction digits, cut to microseconds.
  std::int64_t fraction() {
    std::int64_t out = 0;
    std::size_t count = 0;
    while (count < rest_.size() && is_digit(rest_[count])) {
      if (count < 6) out = out * 10 + (rest_[count] - '0');
      ++count;
    }
    if (count < 1 || count > 9) return fail();
    for (auto i = count; i < 6; ++i) out *= 10;
    rest_.remove_prefix(count);
    return out;
  }
  [[nodiscard]] char next() const { return rest_.empty() ? '\0' : rest_.front(); }
  [[nodiscard]] bool done() const { return good_ && rest_.empty(); }

 private:
  static bool is_digit(char what) { return what >= '0' && what <= '9'; }
  int fail() {
    good_ = false;
    return 0;
  }
  std::string_view rest_;
  bool good_ = true;
};

}  // namespace

std::string to_string(timestamp at) {
  // RFC 3339 has years of four digits: what lies beyond is shown as the nearest time that can be written.
  at = std::clamp(at, earliest, latest);
  const auto day = floor<days>(at);
  const year_month_day date{day};
  const auto in_day = at - day;
  std::array<char, 27> text;
  auto* out = text.data();
  const auto put = [&](char what) { *out++ = what; };
  digits(out, static_cast<int>(date.year()), 4);
  put('-');
  digits(out, static_cast<unsigned>(date.month()), 2);
  put('-');
  digits(out, static_cast<unsigned>(date.day()), 2);
  put('T');
  digits(out, in_day / hours{1}, 2);
  put(':');
  digits(out, in_day / minutes{1} % 60, 2);
  put(':');
  digits(out, in_day / seconds{1} % 60, 2);
  put('.');
  digits(out, in_day.count() % 1'000'000, 6);
  put('Z');
  return {text.data(), text.size()};
}

std::optional<timestamp> parse_timestamp(std::string_view text) {
  scanner in{text};
  const auto y = in.number(4);
  in.need("-");
  const auto m = in.number(2);
  in.need("-");
  const auto d = in.number(2);
  in.need("Tt ");
  const auto hour = in.number(2);
  in.need(":");
  const auto minute = in.number(2);
  in.need(":");
  const auto second = in.number(2);
  const auto micros = in.take(".") ? in.fraction() : 0;
  minutes offset{0};
  if (!in.take("Zz")) {
    const bool west = in.next() == '-';
    in.need("+-");
    const auto offset_hour = in.number(2);
    in.need(":");
    const auto offset_minute = in.number(2);
    if (offset_hour > 23 || offset_minute > 59) return std::nullopt;
    offset = hours{offset_hour} + minutes{offset_minute};
    if (west) offset = -offset;
  }
  const year_month_day date{year{y}, month{static_cast<unsigned>(m)}, day{static_cast<unsigned>(d)}};
  // Second 60 is a leap second: the next minute's first.
  if (!in.done() || !date.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  return sys_days{date} + hours{hour} + minutes{minute} + seconds{second} + microseconds{micros} - offset;
}

std::string to_human(duration length) {
  if (length < duration{0}) {
    return length == duration::min() ? "-" + to_human(duration::max()) : "-" + to_human(-length);
  }
  // Below a minute: one unit with at most three digits after the point. From there on: the two largest units.
  const auto decimal = [](std::int64_t thousandths, const char* unit) {
    auto text = std::to_string(thousandths / 1000);
    if (auto rest = thousandths % 1000; rest != 0) {
      auto part = std::to_string(1000 + rest).substr(1);
      part.erase(part.find_last_not_of('0') + 1);
      text += "." + part;
    }
    return text + unit;
  };
  if (length == duration{0}) return "0s";
  if (length < milliseconds{1}) return std::to_string(length.count()) + "us";
  if (length < seconds{1}) return decimal(length.count(), "ms");
  if (length < minutes{1}) return decimal(length / milliseconds{1}, "s");
  const auto two = [](std::int64_t high, const char* high_unit, std::int64_t low, const char* low_unit) {
    auto text = std::to_string(high) + high_unit;
    if (low != 0) text += " " + std::to_string(low) + low_unit;
    return text;
  };
  if (length < hours{1}) return two(length / minutes{1}, "m", length / seconds{1} % 60, "s");
  if (length < days{1}) return two(length / hours{1}, "h", length / minutes{1} % 60, "m");
  return two(length / days{1}, "d", length / hours{1} % 24, "h");
}

}  // namespace perdure
