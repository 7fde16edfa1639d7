#include "persistence/flusher.hpp"

#include "core/assert.hpp"

namespace perdure::persistence {

namespace {
constexpr std::size_t rows_between_clock_reads = 32;
}

void flusher::start(lsn_t next_lsn) {
  PERDURE_ASSERT(!running() && next_lsn != 0);
  bound_ = next_lsn;
  cursor_.reset();
}

void flusher::write(write_batch& batch, store_head& head, slice_limits limits) {
  PERDURE_ASSERT(running() && slice_.empty());
  const auto started = std::chrono::steady_clock::now();
  const auto& ids = rows_.ids();
  auto at = cursor_ ? ids.upper_bound(*cursor_) : ids.begin();
  for (; at != ids.end() && slice_.size() < limits.rows; ++at) {
    const auto& entry = *rows_.find(*at);
    if (entry.first_dirty >= bound_) continue;
    write_row(batch, head, *at, entry);
    slice_.push_back(*at);
    if (limits.time.count() != 0 && slice_.size() % rows_between_clock_reads == 0 &&
        std::chrono::steady_clock::now() - started > limits.time) {
      break;
    }
  }
  through_ = at == ids.end();
  if (through_) head.redo_lsn = bound_;
  for (const auto& [tenant, delta] : tenants_) {
    const auto key = tenant_key(tenant);
    const auto stored = batch.get(table::tenants, key);
    const auto open = static_cast<std::int64_t>(stored ? value_number(*stored) : 0) + delta;
    if (open > 0) {
      batch.put(table::tenants, key, number_value(static_cast<std::uint64_t>(open)).append(tenant));
    } else {
      batch.erase(table::tenants, key);
    }
  }
}

void flusher::committed() {
  if (!slice_.empty()) cursor_ = slice_.back();
  for (const auto& run : slice_) rows_.forget(run);
  if (through_) bound_ = 0;
  dropped();
}

void flusher::dropped() {
  slice_.clear();
  tenants_.clear();
  through_ = false;
}

void flusher::write_row(write_batch& batch, store_head& head, const run_id& id, const overlay_entry& entry) {
  auto row = entry.row.whole(id);
  if (entry.staged != nullptr) row.head = *entry.staged;
  const auto& [facts, now] = row;
  const auto& was = entry.stored;
  const auto run = run_key(id);
  batch.put(table::rows, run, encode_row(row));
  if (!was.exists) {
    if (facts.workflow != last_workflow_ || last_prefix_.empty()) {
      last_workflow_ = facts.workflow;
      last_prefix_ = workflow_prefix(facts.workflow);
    }
    batch.put(table::by_workflow, std::string{last_prefix_}.append(run), {});
    if (!facts.key.empty()) write_key(batch, facts);
    ++head.total_runs;
  }
  if (!was.exists || was.status != now.status) {
    if (was.exists) batch.erase(table::by_status, status_key(was.status, id));
    batch.put(table::by_status, status_key(now.status, id), {});
  }
  if (was.wakeup != now.wakeup) {
    if (was.wakeup) batch.erase(table::wakeups, wakeup_key(*was.wakeup, id));
    if (now.wakeup) batch.put(table::wakeups, wakeup_key(*now.wakeup, id), {});
  }
  if ((was.exists && was.active) != now.active) {
    if (now.active) {
      batch.put(table::active, run, {});
    } else {
      batch.erase(table::active, run);
    }
  }
  if (was.open() != now.open()) {
    const auto step = now.open() ? 1 : -1;
    head.open_runs += static_cast<std::uint64_t>(static_cast<std::int64_t>(step));
    tenants_[facts.tenant] += step;
  }
}

/// Of two runs with one key the later one has it, in whatever order their rows are stored.
void flusher::write_key(write_batch& batch, const run_facts& facts) {
  const auto key = scoped_key(facts.tenant, facts.key);
  if (const auto stored = batch.get(table::keys, key)) {
    constexpr auto id_bytes = run_id{}.bytes.size();
    if (stored->size() > id_bytes && value_number(stored->substr(id_bytes)) > facts.first_lsn) return;
  }
  batch.put(table::keys, key, std::string{run_key(facts.id)}.append(number_value(facts.first_lsn)));
}

}  // namespace perdure::persistence
