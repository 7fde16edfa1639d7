// oauth2_tokens: access tokens of the policies of documents, kept in memory until they expire. No token is ever stored.
//
// Operation: a token is asked for by one request and kept for those that come with the same policy; two that come at once
// ask twice, which does no harm.
// Concurrency: any thread; `take` is called on the HTTP client's thread, or before `get` returns.
// Limitations: grants client_credentials, password and token exchange; client authentication client_secret_post,
// client_secret_basic and none.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <variant>

#include "actors/http/http_client.hpp"
#include "core/events.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

class oauth2_tokens : public std::enable_shared_from_this<oauth2_tokens> {
 public:
  explicit oauth2_tokens(std::shared_ptr<http_client> client) : client_(std::move(client)) {}

  /// A token, or why there is none ("authentication", "configuration", "cancelled" …).
  using take_token = std::function<void(std::variant<std::string, failure>)>;
  struct request {
    json::object policy;  ///< as the document has it
    bool oidc = false;    ///< the endpoints are those that the authority's configuration names
    bool only_public = false;
    std::stop_token stop;
  };
  void get(request what, take_token take);
  /// The server did not take it: the next one is asked for anew.
  void forget(const json::object& policy);

 private:
  struct kept {
    std::string token;
    std::chrono::steady_clock::time_point until;
  };
  void ask(request what, const std::string& endpoint, take_token take);
  void discover(request what, take_token take);

  std::shared_ptr<http_client> client_;
  std::mutex mutex_;
  std::map<std::string, kept> tokens_;  ///< by policy
};

}  // namespace perdure::actors
