#include "cluster/event_broker.hpp"

#include <algorithm>

#include "cluster/node_impl.hpp"
#include "perdure/executor.hpp"
#include "perdure/json.hpp"

namespace perdure::cluster {

/// An event on its way to those that had subscribed when it came.
struct event_backlog {
  json::value event;
  std::vector<std::string> to;  ///< subscriptions
};
BOOST_DESCRIBE_STRUCT(event_backlog, (), (event, to))

struct broker_state {
  std::vector<event_subscription> subscriptions;
  std::vector<event_backlog> backlog;
};
PERDURE_MESSAGE(broker_state, "perdure.events/v1", subscriptions, backlog)

namespace {

/// Steps after which the run goes on with a new history; well under limits::activation_steps.
constexpr std::size_t steps_of_a_run = 4'000;
constexpr std::size_t deliveries_at_once = 500;
/// A receiver that cannot be reached for now does not hold up the others: it gets what it is owed later.
constexpr std::chrono::seconds patience{2};

bool fits(const event_filter& filter, const json::object& event) {
  return std::all_of(filter.attributes.begin(), filter.attributes.end(), [&](const auto& wanted) {
    const auto* found = event.if_contains(wanted.first);
    return found != nullptr && found->is_string() && std::string_view{found->get_string()} == wanted.second;
  });
}

struct delivery {
  std::string subscription, run;
  json::value value;
};

class event_broker : public executor<broker_state> {
 public:
  task<> handle(const broker_state& begun, context& ctx) override {
    state_ = begun;
    for (const auto& each : state_.subscriptions) bytes_ += size_of(each);
    std::size_t steps = 0;
    while (steps < steps_of_a_run) {
      if (state_.backlog.empty() && answers_.empty()) {
        auto some = ctx.wait_signals<json::value>(event_signal, {.most = 200});
        const auto batch = co_await some;
        ++steps;
        for (const auto& each : batch) take(each);
      }
      auto deliveries = next_deliveries();
      if (deliveries.empty()) continue;
      steps += deliveries.size() + 1;
      auto all = deliver_all(ctx, std::move(deliveries));
      co_await all;
    }
    ctx.continue_as_new(state_);
  }

 private:
  void take(const json::value& message) {
    const auto* members = message.if_object();
    if (members == nullptr) return;
    if (const auto* what = members->if_contains("subscribe")) {
      auto wanted = from_json<event_subscription>(*what);
      if (!wanted || wanted->id.empty()) return;
      forget(wanted->id);
      if (state_.subscriptions.size() >= limits::event_listeners || size_of(*wanted) + bytes_ > limits::payload_bytes / 2) {
        const auto text = "as many tasks listen as there is room for (" + std::to_string(state_.subscriptions.size()) +
                          "; the limits are event_listeners and half of payload_bytes)";
        answers_.push_back({wanted->id, wanted->run, json::value{{"refused", text}}});
      } else {
        bytes_ += size_of(*wanted);
        state_.subscriptions.push_back(std::move(*wanted));
      }
    } else if (const auto* what = members->if_contains("unsubscribe")) {
      if (what->is_string()) forget(std::string{what->get_string()});
    } else if (const auto* what = members->if_contains("events"); what != nullptr && what->is_array()) {
      for (const auto& each : what->get_array()) take(json::object{{"event", each}});
    } else if (const auto* what = members->if_contains("event"); what != nullptr && what->is_object()) {
      event_backlog next{.event = *what};
      for (const auto& each : state_.subscriptions) {
        const bool wanted =
            each.filters.empty() || std::any_of(each.filters.begin(), each.filters.end(),
                                                [&](const auto& filter) { return fits(filter, what->get_object()); });
        if (wanted) next.to.push_back(each.id);
      }
      if (!next.to.empty()) state_.backlog.push_back(std::move(next));
    }
  }

  /// As many as go at once, the oldest events first: a receiver gets what it is owed in this order.
  std::vector<delivery> next_deliveries() {
    std::vector<delivery> out = std::exchange(answers_, {});
    std::size_t done = 0;
    for (; done < state_.backlog.size() && out.size() < deliveries_at_once; ++done) {
      auto& next = state_.backlog[done];
      while (!next.to.empty() && out.size() < deliveries_at_once) {
        const auto id = std::move(next.to.back());
        next.to.pop_back();
        const auto to = std::find_if(state_.subscriptions.begin(), state_.subscriptions.end(),
                                     [&](const auto& each) { return each.id == id; });
        if (to != state_.subscriptions.end()) out.push_back({id, to->run, json::object{{"event", next.event}}});
      }
      if (!next.to.empty()) break;
    }
    state_.backlog.erase(state_.backlog.begin(), state_.backlog.begin() + static_cast<std::ptrdiff_t>(done));
    return out;
  }

  void forget(const std::string& id) {
    std::erase_if(state_.subscriptions, [&](const auto& each) {
      if (each.id == id) bytes_ -= size_of(each);
      return each.id == id;
    });
  }
  static std::size_t size_of(const event_subscription& of) { return payload{to_json(of)}.size(); }

