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

#include "dsl/cron.hpp"
#include "dsl/expression.hpp"
#include "dsl/schema.hpp"
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
/// An address, and how its server knows us.
struct endpoint {
  dynamic_value uri;
  bool is_template = false;                     ///< "{name}" in it is a property of the task's input
  std::optional<dynamic_value> authentication;  ///< {basic | bearer | certificate | digest | oauth2 | oidc: {…}}
};

/// run: shell, script and container.
struct process_task {
  enum class kind : std::uint8_t { shell, script, container };
  enum class result : std::uint8_t { standard_output, standard_error, code, all, none };
  kind what = kind::shell;
  /// An object of what is given. All: arguments, environment, stdin. shell: command. script: code, unless it has a source.
  /// container: image, name, command, ports, volumes.
  dynamic_value process;
  result gives = result::standard_output;
  bool awaits = true;
  std::string language;            ///< script: "javascript" or "python"
  std::optional<endpoint> source;  ///< script: where its code is
  std::string pull;                ///< container: "missing", "always" or "never"
  bool removed = false;            ///< container: as soon as it has ended
  std::optional<duration_value> removed_after;
};
/// run: workflow.
struct subflow_task {
  std::string workflow;  ///< the name it is registered under
  std::string version;   ///< empty = the newest
  std::optional<dynamic_value> input;
  bool awaits = true;
  bool gives_output = true;
};
/// call of a function: of the document, or of a catalog.
struct function_task {
  std::string function;
  std::optional<endpoint> source;          ///< of a catalog: where its definition is
  std::optional<dynamic_value> arguments;  ///< "with"; none = the task's input
};

struct http_task {
  endpoint at;
  dynamic_value request;  ///< an object: method; headers, query, body when given
  std::string output = "content";
  bool redirect = false;
};

/// call: job, of this runtime: work on an execution backend.
struct job_task {
  std::string backend;
  dynamic_value spec;
  std::optional<dynamic_value> artifacts;  ///< patterns of files that it leaves; they are listed in the result
  std::optional<duration_value> interval, longest_interval, timeout;
  std::string ambiguous;  ///< "retry", "fail", "ask"; empty = retry
};

/// call: request, of this runtime: a question that a person or a system answers.
struct request_task {
  dynamic_value question;  ///< an object: content; inputs and actions when given
  std::optional<duration_value> timeout;
};

/// What users describe the shape of data with: a schema in the document, or one at an address.
struct schema_rule {
  schema_ptr fixed;
  std::optional<endpoint> resource;
};

struct openapi_task {
  endpoint document;
  std::string operation;
  dynamic_value parameters;  ///< an object
  std::optional<dynamic_value> authentication;
  std::string output = "content";
  bool redirect = false;
};
struct mcp_task {
  std::string version = "2025-06-18", method;
  dynamic_value parameters, client, headers;
  std::optional<duration_value> timeout;
  std::optional<endpoint> http;
  dynamic_value stdio;  ///< unless it is over http: an object: command, arguments, environment
};
struct a2a_task {
  std::string method;
  std::optional<endpoint> card, server;
  dynamic_value parameters;
};

/// emit: a CloudEvent, to be completed.
struct emit_task {
  dynamic_value event;
};
/// A value of an event that has to be the same everywhere, or what is expected.
struct correlation {
  std::string name;
  expression_ptr from;
  std::optional<dynamic_value> expect;
};
struct event_filter {
  named_values with;
  std::vector<correlation> correlate;
};
struct event_strategy {
  enum class kind : std::uint8_t { one, any, all } what = kind::one;
  std::vector<event_filter> filters;  ///< any: empty = every event
  expression_ptr until;               ///< of any
  std::shared_ptr<const event_strategy> until_events;
};
/// What is done with each event.
struct iterator_rule {
  std::string item, at;
  task_list tasks;
  std::optional<dynamic_value> output_as, export_as;
  std::optional<schema_rule> output_schema, export_schema;
};
struct listen_task {
  event_strategy to;
  bool envelope = false;  ///< whole events are read, not their data
  std::optional<iterator_rule> each;
};

/// Which messages a subscription takes, and for how long.
struct message_subscription {
  expression_ptr filter, condition, until;  ///< condition: "while"
  std::optional<std::uint64_t> amount;
  std::optional<duration_value> length;
  std::optional<iterator_rule> each;
};
struct grpc_task {
  endpoint proto;      ///< where the description of the service is
  dynamic_value call;  ///< an object of service, host, port, method and arguments
  std::optional<dynamic_value> authentication;
};
struct asyncapi_task {
  endpoint document;
  std::string operation, channel;        ///< one of them
  std::string server, protocol;          ///< empty = not named
  dynamic_value variables;               ///< of the server, an object
  std::optional<dynamic_value> message;  ///< an object of payload and headers
  std::optional<message_subscription> subscription;
  std::optional<dynamic_value> authentication;
};

/// What extensions can name.
enum class task_kind : std::uint8_t { call, composite, emit, extension, loop, listen, raise, run, set, choice, attempt, wait };

struct task {
  std::string name;
  std::string reference;     ///< JSON pointer, the task's name included
  node_ptr source;           ///< its definition
  expression_ptr condition;  ///< "if"; null = always
  std::optional<dynamic_value> input_from, output_as, export_as;
  std::optional<schema_rule> input_schema, output_schema, export_schema;
  std::optional<duration_value> timeout;
  flow then;
  task_kind kind = task_kind::composite;
  std::variant<do_task, set_task, wait_task, fork_task, for_task, switch_task, try_task, raise_task, process_task, subflow_task,
               function_task, http_task, openapi_task, mcp_task, a2a_task, asyncapi_task, grpc_task, emit_task, listen_task,
               job_task, request_task>
      body;
};

struct extension {
  std::string name;
  std::optional<task_kind> extends;  ///< none = all that are of no extension
  expression_ptr when;               ///< null = always
  task_list before, after;
};

/// What a document may do to the machine and reach. The operator's choice, not the document's.
struct document_policy {
  bool may_run = true;         ///< shells, scripts, containers and MCP servers of the machine
  bool may_read_files = true;  ///< resources at addresses of the kind "file"
  bool may_use_secrets = true;
  bool may_reach_private = true;  ///< loopback, link-local, private and other special addresses
};

/// One of what begins runs by itself.
struct schedule_rule {
  enum class kind : std::uint8_t { every, cron, after, on } what = kind::every;
  std::optional<duration_value> length;  ///< every, after
  std::optional<cron> when;
  std::shared_ptr<const task> listener;  ///< on: a listen task
};

struct document {
  std::string dsl, space, name, version, title, summary;  ///< `space` is the namespace
  std::optional<dynamic_value> input_from, output_as;
  std::optional<schema_rule> input_schema, output_schema;
  std::optional<duration_value> timeout;
  task_list tasks;
  std::map<std::string, std::shared_ptr<const task>, std::less<>> functions;  ///< those that are called
  std::vector<extension> extensions;
  std::vector<schedule_rule> schedule;  ///< each begins runs whatever the others do
  document_policy policy;
  std::vector<std::string> secrets;               ///< those that it may use
  std::shared_ptr<const json::value> definition;  ///< the whole document as JSON
  std::string hash;                               ///< SHA-256 of it with sorted keys, in hex
  std::size_t task_count = 0;
  bool needs_jq = false;  ///< some expression is not native
};

}  // namespace perdure::dsl
