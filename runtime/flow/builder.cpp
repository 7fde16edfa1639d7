// workflow_builder: collects what is said about a workflow, then resolves names and checks the whole.
#include <cmath>
#include <tuple>

#include "flow/definition.hpp"
#include "flow/plan_check.hpp"
#include "flow/plan_hash.hpp"

namespace perdure {

namespace {

struct named_edges {
  const char* what;  ///< "edge", "switch" …: for messages
  std::vector<std::string> from, to;
  core::edge_group group;
  bool is_switch = false;
};

std::string in_quotes(const std::string& name) { return "\"" + name + "\""; }

}  // namespace

struct workflow_builder::parts {
  std::string name, version;
  std::vector<core::executor_plan> executors;
  std::vector<detail::executor_type> types;
  std::vector<detail::executor_factory> factories;
  std::vector<named_edges> edges;
  std::optional<std::string> start;
  std::vector<std::string> by_name_only;
  std::optional<duration> timeout;
  std::optional<std::uint32_t> max_activations;
  std::optional<std::string> wrong;  ///< the first thing that a call itself found

  void complain(std::string what) {
    if (!wrong) wrong = std::move(what);
  }
  [[nodiscard]] std::string known() const {
    std::string out;
    for (const auto& each : executors) out += (out.empty() ? "" : ", ") + each.name;
    return out.empty() ? "none" : out;
  }

  [[nodiscard]] std::optional<std::string> check_names() const {
    const auto bad = [](const char* what, const std::string& name) -> std::optional<std::string> {
      if (name.empty()) return std::string{what} + " is empty";
      if (name.size() > limits::name_bytes) {
        return std::string{what} + " " + in_quotes(name.substr(0, 40) + "...") +
               " is longer than name_bytes = " + std::to_string(limits::name_bytes);
      }
      return std::nullopt;
    };
    if (auto found = bad("its name", name)) return found;
    if (auto found = bad("its version", version)) return found;
    for (const auto& each : executors) {
      if (auto found = bad("an executor's name", each.name)) return found;
    }
    return std::nullopt;
  }

