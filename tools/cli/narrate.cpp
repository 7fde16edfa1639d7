#include "tools/cli/narrate.hpp"

#include <algorithm>

#include "tools/cli/command.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/hand_over.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

/// "12:03:04.123" of an event's time, UTC.
std::string clock_of(timestamp at) {
  const auto text = to_string(at);
  return text.size() >= 23 ? text.substr(11, 12) : text;
}

std::string short_value(const json::value& value) { return value.is_null() ? std::string{} : json_text(value); }

std::string error_text(const json::value& error) {
  if (!error.is_object()) return {};
  const auto& why = error.get_object();
  auto text = text_of(why, "detail");
  if (text.empty()) text = text_of(why, "title");
  const auto code = text_of(why, "code");
  return code.empty() || text.starts_with(code) ? text : code + ": " + text;
}

std::string until(const std::string& due, timestamp from) {
  const auto at = parse_timestamp(due);
  if (!at) return due;
  return clock_of(*at) + (*at > from ? " (" + to_human(*at - from) + ")" : "");
}

}  // namespace

std::vector<narrator::line> narrator::tell(const run_event& event) {
  const auto& data = event.data;
  const auto& who = event.executor;
  const auto step = "step " + std::to_string(number_of(data, "step"));
  if (event.kind == "turn") return turn(event);
  if (event.kind == "run_started") {
    return {{{},
             "started",
             text_of(data, "workflow") + " " + text_of(data, "version") + " " + short_value(value_of(data, "input")),
             colour::bold}};
  }
  if (event.kind == "run_restored") {
    const auto link = text_of(data, "link");
    const auto how = link == "forked" ? "forks run " : link == "continued" ? "goes on from run " : "takes over run ";
    return {{{}, "started", how + text_of(data, "source"), colour::bold}};
  }
  if (event.kind == "message_delivered") {
    const auto& why = value_of(data, "error");
    if (why.is_null()) return {{{}, "reached run", text_of(data, "to"), colour::dim}};
    return {{{}, "refused", "by run " + text_of(data, "to") + ": " + error_text(why), colour::yellow}};
  }
  if (event.kind == "child_ended") {
    const auto status = text_of(data, "status");
    const auto& why = value_of(data, "error");
    const auto result = why.is_null() ? short_value(value_of(data, "output")) : error_text(why);
    return {{{}, "child " + status, text_of(data, "child") + (result.empty() ? "" : " " + result), colour_of(status)}};
  }
  if (event.kind == "compensation_started") return {{who, "compensates", short_value(value_of(data, "input")), colour::cyan}};
  if (event.kind == "grace_passed") return {{{}, "time to clean up is over", {}, colour::yellow}};
  if (event.kind == "request_answered") {
    return {{{},
             "answer",
             "to request " + text_of(data, "request") + " of run " + text_of(data, "asked_by") + " " +
                 short_value(value_of(data, "answer")),
             colour::cyan}};
  }
  if (event.kind == "step_completed") {
    const auto& why = value_of(data, "error");
    if (why.is_null() && document_of(event) != nullptr) return {};
    if (!why.is_null()) return {{who, step + " failed", error_text(why), colour::red}};
    return {{who, step + " completed", short_value(value_of(data, "output")), colour::plain}};
  }
  if (event.kind == "step_retrying") {
    const auto name = text_of(data, "name");
    const auto tries = std::to_string(number_of(data, "tries"));
    const auto when = until(text_of(data, "retry_at"), event.time);
    const auto& why = value_of(data, "error");
    if (why.is_null()) return {{who, name + " polled", "not complete; again at " + when, colour::yellow}};
    return {{who, name + " failed", "try " + tries + ", again at " + when + ": " + error_text(why), colour::yellow}};
  }
  if (event.kind == "step_resumed") return {{who, step + " tried again", {}, colour::dim}};
  if (event.kind == "attempt_started") {
    return {{who, "attempt " + std::to_string(number_of(data, "attempt")), {}, colour::cyan}};
  }
  if (event.kind == "attempt_failed") {
    const auto retry = text_of(data, "retry_at");
    const auto then = retry.empty() ? std::string{} : "again at " + until(retry, event.time) + ": ";
    return {{who, "attempt failed", then + error_text(value_of(data, "error")), retry.empty() ? colour::red : colour::yellow}};
  }
  if (event.kind == "signal_received") {
    return {{{}, "signal " + text_of(data, "name"), short_value(value_of(data, "value")), colour::cyan}};
  }
  if (event.kind == "cancel_requested") return {{{}, "cancel requested", text_of(data, "reason"), colour::yellow}};
  if (event.kind == "run_paused") return {{{}, "paused", {}, colour::yellow}};
  if (event.kind == "run_resumed") return {{{}, "resumed", {}, colour::cyan}};
  if (event.kind == "suspect_marked") {
    return {{{},
             "interrupted",
             "in flight when the node stopped uncleanly (mark " + std::to_string(number_of(data, "marks")) + ")",
             colour::yellow}};
  }
  if (event.kind == "warning") return {{who, "warning " + text_of(data, "code"), text_of(data, "text"), colour::yellow}};
  if (event.kind == "progress_noted") return progress(event);
  if (event.kind == "job_noted" || event.kind == "job_ended") return {job(event)};
  if (event.kind == "run_ended") {
    const auto status = text_of(data, "status");
    const auto& why = value_of(data, "error");
    const auto next = text_of(data, "successor");
    if (!next.empty())
      return {{{}, status, "run " + next + " goes on " + short_value(value_of(data, "input")), colour_of(status)}};
    return {{{}, status, why.is_null() ? short_value(value_of(data, "output")) : error_text(why), colour_of(status)}};
  }
  return {{who, event.kind, json_text(data), colour::plain}};
}

