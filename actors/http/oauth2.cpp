#include "actors/http/oauth2.hpp"

#include <algorithm>
#include <array>

#include "actors/http/jwt.hpp"
#include "actors/http/url.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"
#include "core/record.hpp"
#include "perdure/ids.hpp"

namespace perdure::actors {

namespace {

/// A token is not used in its last moments: it has to last until the server has looked at it.
constexpr std::chrono::seconds margin{10};
/// Servers need not say how long a token lasts.
constexpr std::chrono::seconds unsaid_life{60};
constexpr std::size_t kept_tokens = 1'000;
/// For a request that goes on when nobody waits for it.
constexpr std::chrono::seconds used_up_time{60};

std::string member(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found == nullptr ? std::string{} : url_text(*found);
}

const json::object& part(const json::object& of, std::string_view name) {
  static const json::object none;
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_object() ? found->get_object() : none;
}

/// A list, or what a secret has in its place: the text of one, or words.
json::array list_of(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  if (found == nullptr) return {};
  if (found->is_array()) return found->get_array();
  if (auto read = core::read_json_text(url_text(*found)); read && read->is_array()) return std::move(read->get_array());
  return url_text(*found).empty() ? json::array{} : json::array{json::value(url_text(*found))};
}

std::string joined(const json::array& list) {
  std::string out;
  for (const auto& each : list) out += (out.empty() ? "" : " ") + url_text(each);
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

constexpr std::string_view by_code = "authorization_code", by_refresh = "refresh_token";
constexpr std::string_view assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::chrono::seconds assertion_life{300};

/// What can be used once: it must not be cut off by the end of the one call that asked for it.
bool is_used_up(const json::object& policy) {
  const auto grant = member(policy, "grant");
  return grant == by_code || grant == by_refresh;
}

/// The name of a policy where its refresh tokens are kept.
std::string name_of(const json::object& policy) { return core::to_hex(core::sha256({"oauth2 policy", key_of(policy)})); }

failure bad_policy(std::string why) { return refused("configuration", "the OAuth2 policy: " + std::move(why)); }

/// What the grant adds; `refresh` is the refresh token to use, if there is one.
boost::system::result<json::object, failure> grant_form(const json::object& policy, const std::string& refresh) {
  const auto grant = member(policy, "grant");
  json::object form{{"grant_type", grant}};
  if (!refresh.empty()) {
    form["grant_type"] = by_refresh;
    form.emplace("refresh_token", refresh);
  } else if (grant == by_refresh) {
    return bad_policy("there is no refresh token; it is the \"subject\" of the policy, or \"refresh_token\" of its secret");
  } else if (grant == by_code) {
    auto code = member(policy, "code");
    if (code.empty()) code = member(part(policy, "subject"), "token");
    if (code.empty()) return bad_policy("there is no code; it is the \"subject\" of the policy, or \"code\" of its secret");
    form.emplace("code", code);
    for (const auto* name : {"redirect_uri", "code_verifier"}) {
      if (auto text = member(policy, name); !text.empty()) form.emplace(name, std::move(text));
    }
    return form;  // scopes were asked for with the code
  } else if (grant == "password") {
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
    return bad_policy("there is no grant \"" + grant + "\"");
  }
  if (const auto scopes = joined(list_of(policy, "scopes")); !scopes.empty()) form.emplace("scope", scopes);
  if (auto audiences = list_of(policy, "audiences"); !audiences.empty()) form.emplace("audience", std::move(audiences));
  return form;
}

/// The claims of RFC 7523, section 3.
json::object client_claims(const std::string& id, const std::string& endpoint) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return {{"iss", id},          {"sub", id},
          {"aud", endpoint},    {"jti", run_id::make().str()},
          {"iat", now.count()}, {"exp", (now + assertion_life).count()}};
}

/// How the client says who it is; what is wrong with it, or nothing.
std::string add_client(http_request& to, json::object& form, const json::object& client) {
  const auto id = member(client, "id"), secret = member(client, "secret"), assertion = member(client, "assertion");
  auto method = member(client, "authentication");
  if (method.empty()) method = "client_secret_post";
  if (method == "client_secret_basic") {
    to.headers.emplace_back("Authorization", "Basic " + core::to_base64(url_escaped(id) + ":" + url_escaped(secret)));
    return {};
  }
  if (!id.empty()) form.emplace("client_id", id);
  if (method == "none") return {};
  if (method == "client_secret_post") {
    form.emplace("client_secret", secret);
    return {};
  }
  if (method != "client_secret_jwt" && method != "private_key_jwt") return "there is no client authentication \"" + method + "\"";
  const bool own = method == "client_secret_jwt";
  if (own && secret.empty()) return "client_secret_jwt needs the client's \"secret\"";
  if (!own && assertion.empty()) return "private_key_jwt needs the client's \"assertion\"";
  form.emplace("client_assertion_type", assertion_type);
  form.emplace("client_assertion", own ? signed_jwt(client_claims(id, to.url), secret) : assertion);
  return {};
}

boost::system::result<http_request, failure> token_request(const json::object& policy, const std::string& endpoint,
                                                           const std::string& refresh) {
  auto form = grant_form(policy, refresh);
  if (!form) return form.error();
  http_request out;
  out.method = "POST";
  out.url = endpoint;
  if (auto wrong = add_client(out, *form, part(policy, "client")); !wrong.empty()) return bad_policy(std::move(wrong));
  const bool as_json = member(part(policy, "request"), "encoding") == "application/json";
  out.headers.emplace_back("Content-Type", as_json ? "application/json" : "application/x-www-form-urlencoded");
  out.headers.emplace_back("Accept", "application/json");
  if (as_json) {
    std::string text;
    core::write_json_text(text, json::value(*form));
    out.body = std::move(text);
  } else {
    out.body = form_encoded(*form);
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

/// What is wrong with who made the token, where the policy says who may.
std::string wrong_issuer(const json::object& policy, const json::object& told) {
  const auto issuers = list_of(policy, "issuers");
  if (issuers.empty()) return {};
  for (const auto* name : {"access_token", "id_token"}) {
    const auto claims = jwt_claims(member(told, name));
    if (!claims || !claims->contains("iss")) continue;
    const auto issuer = member(*claims, "iss");
    const bool known = std::any_of(issuers.begin(), issuers.end(), [&](const auto& each) { return url_text(each) == issuer; });
    return known ? std::string{} : "its issuer \"" + issuer + "\" is none of the policy's \"issuers\"";
  }
  return "it does not say who issued it, and the policy has \"issuers\"";
}

}  // namespace

void oauth2_tokens::forget(const json::object& policy, const std::string& token) {
  const std::lock_guard lock{mutex_};
  const auto found = tokens_.find(key_of(policy));
  if (found != tokens_.end() && found->second.token == token) tokens_.erase(found);
}

void oauth2_tokens::get(request what, take_token take) {
  auto key = key_of(what.policy);
  const auto flight = (what.only_public ? "public " : "all ") + key;
  std::string known;
  bool first = false;
  {
    const std::lock_guard lock{mutex_};
    const auto found = tokens_.find(key);
    if (found != tokens_.end() && found->second.until > std::chrono::steady_clock::now()) known = found->second.token;
    if (known.empty()) {
      auto& all = flights_[flight];
      first = all.empty();
      all.push_back({what, take});
    }
  }
  if (!known.empty()) return take(std::move(known));
  if (first) begin(flight, what);
}

void oauth2_tokens::begin(const std::string& flight, const request& what) {
  if (what.oidc) return discover(flight, what);
  auto path = member(part(what.policy, "endpoints"), "token");
  if (path.empty()) path = "/oauth2/token";
  const bool whole = path.find("://") != std::string::npos;
  ask(flight, what, whole ? path : without_slash(member(what.policy, "authority")) + (path.starts_with('/') ? "" : "/") + path);
}

void oauth2_tokens::discover(const std::string& flight, const request& what) {
  constexpr std::string_view place = "/.well-known/openid-configuration";
  auto url = without_slash(member(what.policy, "authority"));
  if (!url.ends_with(place)) url += place;
  http_request question;
  question.url = url;
  question.headers.emplace_back("Accept", "application/json");
  question.only_public = what.only_public;
  question.stop = what.stop;
  client_->start(std::move(question), [self = shared_from_this(), flight, what, url](http_end ended) {
    if (const auto* why = std::get_if<http_failure>(&ended)) return self->end(flight, failure_of(*why, url));
    const auto& answer = std::get<http_response>(ended);
    const auto endpoint = member(object_of(answer), "token_endpoint");
    if (answer.status != 200 || endpoint.empty())
      return self->end(flight, refused("authentication", "no token endpoint from " + url + ": " + why_refused(answer)));
    self->ask(flight, what, endpoint);
  });
}

void oauth2_tokens::ask(const std::string& flight, const request& what, const std::string& endpoint) {
  auto made = token_request(what.policy, endpoint, refresh_token_of(what));
  if (!made) return end(flight, made.error());
  made->only_public = what.only_public;
  if (is_used_up(what.policy)) {
    made->once = true;
    made->time = used_up_time;
  } else {
    made->stop = what.stop;
  }
  client_->start(std::move(*made), [self = shared_from_this(), flight, what, endpoint](http_end ended) {
    if (const auto* why = std::get_if<http_failure>(&ended)) return self->end(flight, failure_of(*why, endpoint));
    self->end(flight, self->take_answer(what, endpoint, std::get<http_response>(ended)));
  });
}

oauth2_tokens::answer oauth2_tokens::take_answer(const request& what, const std::string& endpoint, const http_response& from) {
  const auto told = object_of(from);
  auto token = member(told, "access_token");
  if (from.status < 200 || from.status > 299 || token.empty())
    return refused("authentication", "no token from " + endpoint + ": " + why_refused(from));
  if (const auto next = member(told, "refresh_token"); !next.empty() && is_used_up(what.policy)) {
    if (auto stored = keep_refresh_token(name_of(what.policy), next); !stored)
      return refused("runtime", "the refresh token from " + endpoint + " could not be kept: " + stored.error().message);
  }
  if (const auto wrong = wrong_issuer(what.policy, told); !wrong.empty())
    return refused("authentication", "the token from " + endpoint + " is not taken: " + wrong);
  auto life = unsaid_life;
  if (const auto* seconds = told.if_contains("expires_in"); seconds != nullptr && seconds->is_int64())
    life = std::chrono::seconds{std::clamp<std::int64_t>(seconds->get_int64(), 0, 86'400)};
  if (life > margin) {
    const std::lock_guard lock{mutex_};
    if (tokens_.size() >= kept_tokens) tokens_.clear();
    tokens_[key_of(what.policy)] = {token, std::chrono::steady_clock::now() + life - margin};
  }
  return token;
}

result<void> oauth2_tokens::keep_refresh_token(const std::string& policy, const std::string& token) {
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(refresh_tokens_[policy], token) == token) return {};
  }
  if (grants_ == nullptr) return {};
  auto stored = grants_->keep(policy, token);
  return stored;
}

/// The newest one: of this process, of one before it, or the policy's own.
std::string oauth2_tokens::refresh_token_of(const request& what) {
  if (!is_used_up(what.policy)) return {};
  const auto name = name_of(what.policy);
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = refresh_tokens_.find(name); found != refresh_tokens_.end()) return found->second;
  }
  if (grants_ != nullptr) {
    if (auto found = grants_->find(name)) return *found;
  }
  if (member(what.policy, "grant") == by_code) return {};
  auto own = member(what.policy, "refresh_token");
  return own.empty() ? member(part(what.policy, "subject"), "token") : own;
}

/// When the one was stopped that others waited for too, the next of them asks.
void oauth2_tokens::end(const std::string& flight, const answer& with) {
  const auto* why = std::get_if<failure>(&with);
  const bool stopped = why != nullptr && why->code == failure_code::cancelled;
  std::vector<waiting> over;
  std::optional<request> next;
  {
    const std::lock_guard lock{mutex_};
    auto& all = flights_[flight];
    const auto ending = stopped && !all.empty() ? all.begin() + 1 : all.end();
    over.assign(std::make_move_iterator(all.begin()), std::make_move_iterator(ending));
    all.erase(all.begin(), ending);
    if (all.empty()) {
      flights_.erase(flight);
    } else {
      next = all.front().what;
    }
  }
  for (auto& each : over) each.take(with);
  if (next) begin(flight, *next);
}

}  // namespace perdure::actors
