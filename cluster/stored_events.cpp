#include "cluster/stored_events.hpp"

#include <optional>

#include "cluster/node_impl.hpp"
#include "persistence/each_record.hpp"

namespace perdure::cluster {

result<core::event> event_of(const core::record& record, core::blob_port& blobs) {
  auto event = core::decode(record.kind, record.schema, record.bytes, &blobs);
  if (event) return event;
  return error{event.error().code, "run " + record.run.str() + ", seq " + std::to_string(record.seq) + " (LSN " +
                                       std::to_string(record.lsn) + "): " + event.error().message};
}

result<subscription> subscribe_to(node& at, const run_id& run, std::function<void(const run_event&)> on_event, run_seq after,
                                  std::function<void(const error&)> broken) {
  return at.internals().subscribe(run, std::move(on_event), after, std::move(broken));
}

result<void> read_events(persistence::journal& from, const run_id& run, reading_place& at, run_seq after,
                         const take_stored& take) {
  std::optional<error> unreadable;
  auto read = persistence::each_record(from, run, at.seq, [&](const core::record& record) {
    const auto event = event_of(record, from.blobs());
    if (!event) {
      unreadable = event.error();
      return false;
    }
    at.seq = record.seq;
    if (record.seq <= after) {
      at.names.learn(*event);
      return true;
    }
    return take(core::to_run_event(record, *event, at.names), *event);
  });
  if (unreadable) return *unreadable;
  return read;
}

}  // namespace perdure::cluster
