#include "cluster/lifecycle.hpp"

#include <algorithm>
#include <array>
#include <map>

#include "cluster/event_broker.hpp"
#include "perdure/executor.hpp"
#include "perdure/json.hpp"

namespace perdure::cluster {

struct lifecycle_state {
  std::uint64_t through = 0;  ///< LSN that everything before was passed on of
};
PERDURE_MESSAGE(lifecycle_state, "perdure.lifecycle/v1", through)

namespace {

using namespace std::chrono_literals;

constexpr std::size_t steps_of_a_run = 4'000;

std::uint64_t number_in(const json::value& of, std::string_view name) {
  const auto* found = of.is_object() ? of.get_object().if_contains(name) : nullptr;
  return found != nullptr && found->is_number() ? found->to_number<std::uint64_t>() : 0;
}

class passer_on : public executor<lifecycle_state> {
 public:
  explicit passer_on(std::shared_ptr<lifecycle_settings> settings) : settings_(std::move(settings)) {}

  task<> handle(const lifecycle_state& begun, context& ctx) override {
    through_ = begun.through;
    std::size_t steps = 0;
    while (steps < steps_of_a_run) {
      auto some = ctx.wait_signals<json::value>(lifecycle_signal, {.most = 10});
      const auto batches = co_await some;
      ++steps;
      for (const auto& batch : batches) {
        auto passing = pass_on(ctx, batch);
        const auto used = co_await passing;
        steps += used;
      }
    }
    const lifecycle_state next{through_};
    ctx.continue_as_new(next);
  }

 private:
  /// The number of its steps.
  task<std::size_t> pass_on(context& ctx, const json::value& batch) {
    const auto through = number_in(batch, "through");
    if (through <= through_) co_return 0;
    json::array events;
    std::map<std::string, json::array> by_tenant;
    for (const auto& each : batch.at("events").as_array()) {
      if (number_in(each, "lsn") <= through_) continue;
      events.push_back(each.at("event"));
      const auto* tenant = each.get_object().if_contains("tenant");
      by_tenant[tenant != nullptr && tenant->is_string() ? std::string{tenant->get_string()} : std::string{}].push_back(
          each.at("event"));
    }
    // What is configured is recorded: a node with other settings that goes on here takes the same way.
    auto look = [settings = settings_] {
      return json::value{{"listeners", settings->options.to_listeners}, {"endpoint", !settings->options.endpoint.empty()}};
    };
    auto looking = ctx.call("settings", look);
    const auto how = co_await looking;
    std::size_t steps = 1;
    if (how.at("listeners").as_bool()) {
      for (const auto& [tenant, theirs] : by_tenant) {
        auto telling = tell_listeners(ctx, tenant, theirs);
        co_await telling;
        steps += 2;
      }
    }
    if (how.at("endpoint").as_bool()) {
      for (const auto& each : events) {
        auto posting = post(ctx, each);
        co_await posting;
        ++steps;
      }
    }
    through_ = through;
    auto known = settings_->passed_on.load();
    while (known < through && !settings_->passed_on.compare_exchange_weak(known, through)) {
    }
    co_return steps;
  }

  static task<> tell_listeners(context& ctx, const std::string& tenant, const json::array& events) {
    const json::value whose(json::object{{"capability", "events"}, {"spec", json::object{{"tenant", tenant}}}});
    step<payload> asking{ctx.frame(), {.kind = detail::step_kind::capability, .name = "events", .args = payload{whose}}};
    const auto broker = co_await asking;
    const std::string run{broker.value().at("run").as_string()};
    const json::value message(json::object{{"events", events}});
    auto telling = ctx.signal_run(run, event_signal, message);
    co_await telling;
  }

  static task<> post(context& ctx, const json::value& event) {
    const json::value args(json::object{{"capability", "lifecycle"}, {"spec", event}});
    step<payload> posting{ctx.frame(),
                          {.kind = detail::step_kind::capability,
                           .name = "post",
                           .args = payload{args},
                           .retry = retry(0, exponential(500ms, 60s))}};
    co_await posting;
  }

  std::shared_ptr<lifecycle_settings> settings_;
  std::uint64_t through_ = 0;
};

/// The endpoint has looked at the event and will never take it.
bool is_refusal(std::int32_t status) {
  constexpr std::array<std::int32_t, 5> refusals{400, 410, 413, 415, 422};
  return std::find(refusals.begin(), refusals.end(), status) != refusals.end();
}

class lifecycle_capability final : public actors::capability {
 public:
  lifecycle_capability(std::shared_ptr<lifecycle_settings> settings, std::shared_ptr<actors::capability> http,
                       std::function<void(std::string)> warn)
      : settings_(std::move(settings)), http_(std::move(http)), warn_(std::move(warn)) {}

  void start(actors::capability_request request) override {
    const auto& to = settings_->options;
    if (to.endpoint.empty()) return request.done({});
    json::object headers{{"Content-Type", "application/cloudevents+json; charset=utf-8"}};
    if (!to.authorization.empty()) headers.emplace("Authorization", to.authorization);
    const json::value spec(json::object{{"method", "POST"},
                                        {"url", to.endpoint},
                                        {"headers", std::move(headers)},
                                        {"body", request.spec.value()},
                                        {"output", "raw"},
                                        {"redirect", false}});
    request.spec = payload{spec};
    request.done = [done = std::move(request.done), warn = warn_](core::outcome end) {
      if (end.error && is_refusal(end.error->status)) {
        warn("the endpoint for lifecycle events refused one, which is left out: " + end.error->message);
        end = {};
      }
      if (!end.error) end.value = {};
      done(std::move(end));
    };
    http_->start(std::move(request));
  }
  void stop_all() override {}

 private:
  std::shared_ptr<lifecycle_settings> settings_;
  std::shared_ptr<actors::capability> http_;
  std::function<void(std::string)> warn_;
};

}  // namespace

workflow make_lifecycle_workflow(std::shared_ptr<lifecycle_settings> settings) {
  workflow_builder builder{std::string{lifecycle_workflow}, "1"};
  builder.add_with("passer_on", [settings] { return std::make_unique<passer_on>(settings); }).start_at("passer_on");
  return builder.build();
}

std::shared_ptr<actors::capability> make_lifecycle_capability(std::shared_ptr<lifecycle_settings> settings,
                                                              std::shared_ptr<actors::capability> http,
                                                              std::function<void(std::string)> warn) {
  return std::make_shared<lifecycle_capability>(std::move(settings), std::move(http), std::move(warn));
}

}  // namespace perdure::cluster
