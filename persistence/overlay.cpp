#include "persistence/overlay.hpp"

#include "core/assert.hpp"
#include "persistence/keys.hpp"

namespace perdure::persistence {

overlay_entry* overlay::find(const run_id& run) {
  const auto at = entries_.find(run);
  return at == entries_.end() ? nullptr : &at->second;
}

const overlay_entry* overlay::find(const run_id& run) const {
  const auto at = entries_.find(run);
  return at == entries_.end() ? nullptr : &at->second;
}

overlay_entry& overlay::adopt(map::node_type&& node) {
  auto& of = node.mapped().row.of;
  of = origins_.same(of != nullptr ? std::move(of) : std::make_shared<const run_origin>());
  const auto added = entries_.insert(std::move(node));
  PERDURE_ASSERT(added.inserted);
  return added.position->second;
}

void overlay::publish(const run_id& run, overlay_entry& entry, const run_head& head, lsn_t lsn) {
  auto& row = entry.row;
  auto& old = row.head;
  const auto& tenant = row.of->tenant;
  const bool was_here = entry.first_dirty != 0;
  if (!was_here) {
    entry.first_dirty = lsn;
    ids_.insert(ids_.end(), run);  // ids grow with time, so the end is nearly always right
  }
  const bool is_new = old.seq == 0;
  if (is_new) {
    ++counts_.total;
    if (row.key != nullptr) {
      auto& holder = keys_[scoped_key(tenant, *row.key)];
      if (holder.first_lsn <= row.first_lsn) holder = {run, row.first_lsn};
    }
  }
  if (const bool was_open = !is_new && old.open(); was_open != head.open()) {
    const auto step = head.open() ? std::uint64_t{1} : ~std::uint64_t{0};
    counts_.open += step;
    const auto of_tenant = counts_.open_of_tenant.find(tenant);
    if (of_tenant == counts_.open_of_tenant.end()) {
      counts_.open_of_tenant.emplace(tenant, step);
    } else if ((of_tenant->second += step) == 0) {
      counts_.open_of_tenant.erase(of_tenant);
    }
  }
  if (!was_here || old.wakeup != head.wakeup) {
    if (was_here && old.wakeup) wakeups_.erase({*old.wakeup, run});
    if (head.wakeup) wakeups_.emplace(*head.wakeup, run);
  }
  old = head;
}

void overlay::forget(const run_id& run) {
  const auto at = entries_.find(run);
  PERDURE_ASSERT(at != entries_.end());
  const auto& row = at->second.row;
  if (row.head.wakeup) wakeups_.erase({*row.head.wakeup, run});
  if (row.key != nullptr) {
    const auto key = keys_.find(scoped_key(row.of->tenant, *row.key));
    if (key != keys_.end() && key->second.run == run) keys_.erase(key);
  }
  ids_.erase(run);
  entries_.erase(at);
}

std::optional<overlay::key_holder> overlay::key(const std::string& scoped_key) const {
  const auto at = keys_.find(scoped_key);
  if (at == keys_.end()) return std::nullopt;
  return at->second;
}

}  // namespace perdure::persistence
