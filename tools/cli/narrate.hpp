// Events as lines for people: what `run --follow` and `runs events` print.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "perdure/run.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

/// Tells a run's events in order.
/// Concurrency: one thread.
class narrator {
 public:
  struct line {
    std::string who;     ///< executor or task; empty for the whole run
    std::string what;    ///< "started", "succeeded", "waits until …"
    std::string detail;  ///< value, error text; may be long
    colour how = colour::plain;
  };
  /// What the event says; often several things, sometimes nothing worth a line.
  std::vector<line> tell(const run_event& event);
  /// The same as printable lines of at most `width` columns: time, who, what, detail.
  std::vector<std::string> lines(const run_event& event, std::size_t width);

 private:
  struct scope {
    std::string name;
    timestamp began{};
  };
  /// A document's interpreter: its tasks tell what it does, so its own steps are not told.
  struct document {
    std::map<std::uint64_t, scope> open;         ///< by number
    std::map<std::uint64_t, std::string> ended;  ///< in the event that is told, by number
    std::string waiting;                         ///< the task that ended last
  };
  std::vector<line> turn(const run_event& event);
  [[nodiscard]] static std::vector<line> progress(const run_event& event);
  [[nodiscard]] static line job(const run_event& event);
  void outputs(const run_event& event, std::vector<line>& out);
  void waits(const run_event& event, std::vector<line>& out);
  [[nodiscard]] document* document_of(const run_event& event);
  std::map<std::uint64_t, document> documents_;  ///< by activation
};

}  // namespace perdure::tools::cli
