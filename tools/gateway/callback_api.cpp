// /api/v1/backends/{name}/callback: job services tell that something became of a job.
#include "cluster/backend_set.hpp"
#include "tools/gateway/native_api.hpp"

namespace perdure::tools::gateway {

namespace {

cluster::name_values pairs_of(const std::vector<field>& from) {
  cluster::name_values out;
  for (const auto& each : from) out.emplace_back(each.name, each.value);
  return out;
}

}  // namespace

void add_callback_routes(router& to, const api_parts& parts) {
  to.add_proven("/api/v1/backends/{name}/callback",
                [&engine = parts.engine](const request& in, const std::vector<std::string>& captured) -> result<response> {
                  auto taken =
                      cluster::take_callback(engine, captured.front(), pairs_of(in.headers), pairs_of(in.query), in.body);
                  if (!taken && taken.error().code == errc::invalid_argument) return refusal(401, taken.error().message, in);
                  if (!taken) return taken.error();
                  return response{.status = 204, .body = {}, .type = {}, .headers = {}};
                });
}

}  // namespace perdure::tools::gateway
