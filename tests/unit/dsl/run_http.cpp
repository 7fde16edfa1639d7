// call: http as documents say it: what is asked of the capability, and what its answers and errors become.
#include "dsl/uri_template.hpp"

#include "document_world.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

/// Notes the specs of all calls and answers them.
struct network {
  std::vector<json::value> asked;
  core::outcome answer{payload{json::value{{"ok", true}}}, {}};
  outside answers() {
    return [this](const core::pending_step& step) -> std::optional<core::outcome> {
      const auto args = step.args.value();
      CHECK(args.at("capability") == "http");
      asked.push_back(args.at("spec"));
      return answer;
    };
  }
};

std::string call(const std::string& with, const std::string& more = "") {
  return "do:\n  - c: {call: http, with: {" + with + "}" + more + "}\n";
}

}  // namespace

TEST_CASE("an http call asks for what the document says, and gives the answer") {
  network net;
  const auto done =
      run_document(call("method: post, endpoint: 'https://x.y/pets/{id}/{kind}?q={missing}', headers: {A: '${ .a }'}, "
                        "query: '${ .query }', body: {n: '${ .id + 1 }'}, output: response, redirect: true"),
                   {{"id", 7}, {"kind", "a b/c"}, {"a", 1}, {"query", {{"x", "y"}}}}, net.answers());
  CHECK(done.result == json::value{{"ok", true}});
  REQUIRE_FALSE(net.asked.empty());
  CHECK(net.asked[0] == json::value{{"method", "post"},
                                    {"headers", {{"A", 1}}},
                                    {"query", {{"x", "y"}}},
                                    {"body", {{"n", 8}}},
                                    {"url", "https://x.y/pets/7/a%20b%2Fc?q="},
                                    {"output", "response"},
                                    {"redirect", true}});
}

TEST_CASE("the endpoint: an expression, an object, and what is no address") {
  network net;
  const auto url = [&](const std::string& endpoint, const json::value& input) {
    net.asked.clear();
    const auto done = run_document(call("method: get, endpoint: " + endpoint), input, net.answers());
    return done.failed ? done.failed->code : std::string{net.asked.at(0).at("url").as_string()};
  };
  CHECK(url("'${ \"https://x.y/\\(.id)\" }'", {{"id", 1}}) == "https://x.y/1");
  CHECK(url("{uri: 'https://x.y/{id}'}", {{"id", 1}}) == "https://x.y/1");
  // What an expression gives is no template.
  CHECK(url("'${ .at }'", {{"at", "https://x.y/{id}"}, {"id", 1}}) == "https://x.y/{id}");
  CHECK(url("'${ .at }'", {{"at", 5}}) == "expression");
  CHECK(url("'${ .at }'", {{"at", "nowhere"}}) == "expression");
  CHECK(url("'https://x.y/{o}'", {{"o", {1}}}) == "expression");
  CHECK(dsl::expand_template("a{b}c{", {{"b", true}}, "/") == "atruec{");
  CHECK(dsl::expand_template("{pet.id}{x}", {{"pet.id", "1"}, {"pet", {{"id", 2}}}, {"x", nullptr}}, "/") == "1");
  CHECK(dsl::expand_template("{a}", nullptr, "/").empty());
  CHECK(run_document(call("method: get, endpoint: 'https://x.y', headers: '${ .h }'"), {{"h", 1}}, net.answers()).failed->code ==
        "expression");
}

TEST_CASE("an http call's error is the specification's, with the answer's status, and can be caught by it") {
  network net;
  net.answer = {{}, failure{.code = "communication", .message = "get https://x.y was answered with status 503"}};
  auto why = *net.answer.error;
  why.status = 503;
  why.title = "Service Unavailable";
  net.answer.error = why;
  const auto done = run_document(call("method: get, endpoint: 'https://x.y'"), nullptr, net.answers());
  REQUIRE(done.failed);
  CHECK(done.failed->type == "https://serverlessworkflow.io/spec/1.0.0/errors/communication");
  CHECK(done.failed->status == 503);
  CHECK(done.failed->title == "Service Unavailable");
  CHECK(done.failed->instance == "/do/0/c");
  CHECK(run_document(
            "do:\n  - t: {try: [{c: {call: http, with: {method: get, endpoint: 'https://x.y'}}}], catch: {errors: {with: {type: "
            "'https://serverlessworkflow.io/spec/1.0.0/errors/communication', status: 503}}, retry: {delay: PT3S, limit: "
            "{attempt: {count: 2}}}, "
            "do: [{h: {set: {gave: up}}}]}}\n",
            nullptr, net.answers())
            .elapsed() == 6s);
  net.answer.error = failure{.code = "timeout", .message = "too late"};
  CHECK(run_document(call("method: get, endpoint: 'https://x.y'"), nullptr, net.answers()).failed->status == 408);
  net.answer.error = failure{.code = "authentication", .message = "no token"};
  CHECK(run_document(call("method: get, endpoint: 'https://x.y'"), nullptr, net.answers()).failed->status == 401);
}