std::vector<narrator::line> narrator::progress(const run_event& event) {
  const auto& made = value_of(event.data, "progress");
  std::vector<line> out;
  if (made.is_object()) {
    for (const auto& each : list_of(made.get_object(), "told")) {
      if (!each.is_object()) continue;
      const auto text = text_of(each.get_object(), "text");
      const bool writes = !text.empty();
      out.push_back(
          {event.executor, writes ? "writes" : "notes", writes ? text : text_of(each.get_object(), "note"), colour::dim});
    }
  }
  if (out.empty()) out.push_back({event.executor, "progress", short_value(made), colour::dim});
  return out;
}

narrator::line narrator::job(const run_event& event) {
  const auto& data = event.data;
  const auto name = "job " + std::to_string(number_of(data, "job"));
  const auto status = text_of(data, "status");
  const auto& why = value_of(data, "error");
  if (event.kind == "job_ended") {
    const auto code = value_of(data, "exit_code");
    const auto detail = why.is_null() ? (code.is_null() ? std::string{} : "exit code " + json_text(code)) : error_text(why);
    return {name, status, detail, colour_of(status)};
  }
  if (flag_of(data, "asks"))
    return {name, "asks", "request job." + std::to_string(number_of(data, "job")) + " " + error_text(why), colour::yellow};
  if (text_of(data, "stage") == "submitting") {
    const auto raw = text_of(data, "raw");
    if (!raw.empty()) return {name, raw, {}, colour::yellow};
    const auto again = text_of(data, "look_at");
    auto detail = why.is_null() ? std::string{} : error_text(why);
    if (!again.empty()) detail = "again at " + until(again, event.time) + (detail.empty() ? "" : ": " + detail);
    return {name, "not submitted yet", detail, colour::yellow};
  }
  auto detail = text_of(data, "id");
  if (const auto raw = text_of(data, "raw"); !raw.empty() && raw != status) detail += (detail.empty() ? "" : ", ") + raw;
  if (const auto& progress = value_of(data, "progress"); progress.is_object()) {
    const auto done = number_of(progress.get_object(), "done"), total = number_of(progress.get_object(), "total");
    detail =
        std::to_string(done) + (total == 0 ? "" : "/" + std::to_string(total)) + " " + text_of(progress.get_object(), "text");
  }
  return {name, flag_of(data, "cancel_wanted") ? status + ", asked to end" : status, detail, colour::cyan};
}

