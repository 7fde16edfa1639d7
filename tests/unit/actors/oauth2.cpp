// OAuth2 against a server of the test's own: grants whose tokens are used up, how clients say who they are, who may issue.
#include "actors/http/oauth2.hpp"

#include <future>

#include "actors/http/http_capability.hpp"
#include "actors/http/jwt.hpp"
#include "core/base64.hpp"
#include "core/hmac.hpp"
#include "support/catch.hpp"
#include "support/http_server.hpp"

using namespace std::chrono_literals;
using namespace perdure;
using namespace perdure::actors;
using test::http_server;
using test::server_request;
using test::server_response;

namespace {

/// What a process leaves to the next.
struct kept_grants : grant_keeper {
  std::optional<std::string> find(const std::string& policy) override {
    const std::lock_guard lock{mutex};
    const auto found = all.find(policy);
    return found == all.end() ? std::nullopt : std::optional{found->second};
  }
  result<void> keep(const std::string& policy, const std::string& token) override {
    const std::lock_guard lock{mutex};
    if (full) return error{errc::disk_full, "no room"};
    all[policy] = token;
    return {};
  }
  std::mutex mutex;
  std::map<std::string, std::string> all;
  bool full = false;
};

/// Gives each code and refresh token out but once, as careful servers do; tokens for clients last as long as it is told.
class authority {
 public:
  [[nodiscard]] std::string url(const std::string& path) const { return server_.url(path); }
  [[nodiscard]] std::vector<std::string> asked() const {
    std::vector<std::string> out;
    for (const auto& each : server_.requests()) {
      if (each.path == "/oauth2/token") out.push_back(each.body);
    }
    return out;
  }
  std::atomic<int> life{300};
  std::string token = "t";  ///< how tokens begin
  std::string id_token;

 private:
  server_response answer(const server_request& request) {
    if (request.path != "/oauth2/token") return {.body = "\"" + request.headers.at("authorization") + "\""};
    const std::lock_guard lock{mutex_};
    const auto number = std::to_string(++given_);
    const bool by_code = request.body.find("code=" + next_) != std::string::npos;
    const bool by_refresh = request.body.find("refresh_token=" + next_) != std::string::npos;
    const bool plain = request.body.find("client_credentials") != std::string::npos;
    if (!by_code && !by_refresh && !plain) return {.status = 400, .body = R"({"error": "invalid_grant"})"};
    if (!plain) next_ = "r" + number;
    json::object told{{"access_token", token + number}, {"expires_in", life.load()}, {"refresh_token", next_}};
    if (!id_token.empty()) told["id_token"] = id_token;
    return {.body = std::string{payload{json::value(told)}.text()}, .delay_ms = 20};
  }
  std::mutex mutex_;
  int given_ = 0;
  std::string next_ = "first";
  http_server server_{[this](const server_request& request) { return answer(request); }};
};

class caller {
 public:
  explicit caller(std::shared_ptr<grant_keeper> grants = nullptr) : http_(std::make_shared<http_client>(), std::move(grants)) {}
  std::future<core::outcome> begin(const std::string& url, const json::object& policy, std::stop_token stop = {}) {
    auto promise = std::make_shared<std::promise<core::outcome>>();
    auto end = promise->get_future();
    const json::value spec(json::object{{"method", "get"}, {"url", url}, {"authentication", json::object{{"oauth2", policy}}}});
    http_.start({.key = "k", .spec = payload{spec}, .stop = std::move(stop), .done = [promise](core::outcome out) {
                   promise->set_value(std::move(out));
                 }});
    return end;
  }
  /// "Bearer …", or the error's code and message.
  static std::string told(std::future<core::outcome> end) {
    REQUIRE(end.wait_for(30s) == std::future_status::ready);
    const auto out = end.get();
    return out.error ? out.error->code + ": " + out.error->message : std::string{out.value.value().as_string()};
  }
  std::string call(const authority& at, const json::object& policy) { return told(begin(at.url("/"), policy)); }

 private:
  http_capability http_;
};

json::object policy_of(const authority& at, const std::string& grant, json::object more = {}) {
  json::object out{{"authority", at.url("")}, {"grant", grant}, {"client", {{"id", "me"}, {"secret", "s"}}}};
  for (auto& [key, value] : more) out[key] = std::move(value);
  return out;
}

std::string token_of(const std::string& issuer) { return signed_jwt({{"iss", issuer}}, "key"); }

}  // namespace

TEST_CASE("a refresh token that the server replaces is kept before its access token is used, also for the next process") {
  authority server;
  server.life = 0;  // each call needs a new one
  const auto grants = std::make_shared<kept_grants>();
  const auto policy = policy_of(server, "refresh_token", {{"subject", {{"token", "first"}, {"type", "refresh"}}}});
  {
    caller http{grants};
    CHECK(http.call(server, policy) == "Bearer t1");
    CHECK(http.call(server, policy) == "Bearer t2");
    CHECK(server.asked().back() == "grant_type=refresh_token&refresh_token=r1&client_id=me&client_secret=s");
  }
  caller next{grants};
  CHECK(next.call(server, policy) == "Bearer t3");
  // Without what was kept the policy's own token is spent.
  CHECK(caller{}.call(server, policy).find("authentication: no token from") == 0);
  grants->full = true;
  CHECK(next.call(server, policy).find("could not be kept: no room") != std::string::npos);
  grants->full = false;
  CHECK(next.call(server, policy) == "Bearer t6");
}

