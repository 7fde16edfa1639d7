// A look at the commands that wait in a directory's inbox, for those who have it open to read, or not at all.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure::persistence {

/// Shows each command that `journal::put_inbox` left, in order, and leaves it there. Beside a journal that this process has
/// open too. not_found: there is no journal; newer_format, io_error.
[[nodiscard]] result<void> each_inbox(const std::filesystem::path& directory, const std::function<void(std::string_view)>& take);

}  // namespace perdure::persistence
