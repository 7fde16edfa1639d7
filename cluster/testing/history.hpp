// history: a run's events as readable JSON lines, and back. For recorded histories that are kept beside tests.
//
//   first line   {"perdure_history":1,"workflow":"…","version":"…","run":"…"}
//   then         {"seq":1,"time":"…","kind":"run_started","executor":"…","event":{…}}
//
// The event's members are those of core/events.hpp; what has its default is left out. `executor` is for people.
#pragma once

#include "core/record.hpp"
#include "perdure/testing.hpp"
#include "persistence/journal.hpp"

namespace perdure::testing {

using recorded_events = std::vector<std::pair<core::event, timestamp>>;

struct history {
  std::string workflow, version;
  run_id run;
  recorded_events events;
};

/// unsupported: a linked run begins with another one's state, which no text can say.
[[nodiscard]] result<std::string> write_history(const history& what);
/// invalid_argument names the line.
[[nodiscard]] result<history> read_history(std::string_view text);

/// Where today's code parts from it. `corrupt`: the events do not fit one after the other.
[[nodiscard]] result<std::vector<history_parting>> replay(const history& what, const perdure::detail::definition& code);
/// Both sides of each.
[[nodiscard]] std::string text_of(const std::vector<history_parting>& partings);

}  // namespace perdure::testing
