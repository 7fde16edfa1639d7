// /api/v1/keys: API keys over HTTP, for those with `admin`. A tenant's admin sees and makes keys of that tenant only; one of
// the tenant `default` runs the node, and has those of all.
#pragma once

#include "tools/gateway/router.hpp"

namespace perdure::tools::gateway {

/// The store outlives the router.
void add_key_routes(router& to, key_store& keys);

}  // namespace perdure::tools::gateway
