// The Serverless Workflow documents of a data directory: DATA/documents/<name>/<version>-<hash>.yaml holds the text of
// every document of which a run was started, so that unfinished runs find it after a restart.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "perdure/node.hpp"

namespace perdure::dsl {
class clock_host;
class expression_host;
class secret_host;
}  // namespace perdure::dsl

namespace perdure::cluster {

struct document {
  std::string name, version;
  std::string text;
  std::string file;              ///< where it was read from
  std::filesystem::path folder;  ///< where files begin that it names
  workflow definition;
  std::shared_ptr<const json::value> content;  ///< all of it as JSON
  bool has_schedule = false;
};

/// What is wrong with a document, and where.
struct document_problem {
  std::uint32_t line = 0, column = 0;
  std::string pointer;  ///< JSON pointer of the place in the document
  std::string kind;     ///< syntax, invalid, unsupported, forbidden
  std::string message;
  std::string text;  ///< all of it on one line, for people
};

/// What a document asks for beyond itself, told too broadly rather than too narrowly: data that looks like a task counts.
struct document_reach {
  bool processes = false;               ///< it runs shells, scripts or containers, or jobs
  bool resources = false;               ///< it names files or addresses of schemas or scripts
  bool calls = false;                   ///< it calls more than functions of its own
  bool secrets = false;                 ///< it uses secrets of the machine
  std::vector<std::string> namespaces;  ///< of the workflows that it runs
};

enum class graph_format : std::uint8_t { mermaid, dot };

/// What documents may do to the machine and reach: those that strangers send, nothing by default.
struct document_limits {
  bool may_run = false;         ///< shells, scripts, containers and MCP servers of the machine
  bool may_read_files = false;  ///< resources at addresses of the kind "file"
  bool may_use_secrets = false;
  bool may_reach_private = false;  ///< loopback, link-local, private and other special addresses, looked at after DNS
};

/// A task of a document as a list shows it.
struct outline_line {
  std::size_t depth = 0;
  std::string name, reference, kind, conditions;
};

/// Reads documents and makes workflows of them. Expressions that need jq go to worker processes, which the workflows
/// share and which end with the last of them. One thread.
class document_reader {
 public:
  /// `data`: the directory that the documents will run in; empty = none, or a node in memory of this process.
  /// `helper_program`: path of the perdure binary; empty = this program when it is perdure, or one beside it.
  explicit document_reader(const std::filesystem::path& data = {}, const std::string& helper_program = {});
  /// For documents of strangers: what the limits do not allow is a problem of the kind "forbidden".
  document_reader(const std::filesystem::path& data, const std::string& helper_program, const document_limits& allowed);
  /// All problems of the text, one a line, in the error. `folder`: where files begin that it names; empty = where the file is.
  [[nodiscard]] result<document> read(const std::string& text, const std::string& file, const std::filesystem::path& folder = {});
  /// The tasks in their order, those inside others after them; all problems of the text in the error.
  [[nodiscard]] result<std::vector<outline_line>> outline_of(const std::string& text, const std::string& file);
  [[nodiscard]] std::vector<document_problem> problems(const std::string& text, const std::string& file);
  /// All problems of the text, one a line, in the error.
  [[nodiscard]] result<document_reach> reach(const std::string& text, const std::string& file);
  /// The document as a picture; all problems of the text in the error.
  [[nodiscard]] result<std::string> draw(const std::string& text, const std::string& file, graph_format how);

 private:
  std::shared_ptr<dsl::expression_host> host_;
  std::shared_ptr<dsl::secret_host> secrets_;
  std::shared_ptr<dsl::clock_host> clock_;
  document_limits allowed_{.may_run = true, .may_read_files = true, .may_use_secrets = true, .may_reach_private = true};
};

/// What of the value does not fit the JSON Schema: {"problems": [text…]}. Without a value: {} when it is a schema. Else
/// {"error": text}. May take long, or not end: only for a process of its own.
[[nodiscard]] json::object check_by_schema(const json::value& schema, const json::value* value);

/// Any YAML 1.2 text as JSON. invalid_argument: all problems of the text, one a line.
[[nodiscard]] result<json::value> json_of_yaml(const std::string& text);

/// A document's file, or the newest kept document of that name; not_found says where it was looked for.
[[nodiscard]] result<document> find_document(const std::filesystem::path& data, document_reader& reader,
                                             const std::string& file_or_name);

/// The text of a regular file of at most limits::document_bytes. not_found, io_error, limit_exceeded.
[[nodiscard]] result<std::string> read_document_file(const std::filesystem::path& path);

/// Durable when it returns. Nothing is done when it is there already.
[[nodiscard]] result<void> keep_document(const std::filesystem::path& data, const document& what);

/// Begins the schedule of a registered document, or attaches to it when it goes on already. `missed`: what is done about times
/// at which no node ran: "skip", "once" or "all". conflict: the document has none.
[[nodiscard]] result<run_ref> begin_schedule(const node& of, const document& what, const std::string& missed);

/// Whether a run with this key carries out a schedule.
[[nodiscard]] bool is_schedule(const run_summary& run);

/// All documents that are kept and can be read; the newest first. `unread`: why the others cannot.
[[nodiscard]] std::vector<document> kept_documents(const std::filesystem::path& data, document_reader& reader,
                                                   std::vector<error>* unread = nullptr);
/// The first line of why a kept document cannot be read, as a sentence.
[[nodiscard]] std::string unread_document(const error& why);

/// What a node that opens the directory registers: the kept documents, and `also`. Of several with the same name and
/// version, the one that unfinished runs use, else that of `also`, else the newest. conflict: unfinished runs use another
/// text under the name and version of one of `also`. already_exists: two of `also` have the same name and version.
/// `unread`: why kept documents cannot be read; runs of them wait.
[[nodiscard]] result<std::vector<document>> documents_to_register(const std::filesystem::path& data, document_reader& reader,
                                                                  const std::vector<document>& also,
                                                                  std::vector<error>* unread = nullptr);

}  // namespace perdure::cluster