narrator::document* narrator::document_of(const run_event& event) {
  const auto found = documents_.find(number_of(event.data, "activation"));
  return found == documents_.end() ? nullptr : &found->second;
}

std::vector<narrator::line> narrator::turn(const run_event& event) {
  const auto& data = event.data;
  const auto& who = event.executor;
  std::vector<line> steps, told;
  if (auto* known = document_of(event)) known->ended.clear();
  outputs(event, told);
  const auto* in = document_of(event);
  for (const auto& each : list_of(data, "done")) {
    const auto& step = each.get_object();
    const auto& why = value_of(step, "error");
    const auto name = text_of(step, "name");
    if (!why.is_null()) {
      steps.push_back({in != nullptr ? name : who, name + " failed", error_text(why), colour::red});
    } else if (in == nullptr) {
      steps.push_back({who, name + " done", short_value(value_of(step, "output")), colour::plain});
    }
  }
  steps.insert(steps.end(), told.begin(), told.end());
  waits(event, steps);
  if (const auto next = hands_over_to(data); next != 0 && in != nullptr) {  // its tasks go on
    auto from = documents_.extract(number_of(data, "activation"));
    from.key() = next;
    documents_.insert(std::move(from));
    return steps;
  }
  for (const auto& each : list_of(data, "activations")) {
    const auto& next = each.get_object();
    steps.push_back({text_of(next, "executor"), flag_of(next, "explicit_start") ? "scheduled" : "started",
                     short_value(value_of(next, "input")), colour::cyan});
  }
  if (flag_of(data, "finished") && in == nullptr) steps.push_back({who, "succeeded", {}, colour::green});
  return steps;
}

void narrator::outputs(const run_event& event, std::vector<line>& out) {
  const auto& who = event.executor;
  for (const auto& each : list_of(event.data, "outputs")) {
    const auto& what = each.get_object();
    const auto kind = text_of(what, "kind");
    const auto name = text_of(what, "name");
    const auto number = number_of(what, "number");
    if (kind == "scope_start") {
      auto& in = documents_[number_of(event.data, "activation")];
      in.open[number] = {name, event.time};
      const auto attempt = number_of(what, "attempt");
      out.push_back({name, attempt > 1 ? "started, attempt " + std::to_string(attempt) : "started", {}, colour::cyan});
    } else if (kind == "scope_end") {
      auto& in = documents_[number_of(event.data, "activation")];
      const auto& why = value_of(what, "error");
      const auto began = in.open.find(number);
      const auto took = began == in.open.end() ? std::string{} : " in " + to_human(event.time - began->second.began);
      if (began != in.open.end()) in.open.erase(began);
      in.ended[number] = name;
      in.waiting = name;
      if (why.is_null()) {
        out.push_back({name, "succeeded" + took, short_value(value_of(what, "value")), colour::green});
      } else {
        out.push_back({name, "failed" + took, error_text(why), colour::red});
      }
    } else if (kind == "message" && name != core::resume_message) {
      out.push_back({who, "sent " + name, short_value(value_of(what, "value")), colour::plain});
    } else if (kind == "output") {
      if (document_of(event) == nullptr) out.push_back({who, "output", short_value(value_of(what, "value")), colour::plain});
    } else if (kind == "state") {
      out.push_back({who, "state " + name, short_value(value_of(what, "value")), colour::dim});
    } else if (kind == "progress") {
      out.push_back({who, "progress", short_value(value_of(what, "value")), colour::dim});
    }
  }
}

