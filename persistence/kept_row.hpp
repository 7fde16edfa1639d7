// kept_row: a run's row as it waits in memory. There may be very many, most of them of a few workflows and tenants, so
// what these have in common is kept once.
#pragma once

#include <memory>
#include <set>

#include "persistence/projection.hpp"

namespace perdure::persistence {

/// What many runs have in common.
struct run_origin {
  std::string workflow, version, definition_hash, tenant;

  auto operator<=>(const run_origin&) const = default;
};

struct kept_row {
  std::shared_ptr<const run_origin> of;    ///< in the overlay never null
  std::unique_ptr<const std::string> key;  ///< null = none
  timestamp created_at{};
  lsn_t first_lsn = 0;
  core::digest input_hash{};
  run_head head;

  kept_row() = default;
  explicit kept_row(projected_row&& from);
  [[nodiscard]] projected_row whole(const run_id& id) const;
};

/// Gives equal origins as one. No two threads at once.
class origin_pool {
 public:
  [[nodiscard]] std::shared_ptr<const run_origin> same(std::shared_ptr<const run_origin> as);
  [[nodiscard]] std::size_t size() const { return all_.size(); }

 private:
  struct by_value {
    bool operator()(const auto& a, const auto& b) const { return *a < *b; }
  };
  static constexpr std::size_t few = 64;
  std::set<std::shared_ptr<const run_origin>, by_value> all_;
  std::size_t sweep_at_ = few;  ///< then those that nobody has any more are dropped
};

}  // namespace perdure::persistence
