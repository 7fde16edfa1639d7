// schedule: a run that begins runs of its document, when it is time or when events have come.
//
// Operation: it waits for one deadline, or for events, and lets the capability "runs" begin a run; the key of that step makes
// it one run however often the step is done again. After some runs it continues as new. Of several triggers each has a run of its
// own; the first of them begins the others, and ends them when it is cancelled.
#include <algorithm>
#include <array>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

using kind = schedule_rule::kind;
/// As they are named in documents, by kind.
constexpr std::array<std::string_view, 4> triggers{"every", "cron", "after", "on"};
constexpr std::string_view name_of(kind what) { return triggers[static_cast<std::size_t>(what)]; }

/// Runs begun before the schedule goes on with a new history.
constexpr int runs_of_a_history = 200;
/// A tick that comes so late was missed: nobody was there.
constexpr std::chrono::minutes on_time{1};

std::size_t runs_for(const std::string& missed, std::size_t due, bool late) {
  if (due == 0) return 0;
  if (missed == "all") return due;
  return missed == "skip" && late ? 0 : 1;
}

}  // namespace

async<> interpreter::handle(const schedule_order& given, context& ctx) {
  ctx_ = &ctx;
  started_ = ctx.now();
  workflow_input_ = make_data(nullptr);
  context_ = make_data(nullptr);
  auto order = given;
  const auto& all = document_->schedule;
  if (all.empty()) throw step_error(make_error("configuration", "the document has no schedule", "/schedule"));
  if (all.size() > 1 && order.trigger.empty()) {
    auto sharing = share_triggers(order);
    co_await sharing;
  }
  const auto own = std::find_if(all.begin(), all.end(), [&](const auto& each) { return name_of(each.what) == order.trigger; });
  rule_ = own != all.end() ? &*own : &all.front();
  std::optional<failure> cancelled;
  try {
    auto work = follow_trigger(order);
    co_await work;
  } catch (const cancelled_error& e) {
    cancelled = e.why();
  }
  if (!cancelled) co_return;
  for (const auto& each : order.others) {
    try {
      auto told = ctx.cancel_run(each, "the schedule was ended");
      co_await told;
    } catch (const step_error&) {
      // It has ended.
    }
  }
  detail::throw_failure(std::move(*cancelled));
}

async<> interpreter::follow_trigger(schedule_order& order) {
  switch (rule_->what) {
    case kind::every:
    case kind::cron: {
      auto work = follow_times(order);
      co_await work;
      break;
    }
    case kind::after: {
      auto work = follow_ends(order);
      co_await work;
      co_return;
    }
    case kind::on: {
      auto work = follow_events(order);
      co_await work;
      break;
    }
  }
  ctx_->continue_as_new(order);
}

/// This run takes "after", which goes on in runs that nobody else knows, else the first; each other trigger gets a run.
async<> interpreter::share_triggers(schedule_order& order) {
  const auto& all = document_->schedule;
  const auto after = std::find_if(all.begin(), all.end(), [](const auto& each) { return each.what == kind::after; });
  const auto& own = after != all.end() ? *after : all.front();
  std::vector<std::string> others;
  for (const auto& each : all) {
    if (&each == &own) continue;
    auto further = order;
    further.trigger = name_of(each.what);
    auto asked = perform("begin", "runs",
                         {{"workflow", workflow_name(*document_)},
                          {"version", document_->version},
                          {"message", message_name<schedule_order>},
                          {"input", perdure::to_json(further)},
                          {"key", further_schedule_key}});
    const auto stored = co_await asked;
    others.push_back(jq::text(stored.value().at("run")));
  }
  order.trigger = name_of(own.what);
  order.others = std::move(others);
}

async<std::string> interpreter::begin_scheduled(json::value input) {
  auto asked = perform("begin", "runs",
                       {{"workflow", workflow_name(*document_)}, {"version", document_->version}, {"input", std::move(input)}});
  const auto stored = co_await asked;
  co_return jq::text(stored.value().at("run"));
}

