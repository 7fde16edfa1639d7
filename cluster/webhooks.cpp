#include "cluster/webhooks.hpp"

#include <chrono>

#include "actors/http/http_client.hpp"
#include "cluster/event_broker.hpp"
#include "cluster/node_impl.hpp"
#include "core/base64.hpp"
#include "core/event_json.hpp"
#include "core/hmac.hpp"
#include "perdure/executor.hpp"
#include "perdure/json.hpp"

namespace perdure::cluster {

struct webhook_order {
  std::string hook, id, body;
};
PERDURE_MESSAGE(webhook_order, "perdure.webhook/v1", hook, id, body)

/// What came of one try.
struct webhook_try {
  bool done = false;        ///< taken, or not wanted any more
  std::int64_t status = 0;  ///< 0: there was no answer
  std::string text;
};
BOOST_DESCRIBE_STRUCT(webhook_try, (), (done, status, text))

namespace {

constexpr std::chrono::milliseconds one_try{15'000};
constexpr int most_tries = 16;
constexpr backoff pauses = exponential(std::chrono::seconds{5}, std::chrono::hours{4}).with_jitter(jitter_kind::none);
constexpr long gone = 410;

class webhook_sender : public executor<webhook_order> {
 public:
  task<> handle(const webhook_order& order, context& ctx) override {
    const json::value args(json::object{{"capability", "webhook"}, {"spec", to_json(order)}});
    auto pause = pauses.initial;
    std::string last;
    for (int tries = 1; tries <= most_tries; ++tries) {
      step<payload> send{ctx.frame(), {.kind = detail::step_kind::capability, .name = "send", .args = payload{args}}};
      const auto stored = co_await send;
      const auto told = from_json<webhook_try>(stored.value());
      if (told && told->done) {
        const auto end = to_json(*told);
        ctx.yield_output(end);
        co_return;
      }
      last = told ? told->text : std::string{"?"};
      if (tries == most_tries) break;
      auto timer = ctx.sleep_for(pause);
      co_await timer;
      pause = std::min<duration>(2 * pause, pauses.cap);
    }
    throw step_error(failure{.code = "webhook", .message = "nobody took it: " + last});
  }
};

workflow make_webhook_workflow() {
  workflow_builder builder{std::string{webhook_workflow}, "1"};
  builder.add<webhook_sender>("send").start_at("send");
  return builder.build();
}

core::outcome value_of(const webhook_try& what) { return {.value = payload{to_json(what)}}; }

class webhook_capability final : public actors::capability {
 public:
  explicit webhook_capability(find_webhook find) : find_(std::move(find)) {}

  void start(actors::capability_request request) override {
    const auto order = from_json<webhook_order>(request.spec.value());
    if (!order) return request.done({.error = failure{.code = "bad_message", .message = order.error().message}});
    const auto target = find_(order->hook);
    if (!target) return request.done(value_of({.done = true, .text = "the hook was removed"}));
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto at = std::to_string(now.time_since_epoch().count());
    const auto signature = core::to_base64(core::hmac_sha256(target->secret, order->id + "." + at + "." + order->body));
    actors::http_request what{.method = "POST", .url = target->url, .body = order->body, .time = one_try};
    what.headers = {{"Content-Type", "application/json"},
                    {"webhook-id", order->id},
                    {"webhook-timestamp", at},
                    {"webhook-signature", "v1," + signature}};
    what.only_public = !target->may_reach_private;
    what.stop = request.stop;
    client_.start(std::move(what), [done = std::move(request.done)](const actors::http_end& end) {
      if (const auto* answer = std::get_if<actors::http_response>(&end)) {
        const bool taken = answer->status >= 200 && answer->status < 300;
        return done(value_of({.done = taken || answer->status == gone,
                              .status = answer->status,
                              .text = taken ? "taken" : "the answer was " + std::to_string(answer->status)}));
      }
      const auto& why = std::get<actors::http_failure>(end);
      if (why.what == actors::http_failure::kind::stopped)
        return done({.error = failure{.code = std::string{failure_code::cancelled}, .message = why.message}});
      done(value_of({.text = why.message}));
    });
  }
  void stop_all() override { client_.stop_all(); }

 private:
  find_webhook find_;
  actors::http_client client_;
};

/// What it is called for hooks; nothing for what they do not hear of.
std::optional<std::string> name_of(core::event_kind kind, run_status status) {
  switch (kind) {
    case core::event_kind::run_started:
    case core::event_kind::run_restored: return "started";
    case core::event_kind::run_paused: return "paused";
    case core::event_kind::run_resumed: return "resumed";
    case core::event_kind::run_ended:
      if (status == run_status::continued_as_new) return std::nullopt;
      return std::string{to_string(status)};
    default: return std::nullopt;
  }
}

}  // namespace

result<void> offer_webhooks(node& at, find_webhook find) {
  at.internals().shared().capabilities.add("webhook", std::make_shared<webhook_capability>(std::move(find)));
  return at.add(make_webhook_workflow());
}

result<void> begin_delivery(node& at, const webhook_message& what) {
  const auto begun = at.internals().start({.workflow = std::string{webhook_workflow},
                                           .message = message_name<webhook_order>,
                                           .input = payload{to_json(webhook_order{what.hook, what.id, what.body})},
                                           .options = {.key = std::string{webhook_workflow} + "/" + what.id},
                                           .tenant = std::string{own_tenant}});
  // The same news told in other words, by a later version say: it is on its way.
  if (!begun && begun.error().code != errc::already_exists) return begun.error();
  return {};
}

lsn_t newest_lsn(const node& at) { return at.internals().shared().journal->last_lsn(); }

result<lsn_t> news_since(const node& at, lsn_t after, const std::function<result<void>(const run_news&)>& take,
                         std::uint64_t& skipped) {
  auto& inner = at.internals();
  const auto held = inner.enter();
  if (!held) return error{errc::shutting_down, "the node is closing"};
  auto& journal = *inner.shared().journal;
  if (const auto first = journal.archive().first_lsn; first > after + 1) {
    skipped += first - after - 1;
    after = first - 1;
  }
  const auto records = journal.scan(after + 1, limits::reader_records);
  if (!records) return records.error();
  for (const auto& each : *records) {
    after = each.lsn;
    const auto what = name_of(each.kind, each.status);
    if (!what) continue;
    const auto row = journal.row(each.run);
    if (!row || is_own_workflow(row->workflow)) continue;
    if (auto taken = take({each.lsn, each.seq, each.time, *what, row->tenant, inner.summary_of(*row)}); !taken)
      return taken.error();
  }
  return after;
}

}  // namespace perdure::cluster