TEST_CASE("an authorization code is exchanged once; from then on its refresh token is used") {
  authority server;
  server.life = 0;
  const auto grants = std::make_shared<kept_grants>();
  const auto policy =
      policy_of(server, "authorization_code",
                {{"code", "first"}, {"redirect_uri", "https://a.b/c"}, {"code_verifier", "v"}, {"scopes", json::array{"a"}}});
  CHECK(caller{grants}.call(server, policy) == "Bearer t1");
  CHECK(
      server.asked().back() ==
      "grant_type=authorization_code&code=first&redirect_uri=https%3A%2F%2Fa.b%2Fc&code_verifier=v&client_id=me&client_secret=s");
  CHECK(caller{grants}.call(server, policy) == "Bearer t2");
  CHECK(server.asked().back().find("refresh_token=r1") != std::string::npos);
  CHECK(
      caller{}.call(server, policy_of(server, "authorization_code")).find("configuration: the OAuth2 policy: there is no code") ==
      0);
}

TEST_CASE("calls at once ask for one token together; one that is stopped does not take the others along") {
  authority server;
  caller http;
  const auto policy = policy_of(server, "client_credentials");
  std::stop_source stop;
  std::vector<std::future<core::outcome>> all;
  all.push_back(http.begin(server.url("/"), policy, stop.get_token()));
  for (int i = 0; i < 5; ++i) all.push_back(http.begin(server.url("/"), policy));
  for (auto& each : all) CHECK(caller::told(std::move(each)) == "Bearer t1");
  CHECK(server.asked().size() == 1);

  const auto other = policy_of(server, "client_credentials", {{"scopes", json::array{"b"}}});
  auto first = http.begin(server.url("/"), other, stop.get_token());
  auto second = http.begin(server.url("/"), other);
  stop.request_stop();
  CHECK(caller::told(std::move(first)).find("cancelled") == 0);
  CHECK(caller::told(std::move(second)).find("Bearer t") == 0);
}

TEST_CASE("a client says who it is by a token that it signs, or by one that it was given") {
  authority server;
  caller http;
  const auto as = [&](json::object client) {
    client["id"] = "me";
    (void)http.call(server, policy_of(server, "client_credentials", {{"client", std::move(client)}}));
    return server.asked().empty() ? std::string{} : server.asked().back();
  };
  const auto own = as({{"authentication", "client_secret_jwt"}, {"secret", "hush"}});
  constexpr std::string_view before =
      "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&"
      "client_assertion=";
  const auto at = own.find(before);
  REQUIRE(at != std::string::npos);
  CHECK(own.find("hush") == std::string::npos);
  const auto token = own.substr(at + before.size());
  const auto claims = jwt_claims(token);
  REQUIRE(claims);
  CHECK(claims->at("iss") == "me");
  CHECK(claims->at("sub") == "me");
  CHECK(claims->at("aud").as_string() == server.url("/oauth2/token"));
  CHECK(claims->at("exp").as_int64() - claims->at("iat").as_int64() == 300);
  // Its signature is that of the text before it.
  auto signature = core::to_base64(core::hmac_sha256("hush", token.substr(0, token.rfind('.'))));
  for (auto& c : signature) c = c == '+' ? '-' : c == '/' ? '_' : c;
  CHECK(token.substr(token.rfind('.') + 1) == signature.substr(0, signature.find('=')));

  const auto given = as({{"authentication", "private_key_jwt"}, {"assertion", "a.b.c"}});
  CHECK(given.ends_with(std::string{"&client_id=me"} + std::string{before} + "a.b.c"));
  CHECK(http.call(server,
                  policy_of(server, "client_credentials", {{"client", {{"id", "me"}, {"authentication", "private_key_jwt"}}}})) ==
        "configuration: the OAuth2 policy: private_key_jwt needs the client's \"assertion\"");
  CHECK(as({{"authentication", "none"}}) == "grant_type=client_credentials&client_id=me");
}

TEST_CASE("a token of an issuer that the policy does not name is not used, and lists may be the text of a secret") {
  authority server;
  caller http;
  const auto call = [&](const std::string& issuers, const std::string& scopes) {
    return http.call(server, policy_of(server, "client_credentials", {{"issuers", issuers}, {"scopes", scopes}}));
  };
  server.token = token_of("https://good.x") + ".";
  CHECK(call(R"(["https://other.x", "https://good.x"])", R"(["a", "b"])").find("Bearer ey") == 0);
  CHECK(server.asked().back().find("scope=a%20b&") != std::string::npos);
  CHECK(call(R"(["https://other.x"])", "a b").find("its issuer \"https://good.x\" is none of the policy's") != std::string::npos);
  CHECK(server.asked().back().find("scope=a%20b&") != std::string::npos);
  server.token = "opaque";
  CHECK(call("https://good.x", "c").find("it does not say who issued it") != std::string::npos);
  server.id_token = token_of("https://good.x");
  CHECK(call("https://good.x", "d").find("Bearer opaque") == 0);
}
