#include "persistence/damage.hpp"

#include <algorithm>

#include "persistence/salvage.hpp"

namespace perdure::persistence {

namespace {

/// So many runs that only readers met are remembered.
constexpr std::size_t met_runs = 10'000;

std::string damaged_record(lsn_t lsn) { return "record " + std::to_string(lsn) + " is damaged"; }

}  // namespace

void damage::note(const run_id& run, lsn_t lsn) {
  auto& known = noted_.try_emplace(run, lsn).first->second;
  known = std::min(known, lsn);
}

void damage::met(const run_id& run, const std::string& what) const {
  if (noted_.contains(run)) return;
  const std::lock_guard lock{mutex_};
  if (met_.size() < met_runs) met_.try_emplace(run, what);
}

std::optional<std::string> damage::of(const run_id& run) const {
  if (const auto at = noted_.find(run); at != noted_.end()) return damaged_record(at->second);
  const std::lock_guard lock{mutex_};
  if (const auto at = met_.find(run); at != met_.end()) return at->second;
  return std::nullopt;
}

std::vector<std::pair<run_id, std::string>> damage::all() const {
  std::vector<std::pair<run_id, std::string>> out;
  for (const auto& [run, lsn] : noted_) out.emplace_back(run, damaged_record(lsn));
  const std::lock_guard lock{mutex_};
  out.insert(out.end(), met_.begin(), met_.end());
  return out;
}

std::optional<run_id> damage::holder_of(std::string_view scope, std::string_view key) const {
  for (const auto& each : first_) {
    if (may_have_key(each.lsn, each.bytes, scope, key)) return each.run;
  }
  return std::nullopt;
}

}  // namespace perdure::persistence
