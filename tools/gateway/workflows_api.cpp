// /api/v1/workflows and /api/v1/stats
#include "cluster/control_protocol.hpp"
#include "tools/gateway/native_api.hpp"

namespace perdure::tools::gateway {

namespace {

json::object to_json_object(const cluster::workflow_facts& what) {
  return {{"name", what.name}, {"version", what.version}, {"hash", what.hash}, {"newest", what.newest}};
}

result<response> list_workflows(const api_parts& parts, const call& of) {
  json::array out;
  for (const auto& each : cluster::workflows_of(parts.engine)) {
    if (of.sees(each.name)) out.push_back(to_json_object(each));
  }
  return json_answer(json::object{{"workflows", std::move(out)}});
}

result<response> get_workflow(const api_parts& parts, const call& of) {
  const auto& name = of.captured[0];
  const auto* version = of.in().parameter("version");
  for (const auto& each : cluster::workflows_of(parts.engine)) {
    if (each.name != name || !of.sees(name) || (version != nullptr ? each.version != *version : !each.newest)) continue;
    auto out = to_json_object(each);
    const auto text = parts.shelf.text_of(each.name, each.version);
    out.emplace("document", text ? json::value(*text) : json::value(nullptr));
    return json_answer(out);
  }
  return error{errc::not_found, "no workflow \"" + name + "\"" + (version != nullptr ? " of that version" : "")};
}

result<response> put_workflow(const api_parts& parts, const call& of) {
  const auto& name = of.captured[0];
  if (const auto* type = of.in().header("content-type"); type != nullptr) {
    const auto kind = type->substr(0, type->find(';'));
    if (kind != "application/yaml" && kind != "application/x-yaml" && kind != "text/yaml" && kind != "application/json" &&
        kind != "text/plain") {
      return error{errc::unsupported, "a document is application/yaml or application/json"};
    }
  }
  if (!of.sees(name)) return error{errc::not_found, "no workflow \"" + name + "\" for this key"};
  const auto put = parts.shelf.put(of.in().body, of.who.tenant, name);
  if (!put) return put.error();
  auto out = to_json_object(put->what);
  return json_answer(out, put->fresh ? 201 : 200);
}

/// Figures of the whole node: for those who run it, not for its tenants.
result<response> stats(const api_parts& parts, const call& of) {
  if (of.who.tenant != default_tenant || !of.who.workflow.empty()) return refusal(404, "there is no such resource", of.in());
  return json_answer(cluster::to_wire(parts.engine.stats()));
}

}  // namespace

void add_workflow_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/api/v1/workflows", right::read, [parts](const call& of) { return list_workflows(parts, of); });
  to.add_simple("GET", "/api/v1/workflows/{name}", right::read, [parts](const call& of) { return get_workflow(parts, of); });
  to.add_simple("PUT", "/api/v1/workflows/{name}", right::deploy, [parts](const call& of) { return put_workflow(parts, of); });
  to.add_simple("GET", "/api/v1/stats", right::admin, [parts](const call& of) { return stats(parts, of); });
}

}  // namespace perdure::tools::gateway
