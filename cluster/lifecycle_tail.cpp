#include "cluster/lifecycle_tail.hpp"

#include "cluster/event_broker.hpp"
#include "perdure/limits.hpp"

namespace perdure::cluster {

namespace {

constexpr std::size_t records_at_once = limits::reader_records;
constexpr std::size_t events_at_once = 200;
constexpr std::size_t bytes_at_once = 1U << 20;
constexpr std::size_t known_runs = 10'000;

}  // namespace

result<told_batch> lifecycle_tail::next(const persistence::journal& from, core::blob_port& blobs) {
  told_batch out;
  if (const auto first = from.archive().first_lsn; at_ + 1 < first) {
    out.skipped = first - 1 - at_;
    at_ = first - 1;
  }
  out.through = at_;
  const auto records = from.scan(at_ + 1, records_at_once);
  if (!records) return records.error();
  std::size_t bytes = 0;
  for (const auto& each : *records) {
    if (out.events.size() >= events_at_once || bytes >= bytes_at_once) break;
    out.through = each.lsn;
    if (each.bytes.empty() || !may_tell(each.kind)) continue;
    const auto* subject = subject_of(from, each.run);
    if (subject == nullptr || is_own_workflow(subject->workflow)) continue;
    const auto event = core::decode(each.kind, each.schema, each.bytes, &blobs);
    if (!event) continue;  // `journal verify` tells of it
    const auto open = concerns_open_tasks(*event) ? open_in(from, blobs, each) : std::vector<std::string>{};
    bytes += each.bytes.size();
    for (auto& one : lifecycle_events(each, *event, *subject, open))
      out.events.push_back({each.lsn, std::move(one), subject->tenant});
  }
  at_ = out.through;
  return out;
}

const lifecycle_subject* lifecycle_tail::subject_of(const persistence::journal& from, const run_id& run) {
  if (const auto found = known_.find(run); found != known_.end()) return &found->second;
  const auto row = from.row(run);
  if (!row) return nullptr;  // removed
  if (known_.size() >= known_runs) known_.clear();
  return &known_.emplace(run, lifecycle_subject{row->workflow, row->version, row->tenant}).first->second;
}

/// The tasks that were going on when the record was written: from the run's own events, since this is seldom asked.
std::vector<std::string> lifecycle_tail::open_in(const persistence::journal& from, core::blob_port& blobs,
                                                 const core::record& before) {
  open_tasks open;
  for (run_seq read = 0; read + 1 < before.seq;) {
    const auto records = from.read_run(before.run, read, records_at_once);
    if (!records || records->empty()) break;
    for (const auto& each : *records) {
      read = each.seq;
      if (each.seq >= before.seq) return open.list();
      if (each.kind != core::event_kind::turn && each.kind != core::event_kind::attempt_failed) continue;
      if (const auto event = core::decode(each.kind, each.schema, each.bytes, &blobs)) open.learn(*event);
    }
  }
  return open.list();
}

}  // namespace perdure::cluster