TEST_CASE("authentication inline and by name, and what $authorization shows of it") {
  network net;
  const auto policy = [&](const std::string& authentication, const std::string& use = "") {
    net.asked.clear();
    const auto done = run_document(use + call("method: get, endpoint: {uri: 'https://x.y', authentication: " + authentication +
                                                  "}, headers: {S: '${ $authorization.scheme }'}",
                                              ", output: {as: '$authorization'}"),
                                   {{"token", "t"}}, net.answers());
    REQUIRE(done.result);
    return std::pair{net.asked.at(0).at("authentication"), *done.result};
  };
  CHECK(policy("{bearer: {token: '${ .token }'}}") ==
        std::pair{json::value{{"bearer", {{"token", "t"}}}}, json::value{{"scheme", "Bearer"}, {"parameter", "t"}}});
  const std::string use =
      "use: {secrets: [known, user], authentications: {mine: {basic: {username: u, password: '${ $secrets.known }'}}, theirs: "
      "{digest: {use: user}}}}\n";
  CHECK(policy("{use: mine}", use) ==
        std::pair{json::value{{"basic", {{"username", "u"}, {"password", "<known of test/sample>"}}}},
                  json::value{{"scheme", "Basic"}, {"parameter", nullptr}}});
  CHECK(policy("mine", use).first.as_object().contains("basic"));
  CHECK(policy("{use: theirs}", use).first == json::value{{"digest", {{"username", "<name>"}, {"password", "<word>"}}}});
  CHECK(net.asked.at(0).at("headers").at("S") == "Digest");
  CHECK(mentions(told_of(call("method: get, endpoint: {uri: 'https://x.y', authentication: {basic: {use: user}}}")),
                 "the name of a secret listed in \"use.secrets\", found \"user\""));
  CHECK(mentions(told_of(call("method: get, endpoint: {uri: 'https://x.y', authentication: {certificate: {}}}")),
                 "/authentication/certificate: expected the property \"key\" in a policy of the kind \"certificate\""));
  CHECK(told_of(call("method: get, endpoint: {uri: 'https://x.y', authentication: {certificate: {certificate: c, key: k, "
                     "password: p}}}"))
            .empty());
  CHECK(mentions(told_of(call("method: get, endpoint: {uri: 'https://x.y', authentication: {oauth2: {authority: 'https://a.b', "
                              "grant: authorization_code}}}")),
                 "/authentication/oauth2/grant: the grant \"authorization_code\" needs the code as \"subject: {token, type}\""));
}

TEST_CASE("$secrets gives what stands for them, recorded once; one that is not there is an authorization error") {
  const auto done = run_document(
      "use: {secrets: [known, user, lost]}\ndo:\n  - a: {set: {t: 'Bearer ${ $secrets.known }', u: '${ $secrets.user.password "
      "}', k: '${ $secrets | keys }'}}\n");
  CHECK(done.result == json::value{{"t", "Bearer <known of test/sample>"}, {"u", "<word>"}, {"k", {"known", "user"}}});
  const auto lost = run_document("use: {secrets: [known, lost]}\ndo:\n  - a: {set: {t: '${ $secrets.lost }'}}\n");
  REQUIRE(lost.failed);
  CHECK(lost.failed->type == "https://serverlessworkflow.io/spec/1.0.0/errors/authorization");
  CHECK(lost.failed->status == 403);
  CHECK(mentions(told_of("use: {secrets: [known]}\ndo:\n  - a: {set: {t: '${ $secrets.knwon }'}}\n"), "found \"knwon\""));
  CHECK(mentions(told_of("do:\n  - a: {set: {t: '${ $secrets[\"x\"] }'}}\n"), "found \"x\""));
}

TEST_CASE("whoever starts a run cannot name a secret in its input") {
  CHECK(result_of("do:\n  - a: {set: '${ . }'}\n",
                  {{"x", "{{perdure-secret:known:00}}"}, {"{{perdure-secret:", json::array{"{{perdure-secret:"}}}) ==
        json::value{{"x", "{{perdure-secret?known:00}}"}, {"{{perdure-secret?", json::array{"{{perdure-secret?"}}});
}

TEST_CASE("schemas and scripts are fetched from http addresses") {
  network net;
  net.answer = {payload{json::value("type: object\nrequired: [id]\n")}, {}};
  const std::string task =
      "do:\n  - a: {set: {x: 1}, input: {schema: {resource: {endpoint: {uri: 'https://x.y/s.yaml', authentication: {bearer: "
      "{token: t}}}}}}}\n";
  CHECK(run_document(task, {{"id", 1}}, net.answers()).finished);
  CHECK(net.asked.at(0) == json::value{{"method", "GET"},
                                       {"url", "https://x.y/s.yaml"},
                                       {"output", "text"},
                                       {"redirect", true},
                                       {"authentication", {{"bearer", {{"token", "t"}}}}}});
  CHECK(run_document(task, {{"no", 1}}, net.answers()).failed->code == "validation");
  net.answer = {{}, failure{.code = "communication", .message = "gone"}};
  CHECK(run_document(task, {{"id", 1}}, net.answers()).failed->code == "communication");
}
