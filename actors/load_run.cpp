#include "actors/run_actor.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

result<core::run_state> load_run(const persistence::journal& journal, core::blob_port* blobs, const run_id& run,
                                 core::digest* head, std::uint64_t* replayed, run_seq* snapshot_seq) {
  core::run_state state;
  state.id = run;
  if (const auto snapshot = journal.snapshot(run)) {
    auto decoded = core::decode_state(snapshot->second, blobs);
    // A damaged or older snapshot costs time, not the run: its events are all there.
    if (decoded && decoded->seq == snapshot->first) {
      state = std::move(*decoded);
      if (snapshot_seq != nullptr) *snapshot_seq = snapshot->first;
    }
  }
  const auto from_snapshot = state.seq;
  while (true) {
    auto records = journal.read_run(run, state.seq, limits::reader_records);
    if (!records) return records.error();
    for (const auto& record : *records) {
      auto event = core::decode(record.kind, record.schema, record.bytes, blobs);
      if (!event) {
        return error{event.error().code, "run " + run.str() + ", seq " + std::to_string(record.seq) + " (LSN " +
                                             std::to_string(record.lsn) + "): " + event.error().message};
      }
      if (auto applied = core::apply(state, *event, record.time); !applied) {
        return error{errc::corrupt, "run " + run.str() + " (LSN " + std::to_string(record.lsn) + "): " + applied.error().message};
      }
      if (head != nullptr) *head = record.hash;
      if (replayed != nullptr) ++*replayed;
    }
    if (records->size() < limits::reader_records) break;
  }
  if (state.seq == 0) return error{errc::not_found, "no run " + run.str()};
  if (head != nullptr && state.seq == from_snapshot) {
    const auto row = journal.row(run);
    if (!row || row->seq != state.seq) return error{errc::corrupt, "run " + run.str() + ": its snapshot is ahead of its events"};
    *head = row->head_hash;
  }
  return state;
}

}  // namespace perdure::actors
