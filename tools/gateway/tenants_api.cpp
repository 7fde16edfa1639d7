#include "tools/gateway/tenants_api.hpp"

#include <algorithm>
#include <map>

#include "cluster/node_figures.hpp"

namespace perdure::tools::gateway {

namespace {

struct belongings {
  std::uint64_t keys = 0, open_runs = 0;
};

json::object shown(const api_parts& parts, const std::string& name, const belongings& has) {
  const auto& may = parts.policies.of(name);
  return {{"tenant", name},
          {"keys", has.keys},
          {"open_runs", has.open_runs},
          {"file_bytes", parts.files.bytes_of(name)},
          {"limits", json::object{{"open_runs", may.open_runs},
                                  {"key_rate", may.rate_per_key},
                                  {"file_bytes", may.file_bytes},
                                  {"allow_processes", may.put_may_run_processes},
                                  {"allow_public_calls", may.put_may_call || may.put_may_call_public},
                                  {"allow_calls", may.put_may_call}}}};
}

result<response> list_tenants(const api_parts& parts, const key_store& keys, const call& of) {
  if (!of.who.workflow.empty()) return refusal(403, "this key is for one workflow", of.in());
  std::map<std::string, belongings> all;
  for (const auto& [name, policy] : parts.policies.own) all[name];
  for (const auto& name : parts.files.tenants()) all[name];
  const auto known = keys.list();
  if (!known) return known.error();
  const auto now = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  for (const auto& each : *known) all[each.tenant].keys += each.valid(now) ? 1 : 0;
  const auto runs = cluster::count_open_runs(parts.engine);
  if (!runs) return runs.error();
  for (const auto& each : *runs) {
    // Runs of the node's own are nobody's.
    if (!each.tenant.starts_with("perdure."))
      all[each.tenant.empty() ? std::string{default_tenant} : each.tenant].open_runs += each.runs;
  }
  json::array out;
  for (const auto& [name, has] : all) {
    if (of.who.tenant == default_tenant || of.who.tenant == name) out.push_back(shown(parts, name, has));
  }
  return json_answer(json::object{{"tenants", std::move(out)}});
}

}  // namespace

void add_tenant_routes(router& to, const api_parts& parts, const key_store& keys) {
  to.add_simple("GET", "/api/v1/tenants", right::admin, [parts, &keys](const call& of) { return list_tenants(parts, keys, of); });
}

}  // namespace perdure::tools::gateway
