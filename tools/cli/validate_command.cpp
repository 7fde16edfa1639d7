// validate: checks documents without running them.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cluster/documents.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct validate_command {
  common_options common;
  std::vector<std::string> files;
};

int validate(const validate_command& how) {
  json::array files;
  bool all_valid = true;
  for (const auto& file : how.files) {
    cluster::document_reader reader;
    const auto text = read_file(file);
    if (!text) return fail(how.common, text.error());
    const auto problems = reader.problems(*text, file);
    all_valid = all_valid && problems.empty();
    json::array found;
    for (const auto& each : problems) {
      if (!how.common.json) note(each.text);
      found.push_back(json::object{{"line", each.line},
                                   {"column", each.column},
                                   {"pointer", each.pointer},
                                   {"kind", each.kind},
                                   {"message", each.message}});
    }
    if (!how.common.json && problems.empty()) put_line(file + ": valid");
    files.push_back(json::object{{"file", file}, {"valid", problems.empty()}, {"problems", std::move(found)}});
  }
  if (how.common.json) put_json(json::object{{"ok", all_valid}, {"files", std::move(files)}});
  return all_valid ? exit_fine : exit_failed;
}

}  // namespace

void add_validate_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<validate_command>();
  auto* command = app.add_subcommand("validate", "Checks Serverless Workflow documents and says where they are wrong");
  add_json_option(*command, how->common);
  command->add_option("FILE", how->files, "YAML or JSON documents")->required();
  command->callback([&chosen, how] { chosen = [how] { return validate(*how); }; });
}

}  // namespace perdure::tools::cli
