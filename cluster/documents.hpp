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
};

/// What is wrong with a document, and where.
struct document_problem {
  std::uint32_t line = 0, column = 0;
  std::string pointer;  ///< JSON pointer of the place in the document
  std::string kind;     ///< syntax, invalid, unsupported
  std::string message;
  std::string text;  ///< all of it on one line, for people
};

/// What a document asks for beyond itself, told too broadly rather than too narrowly: data that looks like a task counts.
struct document_reach {
  bool processes = false;               ///< it runs shells, scripts or containers
  bool resources = false;               ///< it names files or addresses of schemas or scripts
  bool calls = false;                   ///< it calls more than functions of its own
  bool secrets = false;                 ///< it uses secrets of the machine
  bool events = false;                  ///< it emits or listens to events, which all of the node share
  std::vector<std::string> namespaces;  ///< of the workflows that it runs
};

enum class graph_format : std::uint8_t { mermaid, dot };

/// Reads documents and makes workflows of them. Expressions that need jq go to worker processes, which the workflows
/// share and which end with the last of them. One thread.
class document_reader {
 public:
  /// `data`: the directory that the documents will run in; empty = none, or a node in memory of this process.
  /// `helper_program`: path of the perdure binary; empty = this program when it is perdure, or one beside it.
  explicit document_reader(const std::filesystem::path& data = {}, const std::string& helper_program = {});
  /// All problems of the text, one a line, in the error. `folder`: where files begin that it names; empty = where the file is.
  [[nodiscard]] result<document> read(const std::string& text, const std::string& file, const std::filesystem::path& folder = {});
  [[nodiscard]] std::vector<document_problem> problems(const std::string& text, const std::string& file);
  /// All problems of the text, one a line, in the error.
  [[nodiscard]] result<document_reach> reach(const std::string& text, const std::string& file);
  /// The document as a picture; all problems of the text in the error.
  [[nodiscard]] result<std::string> draw(const std::string& text, const std::string& file, graph_format how);

 private:
  std::shared_ptr<dsl::expression_host> host_;
  std::shared_ptr<dsl::secret_host> secrets_;
};

/// What of the value does not fit the JSON Schema: {"problems": [text…]}. Without a value: {} when it is a schema. Else
/// {"error": text}. May take long, or not end: only for a process of its own.
[[nodiscard]] json::object check_by_schema(const json::value& schema, const json::value* value);

/// A document's file, or the newest kept document of that name; not_found says where it was looked for.
[[nodiscard]] result<document> find_document(const std::filesystem::path& data, document_reader& reader,
                                             const std::string& file_or_name);

/// The text of a regular file of at most limits::document_bytes. not_found, io_error, limit_exceeded.
[[nodiscard]] result<std::string> read_document_file(const std::filesystem::path& path);

/// Durable when it returns. Nothing is done when it is there already.
[[nodiscard]] result<void> keep_document(const std::filesystem::path& data, const document& what);

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
