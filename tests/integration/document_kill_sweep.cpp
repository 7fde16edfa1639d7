// A document with branches, loops, retries, waits, events and HTTP calls is killed at many moments: it ends as one that is not,
// and the server's ledger, by idempotency key, has each effect once but for those that were under way when the process died.
#include <map>
#include <random>
#include <set>
#include <thread>

#include "support/catch.hpp"
#include "support/http_server.hpp"
#include "support/program.hpp"
#include "support/seed.hpp"

using namespace perdure;
using perdure::test::http_server;
using perdure::test::server_request;
using perdure::test::server_response;
using perdure::test::workplace;

namespace {

constexpr std::size_t rounds_of_loop = 6;
constexpr std::size_t calls_at_once = 2;  // of the document: the loop's and the source's

std::string post(const http_server& server, const std::string& path, const std::string& body) {
  return "{call: http, with: {method: post, endpoint: '" + server.url(path) + "', body: {v: '" + body + "'}}}";
}

std::string document(const http_server& server) {
  return "  - lanes:\n"
         "      fork:\n"
         "        branches:\n"
         "          - loop:\n"
         "              for: {in: '[1, 2, 3, 4, 5, 6]'}\n"
         "              do:\n"
         "                - call: " +
         post(server, "/loop", "${ $item }") +
         "\n"
         "                - pause: {wait: {milliseconds: 40}}\n"
         "          - events:\n"
         "              fork:\n"
         "                compete: true\n"  // an event from before there is a listener is lost: there are enough
         "                branches:\n"
         "                  - hears: {listen: {to: {any: [{with: {type: n}}], until: '(. | length) == 4'}}}\n"
         "                  - tells:\n"
         "                      do:\n"
         "                        - later: {wait: {milliseconds: 200}}\n"
         "                        - each:\n"
         "                            for: {in: '[range(1000)]'}\n"
         "                            do:\n"
         "                              - tell: {emit: {event: {with: {source: 'https://s.x', type: n, data: '${ $item }'}}}}\n"
         "                              - pause: {wait: {milliseconds: 50}}\n"
         "          - tries:\n"
         "              try:\n"
         "                - source: " +
         post(server, "/flaky", "x") +
         "\n"
         "              catch:\n"
         "                errors: {with: {status: 503}}\n"
         "                retry: {delay: {milliseconds: 30}, limit: {attempt: {count: 50}}}\n"
         "  - join: {set: {all: '${ . }'}}\n";
}

/// How often each step asked, by the run it belongs to, its body and its key.
using ledger = std::map<std::pair<std::string, std::string>, std::map<std::string, std::size_t>>;

ledger ledger_of(const http_server& server, const std::string& path) {
  ledger out;
  for (const auto& each : server.requests()) {
    if (each.path != path) continue;
    const auto& key = each.headers.at("idempotency-key");
    ++out[{key.substr(0, key.find('/')), each.body}][key];
  }
  return out;
}

}  // namespace

TEST_CASE("a document that is killed at many moments ends as one that is not, with each effect once") {
  std::mt19937_64 chance{test::session_seed()};
  std::atomic<int> asked{0};
  const http_server server{[&](const server_request& request) -> server_response {
    if (request.path == "/flaky" && ++asked % 4 != 0) return {.status = 503, .body = "{}"};
    return {.body = request.body};
  }};
  constexpr std::size_t sweeps = 3;
  std::size_t kills = 0;
  for (std::size_t sweep = 0; sweep < sweeps; ++sweep) {
    const workplace here;
    const std::vector<std::string> command{"run", here.document("sweep", document(server)), "--key", "k", "--json"};
    // The first one is let be.
    for (int i = 0; sweep > 0 && i < 7; ++i) {
      auto once = here.start(command);
      std::this_thread::sleep_for(std::chrono::milliseconds{30 + static_cast<int>(chance() % 350)});
      if (once->running()) ++kills;
      once->kill();
    }
    const auto done = here.call(command);
    INFO(done.out << done.err);
    REQUIRE(done.code == 0);
    const auto all = done.json().at("output").at("all").as_array();
    REQUIRE(all.size() == 3);
    CHECK(all[0] == json::value{{"v", 6}});
    CHECK(all[2] == json::value{{"v", "x"}});
    const auto& heard = all[1].as_array();  // in a row, each once
    REQUIRE(heard.size() == 4);
    for (std::size_t i = 0; i < heard.size(); ++i)
      CHECK(heard[i].to_number<int>() == heard[0].to_number<int>() + static_cast<int>(i));
    CHECK(here.call({"journal", "verify"}).code == 0);
  }
  CHECK(kills > 0);
  std::size_t again = 0;
  const auto loops = ledger_of(server, "/loop");
  CHECK(loops.size() == sweeps * rounds_of_loop);
  for (const auto& [what, keys] : loops) {
    INFO(what.first << " " << what.second);
    CHECK(keys.size() == 1);
    again += keys.begin()->second - 1;
  }
  for (const auto& [what, keys] : ledger_of(server, "/flaky")) {
    for (const auto& [key, times] : keys) again += times - 1;
  }
  CHECK(again <= kills * calls_at_once);
}
