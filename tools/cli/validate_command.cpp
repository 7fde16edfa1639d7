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

/// The other files are looked at all the same.
cluster::document_problem unreadable(const error& why) {
  cluster::document_problem out;
  out.kind = "unreadable";
  out.message = why.message;
  out.text = "perdure: " + why.message;
  return out;
}

int validate(const validate_command& how) {
  json::array files;
  bool all_valid = true;
  for (const auto& file : how.files) {
    cluster::document_reader reader;
    const auto text = read_file(file);
    const auto problems = text ? reader.problems(*text, file) : std::vector{unreadable(text.error())};
    all_valid = all_valid && problems.empty();
    json::array found;
    for (const auto& each : problems) {
      if (!how.common.json) note(printable(each.text));
      found.push_back(json::object{{"line", each.line},
                                   {"column", each.column},
                                   {"pointer", each.pointer},
                                   {"kind", each.kind},
                                   {"message", each.message}});
    }
    if (!how.common.json && problems.empty()) put_line(printable(file) + ": valid");
    files.push_back(json::object{{"file", file}, {"valid", problems.empty()}, {"problems", std::move(found)}});
  }
  if (how.common.json) put_json(json::object{{"ok", all_valid}, {"files", std::move(files)}});
  return all_valid ? exit_fine : exit_failed;
}

}  // namespace

void add_validate_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<validate_command>();
  auto* command = app.add_subcommand("validate", "Checks Serverless Workflow documents and says where they are wrong");
  command->footer("Exit code: 0 all are valid, 1 one is not, 2 wrong usage.");
  add_json_option(*command, how->common);
  command->add_option("FILE", how->files, "YAML or JSON documents")->required();
  command->callback([&chosen, how] { chosen = [how] { return validate(*how); }; });
}

}  // namespace perdure::tools::cli
