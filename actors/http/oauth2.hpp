// oauth2_tokens: access tokens of the policies of documents, kept in memory until they expire. No access token is ever stored.
//
// Operation: a token is asked for by one request and kept for those that come with the same policy; who comes meanwhile gets
// the same. A refresh token that takes the place of the policy's own, or of an authorization code, is kept for good before its
// access token is used: the server takes the older one no more.
// Concurrency: any thread; `take` is called on the HTTP client's thread, or before `get` returns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "actors/http/http_client.hpp"
#include "core/events.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

/// Where refresh tokens outlive the process. Any thread.
class grant_keeper {
 public:
  virtual ~grant_keeper() = default;
  /// `policy`: a name that tells nothing of it.
  virtual std::optional<std::string> find(const std::string& policy) = 0;
  /// It is durable when this returns.
  virtual result<void> keep(const std::string& policy, const std::string& refresh_token) = 0;
};

class oauth2_tokens : public std::enable_shared_from_this<oauth2_tokens> {
 public:
  /// Without `grants` refresh tokens end with the process.
  explicit oauth2_tokens(std::shared_ptr<http_client> client, std::shared_ptr<grant_keeper> grants = nullptr)
      : client_(std::move(client)), grants_(std::move(grants)) {}

  /// A token, or why there is none ("authentication", "configuration", "cancelled" …).
  using answer = std::variant<std::string, failure>;
  using take_token = std::function<void(answer)>;
  struct request {
    json::object policy;  ///< as the document has it
    bool oidc = false;    ///< the endpoints are those that the authority's configuration names
    bool only_public = false;
    std::stop_token stop;
  };
  void get(request what, take_token take);
  /// The server did not take it: the next one is asked for anew.
  void forget(const json::object& policy, const std::string& token);

 private:
  struct kept {
    std::string token;
    std::chrono::steady_clock::time_point until;
  };
  struct waiting {
    request what;
    take_token take;
  };
  void begin(const std::string& flight, const request& what);
  void discover(const std::string& flight, const request& what);
  void ask(const std::string& flight, const request& what, const std::string& endpoint);
  answer take_answer(const request& what, const std::string& endpoint, const http_response& from);
  result<void> keep_refresh_token(const std::string& policy, const std::string& token);
  std::string refresh_token_of(const request& what);
  void end(const std::string& flight, const answer& with);

  std::shared_ptr<http_client> client_;
  std::shared_ptr<grant_keeper> grants_;
  std::mutex mutex_;
  std::map<std::string, kept> tokens_;                   ///< by policy
  std::map<std::string, std::string> refresh_tokens_;    ///< by the policy's name, those that grants_ has too
  std::map<std::string, std::vector<waiting>> flights_;  ///< requests on their way, and who waits for each
};

}  // namespace perdure::actors
