// Secrets: what stands for them, where they are put in, and that they do not come back out.
#include "actors/capabilities/secrets.hpp"

#include <map>

#include "core/stand_in.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::actors;

namespace {

std::map<std::string, std::string> known{{"token", "s3cr3t-token"},
                                         {"user", R"({"name": "anna", "password": "pass-word", "n": 12345678})"}};

std::shared_ptr<secret_book> book(const std::string& key = std::string(32, 'k')) {
  return std::make_shared<secret_book>(
      [](const std::string& name) {
        const auto found = known.find(name);
        return found == known.end() ? std::nullopt : std::optional{found->second};
      },
      [key]() -> result<std::string> { return key; });
}

std::string text(const json::value& value) { return std::string{value.as_string()}; }

/// Answers with what it was asked, as a server that echoes would.
class parrot : public capability {
 public:
  void start(capability_request request) override {
    asked = request.spec.value();
    if (request.tell) {
      for (const auto& part : tells) request.tell(part);
    }
    if (fails) return request.done({.error = failure{.code = "communication", .message = std::string{request.spec.text()}}});
    request.done({.value = request.spec});
  }
  void stop_all() override {}
  json::value asked;
  std::vector<told_text> tells;
  bool fails = false;
};

}  // namespace

TEST_CASE("what stands for a secret does not hold it, and is made into it for its own workflow alone") {
  const auto secrets = book();
  const auto token = text(*secrets->stand_in("shop", "token"));
  CHECK(token.find("s3cr3t") == std::string::npos);
  CHECK(core::has_stand_in(token));
  const auto put = [](secret_book& from, const std::string& workflow, const std::string& value) {
    json::value all{{"header", "Bearer " + value}, {"list", {value, 1}}};
    std::vector<secret_book::used> used;
    REQUIRE(from.put_in(workflow, all, used));
    return all;
  };
  CHECK(put(*secrets, "shop", token) == json::value{{"header", "Bearer s3cr3t-token"}, {"list", {"s3cr3t-token", 1}}});
  CHECK(put(*secrets, "other", token).at("header") == json::value("Bearer " + token));
  CHECK(put(*book(std::string(32, 'x')), "shop", token).at("header") == json::value("Bearer " + token));
  auto forged = token;
  forged[forged.size() - 4] = forged[forged.size() - 4] == 'a' ? 'b' : 'a';
  CHECK(put(*secrets, "shop", forged).at("header") == json::value("Bearer " + forged));
  CHECK(put(*secrets, "shop", token + "-" + token).at("header") == "Bearer s3cr3t-token-s3cr3t-token");
  CHECK(put(*secrets, "shop", "{{perdure-secret:").at("header") == "Bearer {{perdure-secret:");
  CHECK_FALSE(secrets->stand_in("shop", "none"));
}

TEST_CASE("a secret that is an object is one of stand-ins") {
  const auto secrets = book();
  const auto user = *secrets->stand_in("shop", "user");
  auto value = user;
  std::vector<secret_book::used> used;
  REQUIRE(secrets->put_in("shop", value, used));
  CHECK(value == json::value{{"name", "anna"}, {"password", "pass-word"}, {"n", "12345678"}});
  CHECK(user.at("name") != user.at("password"));
}

TEST_CASE("a capability gets secrets, and what comes back of them is taken out of values, keys and errors") {
  const auto secrets = book();
  const auto inner = std::make_shared<parrot>();
  const auto door = with_secrets(secrets, inner);
  const auto token = text(*secrets->stand_in("shop", "token"));
  core::outcome end;
  const auto call = [&](const json::value& spec) {
    door->start({.workflow = "shop", .spec = payload{spec}, .done = [&](core::outcome out) { end = std::move(out); }});
  };
  call({{"auth", "Bearer " + token}, {"s3cr3t-token", 1}});
  CHECK(inner->asked.at("auth") == "Bearer s3cr3t-token");
  CHECK(std::string{end.value.text()}.find("s3cr3t") == std::string::npos);
  CHECK(end.value.value().at("auth") == json::value("Bearer " + token));
  inner->fails = true;
  call({{"auth", token}});
  REQUIRE(end.error);
  CHECK(end.error->message.find("s3cr3t") == std::string::npos);
  CHECK(end.error->message.find(token) != std::string::npos);
}

TEST_CASE("a secret is taken out of text that is told in parts, also where it is cut in two") {
  const auto secrets = book();
  const auto inner = std::make_shared<parrot>();
  const auto token = text(*secrets->stand_in("shop", "token"));
  std::string told, notes;
  const auto call = [&](std::vector<told_text> parts) {
    inner->tells = std::move(parts);
    told.clear();
    notes.clear();
    with_secrets(secrets, inner)
        ->start({.workflow = "shop",
                 .spec = payload{json::value{{"auth", token}}},
                 .done = [](const core::outcome&) {},
                 .tell = [&](const told_text& what) { (what.note ? notes : told) += what.text; }});
  };
  const std::string whole = "a s3cr3t-token, s3cr3t-to, s3 and s3cr3t-token";
  const std::string clean = "a " + token + ", s3cr3t-to, s3 and " + token;
  for (std::size_t first = 0; first <= whole.size(); ++first) {
    for (std::size_t second = first; second <= whole.size(); second += 3) {
      INFO(first << " " << second);
      call({{.text = whole.substr(0, first)}, {.text = whole.substr(first, second - first)}, {.text = whole.substr(second)}});
      REQUIRE(told == clean);
    }
  }
  call({{.text = "left over: s3cr"}, {.note = true, .text = "with s3cr3t-token"}});
  CHECK(told == "left over: s3cr");
  CHECK(notes == "with " + token);
}

TEST_CASE("a server that sends what looks like a secret's stand-in gets nothing for it") {
  const auto secrets = book();
  const auto inner = std::make_shared<parrot>();
  const auto door = with_secrets(secrets, inner);
  core::outcome end;
  // Made for another workflow: it goes through to the server as text, and comes back spoilt.
  const auto foreign = text(*secrets->stand_in("other", "token"));
  door->start({.workflow = "shop", .spec = payload{json::value{{"a", foreign}}}, .done = [&](core::outcome out) {
                 end = std::move(out);
               }});
  CHECK(inner->asked.at("a") == json::value(foreign));
  CHECK_FALSE(core::has_stand_in(end.value.text()));
}

TEST_CASE("a secret that went away meanwhile is an authorization error") {
  const auto secrets = book();
  known["passing"] = "here today";
  const auto spec = payload{json::value{{"a", *secrets->stand_in("shop", "passing")}}};
  known.erase("passing");
  core::outcome end;
  with_secrets(secrets, std::make_shared<parrot>())->start({.workflow = "shop", .spec = spec, .done = [&](core::outcome out) {
                                                              end = std::move(out);
                                                            }});
  REQUIRE(end.error);
  CHECK(end.error->code == "authorization");
}

TEST_CASE("secrets of the environment, by their name as it is or in capitals") {
  ::setenv("PERDURE_SECRET_MY_TOKEN", "one", 1);
  ::setenv("PERDURE_SECRET_exact", "two", 1);
  CHECK(secret_of_environment("my-token") == "one");
  CHECK(secret_of_environment("exact") == "two");
  CHECK_FALSE(secret_of_environment("neither"));
}
