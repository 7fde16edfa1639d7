#include "actors/http/oauth2.hpp"

#include <algorithm>
#include <array>

#include "actors/http/url.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

/// A token is not used in its last moments: it has to last until the server has looked at it.
constexpr std::chrono::seconds margin{10};
/// Servers need not say how long a token lasts.
constexpr std::chrono::seconds unsaid_life{60};
constexpr std::size_t kept_tokens = 1'000;

std::string member(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found == nullptr ? std::string{} : url_text(*found);
}

const json::object& part(const json::object& of, std::string_view name) {
  static const json::object none;
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_object() ? found->get_object() : none;
}

std::string joined(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  if (found == nullptr || !found->is_array()) return {};
  std::string out;
  for (const auto& each : found->get_array()) out += (out.empty() ? "" : " ") + url_text(each);
  return out;
}

failure refused(std::string code, std::string message) { return {.code = std::move(code), .message = std::move(message)}; }

failure failure_of(const http_failure& why, const std::string& where) {
  if (why.what == http_failure::kind::stopped) return refused(std::string{failure_code::cancelled}, why.message);
  return refused("authentication", "no token from " + where + ": " + why.message);
}

std::string key_of(const json::object& policy) {
  std::string out;
  core::write_json_text(out, json::value(policy));
  return out;
}

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

/// What the token request says, and in which headers; the message is what is wrong with the policy.
boost::system::result<http_request, failure> token_request(const json::object& policy, const std::string& endpoint) {
  const auto bad = [](std::string why) { return refused("configuration", "the OAuth2 policy: " + std::move(why)); };
  const auto grant = member(policy, "grant");
  const auto& client = part(policy, "client");
  const auto id = member(client, "id"), secret = member(client, "secret");
  auto method = member(client, "authentication");
  if (method.empty()) method = "client_secret_post";
  json::object form{{"grant_type", grant}};
  if (grant == "password") {
    form.emplace("username", member(policy, "username"));
    form.emplace("password", member(policy, "password"));
  } else if (grant == "urn:ietf:params:oauth:grant-type:token-exchange") {
    for (const auto* name : {"subject", "actor"}) {
      const auto& token = part(policy, name);
      if (token.empty()) continue;
      form.emplace(std::string{name} + "_token", member(token, "token"));
      form.emplace(std::string{name} + "_token_type", member(token, "type"));
    }
  } else if (grant != "client_credentials") {
    return bad("the grant \"" + grant + "\" is not available here; client_credentials, password and token exchange are");
  }
  if (const auto scopes = joined(policy, "scopes"); !scopes.empty()) form.emplace("scope", scopes);
  if (const auto* audiences = policy.if_contains("audiences")) form.emplace("audience", *audiences);
  http_request out;
  out.method = "POST";
  out.url = endpoint;
  if (method == "client_secret_post") {
    form.emplace("client_id", id);
    form.emplace("client_secret", secret);
  } else if (method == "client_secret_basic") {
    out.headers.emplace_back("Authorization", "Basic " + core::to_base64(url_escaped(id) + ":" + url_escaped(secret)));
  } else if (method == "none") {
    if (!id.empty()) form.emplace("client_id", id);
  } else {
    return bad("the client authentication \"" + method + "\" is not available here");
  }
  const bool as_json = member(part(policy, "request"), "encoding") == "application/json";
  out.headers.emplace_back("Content-Type", as_json ? "application/json" : "application/x-www-form-urlencoded");
  out.headers.emplace_back("Accept", "application/json");
  if (as_json) {
    std::string text;
    core::write_json_text(text, json::value(form));
    out.body = std::move(text);
  } else {
    out.body = form_encoded(form);
  }
  return out;
}

/// The object in an answer; empty when there is none.
json::object object_of(const http_response& answer) {
  auto read = core::read_json_text(answer.body);
  return read && read->is_object() ? std::move(read->get_object()) : json::object{};
}

std::string why_refused(const http_response& answer) {
  const auto told = object_of(answer);
  auto out = "the server answered " + std::to_string(answer.status);
  for (const auto* name : {"error", "error_description"}) {
    if (const auto text = member(told, name); !text.empty()) out += ", " + text;
  }
  return out;
}

}  // namespace

void oauth2_tokens::forget(const json::object& policy) {
  const std::lock_guard lock{mutex_};
  tokens_.erase(key_of(policy));
}

void oauth2_tokens::get(request what, take_token take) {
  std::string known;
  {
    const std::lock_guard lock{mutex_};
    const auto found = tokens_.find(key_of(what.policy));
    if (found != tokens_.end() && found->second.until > std::chrono::steady_clock::now()) known = found->second.token;
  }
  if (!known.empty()) return take(std::move(known));
  if (what.oidc) return discover(std::move(what), std::move(take));
  auto path = member(part(what.policy, "endpoints"), "token");
  if (path.empty()) path = "/oauth2/token";
  const bool whole = path.find("://") != std::string::npos;
  const auto endpoint =
      whole ? path : without_slash(member(what.policy, "authority")) + (path.starts_with('/') ? "" : "/") + path;
  ask(std::move(what), endpoint, std::move(take));
}

void oauth2_tokens::discover(request what, take_token take) {
  constexpr std::string_view place = "/.well-known/openid-configuration";
  auto url = without_slash(member(what.policy, "authority"));
  if (!url.ends_with(place)) url += place;
  http_request question;
  question.url = url;
  question.headers.emplace_back("Accept", "application/json");
  question.only_public = what.only_public;
  question.stop = what.stop;
  client_->start(std::move(question), [self = shared_from_this(), what, url, take = std::move(take)](http_end end) mutable {
    if (const auto* why = std::get_if<http_failure>(&end)) return take(failure_of(*why, url));
    const auto& answer = std::get<http_response>(end);
    const auto endpoint = member(object_of(answer), "token_endpoint");
    if (answer.status != 200 || endpoint.empty())
      return take(refused("authentication", "no token endpoint from " + url + ": " + why_refused(answer)));
    self->ask(std::move(what), endpoint, std::move(take));
  });
}

void oauth2_tokens::ask(request what, const std::string& endpoint, take_token take) {
  auto made = token_request(what.policy, endpoint);
  if (!made) return take(made.error());
  made->only_public = what.only_public;
  made->stop = what.stop;
  client_->start(std::move(*made),
                 [self = shared_from_this(), key = key_of(what.policy), endpoint, take = std::move(take)](http_end end) mutable {
                   if (const auto* why = std::get_if<http_failure>(&end)) return take(failure_of(*why, endpoint));
                   const auto& answer = std::get<http_response>(end);
                   const auto told = object_of(answer);
                   auto token = member(told, "access_token");
                   if (answer.status < 200 || answer.status > 299 || token.empty())
                     return take(refused("authentication", "no token from " + endpoint + ": " + why_refused(answer)));
                   auto life = unsaid_life;
                   if (const auto* seconds = told.if_contains("expires_in"); seconds != nullptr && seconds->is_int64())
                     life = std::chrono::seconds{std::clamp<std::int64_t>(seconds->get_int64(), 0, 86'400)};
                   if (life > margin) {
                     const std::lock_guard lock{self->mutex_};
                     if (self->tokens_.size() >= kept_tokens) self->tokens_.clear();
                     self->tokens_[key] = {token, std::chrono::steady_clock::now() + life - margin};
                   }
                   take(std::move(token));
                 });
}

}  // namespace perdure::actors
