// The refresh tokens that took the place of those in documents' policies, in DATA/refresh-tokens: a server takes each but once.
#pragma once

#include <filesystem>
#include <memory>

#include "actors/http/oauth2.hpp"

namespace perdure::cluster {

/// `data` empty: none, so that they end with the process (a node in memory).
[[nodiscard]] std::shared_ptr<actors::grant_keeper> open_grants(const std::filesystem::path& data);

}  // namespace perdure::cluster
