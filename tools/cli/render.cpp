#include "tools/cli/render.hpp"

#include "tools/cli/command.hpp"
#include "tools/cli/table.hpp"
#include "tools/cli/task_tree.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

std::string field(std::string_view name, const std::string& value, std::size_t width, colour how = colour::plain) {
  constexpr std::size_t name_columns = 10;
  std::string line{name};
  line += std::string(name_columns - line.size(), ' ');
  return paint(colour::dim, line) + paint(how, cut(value, width > name_columns ? width - name_columns : 20)) + "\n";
}

/// The same with all of the value, over several lines when it is longer than one.
std::string long_field(std::string_view name, const std::string& value, std::size_t width, colour how) {
  constexpr std::size_t name_columns = 10;
  std::string out;
  for (const auto& line : wrap(value, width - name_columns))
    out += paint(colour::dim, out.empty() ? std::string{name} + std::string(name_columns - name.size(), ' ')
                                          : std::string(name_columns, ' ')) +
           paint(how, line) + "\n";
  return out;
}

std::string error_line(const json::value& error) {
  if (!error.is_object()) return json_text(error);
  const auto& why = error.get_object();
  std::string out = text_of(why, "code");
  if (const auto executor = text_of(why, "executor"); !executor.empty()) out += " in " + executor;
  const auto detail = text_of(why, "detail");
  const auto said = detail.empty() ? text_of(why, "title") : detail;
  if (!said.empty()) out += ": " + said;
  return out;
}

/// What led to a failure, nearest first, those of a cause after it.
void add_causes(const json::value& error, std::vector<std::string>& out) {
  if (!error.is_object()) return;
  for (const auto& each : list_of(error.get_object(), "causes")) {
    out.push_back(error_line(each));
    add_causes(each, out);
  }
}

std::string heading(std::string_view text) { return "\n" + paint(colour::bold, text) + "\n"; }

std::string result_of(const executor_view& of) {
  const auto& result = of.error.is_null() ? (of.ended() ? of.output : of.progress) : of.error;
  return result.is_null() ? std::string{} : of.error.is_null() ? json_text(result) : error_line(result);
}

std::string indented(const placed_task& task) { return std::string(2 * task.depth, ' ') + task.what->name; }

std::string executors_table(const run_view& run, std::size_t width) {
  table out{
      {{"EXECUTOR", 10}, {"STATUS"}, {"TRIES", 0, true}, {"SEQ", 0, true}, {"TOOK", 0, true}, {"INPUT", 8}, {"RESULT", 12}}};
  const auto all = run.executors();
  for (const auto& task : tree_of(all)) {
    const auto& each = *task.what;
    out.add({{indented(task), colour::plain},
             {each.status, colour_of(each.status)},
             {std::to_string(each.attempts), colour::plain},
             {each.started_seq == 0 ? "-" : std::to_string(each.started_seq), colour::dim},
             {between(each.started_at, each.ended_at), colour::plain},
             {each.input.is_null() ? std::string{} : json_text(each.input), colour::dim},
             {result_of(each), each.error.is_null() ? colour::dim : colour::red}});
  }
  return out.empty() ? std::string{} : heading("Executors") + out.text(width);
}

/// The same with nothing cut: each executor with lines of its own.
std::string executors_in_full(const run_view& run) {
  std::string out;
  const auto all = run.executors();
  for (const auto& task : tree_of(all)) {
    const auto& each = *task.what;
    const std::string margin(2 * task.depth + 2, ' ');
    out += printable(indented(task)) + "  " + paint(colour_of(each.status), each.status);
    if (each.attempts > 1) out += ", " + std::to_string(each.attempts) + " tries";
    if (each.started_seq != 0) out += ", " + each.started_at + ", took " + between(each.started_at, each.ended_at);
    out += "\n";
    if (!each.reference.empty()) out += margin + paint(colour::dim, "at      ") + printable(each.reference) + "\n";
    if (!each.input.is_null()) out += margin + paint(colour::dim, "input   ") + printable(json_text(each.input)) + "\n";
    if (!each.error.is_null()) {
      out += margin + paint(colour::dim, "error   ") + paint(colour::red, printable(json_text(each.error))) + "\n";
    } else if (const auto result = result_of(each); !result.empty()) {
      out += margin + paint(colour::dim, each.ended() ? "output  " : "so far  ") + printable(result) + "\n";
    }
  }
  return out.empty() ? out : heading("Executors") + out;
}

std::string timers_table(const run_view& run, timestamp now, std::size_t width) {
  table out{{{"TIMER", 0}, {"EXECUTOR", 10}, {"DUE", 20}}};
  for (const auto& each : run.timers()) {
    out.add({{each.kind, colour::plain}, {each.executor, colour::plain}, {absolute_and_relative(each.due, now), colour::plain}});
  }
  return out.empty() ? std::string{} : heading("Timers") + out.text(width);
}

