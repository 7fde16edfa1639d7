// /api/v1/tenants: who there is, for those with `admin`.
#pragma once

#include "tools/gateway/native_api.hpp"

namespace perdure::tools::gateway {

/// The store outlives the router.
void add_tenant_routes(router& to, const api_parts& parts, const key_store& keys);

}  // namespace perdure::tools::gateway
