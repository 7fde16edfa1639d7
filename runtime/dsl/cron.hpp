// Cron expressions: five fields (minute, hour, day of month, month, day of week), or "@hourly", "@daily" …; "CRON_TZ=Zone " in
// front names a time zone, else it is UTC. Pure: times are civil minutes of that zone.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure::dsl {

/// Immutable; any thread.
class cron {
 public:
  /// `invalid_argument` says what was expected. Whether the zone is known is for somebody who knows zones.
  [[nodiscard]] static result<cron> parse(std::string_view text);

  [[nodiscard]] const std::string& zone() const noexcept { return zone_; }
  /// The first minute (since the beginning of 1970, civil time) later than `after` that it names. Empty: none within a
  /// lifetime, as of the 30th of February.
  [[nodiscard]] std::optional<std::int64_t> next(std::int64_t after) const;

 private:
  struct field {
    std::uint64_t bits = 0;  ///< bit n: the value n
    bool any = false;        ///< "*": says nothing about the day where the other field of days does
    [[nodiscard]] bool has(unsigned value) const { return (bits >> value & 1U) != 0; }
  };
  [[nodiscard]] bool names_day(unsigned month, unsigned day, unsigned weekday) const;

  std::string zone_ = "UTC";
  std::array<field, 5> fields_;
};

}  // namespace perdure::dsl
