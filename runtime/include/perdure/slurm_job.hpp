// A job of a backend of the kind "slurm" (perdure/backend_file.hpp): a batch job of a cluster, in a folder of its own on a file
// system that the cluster shares.
#pragma once

#include <boost/describe/class.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace perdure {

struct slurm_job {
  std::string script;   ///< the text of a program, its first line "#!…"; or
  std::string program;  ///< a path on the cluster's machines, or a name that is looked up in PATH
  std::vector<std::string> arguments;
  std::map<std::string, std::string> environment;  ///< added to PATH, HOME, LANG, USER, PERDURE_JOB_KEY, PERDURE_JOB_DIR, SLURM_*
  std::map<std::string, std::string> files;        ///< put into its folder before it is submitted: name, content
  std::vector<std::string> artifacts;              ///< patterns of files in its folder: *, ?, [...], ** for any folders
  std::string array;                               ///< one task for each of these numbers: "0-9", "1,5,7-9:2%4"
  std::optional<std::uint64_t> time_limit_s;       ///< Slurm counts minutes: it is rounded up
  std::optional<std::uint64_t> memory_mb;          ///< of a node
  std::optional<std::uint32_t> nodes, tasks, cpus_per_task;
  std::string partition;
  std::map<std::string, std::string> options;  ///< further ones of sbatch, without "--"; an empty value = without one
};
BOOST_DESCRIBE_STRUCT(slurm_job, (),
                      (script, program, arguments, environment, files, artifacts, array, time_limit_s, memory_mb, nodes, tasks,
                       cpus_per_task, partition, options))

}  // namespace perdure
