#include "flow/plan_difference.hpp"

#include <algorithm>
#include <map>
#include <vector>

#include "core/routing.hpp"

namespace perdure::flow {

namespace {

class differences {
 public:
  void add(std::string what) {
    if (!text_.empty()) text_ += "; ";
    text_ += what;
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

std::string in_quotes(const std::string& name) { return "\"" + name + "\""; }

std::string limit(duration length) { return length > duration{0} ? to_human(length) : "none"; }

void compare(const core::executor_plan& before, const core::executor_plan& after, differences& out) {
  const auto who = "executor " + in_quotes(before.name) + ": ";
  if (before.takes != after.takes) out.add(who + "takes other messages");
  if (before.retry != after.retry) {
    const auto attempts = [](const retry_policy& of) { return std::to_string(of.max_attempts); };
    out.add(who + (before.retry.max_attempts == after.retry.max_attempts
                       ? std::string{"another retry policy"}
                       : "retries " + attempts(before.retry) + " attempts, now " + attempts(after.retry)));
  }
  if (before.timeouts != after.timeouts) {
    const auto one = [&](std::string_view name, duration was, duration is) {
      if (was != is) out.add(who + std::string{name} + " " + limit(was) + ", now " + limit(is));
    };
    one("schedule_to_start", before.timeouts.schedule_to_start, after.timeouts.schedule_to_start);
    one("start_to_close", before.timeouts.start_to_close, after.timeouts.start_to_close);
    one("schedule_to_close", before.timeouts.schedule_to_close, after.timeouts.schedule_to_close);
    one("heartbeat", before.timeouts.heartbeat, after.timeouts.heartbeat);
  }
}

/// Groups as text, how often each occurs: edges may come in another order.
std::map<std::string, int> edges_of(const core::plan& of) {
  std::map<std::string, int> out;
  for (const auto& group : of.groups) {
    auto text = core::describe(of, group);
    if (group.kind == core::edge_kind::conditional) text += " on a condition";
    if (group.kind == core::edge_kind::fan_in && group.mode == fan_in_mode::any) text += " (any)";
    if (!group.type.empty()) text += " for " + group.type;
    ++out[text];
  }
  return out;
}

}  // namespace

std::string difference(const core::plan& before, const core::plan& after) {
  differences out;
  for (const auto& [name, index] : before.by_name) {
    const auto* same = after.find(name);
    if (same == nullptr) {
      out.add("executor " + in_quotes(name) + " is gone");
    } else {
      compare(before.executors[index], *same, out);
    }
  }
  for (const auto& [name, index] : after.by_name) {
    if (before.find(name) == nullptr) out.add("executor " + in_quotes(name) + " is new");
  }
  if (const auto& was = before.executors[before.start].name, &is = after.executors[after.start].name; was != is) {
    out.add("starts at " + in_quotes(was) + ", now at " + in_quotes(is));
  }
  const auto was = edges_of(before), is = edges_of(after);
  bool edges_differ = false;
  for (const auto& [text, times] : was) {
    const auto now = is.find(text);
    if (now != is.end() && now->second >= times) continue;
    edges_differ = true;
    out.add(text + " is gone");
  }
  for (const auto& [text, times] : is) {
    const auto earlier = was.find(text);
    if (earlier != was.end() && earlier->second >= times) continue;
    edges_differ = true;
    out.add(text + " is new");
  }
  const auto in_order = [](const core::plan& of) {
    std::vector<std::string> list;
    for (const auto& group : of.groups) list.push_back(core::describe(of, group));
    return list;
  };
  if (!edges_differ && in_order(before) != in_order(after)) out.add("the edges are declared in another order");
  if (before.timeout != after.timeout) out.add("time limit " + limit(before.timeout) + ", now " + limit(after.timeout));
  if (before.max_activations != after.max_activations) {
    out.add("max_activations " + std::to_string(before.max_activations) + ", now " + std::to_string(after.max_activations));
  }
  return out.take();
}

}  // namespace perdure::flow
