#include "tools/cli/attach.hpp"

#include "persistence/projection.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/narrate.hpp"
#include "tools/cli/offline_client.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/wait.hpp"

namespace perdure::tools::cli {

namespace {

/// As the node says it that holds the directory itself.
std::optional<error> another(const attach_command& how, const persistence::run_row& row) {
  const auto began = "the key \"" + how.key + "\" began run " + row.id.str();
  if (row.workflow != how.workflow)
    return error{errc::already_exists, began + " of workflow \"" + row.workflow + "\", not of \"" + how.workflow + "\""};
  if (row.input_hash != persistence::input_hash("json", how.input.text()))
    return error{errc::already_exists, began + " with another input; take another key, or the same input"};
  if (row.definition_hash != how.definition_hash) {
    return error{errc::already_exists,
                 began + " with another text of " + row.workflow + "; take another key, or the document as it was"};
  }
  return std::nullopt;
}

/// Tells what happens until the run has ended, the process that has it goes, or a signal comes.
void follow(const attach_command& how, client& from, const run_id& run) {
  const auto tell = [&](const std::string& line) { how.common.json ? note(line) : put_line(line); };
  narrator told;
  run_seq after = 0;
  const auto seen = from.stored(run, 0, [&](const run_event& event) {
    told.tell(event);
    after = event.seq;
    return true;
  });
  if (!seen) return;  // said by who waits
  tell("attached to run " + run.str() + ", " + std::to_string(after) + " events; another process carries it out");
  const auto width = terminal_width();
  const auto show = [&](const run_event& event) {
    for (const auto& line : told.lines(event, width)) tell(line);
    return true;
  };
  (void)watch(from, run, after, show, interrupted());
}

}  // namespace

std::optional<int> attach_to_holder(const attach_command& how) {
  std::optional<persistence::run_row> row;
  if (const auto journal = open_to_read(how.common.data)) {
    if (const auto run = (*journal)->find_key("", how.key)) row = (*journal)->row(*run);
  }
  if (!row) return std::nullopt;
  if (const auto wrong = another(how, *row)) return fail(how.common, *wrong);
  const auto from = reach_once(how.common.data);
  if (!from || (*from)->kind() != "socket") return std::nullopt;
  if (how.follow) follow(how, **from, row->id);
  return wait_for_runs({.common = how.common, .run = row->id.str()});
}

}  // namespace perdure::tools::cli
