// Addresses, external resources and authentication policies.
#include "dsl/reader.hpp"
#include "dsl/resource.hpp"

namespace perdure::dsl {

void reader::check_uri(const std::optional<cursor>& at, bool or_expression) {
  if (!at || !check_string(to_, at)) return;
  const auto text = at->tree().text();
  if (!scheme_of(text).empty()) return;
  if (or_expression && (is_expression(text) || mode_ == evaluate_mode::loose)) return;
  to_.unfit(*at, or_expression ? "a URI such as https://example.com/path, or an expression in \"${ }\""
                               : "a URI such as https://example.com/path");
}

void reader::check_endpoint(const std::optional<cursor>& at) {
  if (!at) return;
  if (!at->tree().is_object()) {
    check_uri(at, true);
    return;
  }
  properties all{to_, *at, "an endpoint"};
  check_uri(all.required("uri"), true);
  check_authentication(all.optional("authentication"), true);
  all.done();
}

void reader::check_resource(const std::optional<cursor>& at) {
  if (!at) return;
  properties all{to_, *at, "an external resource"};
  check_string(to_, all.optional("name"));
  check_endpoint(all.required("endpoint"));
  all.done();
}

std::optional<endpoint> reader::read_endpoint(const std::optional<cursor>& at, expression_site site) {
  check_endpoint(at);
  if (!at) return std::nullopt;
  endpoint out;
  const auto* inner = at->tree().is_object() ? at->tree().find("uri") : nullptr;
  const auto address = inner != nullptr ? cursor{*at, *inner} : *at;
  if (!address.tree().is_string()) return std::nullopt;
  out.uri = read_text(address, site);
  out.is_template = out.uri.constant() != nullptr && address.tree().text().find('{') != std::string_view::npos;
  const auto* policy = at->tree().is_object() ? at->tree().find("authentication") : nullptr;
  if (policy != nullptr) out.authentication = read_authentication(cursor{*at, *policy});
  return out;
}

std::optional<endpoint> reader::read_resource(const std::optional<cursor>& at, std::string_view what, expression_site site) {
  check_resource(at);
  if (!at || !at->tree().is_object()) return std::nullopt;
  const auto* found = at->tree().find("endpoint");
  if (found == nullptr) return std::nullopt;
  const cursor where{*at, *found};
  auto out = read_endpoint(where, site);
  if (out) check_kind_of_address(where, *out, what);
  return out;
}

void reader::check_kind_of_address(const cursor& where, const endpoint& at, std::string_view what) {
  const auto* fixed = at.uri.constant();
  if (fixed == nullptr || !fixed->is_string()) return;
  const auto scheme = scheme_of({fixed->get_string().data(), fixed->get_string().size()});
  if (scheme == "file" && !options_.policy.may_read_files) to_.forbidden(where, std::string{what} + " of a file");
  if (!scheme.empty() && scheme != "file" && scheme != "http" && scheme != "https")
    to_.unsupported(where, std::string{what} + " at an address of the kind \"" + std::string{scheme} + "\"");
}

/// Where the policy itself stands; null: it is none.
const cursor* reader::find_policy(const cursor& at) const {
  const node* named = nullptr;
  if (at.tree().is_string()) named = &at.tree();
  if (const auto* use = at.tree().is_object() ? at.tree().find("use") : nullptr) named = use->value.get();
  const auto* policy = &at;
  if (named != nullptr) {
    const auto found = named->is_string() ? authentications_.find(named->text()) : authentications_.end();
    if (found == authentications_.end()) return nullptr;
    policy = &found->second.at;
  }
  return policy->tree().is_object() && policy->tree().members.size() == 1 ? policy : nullptr;
}

/// The policy as an object with its kind as the only member; it was checked already.
std::optional<dynamic_value> reader::read_authentication(const cursor& at) {
  const auto* policy = find_policy(at);
  if (policy == nullptr) return std::nullopt;
  const cursor value{*policy, policy->tree().members[0]};
  const auto& kind = policy->tree().members[0].key;
  dynamic_value inside;
  if (const auto* secret = value.tree().is_object() ? value.tree().find("use") : nullptr) {
    if (!secret->value->is_string()) return std::nullopt;
    const std::string quoted{payload{json::value(secret->value->text())}.text()};
    auto compiled = compile(value, "$secrets[" + quoted + "]", expression_site::in_task);
    if (!compiled) return std::nullopt;
    inside = dynamic_value{std::move(compiled)};
  } else {
    inside = read_dynamic(value, expression_site::in_task);
  }
  dynamic_value::map out;
  out.emplace_back(kind, std::move(inside));
  return dynamic_value{std::move(out)};
}

void reader::check_authentication(const std::optional<cursor>& at, bool may_refer) {
  if (!at) return;
  if (may_refer && at->tree().is_string()) {
    (void)find_component(*at, authentications_, "an authentication policy");
    return;
  }
  properties all{to_, *at, "an authentication policy"};
  const auto which = may_refer ? all.one_of({"use", "basic", "bearer", "certificate", "digest", "oauth2", "oidc"})
                               : all.one_of({"basic", "bearer", "certificate", "digest", "oauth2", "oidc"});
  all.done();
  if (which.empty()) return;
  const auto value = *all.optional(which);
  if (which == "use") {
    if (check_string(to_, value, false)) (void)find_component(value, authentications_, "an authentication policy");
    return;
  }
  if (value.tree().is_object() && value.tree().find("use") != nullptr) {
    properties secret{to_, value, "a policy made from a secret"};
    check_string(to_, secret.required("use"), false);
    secret.done();
    return;
  }
  if (which == "oauth2" || which == "oidc") {
    check_oauth2(value, which == "oauth2");
    return;
  }
  properties parts{to_, value, "a policy of the kind \"" + std::string{which} + "\""};
  if (which == "bearer") {
    check_string(to_, parts.required("token"));
  } else if (which == "certificate") {  // the specification says no more than its name
    check_string(to_, parts.required("certificate"), false);
    check_string(to_, parts.required("key"), false);
    check_string(to_, parts.optional("password"));
  } else {
    check_string(to_, parts.required("username"));
    check_string(to_, parts.required("password"));
  }
  parts.done();
}

void reader::check_oauth2(const cursor& at, bool has_endpoints) {
  properties all{to_, at, "an OAuth2 policy"};
  check_uri(all.required("authority"), true);
  const auto grant = all.required("grant");
  const bool known = check_enum(to_, grant,
                                {"authorization_code", "client_credentials", "password", "refresh_token",
                                 "urn:ietf:params:oauth:grant-type:token-exchange"});
  // The reference has no place of its own for what these begin with.
  const auto begins_with = !known || !grant                               ? std::string_view{}
                           : grant->tree().text() == "authorization_code" ? "the code"
                           : grant->tree().text() == "refresh_token"      ? "the refresh token"
                                                                          : "";
  if (!begins_with.empty() && at.tree().find("subject") == nullptr) {
    to_.invalid(*grant, "the grant \"" + std::string{grant->tree().text()} + "\" needs " + std::string{begins_with} +
                            " as \"subject: {token, type}\", or a policy that is all in a secret (\"use\")");
  }
  if (has_endpoints) {
    if (const auto endpoints = all.optional("endpoints")) {
      properties parts{to_, *endpoints, "OAuth2 endpoints"};
      for (const auto name : {"token", "revocation", "introspection"}) check_string(to_, parts.optional(name), false);
      parts.done();
    }
  }
  if (const auto client = all.optional("client")) {
    properties parts{to_, *client, "an OAuth2 client"};
    for (const auto name : {"id", "secret", "assertion"}) check_string(to_, parts.optional(name));
    const auto method = parts.optional("authentication");
    const bool known =
        check_enum(to_, method, {"client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"});
    const auto how = known && method ? method->tree().text() : "client_secret_post";
    if (how != "none" && client->tree().is_object()) (void)parts.required("id");
    if (how == "private_key_jwt" && client->tree().find("assertion") == nullptr)
      to_.invalid(*client,
                  "expected the property \"assertion\" in an OAuth2 client, since \"authentication\" is \"private_key_jwt\"");
    parts.done();
  }
  if (const auto request = all.optional("request")) {
    properties parts{to_, *request, "an OAuth2 request"};
    check_enum(to_, parts.optional("encoding"), {"application/x-www-form-urlencoded", "application/json"});
    parts.done();
  }
  for (const auto name : {"issuers", "scopes", "audiences"}) check_strings(to_, all.optional(name));
  for (const auto name : {"username", "password"}) check_string(to_, all.optional(name));
  for (const auto name : {"subject", "actor"}) {
    const auto token = all.optional(name);
    if (!token) continue;
    properties parts{to_, *token, "an OAuth2 token"};
    check_string(to_, parts.required("token"));
    check_string(to_, parts.required("type"));
    parts.done();
  }
  all.done();
}

}  // namespace perdure::dsl
