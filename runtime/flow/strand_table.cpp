#include "flow/strand_table.hpp"

#include <algorithm>

namespace perdure::flow {

strand_table::strand_id strand_table::open(strand_id parent) {
  parents_.push_back(parent);
  return static_cast<strand_id>(parents_.size() - 1);
}

bool strand_table::descends(strand_id strand, strand_id ancestor) const noexcept {
  // A child's number is above its parent's.
  while (strand > ancestor) strand = parents_[strand];
  return strand == ancestor;
}

bool strand_table::busy(strand_id strand) const noexcept {
  return !closed_ && std::any_of(bodies_.begin(), bodies_.end(), [&](const body& each) { return descends(each.strand, strand); });
}

void strand_table::retire(strand_id strand, std::coroutine_handle<> coroutine) noexcept {
  if (busy(strand)) {
    retired_.push_back({strand, coroutine});
  } else {
    coroutine.destroy();
  }
}

void strand_table::body_started(step_ordinal ordinal, strand_id strand) { bodies_.push_back({ordinal, strand}); }

void strand_table::body_ended(step_ordinal ordinal) noexcept {
  const auto ended = std::find_if(bodies_.begin(), bodies_.end(), [&](const body& each) { return each.ordinal == ordinal; });
  if (ended == bodies_.end()) return;
  *ended = bodies_.back();
  bodies_.pop_back();
  if (retired_.empty()) return;
  std::vector<retired> idle;
  std::erase_if(retired_, [&](const retired& each) {
    if (busy(each.strand)) return false;
    idle.push_back(each);
    return true;
  });
  std::sort(idle.begin(), idle.end(), [](const retired& a, const retired& b) { return a.strand > b.strand; });
  for (const auto& each : idle) each.coroutine.destroy();
}

void strand_table::close() noexcept {
  closed_ = true;
  auto left = std::exchange(retired_, {});
  std::sort(left.begin(), left.end(), [](const retired& a, const retired& b) { return a.strand > b.strand; });
  for (const auto& each : left) each.coroutine.destroy();
}

}  // namespace perdure::flow
