// /api/v1/webhooks: who is told of what happens to a tenant's runs.
#include "tools/gateway/native_api.hpp"
#include "tools/gateway/webhook_book.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

bool sees(const call& of, const webhook& hook) { return of.who.workflow.empty() || of.who.workflow == hook.workflow; }

result<response> list_hooks(const api_parts& parts, const call& of) {
  json::array out;
  for (const auto& each : parts.webhooks.list(of.tenant())) {
    if (sees(of, each)) out.push_back(to_json_object(each));
  }
  return json_answer(json::object{{"webhooks", std::move(out)}});
}

result<response> add_hook(const api_parts& parts, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto known = only_members(*body, {"url", "events", "workflow"}); !known) return known.error();
  webhook what{.tenant = of.tenant(), .workflow = text_of(*body, "workflow"), .url = text_of(*body, "url")};
  if (what.workflow.empty()) what.workflow = of.who.workflow;
  if (!what.workflow.empty() && !of.sees(what.workflow))
    return error{errc::workflow_unknown, "no workflow \"" + what.workflow + "\""};
  const auto& events = value_of(*body, "events");
  if (!events.is_null() && !events.is_array()) return error{errc::invalid_argument, "\"events\" is a list"};
  for (const auto& each : list_of(*body, "events"))
    what.events.push_back(each.is_string() ? std::string{each.get_string()} : "?");
  const auto added = parts.webhooks.add(std::move(what));
  if (!added) return added.error();
  auto out = to_json_object(*added);
  out.emplace("secret", added->secret);
  return json_answer(out, 201);
}

result<response> remove_hook(const api_parts& parts, const call& of) {
  const auto& id = of.captured[0];
  for (const auto& each : parts.webhooks.list(of.tenant())) {
    if (each.id != id || !sees(of, each)) continue;
    if (auto removed = parts.webhooks.remove(of.tenant(), id); !removed) return removed.error();
    return json_answer(json::object{{"id", id}, {"removed", true}});
  }
  return error{errc::not_found, "no webhook \"" + id + "\""};
}

}  // namespace

void add_webhook_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/api/v1/webhooks", right::deploy, [parts](const call& of) { return list_hooks(parts, of); });
  to.add_simple("POST", "/api/v1/webhooks", right::deploy, [parts](const call& of) { return add_hook(parts, of); });
  to.add_simple("DELETE", "/api/v1/webhooks/{id}", right::deploy, [parts](const call& of) { return remove_hook(parts, of); });
}

}  // namespace perdure::tools::gateway
