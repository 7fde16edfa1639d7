// graph: a document as a picture, for Mermaid or Graphviz.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cluster/documents.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct graph_command {
  common_options common;
  std::string file;
  std::string format = "mermaid";
};

int draw(const graph_command& how) {
  cluster::document_reader reader;
  const auto document = cluster::find_document(how.common.data, reader, how.file);
  if (!document) return fail(how.common, document.error());
  const auto format = how.format == "dot" ? cluster::graph_format::dot : cluster::graph_format::mermaid;
  const auto picture = reader.draw(document->text, document->file, format);
  if (!picture) return fail(how.common, picture.error());
  if (how.common.json) {
    put_json(
        json::object{{"workflow", document->name}, {"version", document->version}, {"format", how.format}, {"text", *picture}});
  } else {
    put(*picture);
  }
  return exit_fine;
}

}  // namespace

void add_graph_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<graph_command>();
  auto* command = app.add_subcommand("graph", "Draws a Serverless Workflow document, as text for Mermaid or Graphviz");
  add_common_options(*command, how->common);
  command->add_option("FILE", how->file, "A YAML or JSON document, or the name of one that ran in the data directory")
      ->required();
  command->add_option("--format", how->format, "mermaid or dot")->capture_default_str()->check(CLI::IsMember({"mermaid", "dot"}));
  command->callback([&chosen, how] { chosen = [how] { return draw(*how); }; });
}

}  // namespace perdure::tools::cli
