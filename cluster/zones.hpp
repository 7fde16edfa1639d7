// Time zones of this machine, for the schedules of documents.
#pragma once

#include <memory>

#include "dsl/clock_host.hpp"

namespace perdure::cluster {

[[nodiscard]] std::shared_ptr<dsl::clock_host> make_zones();

}  // namespace perdure::cluster
