// workflow and workflow_builder: a named, versioned graph of executors.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "perdure/executor.hpp"
#include "perdure/limits.hpp"
#include "perdure/policy.hpp"

namespace perdure {

struct executor_options {
  /// Short for timeouts.start_to_close: the limit of one attempt.
  duration timeout{0};
  retry_policy retry{};
  perdure::timeouts timeouts{};
  /// Runs on the run's own actor thread: for handlers and call bodies that never block (over 50 ms is logged).
  bool cooperative = false;
};

namespace detail {
struct definition;  // runtime/flow/definition.hpp
using executor_factory = std::function<std::unique_ptr<executor_base>()>;
struct edge_source;
}  // namespace detail

/// An immutable definition; copying shares it. Any thread.
class workflow {
 public:
  explicit workflow(std::shared_ptr<const detail::definition> definition) : definition_(std::move(definition)) {}
  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] const std::string& version() const;
  /// SHA-256 over name, version, executors, policies and edges, in hex. Conditions are code and count by position.
  [[nodiscard]] const std::string& hash() const;
  [[nodiscard]] const detail::definition& definition() const { return *definition_; }
  [[nodiscard]] std::shared_ptr<const detail::definition> shared() const { return definition_; }

 private:
  std::shared_ptr<const detail::definition> definition_;
};

/// When every source has sent (`all`), or as soon as one has (`any`; later ones of the same round are dropped).
enum class fan_in_mode : std::uint8_t { all, any };

/// Builds a workflow. Calls may come in any order; `build` reports the first problem: unknown names, unreachable
/// executors, duplicate executors or edges, a switch without a case or default, message types that do not fit (as far as
/// `sends` and typed edges tell), a cycle without `with_max_activations`. A lone executor needs no start_at.
class workflow_builder {
 public:
  workflow_builder(std::string name, std::string version);
  workflow_builder(workflow_builder&&) noexcept;
  ~workflow_builder();

  template <class E>
  workflow_builder& add(std::string name, executor_options options = {}) {
    return add_executor(
        std::move(name), detail::describe_executor<E>(), [] { return std::make_unique<E>(); }, options);
  }
  /// An executor whose objects `make` builds: for dependencies. `make` is called on pool threads.
  template <class Make>
  workflow_builder& add_with(std::string name, Make make, executor_options options = {}) {
    using made = typename decltype(make())::element_type;
    return add_executor(std::move(name), detail::describe_executor<made>(), std::move(make), options);
  }
  workflow_builder& add_executor(std::string name, detail::executor_type type, detail::executor_factory make,
                                 executor_options options = {});

  workflow_builder& start_at(std::string executor);
  /// No edge need lead to it: background work or compensation starts it by its name.
  workflow_builder& without_edges(std::string executor);
  workflow_builder& edge(std::string from, std::string to);
  /// Only messages for which `condition` holds. It must be pure.
  template <message T>
  workflow_builder& edge_if(std::string from, std::string to, std::function<bool(const T&)> condition) {
    return edge_if_json(std::move(from), std::move(to), message_name<T>,
                        condition ? erase<T, bool>(std::move(condition), false) : nullptr);
  }
  workflow_builder& fan_out(std::string from, std::vector<std::string> to);
  /// Delivers one perdure::joined.
  workflow_builder& fan_in(std::vector<std::string> from, std::string to, fan_in_mode mode = fan_in_mode::all);
  /// The first case that holds, else the default.
  template <message T>
  struct switch_case {
    std::function<bool(const T&)> condition;
    std::string to;
  };
  template <message T>
  workflow_builder& switch_on(std::string from, std::vector<switch_case<T>> cases, std::string otherwise) {
    std::vector<std::string> targets;
    std::vector<std::function<bool(const T&)>> conditions;
    bool complete = true;
    for (auto& each : cases) {
      complete = complete && each.condition;
      targets.push_back(std::move(each.to));
      conditions.push_back(std::move(each.condition));
    }
    const auto fallback = targets.size();
    targets.push_back(std::move(otherwise));
    auto choose = [conditions = std::move(conditions), fallback](const T& message) {
      for (std::size_t i = 0; i < conditions.size(); ++i) {
        if (conditions[i](message)) return std::vector<std::size_t>{i};
      }
      return std::vector<std::size_t>{fallback};
    };
    return select_json(std::move(from), std::move(targets), message_name<T>, true,
                       complete ? erase<T, std::vector<std::size_t>>(choose, {fallback}) : nullptr);
  }
  /// Any number of the targets, by their indices.
  template <message T>
  workflow_builder& multi_select(std::string from, std::vector<std::string> to,
                                 std::function<std::vector<std::size_t>(const T&)> choose) {
    return select_json(std::move(from), std::move(to), message_name<T>, false,
                       choose ? erase<T, std::vector<std::size_t>>(std::move(choose), {}) : nullptr);
  }

  /// Time limit of a whole run.
  workflow_builder& with_timeout(duration limit);
  /// Bound for cycles: a run that schedules more activations fails with code "limit".
  workflow_builder& with_max_activations(std::uint32_t limit);

  [[nodiscard]] result<workflow> try_build();
  /// As try_build; throws bad_result.
  [[nodiscard]] workflow build() { return try_build().value(); }

 private:
  template <class T, class R, class F>
  static std::function<R(std::string_view, const payload&)> erase(F function, R otherwise) {
    return [function = std::move(function), otherwise](std::string_view name, const payload& value) -> R {
      if (name != message_name<T>) return otherwise;
      auto read = from_json<T>(value.value());
      return read ? function(*read) : otherwise;
    };
  }
  workflow_builder& edge_if_json(std::string from, std::string to, std::string_view type,
                                 std::function<bool(std::string_view, const payload&)> condition);
  workflow_builder& select_json(std::string from, std::vector<std::string> to, std::string_view type, bool is_switch,
                                std::function<std::vector<std::size_t>(std::string_view, const payload&)> choose);
  struct parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace perdure
