// bulk: one command for every run of a selection.
//
// Operation: `look` counts what would be done; `act` does it, newest run first, a page in memory at a time. Runs that are
// already as the command would make them are left alone, so that saying it again does no harm; those made after the
// beginning are not looked at.
// Concurrency: one thread. Limitations: between `look` and `act` runs go on; what ended meanwhile is left alone too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <vector>

#include "tools/cli/selection.hpp"

namespace perdure::tools::cli {

/// Failures that are told one by one; more are counted.
inline constexpr std::size_t bulk_errors = 1'000;

struct bulk_plan {
  struct group {
    std::string workflow;  ///< name and version
    run_status status = run_status::scheduled;
    auto operator<=>(const group&) const = default;
  };
  std::uint64_t matched = 0;              ///< runs of the selection
  std::uint64_t eligible = 0;             ///< those of them that the command changes
  std::map<group, std::uint64_t> groups;  ///< of the eligible ones
};

struct bulk_outcome {
  struct failed_run {
    run_id run;
    error why;
  };
  std::uint64_t done = 0;     ///< changed now
  std::uint64_t pending = 0;  ///< put into the inbox
  std::uint64_t skipped = 0;  ///< nothing to do, or nothing any more
  std::uint64_t failed = 0;
  std::vector<failed_run> errors;  ///< the first `bulk_errors`
  bool interrupted = false;

  [[nodiscard]] std::uint64_t tried() const { return done + pending + failed; }
};

class bulk {
 public:
  /// `what` is cancel, pause, resume or retry; its run is not looked at.
  bulk(client& through, selection which, cluster::run_command what, timestamp now);

  [[nodiscard]] result<bulk_plan> look();
  /// The error is one that concerns all runs (the node has gone); failures of single ones are in the outcome.
  [[nodiscard]] result<bulk_outcome> act(const std::function<void(const bulk_outcome&)>& told, std::stop_token stop = {});

 private:
  using take_page = std::function<bool(std::vector<run_summary>)>;
  result<void> each_page(const take_page& take);
  result<void> learn_pending();
  [[nodiscard]] bool eligible(const run_summary& run);
  void carry_out(const std::vector<run_summary>& runs, bulk_outcome& out);

  client& through_;
  selection which_;
  cluster::run_command what_;
  timestamp began_;
  std::unordered_map<run_id, std::string> pending_;  ///< what waits in the inbox for a run: the last command
};

/// Whether the command changes a run with this status.
[[nodiscard]] bool fits(std::string_view command, run_status status);

}  // namespace perdure::tools::cli
