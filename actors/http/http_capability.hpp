// The capability "http": one HTTP call as a document says it.
//
// Operation: the spec is an object: method, url; headers, query, body when given; output ("content", "raw", "response" or
// "text"), redirect, public (only addresses of the internet), authentication: {basic, digest: {username, password}},
// {bearer: {token}}, {oauth2, oidc: the document's policy}. The result is what `output` says. Every request carries the
// step's key as Idempotency-Key, so that servers can tell repeats.
// Failures have the codes of the DSL's error types: "communication" with the answer's status, or 500 when there was none;
// "timeout", "authentication" (no token could be got), "configuration" (a bad spec); "cancelled" when it was stopped.
// Concurrency: any thread; the work is on the client's thread.
#pragma once

#include <memory>

#include "actors/capabilities/capability.hpp"
#include "actors/http/http_client.hpp"
#include "actors/http/oauth2.hpp"

namespace perdure::actors {

class http_capability final : public capability {
 public:
  /// Without `grants` refresh tokens end with the process.
  explicit http_capability(std::shared_ptr<http_client> client, std::shared_ptr<grant_keeper> grants = nullptr);

  /// For other capabilities that documents' policies let in.
  [[nodiscard]] const std::shared_ptr<oauth2_tokens>& tokens() const noexcept { return tokens_; }
  void start(capability_request request) override;
  void stop_all() override;

 private:
  std::shared_ptr<http_client> client_;
  std::shared_ptr<oauth2_tokens> tokens_;
};

/// What an answer's body is as a value: JSON parsed, text as text, anything else in base64, nothing as null. Empty when it
/// says that it is JSON and is not.
[[nodiscard]] std::optional<json::value> content_of(const http_response& from);

}  // namespace perdure::actors