std::string requests_table(const run_view& run, timestamp now, std::size_t width) {
  table out{{{"REQUEST", 0}, {"EXECUTOR", 10}, {"ASKED", 0}, {"QUESTION", 12}}};
  for (const auto& each : run.requests()) {
    const auto asked = parse_timestamp(each.asked_at);
    out.add({{each.id, colour::plain},
             {each.executor, colour::plain},
             {asked ? relative(*asked, now) : "-", colour::dim},
             {json_text(each.question), colour::plain}});
  }
  if (out.empty()) return {};
  return heading("Requests") + out.text(width) + "Answer with: perdure runs respond " + run.id() + " REQUEST --value JSON\n";
}

std::string jobs_table(const run_view& run, timestamp now, std::size_t width) {
  table out{{{"JOB", 0}, {"BACKEND", 8}, {"EXECUTOR", 8}, {"STATUS"}, {"CREATED", 0}, {"NOTE", 8}}};
  for (const auto& [number, each] : run.jobs().all()) {
    const auto created = parse_timestamp(each.created_at);
    auto remark = each.error.is_null() ? std::string{} : error_line(each.error);
    if (remark.empty() && each.progress.is_object() && each.ended_at.empty()) remark = json_text(each.progress);
    if (remark.empty() && each.raw != each.status) remark = each.raw;
    out.add({{std::to_string(number), colour::plain},
             {printable(each.backend), colour::plain},
             {printable(each.executor), colour::plain},
             {each.status, colour_of(each.status)},
             {created ? relative(*created, now) : "-", colour::dim},
             {printable(remark), each.error.is_null() ? colour::dim : colour::red}});
  }
  return out.empty() ? std::string{} : heading("Jobs") + out.text(width);
}

}  // namespace

std::string render_list(const run_page& page, timestamp now) {
  table out{{{"RUN", 13}, {"WORKFLOW", 10}, {"STATUS"}, {"CREATED", 0, true}, {"NOTE", 6}}};
  for (const auto& each : page.runs) {
    std::string remark = each.blocked.empty() ? std::string{} : "blocked: " + each.blocked;
    if (remark.empty() && !is_terminal(each.status) && each.wakeup)
      remark = (*each.wakeup > now ? "wakes " : "was due ") + relative(*each.wakeup, now);
    if (!each.key.empty()) remark += (remark.empty() ? "" : ", ") + ("key " + each.key);
    out.add({{each.id.str(), colour::plain},
             {each.workflow + " " + each.version, colour::plain},
             {std::string{to_string(each.status)}, colour_of(to_string(each.status))},
             {relative(each.created_at, now), colour::dim},
             {remark, each.blocked.empty() ? colour::dim : colour::yellow}});
  }
  return out.text(terminal_width());
}

std::string render_run(const run_view& run, const std::string& blocked, timestamp now, bool a_node_runs, bool full) {
  const auto width = terminal_width();
  std::string out;
  out += field("run", run.id(), width);
  out += field("workflow", printable(run.workflow() + " " + run.version()), width);
  out += field("status", run.status(), width, colour_of(run.status()));
  if (!blocked.empty()) out += long_field("blocked", printable(blocked), width, colour::yellow);
  if (!run.ended() && !a_node_runs)
    out += long_field("node", "none holds this directory; perdure runs wait opens it", width, colour::yellow);
  if (!run.key().empty()) out += field("key", printable(run.key()), width);
  out += field("created", absolute_and_relative(run.created_at(), now), width);
  if (!run.started_at().empty()) out += field("started", absolute_and_relative(run.started_at(), now), width);
  if (run.ended()) {
    out +=
        field("ended", absolute_and_relative(run.ended_at(), now) + " after " + between(run.created_at(), run.ended_at()), width);
  }
  if (full) {
    out += long_field("input", printable(json_text(run.input())), width, colour::plain);
  } else {
    out += field("input", printable(json_text(run.input())), width);
  }
  if (!run.error().is_null()) out += long_field("error", printable(error_line(run.error())), width, colour::red);
  std::vector<std::string> causes;
  add_causes(run.error(), causes);
  for (const auto& each : causes) out += long_field("because", printable(each), width, colour::red);
  out += full ? executors_in_full(run) : executors_table(run, width);
  out += jobs_table(run, now, width);
  out += timers_table(run, now, width);
  out += requests_table(run, now, width);
  if (!run.output().is_null()) out += heading("Output") + pretty_json(run.output()) + "\n";
  return out;
}

std::string render_failure(const run_view& run) {
  auto out = "run " + run.id() + " " + run.status();
  if (!run.error().is_null()) out += ": " + printable(error_line(run.error()));
  std::vector<std::string> causes;
  add_causes(run.error(), causes);
  for (const auto& each : causes) out += "\n  because: " + printable(each);
  return out;
}

}  // namespace perdure::tools::cli
