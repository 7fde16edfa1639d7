#include "dsl/cron.hpp"

#include <charconv>
#include <chrono>

namespace perdure::dsl {

namespace {

enum at : std::size_t { minute, hour, day, month, weekday };

struct range {
  std::string_view what;
  unsigned least, most;
};
constexpr std::array<range, 5> ranges{
    {{"minute", 0, 59}, {"hour", 0, 23}, {"day of the month", 1, 31}, {"month", 1, 12}, {"day of the week", 0, 7}}};
constexpr std::array<std::string_view, 12> months{"jan", "feb", "mar", "apr", "may", "jun",
                                                  "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekdays{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> names{{{"@yearly", "0 0 1 1 *"},
                                                                              {"@annually", "0 0 1 1 *"},
                                                                              {"@monthly", "0 0 1 * *"},
                                                                              {"@weekly", "0 0 * * 0"},
                                                                              {"@daily", "0 0 * * *"},
                                                                              {"@midnight", "0 0 * * *"},
                                                                              {"@hourly", "0 * * * *"}}};

/// A day is looked for in so many years: the 29th of February on a given weekday comes within 40.
constexpr int years_ahead = 40;

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::optional<unsigned> value_of(std::string_view text, std::size_t which) {
  const auto small = lower(text);
  if (which == month) {
    for (unsigned i = 0; i < months.size(); ++i) {
      if (months[i] == small) return i + 1;
    }
  }
  if (which == weekday) {
    for (unsigned i = 0; i < weekdays.size(); ++i) {
      if (weekdays[i] == small) return i;
    }
  }
  unsigned out = 0;
  const auto end = std::from_chars(text.data(), text.data() + text.size(), out);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return out >= ranges[which].least && out <= ranges[which].most ? std::optional{out} : std::nullopt;
}

error unfit(std::string_view text, std::size_t which) {
  const auto& wanted = ranges[which];
  return {errc::invalid_argument, "\"" + std::string{text} + "\" is no " + std::string{wanted.what} +
                                      ": expected \"*\", a value from " + std::to_string(wanted.least) + " to " +
                                      std::to_string(wanted.most) +
                                      ", a range such as 1-5, a step such as */10, or several with commas"};
}

/// "*", "a", "a-b", each with "/n".
std::optional<std::uint64_t> part_of(std::string_view text, std::size_t which) {
  unsigned step = 1;
  bool stepped = false;
  if (const auto slash = text.find('/'); slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    const auto end = std::from_chars(digits.data(), digits.data() + digits.size(), step);
    if (end.ec != std::errc{} || end.ptr != digits.data() + digits.size() || step == 0) return std::nullopt;
    stepped = true;
    text = text.substr(0, slash);
  }
  auto from = ranges[which].least, to = ranges[which].most;
  if (which == weekday) to = 6;
  if (text != "*" && text != "?") {
    const auto dash = text.find('-');
    const auto first = value_of(text.substr(0, dash), which);
    const auto last =
        dash == std::string_view::npos ? (stepped ? std::optional{to} : first) : value_of(text.substr(dash + 1), which);
    if (!first || !last || *first > *last) return std::nullopt;
    from = *first;
    to = *last;
  }
  std::uint64_t out = 0;
  for (auto value = from; value <= to; value += step) out |= std::uint64_t{1} << (which == weekday ? value % 7 : value);
  return out;
}

}  // namespace

result<cron> cron::parse(std::string_view text) {
  cron out;
  const auto next_word = [&text] {
    const auto begin = std::min(text.find_first_not_of(" \t"), text.size());
    const auto end = std::min(text.find_first_of(" \t", begin), text.size());
    const auto word = text.substr(begin, end - begin);
    text.remove_prefix(end);
    return word;
  };
  const auto rest_of = [&text] {
    auto rest = text;
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    return rest;
  };
  for (const std::string_view prefix : {"CRON_TZ=", "TZ="}) {
    if (!rest_of().starts_with(prefix)) continue;
    out.zone_ = next_word().substr(prefix.size());
    if (out.zone_.empty())
      return error{errc::invalid_argument, "expected the name of a time zone after \"" + std::string{prefix} + "\""};
    break;
  }
  std::string named;
  if (rest_of().starts_with('@')) {
    const auto word = lower(next_word());
    for (const auto& [name, meaning] : names) {
      if (name == word) named = meaning;
    }
    if (named.empty() || !rest_of().empty())
      return error{errc::invalid_argument,
                   "\"" + word + "\" is no name of a schedule: expected @yearly, @monthly, @weekly, @daily or @hourly"};
    text = named;
  }
  for (std::size_t which = 0; which < ranges.size(); ++which) {
    auto word = next_word();
    if (word.empty()) break;
    const auto whole = word;
    auto& field = out.fields_[which];
    field.any = word == "*" || word == "?";
    while (true) {
      const auto comma = word.find(',');
      const auto bits = part_of(word.substr(0, comma), which);
      if (!bits) return unfit(whole, which);
      field.bits |= *bits;
      if (comma == std::string_view::npos) break;
      word.remove_prefix(comma + 1);
    }
  }
  if (out.fields_.back().bits == 0 || !rest_of().empty()) {
    return error{errc::invalid_argument,
                 "expected five fields: minute, hour, day of the month, month, day of the week; for example \"0 2 * * mon-fri\""};
  }
  return out;
}

/// As cron has it: where both say something about the day, either is enough.
bool cron::names_day(unsigned in_month, unsigned on_day, unsigned on_weekday) const {
  if (!fields_[month].has(in_month)) return false;
  const bool by_date = fields_[day].has(on_day), by_weekday = fields_[weekday].has(on_weekday);
  if (fields_[day].any) return by_weekday;
  if (fields_[weekday].any) return by_date;
  return by_date || by_weekday;
}

std::optional<std::int64_t> cron::next(std::int64_t after) const {
  using namespace std::chrono;
  constexpr std::int64_t minutes_of_day = 24 * 60;
  const auto first = after + 1;
  auto number = first >= 0 ? first / minutes_of_day : (first - minutes_of_day + 1) / minutes_of_day;
  auto from = first - number * minutes_of_day;
  for (const auto last = number + years_ahead * 366; number < last; ++number, from = 0) {
    const sys_days at{days{number}};
    const year_month_day date{at};
    if (!names_day(static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), std::chrono::weekday{at}.c_encoding()))
      continue;
    for (auto now = from; now < minutes_of_day; ++now) {
      if (!fields_[hour].has(static_cast<unsigned>(now / 60))) {
        now = (now / 60 + 1) * 60 - 1;
        continue;
      }
      if (fields_[minute].has(static_cast<unsigned>(now % 60))) return number * minutes_of_day + now;
    }
  }
  return std::nullopt;
}

}  // namespace perdure::dsl
