// Backends by configuration: a file says of what kind one is and how its system is reached. docs/jobs.md has what such files
// hold. Link the library as for a node.
//
//   auto gpu = perdure::open_backend("gpu.yaml");
//   if (gpu) node.add_backend("gpu", gpu->what, gpu->options);
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "perdure/backend.hpp"

namespace perdure {

struct backend_file_options {
  /// A secret's text by its name; not set = PERDURE_SECRET_NAME of the environment.
  std::function<std::optional<std::string>(const std::string& name)> secrets;
  /// Where backends that need a folder and name none have theirs; empty = they have to name one.
  std::filesystem::path data_dir;
  std::function<void(std::string_view)> log;  ///< warnings; any thread
};

struct opened_backend {
  std::shared_ptr<backend> what;
  backend_options options;
  std::string kind;  ///< "http", "slurm"
};

/// Reads a file, YAML or JSON; nothing is reached yet. not_found, io_error; invalid_argument: every problem of the file, one a
/// line, each with its line and column.
[[nodiscard]] result<opened_backend> open_backend(const std::filesystem::path& file, backend_file_options how = {});
/// The same of a text; `file` is the name that problems carry.
[[nodiscard]] result<opened_backend> read_backend(std::string_view text, const std::string& file, backend_file_options how = {});

}  // namespace perdure
