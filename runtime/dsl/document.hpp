// Serverless Workflow documents: from text to a workflow that a node runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dsl/clock_host.hpp"
#include "dsl/expression_host.hpp"
#include "dsl/model.hpp"
#include "dsl/problem.hpp"
#include "dsl/resource.hpp"
#include "dsl/secret_host.hpp"
#include "perdure/workflow.hpp"

namespace perdure::dsl {

struct read_options {
  /// Checks the expressions that are not native; null = they are checked when they run.
  expression_host* host = nullptr;
  /// Checks time zones; null = they are checked when they are used.
  clock_host* clock = nullptr;
  document_policy policy;
  /// What a call of a method would fail with that a proto file beside the document (its path as the document has it) describes;
  /// null = that is found when it runs.
  std::function<std::optional<std::string>(const std::string& proto, const std::string& service, const std::string& method)>
      grpc_problem;
};

/// Reads YAML 1.2 or JSON and checks everything that can be known before a run. All problems at once, in the order
/// of the text. `file` is the name that problems carry. Any thread.
[[nodiscard]] std::variant<document, std::vector<problem>> read_document(std::string_view text, const std::string& file,
                                                                         const read_options& options = {});

/// Reads a function of a catalog, a task's definition, for the task at the pointer `caller` which calls it `name`. It knows no
/// components and no secrets of the caller's document.
[[nodiscard]] std::variant<std::shared_ptr<const task>, std::vector<problem>> read_function(std::string_view text,
                                                                                            const std::string& file,
                                                                                            const std::string& name,
                                                                                            std::string caller,
                                                                                            const read_options& options = {});

/// The name a document's workflow is registered under: "name" in the namespace "default", else "namespace/name".
[[nodiscard]] std::string workflow_name(const document& from);
[[nodiscard]] std::string workflow_name(const std::string& space, const std::string& name);

/// What documents need of the world beside capabilities; each may be null for documents that do not need it.
struct document_ports {
  std::shared_ptr<expression_host> workers;
  std::shared_ptr<resource_host> files;
  std::shared_ptr<secret_host> secrets;
  std::shared_ptr<clock_host> clock;
  std::shared_ptr<resource_host> catalog;  ///< the default catalog: "NAME/VERSION" is a function's text
};

/// One executor that interprets the document; takes and gives JSON.
[[nodiscard]] result<workflow> make_workflow(const document& from, document_ports ports);

}  // namespace perdure::dsl
