// The secrets of a data directory's documents: from the environment, with the key of their stand-ins in DATA/secrets.key.
#pragma once

#include <filesystem>
#include <memory>

#include "actors/capabilities/secrets.hpp"

namespace perdure::cluster {

/// `data` empty: a key of this process's own (a node in memory).
[[nodiscard]] std::shared_ptr<actors::secret_book> open_secrets(const std::filesystem::path& data);

}  // namespace perdure::cluster
