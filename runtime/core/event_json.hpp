// Events as JSON: what `runs events`, subscribers and exports show. Never read back by the engine.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "core/events.hpp"
#include "core/record.hpp"
#include "core/state.hpp"

namespace perdure::core {

/// {"type","status","title","detail","instance","code","executor","attempt"}, null where unknown, and "causes" when
/// there are any.
[[nodiscard]] json::object failure_to_json(const failure& why);

/// The members of an event, without its place in the journal. Members that say nothing (empty lists, absent times) are
/// left out; payloads stand as JSON, times as RFC 3339 text. No member is called lsn, seq, time, kind or executor.
[[nodiscard]] json::object event_to_json(const event& what);

/// "turn", "run_started" …
[[nodiscard]] std::string_view name_of(event_kind kind) noexcept;
/// The activation an event is about; 0 = the whole run.
[[nodiscard]] activation_id activation_of(const event& what) noexcept;

/// Knows the executor of every activation of one run, learnt from its events in order.
/// Concurrency: one thread. Limitations: what was scheduled before the first event (or state) it saw is unknown.
class executor_names {
 public:
  void learn(const event& what);
  void learn(const run_state& state);
  /// The executor that an event is about; empty for the whole run, or when unknown.
  [[nodiscard]] std::string of(const event& what) const;

 private:
  std::map<activation_id, std::string> names_;
};

/// A stored record as subscribers see it. Learns from the event first, so records come in order.
[[nodiscard]] run_event to_run_event(const record& stored, const event& what, executor_names& names);

/// One line of `runs events`: {"lsn","seq","time","kind","executor", the event's members…}.
[[nodiscard]] json::object line_of(const run_event& event);

}  // namespace perdure::core
