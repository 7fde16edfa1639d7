// Errors of the data directory's files, told so that their reader knows what to do.
#pragma once

#include <filesystem>

#include "perdure/error.hpp"

namespace perdure::persistence {

/// `errno_code` of a call on `path`; "cannot open DIR/lock: Permission denied" and the like. disk_full for what means that,
/// else io_error. A refused access is told with the owner's name.
[[nodiscard]] error file_error(const std::string& doing, const std::filesystem::path& path, int errno_code);
/// " (it belongs to root, and this process runs as alice: ...)" when that may be why access is refused, else nothing.
[[nodiscard]] std::string owner_of(const std::filesystem::path& path, int errno_code);

}  // namespace perdure::persistence
