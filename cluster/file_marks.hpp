// What stands for the files that clients handed in to a data directory, with the key of DATA/secrets.key.
#pragma once

#include <filesystem>
#include <memory>

#include "actors/capabilities/file_marks.hpp"

namespace perdure::cluster {

/// `data` is a directory.
[[nodiscard]] std::shared_ptr<actors::file_marks> open_file_marks(const std::filesystem::path& data);

}  // namespace perdure::cluster
