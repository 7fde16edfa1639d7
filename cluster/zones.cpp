#include "cluster/zones.hpp"

#include <date/tz.h>

#include <stdexcept>

namespace perdure::cluster {

namespace {

class zones : public dsl::clock_host {
 public:
  result<timestamp> next(const dsl::cron& what, timestamp after) override {
    const auto* zone = find(what.zone());
    if (zone == nullptr) return error{errc::invalid_argument, "the time zone \"" + what.zone() + "\" is not known here (tzdata)"};
    const date::sys_time<duration> now{after.time_since_epoch()};
    auto civil = date::floor<std::chrono::minutes>(zone->to_local(now)).time_since_epoch().count();
    // Of an hour that comes twice the first counts, so what follows may be in the past still.
    while (const auto found = what.next(civil)) {
      const auto at = zone->to_sys(date::local_time<std::chrono::minutes>{std::chrono::minutes{*found}}, date::choose::earliest);
      const timestamp out{std::chrono::duration_cast<duration>(at.time_since_epoch())};
      if (out > after) return out;
      civil = *found;
    }
    return error{errc::not_found, "the schedule names no time"};
  }

 private:
  static const date::time_zone* find(const std::string& name) {
    try {
      return date::locate_zone(name);
    } catch (const std::runtime_error&) {
      return nullptr;
    }
  }
};

}  // namespace

std::shared_ptr<dsl::clock_host> make_zones() { return std::make_shared<zones>(); }

}  // namespace perdure::cluster
