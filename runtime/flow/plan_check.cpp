#include "flow/plan_check.hpp"

#include <algorithm>

#include "core/routing.hpp"

namespace perdure::flow {

namespace {

using core::edge_group;
using core::edge_kind;
using problem = std::optional<std::string>;

std::string in_quotes(const std::string& name) { return "\"" + name + "\""; }

std::string listed(const std::vector<std::string>& names, const char* none) {
  if (names.empty()) return none;
  std::string out;
  for (const auto& each : names) out += (out.empty() ? "" : ", ") + each;
  return out;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

class checker {
 public:
  checker(const core::plan& plan, const std::vector<detail::executor_type>& types, const std::vector<std::size_t>& starts)
      : plan_(plan), types_(types), starts_(starts) {}

  problem duplicates() const {
    for (std::size_t second = 0; second < plan_.groups.size(); ++second) {
      const auto& group = plan_.groups[second];
      if (auto name = repeated(group.kind == edge_kind::fan_in ? group.from : group.to);
          name && group.kind != edge_kind::selection) {
        return core::describe(plan_, group) + " names executor " + in_quotes(*name) + " twice";
      }
      for (std::size_t first = 0; first < second; ++first) {
        if (const auto target = clash(plan_.groups[first], group)) {
          return "duplicate edge " + in_quotes(plan_.executors[group.from.front()].name) + " -> " +
                 in_quotes(plan_.executors[*target].name) + ": a message could go along it twice";
        }
      }
    }
    return std::nullopt;
  }

  problem misfits() const {
    for (const auto& group : plan_.groups) {
      for (const auto from : group.from) {
        for (const auto to : group.to) {
          if (auto found = misfit(group, from, to)) return core::describe(plan_, group) + ": " + *found;
        }
      }
    }
    return std::nullopt;
  }

  problem unreachable() const {
    std::vector<bool> seen(plan_.executors.size());
    auto open = starts_;
    for (const auto start : starts_) seen[start] = true;
    while (!open.empty()) {
      const auto at = open.back();
      open.pop_back();
      for (const auto next : successors(at)) {
        if (!seen[next]) open.push_back(next);
        seen[next] = true;
      }
    }
    std::vector<std::string> lost;
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (!seen[i]) lost.push_back(in_quotes(plan_.executors[i].name));
    }
    if (lost.empty()) return std::nullopt;
    return "no edges lead from the start " + in_quotes(plan_.executors[plan_.start].name) + " to " + listed(lost, "") +
           "; what only background work or compensation starts is named with without_edges(...)";
  }

  problem cycle() const {
    // Depth first with the way kept: an edge back to it closes a cycle.
    enum class mark : std::uint8_t { fresh, on_way, done };
    struct stop {
      std::size_t executor;
      std::vector<std::size_t> next;
    };
    std::vector<mark> marks(plan_.executors.size(), mark::fresh);
    std::vector<stop> way;
    const auto enter = [&](std::size_t executor) {
      marks[executor] = mark::on_way;
      way.push_back({executor, successors(executor)});
    };
    auto starts = starts_;
    while (!way.empty() || !starts.empty()) {
      if (way.empty()) {
        if (marks[starts.back()] == mark::fresh) enter(starts.back());
        starts.pop_back();
        continue;
      }
      if (way.back().next.empty()) {
        marks[way.back().executor] = mark::done;
        way.pop_back();
        continue;
      }
      const auto next = way.back().next.back();
      way.back().next.pop_back();
      if (marks[next] == mark::fresh) {
        enter(next);
      } else if (marks[next] == mark::on_way) {
        auto from = std::find_if(way.begin(), way.end(), [&](const stop& each) { return each.executor == next; });
        std::string text;
        for (; from != way.end(); ++from) text += plan_.executors[from->executor].name + " -> ";
        return "cycle " + text + plan_.executors[next].name + " has no bound: call with_max_activations(...)";
      }
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::optional<std::string> repeated(std::vector<std::size_t> names) const {
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    return twice == names.end() ? std::nullopt : std::optional{plan_.executors[*twice].name};
  }

  /// A target that one message could reach by both.
  static std::optional<std::size_t> clash(const edge_group& a, const edge_group& b) {
    if ((a.kind == edge_kind::fan_in) != (b.kind == edge_kind::fan_in)) return std::nullopt;
    if (!a.type.empty() && !b.type.empty() && a.type != b.type) return std::nullopt;
    if (a.from != b.from) return std::nullopt;
    const auto both = std::find_first_of(b.to.begin(), b.to.end(), a.to.begin(), a.to.end());
    return both == b.to.end() ? std::nullopt : std::optional{*both};
  }

  [[nodiscard]] problem misfit(const edge_group& group, std::size_t from, std::size_t to) const {
    const auto& sender = types_[from];
    const auto& takes = plan_.executors[to].takes;
    const auto& sender_name = plan_.executors[from].name;
    const auto& target_name = plan_.executors[to].name;
    const auto does_take = [&] { return in_quotes(target_name) + " takes " + listed(takes, "anything"); };
    if (sender.sends_declared && sender.sends.empty()) return in_quotes(sender_name) + " sends nothing";
    if (!group.type.empty() && sender.sends_declared && !contains(sender.sends, group.type)) {
      return "it is for " + group.type + ", but " + in_quotes(sender_name) + " sends " + listed(sender.sends, "nothing");
    }
    if (takes.empty()) return std::nullopt;
    if (group.kind == edge_kind::fan_in) {
      if (contains(takes, message_name<joined>)) return std::nullopt;
      return "a fan-in delivers " + std::string{message_name<joined>} + ", but " + does_take() +
             ": make it an executor<perdure::joined>";
    }
    if (!group.type.empty()) {
      if (contains(takes, group.type)) return std::nullopt;
      return "it is for " + group.type + ", but " + does_take();
    }
    if (!sender.sends_declared) return std::nullopt;
    const bool fits =
        std::any_of(sender.sends.begin(), sender.sends.end(), [&](const auto& each) { return contains(takes, each); });
    if (fits) return std::nullopt;
    return in_quotes(sender_name) + " sends " + listed(sender.sends, "nothing") + ", but " + does_take();
  }

  [[nodiscard]] std::vector<std::size_t> successors(std::size_t from) const {
    std::vector<std::size_t> out;
    for (const auto group : plan_.groups_from[from]) {
      out.insert(out.end(), plan_.groups[group].to.begin(), plan_.groups[group].to.end());
    }
    return out;
  }

  const core::plan& plan_;
  const std::vector<detail::executor_type>& types_;
  const std::vector<std::size_t>& starts_;
};

}  // namespace

std::optional<std::string> problem_of(const core::plan& plan, const std::vector<detail::executor_type>& types,
                                      const std::vector<std::size_t>& starts, bool bounded) {
  const checker check{plan, types, starts};
  if (auto found = check.duplicates()) return found;
  if (auto found = check.misfits()) return found;
  if (auto found = check.unreachable()) return found;
  return bounded ? std::nullopt : check.cycle();
}

}  // namespace perdure::flow