  /// Whether the receiver has it; what it is given it takes by value, since it may be cut off.
  static task<bool> deliver(context& ctx, delivery what) {
    bool there = true;
    try {
      auto told = ctx.signal_run(what.run, what.subscription, what.value);
      co_await told;
    } catch (const cancelled_error&) {
      throw;
    } catch (const step_error&) {
      there = false;
    }
    co_return there;
  }

  task<> deliver_all(context& ctx, std::vector<delivery> deliveries) {
    std::vector<task<bool>> works;
    works.reserve(deliveries.size());
    for (const auto& each : deliveries) works.push_back(deliver(ctx, each));
    auto all = ctx.when_all(works);
    auto timer = ctx.sleep_for(patience);
    auto race = ctx.when_any(all, timer);
    auto won = co_await race;
    if (won.index == 1) co_return;  // the outbox has them
    const auto& there = *std::get<0>(won.values);
    for (std::size_t i = 0; i < there.size(); ++i) {
      if (!there[i]) forget(deliveries[i].subscription);
    }
  }

  broker_state state_;
  std::size_t bytes_ = 0;  ///< of the subscriptions
  std::vector<delivery> answers_;
};

/// The run that goes on. One that somebody cancelled is followed by another. It is the node's own, not one of the tenant's, whom
/// it is for its key says.
result<run_ref> broker_of(node::impl& node, const std::string& tenant) {
  const payload nothing{to_json(broker_state{})};
  for (int number = 1; number <= 1'000; ++number) {
    auto key =
        std::string{event_workflow} + (tenant.empty() ? "" : "/" + tenant) + (number == 1 ? "" : "." + std::to_string(number));
    auto begun = node.start({.workflow = std::string{event_workflow},
                             .message = message_name<broker_state>,
                             .input = nothing,
                             .options = {.key = std::move(key)},
                             .tenant = tenant.empty() ? std::string{} : std::string{own_tenant}});
    if (!begun) return begun.error();
    const auto now = begun->run.status();
    if (!now) return now.error();
    if (!is_terminal(now->status) || now->status == run_status::continued_as_new) return std::move(begun->run);
  }
  return error{errc::limit_exceeded, "it was cancelled too often"};
}

/// The one whose run asks. The node's own runs work for all, and say for whom.
std::string tenant_of(node::impl& node, const actors::capability_request& asks) {
  const auto id = run_id::parse(asks.run);
  const auto row = id ? node.shared().journal->row(*id) : std::nullopt;
  if (!row || !is_own_workflow(row->workflow)) return row ? row->tenant : std::string{};
  const auto spec = asks.spec.value();
  const auto* named = spec.is_object() ? spec.get_object().if_contains("tenant") : nullptr;
  return named != nullptr && named->is_string() ? std::string{named->get_string()} : row->tenant;
}

class event_capability final : public actors::capability {
 public:
  explicit event_capability(std::weak_ptr<node::impl> of) : node_(std::move(of)) {}

  void start(actors::capability_request request) override {
    const auto held = node_.lock();
    const auto refuse = [&](std::string why) {
      request.done({.error = failure{.code = "overloaded", .message = std::move(why)}});
    };
    if (!held) return refuse("the node is closing");
    // Beginning a run waits for its record.
    const auto shared = std::make_shared<actors::capability_request>(std::move(request));
    const bool taken = held->shared().pool.post([weak = node_, shared] {
      const auto node = weak.lock();
      const auto begun =
          node ? broker_of(*node, tenant_of(*node, *shared)) : result<run_ref>{error{errc::shutting_down, "the node is closing"}};
      if (begun) {
        shared->done({.value = payload{json::value{{"run", begun->id().str()}}}});
      } else {
        shared->done({.error = failure{.code = "runtime", .message = "events cannot be exchanged: " + begun.error().message}});
      }
    });
    if (!taken) shared->done({.error = failure{.code = "overloaded", .message = "the pool of user threads is full"}});
  }
  void stop_all() override {}

 private:
  std::weak_ptr<node::impl> node_;
};

}  // namespace

result<void> emit_for(const node& at, std::string_view tenant, json::object event) {
  const auto text = [&](const char* name) {
    const auto* value = event.if_contains(name);
    return value != nullptr && value->is_string() ? std::string{value->get_string()} : std::string{};
  };
  const auto broker = broker_of(at.internals(), std::string{tenant});
  if (!broker) return broker.error();
  // Source and id of an event say what it is. Both may be long.
  const auto what = core::to_hex(core::sha256({text("source"), std::string_view{"\0", 1}, text("id")}));
  const json::value message(json::object{{"event", std::move(event)}});
  return broker->signal(event_signal, message, "event " + what);
}

bool is_own_broker(std::string_view key) { return key.find('/') == std::string_view::npos; }

workflow make_event_workflow() {
  workflow_builder builder{std::string{event_workflow}, "1"};
  builder.add<event_broker>("broker").start_at("broker");
  return builder.build();
}

std::shared_ptr<actors::capability> make_event_capability(std::weak_ptr<node::impl> of) {
  return std::make_shared<event_capability>(std::move(of));
}

}  // namespace perdure::cluster