void narrator::waits(const run_event& event, std::vector<line>& out) {
  auto* in = document_of(event);
  for (const auto& each : list_of(event.data, "issued")) {
    const auto& step = each.get_object();
    const auto kind = text_of(step, "kind");
    const auto due = text_of(step, "due");
    auto who = event.executor;
    if (in != nullptr) {
      // Older journals do not say it: after a failure the pause before the next attempt, else the task begun last.
      const bool failed = !out.empty() && out.back().how == colour::red;
      who = failed || in->open.empty() ? in->waiting : in->open.rbegin()->second.name;
      const auto& args = value_of(step, "args");
      const auto task = args.is_object() && args.get_object().contains("task") ? number_of(args.get_object(), "task") : 0;
      if (const auto open = in->open.find(task); task != 0 && open != in->open.end()) who = open->second.name;
      if (const auto ended = in->ended.find(task); task != 0 && ended != in->ended.end()) who = ended->second;
    }
    const auto& given = value_of(step, "args");
    if (kind == "sleep" && given.is_object() && flag_of(given.get_object(), "limit")) {
      const bool whole = number_of(given.get_object(), "task") == 0;
      out.push_back({whole ? std::string{} : who, "may take", "until " + until(due, event.time), colour::dim});
    } else if (kind == "sleep") {
      out.push_back({who, "waits", "until " + until(due, event.time), colour::yellow});
    } else if (kind == "request") {
      const auto id = std::to_string(number_of(event.data, "activation")) + "." + std::to_string(number_of(step, "step"));
      out.push_back({who, "asks", "request " + id + " " + short_value(value_of(step, "args")), colour::yellow});
    } else if (kind == "signal") {
      out.push_back({who, "waits", "for signal " + text_of(step, "name"), colour::yellow});
    } else if (kind == "job") {
      const auto& args = value_of(step, "args");
      const auto asked = args.is_object() ? value_of(args.get_object(), "ask") : json::value(nullptr);
      if (asked.is_object()) {
        out.push_back(
            {who, "submits",
             "job " + std::to_string(number_of(args.get_object(), "number")) + " to " + text_of(asked.get_object(), "backend"),
             colour::cyan});
      } else if (text_of(step, "name") != "cancel") {
        out.push_back({who, "waits", "for job " + std::to_string(args.is_object() ? number_of(args.get_object(), "number") : 0),
                       colour::yellow});
      }
    } else if (kind == "child") {
      const auto& args = value_of(step, "args");
      if (!args.is_object()) continue;
      const auto& what = args.get_object();
      const auto start = text_of(what, "start");
      out.push_back({who, flag_of(what, "background") ? "sets to work" : "starts child",
                     (start.empty() ? text_of(what, "workflow") : start) + " " + text_of(what, "run"), colour::cyan});
    } else if (kind == "poll") {
      out.push_back({who, "polls", text_of(step, "name"), colour::yellow});
    }
  }
}

std::vector<std::string> narrator::lines(const run_event& event, std::size_t width) {
  std::vector<std::string> out;
  for (const auto& each : tell(event)) {
    const auto who = each.who.empty() ? std::string{"run"} : printable(each.who);
    const std::size_t who_columns = width < 60 ? (std::max<std::size_t>(width, 20) - 16) / 3 : 20;
    const auto shown = cut(who, who_columns);
    auto text =
        paint(colour::dim, clock_of(event.time)) + "  " + shown + std::string(who_columns - display_width(shown), ' ') + "  ";
    std::size_t used = 12 + 2 + who_columns + 2;
    const auto left = width > used ? width - used : 10;
    const auto what = cut(printable(each.what), left);
    text += paint(each.how, what);
    used += display_width(what);
    if (!each.detail.empty() && width > used + 4) text += "  " + cut(printable(each.detail), width - used - 2);
    out.push_back(std::move(text));
  }
  return out;
}

}  // namespace perdure::tools::cli
