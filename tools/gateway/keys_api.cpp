#include "tools/gateway/keys_api.hpp"

#include <algorithm>

#include "tools/gateway/durations.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

timestamp now() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

/// Whether the caller may know of the key: it is of its own tenant and workflow, or the caller runs the node.
bool rules_over(const api_key& who, const api_key& key) {
  if (!who.workflow.empty()) return key.tenant == who.tenant && key.workflow == who.workflow;
  return who.tenant == default_tenant || key.tenant == who.tenant;
}

result<response> create_key(key_store& keys, const call& of) {
  const auto body = json_body(of.in());
  if (!body) return body.error();
  if (auto known = only_members(*body, {"tenant", "workflow", "rights", "expires"}); !known) return known.error();
  api_key what;
  what.tenant = value_of(*body, "tenant").is_null() ? of.who.tenant : text_of(*body, "tenant");
  what.workflow = value_of(*body, "workflow").is_null() ? of.who.workflow : text_of(*body, "workflow");
  if (!rules_over(of.who, what)) return refusal(403, "this key makes keys of its own tenant and workflow only", of.in());
  std::string list;
  const auto& given = value_of(*body, "rights");
  if (!given.is_null() && !given.is_array()) return error{errc::invalid_argument, "\"rights\" is a list"};
  for (const auto& each : list_of(*body, "rights"))
    list += (list.empty() ? "" : ",") + (each.is_string() ? std::string{each.get_string()} : std::string{"?"});
  const auto may = rights::read(given.is_null() ? "run,read" : list);
  if (!may) return may.error();
  what.may = *may;
  const auto at = now();
  const auto life = read_length("expires", value_of(*body, "expires"));
  if (!life) return life.error();
  if (*life > duration{0}) what.expires_at = at + *life;
  const auto made = keys.create(std::move(what), at);
  if (!made) return made.error();
  auto out = to_json_object(made->key, at);
  out.emplace("key", made->text);
  auto answer = json_answer(out, 201);
  answer.headers.push_back({"Cache-Control", "no-store"});
  return answer;
}

result<response> list_keys(const key_store& keys, const call& of) {
  const auto all = keys.list();
  if (!all) return all.error();
  json::array out;
  for (const auto& each : *all) {
    if (rules_over(of.who, each)) out.push_back(to_json_object(each, now()));
  }
  return json_answer(json::object{{"keys", std::move(out)}});
}

result<response> revoke_key(key_store& keys, const call& of) {
  const auto& id = of.captured[0];
  const auto all = keys.list();
  if (!all) return all.error();
  const auto fits = [&](const api_key& each) { return each.id == id && rules_over(of.who, each); };
  if (std::none_of(all->begin(), all->end(), fits)) return error{errc::not_found, "no key \"" + id + "\""};
  const auto revoked = keys.revoke(id, now());
  if (!revoked) return revoked.error();
  return json_answer(to_json_object(*revoked, now()));
}

}  // namespace

void add_key_routes(router& to, key_store& keys) {
  to.add_simple("GET", "/api/v1/keys", right::admin, [&keys](const call& of) { return list_keys(keys, of); });
  to.add_simple("POST", "/api/v1/keys", right::admin, [&keys](const call& of) { return create_key(keys, of); });
  to.add_simple("DELETE", "/api/v1/keys/{id}", right::admin, [&keys](const call& of) { return revoke_key(keys, of); });
}

}  // namespace perdure::tools::gateway