async<timestamp> interpreter::tick_after(timestamp last) {
  const auto& rule = *rule_;
  if (rule.what == kind::every) {
    auto measure = length_of(*rule.length, nullptr, nullptr);
    const auto length = co_await measure;
    if (length <= duration{0})
      throw step_error(make_error("configuration", "\"every\" must be longer than nothing", "/schedule/every"));
    co_return last + length;
  }
  auto body = [clock = ports_.clock, when = *rule.when, last]() -> std::int64_t {
    const auto found =
        clock ? clock->next(when, last) : result<timestamp>{error{errc::unsupported, "there are no time zones here"}};
    if (!found) throw step_error(make_error("configuration", found.error().message, "/schedule/cron"));
    return found->time_since_epoch().count();
  };
  auto step = ctx_->call("next", body);
  const auto at = co_await step;
  co_return timestamp{duration{at}};
}

async<> interpreter::follow_times(schedule_order& order) {
  timestamp next{duration{order.next_us}};
  if (order.next_us == 0) {
    auto first = tick_after(ctx_->now());
    next = co_await first;
  }
  for (int begun = 0; begun < runs_of_a_history;) {
    note_step();
    order.next_us = next.time_since_epoch().count();
    auto timer = ctx_->sleep_until(next);
    co_await timer;
    const auto now = ctx_->now();
    std::size_t due = 0;
    auto last = next;
    while (next <= now) {
      last = next;
      const bool enough = ++due >= limits::schedule_catch_up;
      auto following = tick_after(enough ? now : next);
      next = co_await following;
    }
    for (auto left = runs_for(order.missed, due, now - last > on_time); left > 0; --left, ++begun) {
      auto run = begin_scheduled(json::object{});
      co_await run;
    }
    if (begun == 0 && due > 0) ++begun;  // ticks that were skipped take steps too
  }
  order.next_us = next.time_since_epoch().count();
}

/// Each run is a child, so that its end is known. Children stay with a run that continues as new, so another run takes over.
async<> interpreter::follow_ends(const schedule_order& order) {
  for (int begun = 0; begun < runs_of_a_history; ++begun) {
    note_step();
    const json::value args(json::object{{"workflow", workflow_name(*document_)},
                                        {"version", document_->version},
                                        {"message", message_name<json::value>},
                                        {"input", json::object{}},
                                        {"close", static_cast<int>(parent_close::abandon)},
                                        {"await", true},
                                        {"timeout_us", 0}});
    step<payload> run{ctx_->frame(), {.kind = detail::step_kind::child, .name = "run", .args = payload{args}}};
    try {
      co_await run;
    } catch (const cancelled_error&) {
      throw;
    } catch (const step_error&) {
      // However it ended, the next one follows.
    }
    auto measure = length_of(*rule_->length, nullptr, nullptr);
    const auto pause = co_await measure;
    auto timer = ctx_->sleep_for(pause);
    co_await timer;
  }
  auto next = perform("go on", "runs",
                      {{"workflow", workflow_name(*document_)},
                       {"version", document_->version},
                       {"message", message_name<schedule_order>},
                       {"input", perdure::to_json(order)},
                       {"key", schedule_key}});
  co_await next;
}

async<> interpreter::follow_events(schedule_order& order) {
  const auto& task = *rule_->listener;
  const auto& body = std::get<listen_task>(task.body);
  running now;
  now.what = &task;
  now.started = ctx_->now();
  now.raw_input = now.input = make_data(nullptr);
  if (order.subscription.empty()) {
    order.subscription = "listen." + ctx_->uuid();
    auto subscribed = subscribe(body, order.subscription);
    co_await subscribed;
  }
  for (int begun = 0; begun < runs_of_a_history; ++begun) {
    json::object keys;
    auto listening = consume(now, body, order.subscription, keys);
    const auto events = co_await listening;
    auto run = begin_scheduled(events.value->value());
    co_await run;
  }
}

}  // namespace perdure::dsl
