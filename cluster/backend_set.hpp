// The backends of a data directory: DATA/backends/NAME.yaml says how the backend NAME is reached, so that whoever opens the
// directory next can go on with its jobs.
#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "perdure/backend_file.hpp"
#include "perdure/node.hpp"

namespace perdure::cluster {

struct named_backend {
  std::string name;
  std::string text;  ///< of its file
  opened_backend opened;
  bool kept = false;  ///< its file is in the directory
};

/// Those of the directory, and those that `arguments` name as NAME=FILE, which come before. invalid_argument: an argument that
/// is none, or what is wrong with a file, with line and column; not_found, io_error.
[[nodiscard]] result<std::vector<named_backend>> read_backends(const std::filesystem::path& data,
                                                               const std::vector<std::string>& arguments,
                                                               std::function<void(std::string_view)> log = {});
/// Keeps what is not kept yet, and makes all of them known to the node; before anything is started there.
[[nodiscard]] result<void> add_backends(node& to, const std::filesystem::path& data, std::vector<named_backend> all);

/// A callback that came for a backend of the node. not_found: there is none, or it takes none; invalid_argument: its signature is
/// missing or wrong.
using name_values = std::vector<std::pair<std::string, std::string>>;
[[nodiscard]] result<void> take_callback(const node& of, const std::string& backend, name_values headers, name_values query,
                                         std::string body);

}  // namespace perdure::cluster
