#include "tools/view/time_axis.hpp"

#include <algorithm>
#include <array>

namespace perdure::tools {

namespace {

/// The smallest round length of time that is at least so long.
duration round_step(duration least) {
  using namespace std::chrono;
  if (least <= seconds{30}) {
    // 1, 2 and 5 times a power of ten, up to half a minute.
    for (duration unit{1}; unit <= seconds{10}; unit *= 10) {
      for (const int times : {1, 2, 5}) {
        if (unit * times >= least && unit * times <= seconds{20}) return unit * times;
      }
    }
    return seconds{30};
  }
  constexpr std::array<duration, 16> round{minutes{1}, minutes{2},    minutes{5},     minutes{10},   minutes{15}, minutes{30},
                                           hours{1},   hours{2},      hours{3},       hours{6},      hours{12},   hours{24},
                                           hours{48},  hours{24 * 7}, hours{24 * 14}, hours{24 * 28}};
  for (const auto each : round) {
    if (each >= least) return each;
  }
  duration out = hours{24 * 50};
  for (int i = 0; out < least; ++i) out *= i % 2 == 0 ? 2 : 5;
  return out;
}

}  // namespace

std::vector<axis_mark> marks_of(duration length, std::size_t most) {
  if (length <= duration{0} || most < 2) return {{duration{0}, "0"}};
  const auto spaces = static_cast<duration::rep>(most - 1);
  const auto step = round_step(duration{(length.count() + spaces - 1) / spaces});
  std::vector<axis_mark> out;
  for (duration at{0}; at <= length; at += step) out.push_back({at, at == duration{0} ? "0" : to_human(at)});
  return out;
}

duration rounded(duration length) {
  using namespace std::chrono;
  if (length < milliseconds{1}) return length;
  if (length < seconds{1}) return round<milliseconds>(length);
  if (length < seconds{10}) return round<std::chrono::duration<duration::rep, std::centi>>(length);
  return length < minutes{1} ? round<std::chrono::duration<duration::rep, std::deci>>(length) : length;
}

}  // namespace perdure::tools