  std::optional<std::string> resolve(core::plan& out) const {
    for (std::size_t i = 0; i < executors.size(); ++i) {
      if (!out.by_name.emplace(executors[i].name, i).second)
        return "executor " + in_quotes(executors[i].name) + " is added twice";
    }
    out.executors = executors;
    if (executors.empty()) return "it has no executors";
    if (!start && executors.size() > 1) return "it has no start: call start_at with one of " + known();
    if (start && !out.by_name.contains(*start))
      return "start_at names unknown executor " + in_quotes(*start) + "; known: " + known();
    out.start = start ? out.by_name.at(*start) : 0;
    out.groups_from.resize(executors.size());
    for (const auto& each : edges) {
      auto group = each.group;
      for (const auto& [names, indices, verb] :
           {std::tuple{&each.from, &group.from, " starts at"}, std::tuple{&each.to, &group.to, " leads to"}}) {
        for (const auto& name : *names) {
          const auto at = out.by_name.find(name);
          if (at == out.by_name.end())
            return each.what + std::string{verb} + " unknown executor " + in_quotes(name) + "; known: " + known();
          indices->push_back(at->second);
        }
      }
      for (const auto from : group.from) out.groups_from[from].push_back(out.groups.size());
      out.groups.push_back(std::move(group));
    }
    return std::nullopt;
  }
};

workflow_builder::workflow_builder(std::string name, std::string version) : parts_(std::make_unique<parts>()) {
  parts_->name = std::move(name);
  parts_->version = std::move(version);
}
workflow_builder::workflow_builder(workflow_builder&&) noexcept = default;
workflow_builder::~workflow_builder() = default;

workflow_builder& workflow_builder::add_executor(std::string name, detail::executor_type type, detail::executor_factory make,
                                                 executor_options options) {
  if (!make) parts_->complain("executor " + in_quotes(name) + " has no factory");
  auto times = options.timeouts;
  for (const auto limit :
       {options.timeout, times.schedule_to_start, times.start_to_close, times.schedule_to_close, times.heartbeat}) {
    if (limit < duration{0}) parts_->complain("executor " + in_quotes(name) + " has a negative time limit");
  }
  const auto& backoff = options.retry.backoff;
  if (!std::isfinite(backoff.factor) || backoff.factor <= 0 || backoff.initial < duration{0} || backoff.cap < duration{0}) {
    parts_->complain("executor " + in_quotes(name) +
                     " has a retry backoff with a negative time or a factor that is not positive");
  }
  if (options.timeout > duration{0}) {
    if (times.start_to_close > duration{0} && times.start_to_close != options.timeout) {
      parts_->complain("executor " + in_quotes(name) +
                       " has two limits of an attempt: timeout and timeouts.start_to_close are the same thing");
    }
    times.start_to_close = options.timeout;
  }
  parts_->executors.push_back({.name = std::move(name),
                               .timeouts = times,
                               .retry = options.retry,
                               .cooperative = options.cooperative,
                               .takes = type.takes});
  parts_->types.push_back(std::move(type));
  parts_->factories.push_back(std::move(make));
  return *this;
}

workflow_builder& workflow_builder::start_at(std::string executor) {
  if (parts_->start && *parts_->start != executor) {
    parts_->complain("it has two starts, " + in_quotes(*parts_->start) + " and " + in_quotes(executor));
  }
  parts_->start = std::move(executor);
  return *this;
}

workflow_builder& workflow_builder::without_edges(std::string executor) {
  parts_->by_name_only.push_back(std::move(executor));
  return *this;
}

workflow_builder& workflow_builder::edge(std::string from, std::string to) {
  parts_->edges.push_back({"edge", {std::move(from)}, {std::move(to)}, {.kind = core::edge_kind::direct}});
  return *this;
}

workflow_builder& workflow_builder::edge_if_json(std::string from, std::string to, std::string_view type,
                                                 std::function<bool(std::string_view, const payload&)> condition) {
  if (!condition) parts_->complain("the conditional edge " + in_quotes(from) + " -> " + in_quotes(to) + " has no condition");
  parts_->edges.push_back({"conditional edge",
                           {std::move(from)},
                           {std::move(to)},
                           {.kind = core::edge_kind::conditional, .type = std::string{type}, .condition = std::move(condition)}});
  return *this;
}

workflow_builder& workflow_builder::fan_out(std::string from, std::vector<std::string> to) {
  if (to.empty()) parts_->complain("the fan-out from " + in_quotes(from) + " has no targets");
  parts_->edges.push_back({"fan-out", {std::move(from)}, std::move(to), {.kind = core::edge_kind::direct}});
  return *this;
}

workflow_builder& workflow_builder::fan_in(std::vector<std::string> from, std::string to, fan_in_mode mode) {
  if (from.size() < 2) parts_->complain("the fan-in to " + in_quotes(to) + " needs two sources at least");
  parts_->edges.push_back({"fan-in", std::move(from), {std::move(to)}, {.kind = core::edge_kind::fan_in, .mode = mode}});
  return *this;
}

workflow_builder& workflow_builder::select_json(
    std::string from, std::vector<std::string> to, std::string_view type, bool is_switch,
    std::function<std::vector<std::size_t>(std::string_view, const payload&)> choose) {
  const auto* what = is_switch ? "switch" : "multi-selection";
  const auto where = "the " + std::string{what} + " from " + in_quotes(from);
  if (is_switch && to.size() < 2) parts_->complain(where + " needs one case at least, beside its default");
  if (is_switch && to.back().empty()) parts_->complain(where + " has no default");
  if (to.empty()) parts_->complain(where + " has no targets");
  if (!choose) parts_->complain(where + (is_switch ? " has a case without a condition" : " has no function that chooses"));
  parts_->edges.push_back({what,
                           {std::move(from)},
                           std::move(to),
                           {.kind = core::edge_kind::selection, .type = std::string{type}, .choose = std::move(choose)},
                           is_switch});
  return *this;
}

workflow_builder& workflow_builder::with_timeout(duration limit) {
  if (limit <= duration{0}) parts_->complain("with_timeout needs a positive time");
  parts_->timeout = limit;
  return *this;
}

workflow_builder& workflow_builder::with_max_activations(std::uint32_t limit) {
  if (limit == 0) parts_->complain("with_max_activations needs a positive number");
  parts_->max_activations = limit;
  return *this;
}

result<workflow> workflow_builder::try_build() {
  const auto refused = [&](const std::string& why) {
    return error{errc::invalid_argument, "workflow " + in_quotes(parts_->name) + ": " + why};
  };
  if (auto found = parts_->check_names()) return refused(*found);
  if (parts_->wrong) return refused(*parts_->wrong);
  auto out = std::make_shared<detail::definition>();
  auto& plan = out->plan;
  plan.name = parts_->name;
  plan.version = parts_->version;
  plan.timeout = parts_->timeout.value_or(duration{0});
  plan.max_activations = parts_->max_activations.value_or(limits::run_activations);
  if (auto found = parts_->resolve(plan)) return refused(*found);
  std::vector<std::size_t> starts{plan.start};
  for (const auto& each : parts_->by_name_only) {
    const auto at = plan.by_name.find(each);
    if (at == plan.by_name.end())
      return refused("without_edges names unknown executor " + in_quotes(each) + "; known: " + parts_->known());
    starts.push_back(at->second);
  }
  if (auto found = flow::problem_of(plan, parts_->types, starts, parts_->max_activations.has_value())) return refused(*found);
  plan.hash = flow::hash_of(plan);
  out->factories = parts_->factories;
  for (const auto& each : parts_->edges) out->is_switch.push_back(each.is_switch);
  return workflow{std::move(out)};
}

const std::string& workflow::name() const { return definition_->plan.name; }
const std::string& workflow::version() const { return definition_->plan.version; }
const std::string& workflow::hash() const { return definition_->plan.hash; }

}  // namespace perdure
