// Would a new build break the runs that are in flight? Replays what a data directory holds over the code at hand.
//
//   auto report = perdure::replay_runs({.data_dir = "data"}, {train, deploy}).value();
//   for (const auto& broken : report.broken) std::puts(broken.what.c_str());
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "perdure/run.hpp"
#include "perdure/workflow.hpp"

namespace perdure {

struct replay_options {
  std::filesystem::path data_dir;
  bool ended_too = false;  ///< also runs that have ended; else only those that are still going on
};

/// A run that the code at hand does not carry on as its journal says.
struct broken_run {
  run_id run;
  std::string workflow, version;
  run_seq seq = 0;   ///< where code and journal part
  std::string what;  ///< both sides, for people
};

struct replay_summary {
  std::uint64_t runs = 0;  ///< looked at
  std::uint64_t agreeing = 0;
  std::uint64_t unregistered = 0;  ///< of no workflow that was given, or of another version or graph; not replayed
  std::vector<broken_run> broken;
};

/// Reads the directory (no node may have it open) and changes nothing. A run is replayed with the workflow of its name and
/// version, whatever its graph is now: that is what is to be found out. locked, not_found, newer_format, io_error.
[[nodiscard]] result<replay_summary> replay_runs(const replay_options& options, const std::vector<workflow>& workflows);

}  // namespace perdure
