#include "actors/http/http_capability.hpp"

#include <algorithm>
#include <array>

#include "actors/http/stream_text.hpp"
#include "actors/http/url.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t told_body_bytes = 2'000;

failure http_error(std::string code, std::string message, std::int32_t status = 0) {
  failure out{.code = std::move(code), .message = std::move(message)};
  out.status = status;
  return out;
}

std::string member(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found == nullptr ? std::string{} : url_text(*found);
}

const json::object* part(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_object() ? &found->get_object() : nullptr;
}

bool flag(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::string lower(std::string text) {
  for (auto& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

const std::string* header(const http_headers& all, std::string_view name) {
  for (const auto& [each, value] : all) {
    if (lower(each) == name) return &value;
  }
  return nullptr;
}

/// "text/html" of "Text/HTML; charset=utf-8".
std::string media_type(const http_headers& of) {
  const auto* found = header(of, "content-type");
  if (found == nullptr) return {};
  auto type = lower(found->substr(0, found->find(';')));
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return type;
}

bool is_json(std::string_view type) { return type == "application/json" || type == "text/json" || type.ends_with("+json"); }

bool is_text(std::string_view type) {
  constexpr std::array<std::string_view, 6> texts{"application/xml",        "application/yaml",
                                                  "application/x-yaml",     "application/x-www-form-urlencoded",
                                                  "application/javascript", "application/graphql"};
  return type.starts_with("text/") || type.ends_with("+xml") || type.ends_with("+yaml") ||
         std::find(texts.begin(), texts.end(), type) != texts.end();
}

/// Adds the body, and what kind it is where the document does not say so. Text is sent as it is.
void add_body(http_request& to, const json::value& body) {
  const auto type = media_type(to.headers);
  if (type == "application/x-www-form-urlencoded" && body.is_object()) {
    to.body = form_encoded(body.get_object());
  } else if (const auto* text = body.if_string()) {
    to.body = std::string{text->data(), text->size()};
    if (type.empty()) to.headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
  } else {
    to.body.emplace();
    core::write_json_text(*to.body, body);
    if (type.empty()) to.headers.emplace_back("Content-Type", "application/json");
  }
}

/// Printable, as a header has to be.
std::string key_text(const std::string& key) {
  std::string out;
  for (const char c : key.substr(0, key.find('\0')))
    out += c > 0x20 && c < 0x7F && c != '%' ? std::string{c} : url_escaped({&c, 1});
  return out;
}

json::object headers_value(const http_headers& from) {
  json::object out;
  for (const auto& [name, value] : from) {
    auto& slot = out[name];
    slot = json::value(slot.is_string() ? std::string{slot.get_string()} + ", " + value : value);
  }
  return out;
}

/// One call from its spec to its outcome.
struct http_call {
  json::object spec;
  std::string key, trace;
  std::stop_token stop;
  std::function<void(core::outcome)> done;
  std::function<void(told_text)> tell;
  std::shared_ptr<http_client> client;
  std::shared_ptr<oauth2_tokens> tokens;
  std::string token;         ///< of oauth2 and oidc, that was sent
  bool fresh_token = false;  ///< one was asked for anew already

  void fail(failure why) { done({.error = std::move(why)}); }
};

http_request request_of(const http_call& call) {
  http_request out;
  out.method = member(call.spec, "method");
  std::transform(out.method.begin(), out.method.end(), out.method.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  out.url = member(call.spec, "url");
  if (const auto* query = part(call.spec, "query")) out.url = with_query(std::move(out.url), *query);
  if (const auto* headers = part(call.spec, "headers")) {
    for (const auto& [name, value] : *headers) {
      if (!value.is_null()) out.headers.emplace_back(std::string{name}, url_text(value));
    }
  }
  if (header(out.headers, "idempotency-key") == nullptr) out.headers.emplace_back("Idempotency-Key", key_text(call.key));
  if (!call.trace.empty() && header(out.headers, "traceparent") == nullptr) out.headers.emplace_back("traceparent", call.trace);
  if (const auto* body = call.spec.if_contains("body"); body != nullptr && !body->is_null()) add_body(out, *body);
  if (const auto* bytes = call.spec.if_contains("body64"); bytes != nullptr && bytes->is_string())
    out.body = core::from_base64({bytes->get_string().data(), bytes->get_string().size()});
  out.http2 = flag(call.spec, "http2");
  out.follow = flag(call.spec, "redirect");
  out.only_public = flag(call.spec, "public");
  out.stop = call.stop;
  if (call.tell) {
    out.see = [tell = call.tell, text = std::make_shared<stream_text>()](const http_headers& headers, std::string_view bytes) {
      if (media_type(headers) != "text/event-stream") return;
      for (auto& each : text->take(bytes)) tell(std::move(each));
    };
  }
  return out;
}

failure failure_of(const http_failure& why, const std::string& what) {
  using kind = http_failure::kind;
  if (why.what == kind::stopped) return http_error(std::string{failure_code::cancelled}, what + ": " + why.message);
  if (why.what == kind::too_late) return http_error(std::string{failure_code::timeout}, what + " took too long: " + why.message);
  return http_error("communication", what + " failed: " + why.message);
}

failure status_error(const http_response& answer, const std::string& what) {
  auto text = core::valid_utf8(answer.body.substr(0, told_body_bytes));
  auto detail =
      what + " was answered with status " + std::to_string(answer.status) + (answer.reason.empty() ? "" : " " + answer.reason);
  if (!text.empty()) detail += ": " + text;
  auto out = http_error("communication", std::move(detail), static_cast<std::int32_t>(answer.status));
  out.title = answer.reason;
  return out;
}

/// What the document asked for; of the request it sees what it said itself, never what was added to it.
core::outcome outcome_of(const http_call& call, const http_response& answer) {
  const auto output = member(call.spec, "output");
  if (output == "raw") return {.value = payload{answer.body.empty() ? json::value{} : json::value(core::to_base64(answer.body))}};
  if (output == "text") return {.value = payload{json::value(core::valid_utf8(answer.body))}};
  auto content = content_of(answer);
  if (!content)
    return {.error = http_error("communication", "the answer says that it is JSON, and is not: " +
                                                     core::valid_utf8(answer.body.substr(0, told_body_bytes)))};
  if (output != "response") return {.value = payload{*content}};
  const auto* headers = part(call.spec, "headers");
  json::object request{{"method", member(call.spec, "method")},
                       {"uri", member(call.spec, "url")},
                       {"headers", headers != nullptr ? *headers : json::object{}}};
  return {.value = payload{json::value(json::object{{"request", std::move(request)},
                                                    {"statusCode", answer.status},
                                                    {"headers", headers_value(answer.headers)},
                                                    {"content", std::move(*content)}})}};
}

void send(const std::shared_ptr<http_call>& call, http_request request);

/// Adds what the policy says, then sends. The policy's only member is its kind.
void authenticate(const std::shared_ptr<http_call>& call, http_request request) {
  const auto* policy = part(call->spec, "authentication");
  if (policy == nullptr || policy->empty()) return send(call, std::move(request));
  const auto kind = std::string{policy->begin()->key()};
  const auto* inner = part(*policy, kind);
  if (inner == nullptr) return call->fail(http_error("configuration", "the authentication \"" + kind + "\" is no object"));
  const auto user = member(*inner, "username"), password = member(*inner, "password");
  if (kind == "basic") {
    request.headers.emplace_back("Authorization", "Basic " + core::to_base64(user + ":" + password));
  } else if (kind == "bearer") {
    request.headers.emplace_back("Authorization", "Bearer " + member(*inner, "token"));
  } else if (kind == "digest") {
    request.digest.emplace(user, password);
  } else if (kind == "certificate") {
    request.certificate = client_certificate{member(*inner, "certificate"), member(*inner, "key"), password};
    if (request.certificate->certificate.empty() || request.certificate->key.empty())
      return call->fail(http_error("configuration", "authentication by certificate needs \"certificate\" and \"key\""));
  } else if (kind == "oauth2" || kind == "oidc") {
    auto shared = std::make_shared<http_request>(std::move(request));
    return call->tokens->get({.policy = *inner, .oidc = kind == "oidc", .only_public = shared->only_public, .stop = call->stop},
                             [call, shared](oauth2_tokens::answer token) {
                               if (auto* why = std::get_if<failure>(&token)) return call->fail(std::move(*why));
                               call->token = std::get<std::string>(token);
                               shared->headers.emplace_back("Authorization", "Bearer " + call->token);
                               send(call, std::move(*shared));
                             });
  } else {
    return call->fail(http_error("configuration", "the authentication \"" + kind + "\" is not available here"));
  }
  send(call, std::move(request));
}

void answered(const std::shared_ptr<http_call>& call, const http_response& answer) {
  const auto what = member(call->spec, "method") + " " + member(call->spec, "url");
  const auto* policy = part(call->spec, "authentication");
  const bool by_token = policy != nullptr && !policy->empty() && (policy->contains("oauth2") || policy->contains("oidc"));
  if (answer.status == 401 && by_token && !std::exchange(call->fresh_token, true)) {
    call->tokens->forget(policy->begin()->value().as_object(), call->token);  // it may have been taken back before its time
    return authenticate(call, request_of(*call));
  }
  const auto most = flag(call->spec, "redirect") ? 399 : 299;
  if (answer.status < 200 || answer.status > most) return call->fail(status_error(answer, what));
  call->done(outcome_of(*call, answer));
}

void send(const std::shared_ptr<http_call>& call, http_request request) {
  auto what = request.method + " " + request.url;
  call->client->start(std::move(request), [call, what = std::move(what)](http_end end) {
    try {
      if (const auto* why = std::get_if<http_failure>(&end)) return call->fail(failure_of(*why, what));
      answered(call, std::get<http_response>(end));
    } catch (const step_error& thrown) {
      call->fail(thrown.why());
    } catch (const std::exception& thrown) {
      call->fail(http_error("communication", what + ": the answer could not be taken: " + thrown.what()));
    }
  });
}

}  // namespace

std::optional<json::value> content_of(const http_response& from) {
  if (from.body.empty()) return json::value{};
  const auto type = media_type(from.headers);
  const bool is_utf8 = core::valid_utf8(from.body) == from.body;
  if (is_json(type) || (type.empty() && is_utf8)) {
    if (auto read = core::read_json_text(from.body)) return std::move(*read);
    if (!type.empty()) return std::nullopt;
  }
  if ((type.empty() || is_text(type)) && is_utf8) return json::value(from.body);
  return json::value(core::to_base64(from.body));
}

http_capability::http_capability(std::shared_ptr<http_client> client, std::shared_ptr<grant_keeper> grants)
    : client_(std::move(client)), tokens_(std::make_shared<oauth2_tokens>(client_, std::move(grants))) {}

void http_capability::start(capability_request request) {
  auto call = std::make_shared<http_call>();
  call->done = std::move(request.done);
  call->tell = std::move(request.tell);
  call->key = std::move(request.key);
  call->trace = std::move(request.trace);
  call->stop = request.stop;
  call->client = client_;
  call->tokens = tokens_;
  try {
    auto spec = request.spec.value();
    if (!spec.is_object()) return call->fail(http_error("configuration", "bad http spec: expected an object"));
    call->spec = std::move(spec.get_object());
    authenticate(call, request_of(*call));
  } catch (const step_error& thrown) {
    call->fail(thrown.why());
  }
}

void http_capability::stop_all() { client_->stop_all(); }

}  // namespace perdure::actors
