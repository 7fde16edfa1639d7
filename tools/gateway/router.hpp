// router: which handler a request is for, who asks, and whether he may.
//
// Operation: routes are added, then `take` is called for every request on threads that may block. Health first; then
// the key, the rate, the route, the right. Everything that fails is answered here.
// Concurrency: any thread once all routes are there.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "tools/gateway/answers.hpp"
#include "tools/gateway/keys.hpp"
#include "tools/gateway/tenant_policies.hpp"

namespace perdure::tools::gateway {

/// A request whose caller may make it.
struct call {
  std::shared_ptr<exchange> at;
  api_key who;
  std::vector<std::string> captured;  ///< what stood for the {…} of the route

  [[nodiscard]] const request& in() const { return at->in; }
  /// The tenant as the node knows it: empty for the default one.
  [[nodiscard]] std::string tenant() const { return who.tenant == default_tenant ? std::string{} : who.tenant; }
  /// Whether the caller may know of the workflow: it is the key's, and of a namespace that is shared or its tenant's own.
  [[nodiscard]] bool sees(std::string_view workflow) const;
  void answer(response what) const { at->answer(std::move(what)); }
  void fail(const error& why) const { at->answer(error_answer(in(), why)); }
};

using handler = std::function<void(const std::shared_ptr<call>&)>;
/// For handlers that have their answer when they return.
using simple_handler = std::function<result<response>(const call&)>;

class router {
 public:
  /// Both outlive it.
  router(key_store& keys, const tenant_policies& policies) : keys_(keys), policies_(policies) {}

  /// `pattern` as "/api/v1/runs/{id}".
  void add(std::string method, std::string_view pattern, right needs, handler does);
  void add_simple(std::string method, std::string_view pattern, right needs, simple_handler does);
  /// GET by whoever has a key with the right, or an address with a signature (`sign`), which the handler looks at; the call has
  /// no key then.
  void add_linked(std::string_view pattern, right needs, handler does);
  /// The caller with this right; or the answer that refuses him.
  [[nodiscard]] std::variant<api_key, response> admit(const request& in, right needs);
  /// The answer to a request that is refused whatever its body has.
  [[nodiscard]] std::optional<response> refusal_before_body(const request& in);
  /// Answered without a key.
  void add_open(std::string_view path, std::function<response()> does);

  /// A POST whose body proves itself; the handler looks at the proof.
  using proven_handler = std::function<result<response>(const request& in, const std::vector<std::string>& captured)>;
  void add_proven(std::string_view pattern, proven_handler does);

  /// Until then, and again once `close` was called, requests other than those for health are answered 503.
  void open() { state_ = state::open; }
  void close() { state_ = state::closed; }
  [[nodiscard]] bool is_open() const { return state_ == state::open; }

  void take(const std::shared_ptr<exchange>& at);

 private:
  enum class state : std::uint8_t { starting, open, closed };
  struct route {
    std::string method;
    std::vector<std::string> pattern;  ///< "{…}" takes any segment that is not empty
    right needs = right::admin;
    handler does;
    bool by_link = false;
  };
  struct bucket {
    double tokens = 0;
    std::chrono::steady_clock::time_point at{};
  };
  struct proven_route {
    std::vector<std::string> pattern;
    proven_handler does;
  };
  [[nodiscard]] static bool fits(const std::vector<std::string>& pattern, const std::vector<std::string>& path);
  [[nodiscard]] static std::vector<std::string> captured_by(const std::vector<std::string>& pattern,
                                                            const std::vector<std::string>& path);
  [[nodiscard]] std::optional<api_key> caller_of(const request& in);
  [[nodiscard]] bool within_rate(const api_key& key);
  [[nodiscard]] const route* linked_route(const request& in) const;
  /// The route for a caller, or the answer that refuses him; the key's rate is not looked at.
  [[nodiscard]] std::variant<const route*, response> route_for(const request& in, const api_key& who) const;
  /// The caller, whatever he may do.
  [[nodiscard]] std::variant<api_key, response> admit(const request& in);
  void give(const route& to, const std::shared_ptr<exchange>& at, api_key who);
  void dispatch(const std::shared_ptr<exchange>& at);

  key_store& keys_;
  const tenant_policies& policies_;
  std::vector<route> routes_;
  std::vector<proven_route> proven_;
  std::vector<std::pair<std::vector<std::string>, std::function<response()>>> open_;
  std::atomic<state> state_{state::starting};
  std::mutex mutex_;
  std::unordered_map<std::string, bucket> buckets_;  ///< by key, one for each valid key that ever came
};

}  // namespace perdure::tools::gateway
