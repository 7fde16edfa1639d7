// Where the content of a file that a client handed in is, below DATA/files.
#pragma once

#include <string>
#include <string_view>

namespace perdure::core {

inline constexpr std::string_view client_files_folder = "files";

[[nodiscard]] inline std::string client_file_place(std::string_view tenant, std::string_view sha256) {
  return std::string{tenant} + "/content/" + std::string{sha256};
}

}  // namespace perdure::core
