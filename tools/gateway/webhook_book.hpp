// webhook_book: who wants to be told of what: DATA/webhooks/<id>.json, and how far the log was looked over: DATA/webhooks/cursor.
//
// Operation: a thread of its own looks at the log as long as there are hooks, and begins a delivery for each piece of news that
// one of them wants; then it remembers how far it came. What happened before a hook was made is not told to it. Concurrency: any
// thread.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "cluster/webhooks.hpp"

namespace perdure::tools::gateway {

struct webhook {
  std::string id;
  std::string tenant;    ///< as the node knows it: empty for the default one
  std::string workflow;  ///< only of this one; empty = all that the tenant's keys see
  std::string url;
  std::vector<std::string> events;  ///< "run.succeeded" …
  std::string secret;               ///< whsec_<base64>
  timestamp created_at{};
  lsn_t since = 0;
};
/// Without the secret.
[[nodiscard]] json::object to_json_object(const webhook& what);

class webhook_book {
 public:
  struct options {
    std::filesystem::path data;
    std::function<bool(const std::string& tenant)> may_reach_private;  ///< addresses of the node's own network
    std::function<void(std::string_view level, const std::string& text)> log;
  };
  explicit webhook_book(options how) : how_(std::move(how)), folder_(how_.data / "webhooks") {}
  ~webhook_book() { stop(); }
  webhook_book(const webhook_book&) = delete;
  webhook_book& operator=(const webhook_book&) = delete;

  /// Reads what is kept, and begins to look. The node outlives it, or `stop` is called before it ends.
  [[nodiscard]] result<void> start(node& engine);
  void stop();

  /// Durable when it returns. invalid_argument: an address that is none, an event that there is not. limit_exceeded.
  [[nodiscard]] result<webhook> add(webhook what);
  [[nodiscard]] std::vector<webhook> list(const std::string& tenant) const;
  /// not_found: also another tenant's.
  [[nodiscard]] result<void> remove(const std::string& tenant, const std::string& id);

  static constexpr std::size_t tenant_hooks = 100;

 private:
  [[nodiscard]] result<void> read_all();
  [[nodiscard]] std::optional<cluster::webhook_target> find(const std::string& id) const;
  void look();
  [[nodiscard]] result<lsn_t> look_once(lsn_t after);
  [[nodiscard]] result<void> tell(const cluster::run_news& news);

  const options how_;
  const std::filesystem::path folder_;
  node* engine_ = nullptr;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, webhook> hooks_;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace perdure::tools::gateway
