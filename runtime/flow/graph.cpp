#include "flow/graph.hpp"

#include <algorithm>

#include "core/json_text.hpp"
#include "perdure/graph.hpp"

namespace perdure::flow {

namespace {

std::string tries(const retry_policy& retry) {
  if (retry.max_attempts == 1) return {};
  return retry.max_attempts == 0 ? "tried without limit" : "tried up to " + std::to_string(retry.max_attempts) + " times";
}

std::string limits_of(const core::executor_plan& executor) {
  std::string out = tries(executor.retry);
  const auto add = [&](const char* what, duration length) {
    if (length > duration{0}) out += (out.empty() ? "" : ", ") + std::string{what} + to_human(length);
  };
  add("at most ", executor.timeouts.schedule_to_close);
  add("a try at most ", executor.timeouts.start_to_close);
  return out;
}

/// Draws the edges of one group after the other.
class plan_drawing {
 public:
  explicit plan_drawing(const detail::definition& from) : from_(from) {
    const auto& plan = from.plan;
    out_.title = short_label(plan.name + " " + plan.version);
    const auto start = out_.add({graph::shape::start, {}});
    for (const auto& each : plan.executors) {
      std::vector<std::string> lines{short_label(each.name)};
      if (auto more = limits_of(each); !more.empty()) lines.push_back(std::move(more));
      nodes_.push_back(out_.add({graph::shape::step, std::move(lines)}));
    }
    out_.edges.push_back({start, nodes_[plan.start]});
    for (std::size_t i = 0; i < plan.groups.size(); ++i) draw(plan.groups[i], from.is_switch[i]);
  }

  graph take() { return std::move(out_); }

 private:
  void draw(const core::edge_group& group, bool is_switch) {
    const auto type = short_label(group.type);
    switch (group.kind) {
      case core::edge_kind::direct:
        for (const auto to : group.to) connect(group.from.front(), to, type);
        return;
      case core::edge_kind::conditional: connect(group.from.front(), group.to.front(), "if " + type + " fits"); return;
      case core::edge_kind::selection: {
        const auto choice = out_.add({graph::shape::choice, {is_switch ? "switch" : "select", type}});
        out_.edges.push_back({nodes_[group.from.front()], choice});
        for (std::size_t i = 0; i < group.to.size(); ++i) {
          const bool otherwise = is_switch && i + 1 == group.to.size();
          const auto label = otherwise ? "else" : (is_switch ? "case " : "target ") + std::to_string(i + 1);
          out_.edges.push_back({choice, nodes_[group.to[i]], label});
        }
        return;
      }
      case core::edge_kind::fan_in: {
        const auto bar = out_.add({graph::shape::bar, {group.mode == fan_in_mode::all ? "all" : "any"}});
        for (const auto from : group.from) out_.edges.push_back({nodes_[from], bar});
        out_.edges.push_back({bar, nodes_[group.to.front()]});
        return;
      }
    }
  }
  void connect(std::size_t from, std::size_t to, std::string label) {
    out_.edges.push_back({nodes_[from], nodes_[to], std::move(label)});
  }

  const detail::definition& from_;
  graph out_;
  std::vector<std::size_t> nodes_;  ///< by executor
};

}  // namespace

graph graph_of(const detail::definition& definition) { return plan_drawing{definition}.take(); }

std::string short_label(std::string_view text) {
  const auto clean = core::valid_utf8(text);
  std::string out;
  std::size_t characters = 0;
  bool gap = false;
  for (std::size_t at = 0; at < clean.size();) {
    const auto lead = static_cast<unsigned char>(clean[at]);
    const std::size_t bytes = lead >= 0xF0U ? 4 : lead >= 0xE0U ? 3 : lead >= 0xC0U ? 2 : 1;
    // U+0080 to U+009F are control characters too.
    const bool control = lead < 0x20U || lead == 0x7fU || (lead == 0xC2U && static_cast<unsigned char>(clean[at + 1]) < 0xA0U);
    if (control || lead == ' ') {
      gap = !out.empty();
    } else {
      if (gap) out += ' ';
      characters += gap ? 2 : 1;
      gap = false;
      if (characters > label_characters) return out + "…";
      out.append(clean, at, bytes);
    }
    at += bytes;
  }
  return out;
}

}  // namespace perdure::flow

namespace perdure {

std::string to_mermaid(const workflow& what) { return flow::write_mermaid(flow::graph_of(what.definition())); }
std::string to_dot(const workflow& what) { return flow::write_dot(flow::graph_of(what.definition())); }

}  // namespace perdure
