// Webhooks out: news of runs to addresses, each a run of the node's own that tries until the address has taken it.
//
// Operation: whoever keeps the list of hooks looks over the log with `news_since`, begins a delivery for each hook that wants a
// piece of news, and then remembers how far he came; a crash between the two begins the same deliveries again, which their keys
// make one. A delivery is an HTTP POST after the Standard Webhooks convention (webhook-id, webhook-timestamp, webhook-signature),
// repeated with growing pauses for about a day. Secrets are looked up when it is sent, and are in no record. Concurrency: any
// thread.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "perdure/node.hpp"

namespace perdure::cluster {

inline constexpr std::string_view webhook_workflow = "perdure.webhook";

struct webhook_target {
  std::string url;
  std::string secret;              ///< the bytes that sign
  bool may_reach_private = false;  ///< loopback, private and other special addresses
};
/// Nothing when the hook is not there any more: its deliveries end then.
using find_webhook = std::function<std::optional<webhook_target>(const std::string& hook)>;

/// Once, before anything is delivered. `find` is called on any thread, until the node is closed.
[[nodiscard]] result<void> offer_webhooks(node& at, find_webhook find);

struct webhook_message {
  std::string hook;
  std::string id;    ///< the same for every try: the receiver tells repeats by it
  std::string body;  ///< JSON
};
/// Durable when it returns. A message that was begun before is not begun again.
[[nodiscard]] result<void> begin_delivery(node& at, const webhook_message& what);

/// Something that happened to a run.
struct run_news {
  lsn_t lsn = 0;
  run_seq seq = 0;
  timestamp time{};
  std::string what;  ///< started, paused, resumed, or its status at the end: succeeded, failed, cancelled, timed_out
  std::string tenant;
  run_summary run;
};
/// What happened after an LSN, in order; of runs that are the node's own nothing. Gives the LSN to go on from, which is `after`
/// when there is nothing new. Records that were archived before they were looked at are skipped; `skipped` counts them.
[[nodiscard]] result<lsn_t> news_since(const node& at, lsn_t after, const std::function<result<void>(const run_news&)>& take,
                                       std::uint64_t& skipped);
[[nodiscard]] lsn_t newest_lsn(const node& at);

}  // namespace perdure::cluster
