// A checked document: what the interpreter runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "dsl/expression.hpp"
#include "dsl/syntax_tree.hpp"
#include "perdure/policy.hpp"

namespace perdure::dsl {

struct task;
using task_list = std::vector<std::shared_ptr<const task>>;
using named_values = std::vector<std::pair<std::string, dynamic_value>>;

/// A length of time, or an expression that gives an ISO 8601 text or an object of days, hours, minutes, seconds and
/// milliseconds.
using duration_value = std::variant<duration, dynamic_value>;

/// Where a list goes on after a task.
struct flow {
  enum class kind : std::uint8_t { next, exit, end, jump } where = kind::next;
  std::size_t target = 0;  ///< jump: index in the same list
  std::string name;        ///< jump: the target's name
};

struct retry_rule {
  expression_ptr when, except_when;  ///< null = not given
  std::optional<duration_value> delay;
  backoff_kind backoff = backoff_kind::fixed;
  std::optional<std::uint32_t> count;           ///< tries after the first one
  std::optional<duration_value> attempt_limit;  ///< of each of them
  std::optional<duration_value> limit;          ///< of all of them together
  std::optional<std::pair<duration_value, duration_value>> jitter;
};

struct do_task {
  task_list tasks;
};
struct set_task {
  dynamic_value value;
};
struct wait_task {
  duration_value length;
};
struct fork_task {
  task_list branches;
  bool compete = false;
};
struct for_task {
  std::string each = "item";
  std::string at = "index";
  expression_ptr in;
  expression_ptr condition;  ///< "while"; null = always
  task_list tasks;
};
struct switch_task {
  struct branch {
    std::string name;
    expression_ptr when;  ///< null = the default
    flow then;
  };
  std::vector<branch> branches;
};
struct try_task {
  task_list tasks;
  named_values filter;  ///< catch.errors.with
  std::string as = "error";
  expression_ptr when, except_when;
  std::optional<retry_rule> retry;
  std::optional<task_list> handler;
};
struct raise_task {
  dynamic_value error;
};
struct shell_task {
  enum class result : std::uint8_t { standard_output, standard_error, code, all, none };
  dynamic_value process;  ///< an object: command, arguments, environment, stdin (when given)
  result gives = result::standard_output;
};

struct task {
  std::string name;
  std::string reference;     ///< JSON pointer, the task's name included
  node_ptr source;           ///< its definition
  expression_ptr condition;  ///< "if"; null = always
  std::optional<dynamic_value> input_from, output_as, export_as;
  std::optional<duration_value> timeout;
  flow then;
  std::variant<do_task, set_task, wait_task, fork_task, for_task, switch_task, try_task, raise_task, shell_task> body;
};

struct document {
  std::string dsl, space, name, version, title, summary;  ///< `space` is the namespace
  std::optional<dynamic_value> input_from, output_as;
  std::optional<duration_value> timeout;
  task_list tasks;
  std::shared_ptr<const json::value> definition;  ///< the whole document as JSON
  std::string hash;                               ///< SHA-256 of it with sorted keys, in hex
  std::size_t task_count = 0;
  bool needs_jq = false;  ///< some expression is not native
};

}  // namespace perdure::dsl
