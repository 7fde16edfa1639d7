// Small files of the data directory, read without following links, and ids for them. persistence/durable_file.hpp writes them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure::tools::gateway {

/// What errno says of a file: not_found, disk_full, io_error.
[[nodiscard]] error file_error(const std::filesystem::path& path);
/// At most `limit_bytes` of it. not_found.
[[nodiscard]] result<std::string> read_private(const std::filesystem::path& path, std::size_t limit_bytes);
/// So many random bytes in lower-case hex.
[[nodiscard]] result<std::string> random_hex(std::size_t bytes);
[[nodiscard]] bool is_hex(std::string_view text);

}  // namespace perdure::tools::gateway
