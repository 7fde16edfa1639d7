// Lifecycle events of the Serverless Workflow DSL, passed on: to tasks that listen, to an HTTP endpoint, to C++ subscribers.
//
// Operation: a thread reads the log (lifecycle_tail) and hands what it says, in batches, to a run of the node's own, of the
// workflow "perdure.lifecycle". That run owns them from then on: it tells the run of events ("perdure.events") and posts to the
// endpoint, each as a step of its own, and drops batches that it has had. DATA/lifecycle keeps how far the log was handed over
// and how far that was passed on; a batch that was handed over twice does no harm. Only nodes that were asked for it have the
// thread. Concurrency: start and stop from one thread. Limitations: an endpoint gets an event again when the process dies between
// its answer and the record of it; the event's id tells.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "actors/capabilities/capability.hpp"
#include "cluster/lifecycle_tail.hpp"
#include "perdure/lifecycle.hpp"
#include "perdure/workflow.hpp"

namespace perdure::cluster {

inline constexpr std::string_view lifecycle_workflow = "perdure.lifecycle";
/// What it begins with: {"through": LSN that everything before was passed on of}.
inline constexpr std::string_view lifecycle_message = "perdure.lifecycle/v1";
/// Its signals: {"through": LSN, "events": [{"lsn", "tenant", "event"}]}.
inline constexpr std::string_view lifecycle_signal = "in";

/// What the node's own run and the thread both know of this process.
struct lifecycle_settings {
  lifecycle_options options;
  std::atomic<std::uint64_t> passed_on{0};  ///< LSN
};

[[nodiscard]] workflow make_lifecycle_workflow(std::shared_ptr<lifecycle_settings> settings);
/// The capability "lifecycle": posts an event to the endpoint. One that the endpoint refuses as such is told in the log.
[[nodiscard]] std::shared_ptr<actors::capability> make_lifecycle_capability(std::shared_ptr<lifecycle_settings> settings,
                                                                            std::shared_ptr<actors::capability> http,
                                                                            std::function<void(std::string)> warn);

class lifecycle_feed {
 public:
  lifecycle_feed(std::shared_ptr<node::impl> of, std::shared_ptr<lifecycle_settings> settings, duration patience);
  /// Waits until what is in the log has been passed on, at most for the patience.
  ~lifecycle_feed();
  lifecycle_feed(const lifecycle_feed&) = delete;
  lifecycle_feed& operator=(const lifecycle_feed&) = delete;

 private:
  struct place {
    lsn_t handed_over = 0, passed_on = 0;
    bool operator==(const place&) const = default;
  };
  void work();
  /// Hands over what there is. False: for now, or for good, it does not go on.
  bool round(node::impl& node);
  [[nodiscard]] std::optional<place> read() const;
  void keep(node::impl& node, place at);
  [[nodiscard]] result<bool> begin(node::impl& node, lsn_t passed_on);
  [[nodiscard]] result<void> hand_over(node::impl& node, const json::value& batch, lsn_t through);
  /// False: it is to stop.
  bool rest(std::chrono::milliseconds length);

  const std::weak_ptr<node::impl> node_;
  const std::shared_ptr<lifecycle_settings> settings_;
  const duration patience_;
  std::filesystem::path file_;
  // The thread's own.
  place kept_;
  std::optional<lifecycle_tail> tail_;
  lsn_t last_batch_ = 0;  ///< the end of the batch handed over last
  run_id run_;

  std::atomic<unsigned> idle_rounds_{0};  ///< looks that found nothing left to do
  std::atomic<bool> ended_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace perdure::cluster
