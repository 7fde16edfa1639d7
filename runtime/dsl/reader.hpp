// Reads the constructs of the DSL reference from a syntax tree: every one is known here with its properties; those
// that this version does not run are reported as unsupported once they are otherwise right.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dsl/checker.hpp"
#include "dsl/document.hpp"

namespace perdure::dsl {

/// Which of the DSL's variables an expression may use depends on where it stands.
enum class expression_site : std::uint8_t { workflow_input, before_task, in_task, task_output, task_export, workflow_output };

class reader {
 public:
  reader(checker& to, const read_options& options) : to_(to), options_(options) {}

  /// The document; only to be used when no problem was found.
  document read(const node_ptr& root);
  /// A function that stands alone, called `name` by the task at the pointer `caller`; null when it is none.
  std::shared_ptr<const task> read_function(const node_ptr& root, const std::string& name, std::string caller);

 private:
  /// Components of "use", by name. They are read where they are used, since their variables are those of that place.
  struct component {
    cursor at;
    bool used = false;
    bool read = false;  ///< functions: they are read once, since they know nothing of where they are called
  };
  using components = std::map<std::string, component, std::less<>>;

  // read_document.cpp
  void read_header(const cursor& at, document& out);
  void read_evaluate(const std::optional<cursor>& at);
  void read_use(const cursor& at, document& out);
  void read_components(properties& use, std::string_view name, components& out);
  void read_unused();
  void read_functions(document& out);
  void read_extension(const cursor& at, document& out);
  /// The component a string names; reports when there is none.
  const cursor* find_component(const cursor& at, components& among, std::string_view kind);
  std::vector<schedule_rule> read_schedule(const std::optional<cursor>& at);
  void check_programs();

  // read_task.cpp
  task_list read_tasks(const std::optional<cursor>& at, bool in_order = true);
  std::shared_ptr<const task> read_task(const cursor& at, const std::string& name, const std::vector<std::string_view>& siblings);
  flow read_flow(const std::optional<cursor>& at, const std::vector<std::string_view>& siblings);
  struct transform {
    std::optional<dynamic_value> value;
    std::optional<schema_rule> schema;
  };
  transform read_transform(const std::optional<cursor>& at, std::string_view what, std::string_view property,
                           expression_site site);
  std::optional<duration_value> read_timeout(const std::optional<cursor>& at, expression_site site);
  std::optional<schema_rule> read_schema(const std::optional<cursor>& at, expression_site site);
  void read_inline_schema(const cursor& at, schema_rule& out);

  // read_body.cpp: the kinds of tasks that run
  void read_body(properties& task_properties, const cursor& at, task& out, const std::vector<std::string_view>& siblings);
  void read_set(const cursor& at, task& out);
  void read_fork(const cursor& at, task& out);
  void read_for(properties& task_properties, const cursor& at, task& out);
  void read_switch(const cursor& at, task& out, const std::vector<std::string_view>& siblings);
  void read_raise(const cursor& at, task& out);

  // read_run.cpp
  void read_run(const cursor& at, task& out);
  void read_shell(const cursor& at, process_task& out);
  void read_script(const cursor& at, process_task& out);
  void read_container(const cursor& at, process_task& out);
  void read_lifetime(const cursor& at, process_task& out);
  void read_subflow(const cursor& at, subflow_task& out);
  void read_environment(const std::optional<cursor>& at, dynamic_value::map& out);
  void read_arguments(const std::optional<cursor>& at, dynamic_value::map& out);
  void read_member(const std::optional<cursor>& at, std::string_view name, dynamic_value::map& out, bool may_be_empty = true);

  // read_try.cpp
  void read_try(properties& task_properties, const cursor& at, task& out);
  std::optional<retry_rule> read_retry(const cursor& at);
  retry_rule read_retry_rule(const cursor& at);
  dynamic_value read_error(const cursor& at);

  // read_values.cpp
  expression_ptr read_expression(const std::optional<cursor>& at, expression_site site);
  dynamic_value read_dynamic(const cursor& at, expression_site site);
  dynamic_value read_text(const cursor& at, expression_site site);  ///< of a string
  std::optional<duration_value> read_duration(const std::optional<cursor>& at, expression_site site);
  expression_ptr compile(const cursor& at, std::string_view source, expression_site site);
  void check_secrets(const cursor& at, std::string_view source);
  std::vector<std::string> names_at(expression_site site) const;
  std::string read_variable(const std::optional<cursor>& at, std::string_view otherwise);

  // read_call.cpp
  void read_call(properties& task_properties, const cursor& at, task& out);
  std::optional<endpoint> catalog_source(const cursor& at);
  void read_call_of(std::string_view function, const cursor& at, const cursor& with, task& out);
  void read_grpc(const cursor& at, const cursor& with, grpc_task& out);
  void read_http(const cursor& with, http_task& out);
  void read_job(const cursor& with, job_task& out);
  void read_request(const cursor& with, request_task& out);

  // read_asyncapi.cpp
  void read_asyncapi(const cursor& with, asyncapi_task& out);
  void read_subscription(const cursor& at, message_subscription& out);

  // read_protocols.cpp
  void check_object_or_expression(const std::optional<cursor>& at);
  void read_openapi(const cursor& with, openapi_task& out);
  void read_mcp(const cursor& with, mcp_task& out);
  void read_mcp_transport(const cursor& at, mcp_task& out);
  void read_a2a(const cursor& with, a2a_task& out);

  // read_events.cpp
  void read_emit(const cursor& at, emit_task& out);
  void read_listen(properties& task_properties, const cursor& at, listen_task& out);
  event_strategy read_strategy(const std::optional<cursor>& at, bool may_have_until = true);
  event_filter read_event_filter(const cursor& at);
  void check_event_properties(const std::optional<cursor>& at, bool emitted);
  std::optional<iterator_rule> read_iterator(const std::optional<cursor>& at);

  // check_resources.cpp
  void check_endpoint(const std::optional<cursor>& at);
  void check_uri(const std::optional<cursor>& at, bool or_expression);
  void check_resource(const std::optional<cursor>& at);
  /// The endpoint of a resource; reports kinds of addresses from which nothing can be read.
  std::optional<endpoint> read_resource(const std::optional<cursor>& at, std::string_view what, expression_site site);
  void check_kind_of_address(const cursor& where, const endpoint& at, std::string_view what);
  std::optional<endpoint> read_endpoint(const std::optional<cursor>& at, expression_site site);
  std::optional<dynamic_value> read_authentication(const cursor& at);
  [[nodiscard]] const cursor* find_policy(const cursor& at) const;
  void check_authentication(const std::optional<cursor>& at, bool may_refer);
  void check_oauth2(const cursor& at, bool has_endpoints);

  checker& to_;
  const read_options& options_;
  evaluate_mode mode_ = evaluate_mode::strict;
  std::vector<std::string> secrets_;
  std::vector<std::string> variables_;  ///< of loops and catches around, innermost last
  components timeouts_, retries_, errors_, authentications_, functions_, catalogs_;
  std::deque<cursor> kept_;  ///< parents of the components' cursors
  std::size_t task_count_ = 0;
  std::optional<std::string> caller_;  ///< of a function that stands alone: where references begin
  struct pending_program {
    mark at;
    std::string pointer;
    expression_text text;
  };
  std::vector<pending_program> programs_;  ///< not native: for the host
  struct pending_schema {
    mark at;
    std::string pointer;
    json::value document;
  };
  std::vector<pending_schema> schemas_;  ///< not simple: for the host
  bool needs_jq_ = false;
};

}  // namespace perdure::dsl
