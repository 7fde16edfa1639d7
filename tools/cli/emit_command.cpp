// emit: gives the documents of a directory an event from outside.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "cluster/event_broker.hpp"
#include "tools/cli/client.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/terminal.hpp"

namespace perdure::tools::cli {

namespace {

struct emit_command {
  common_options common;
  std::string type, source, subject, id, event, data = "null";
};

/// The run that knows who listens; empty when no document has ever listened or emitted here.
result<std::optional<run_id>> broker(client& from) {
  list_options which;
  which.workflow = std::string{cluster::event_workflow};
  which.limit = 1'000;
  do {
    auto page = from.list(which);
    if (!page) return page.error();
    for (const auto& each : page->runs) {
      if (!is_terminal(each.status) && cluster::is_own_broker(each.key)) return std::optional{each.id};
    }
    which.cursor = page->next_cursor;
  } while (!which.cursor.empty());
  return std::optional<run_id>{};
}

result<json::object> event_of(const emit_command& how) {
  json::object out;
  if (!how.event.empty()) {
    auto whole = read_json_argument(how.event, "--event");
    if (!whole) return whole.error();
    if (!whole->is_object()) return error{errc::invalid_argument, "--event: expected an object, a CloudEvent"};
    out = std::move(whole->get_object());
  } else {
    const auto data = read_json_argument(how.data, "--value");
    if (!data) return data.error();
    if (!data->is_null()) out.emplace("data", *data);
  }
  const auto put = [&out](std::string_view name, const std::string& value) {
    if (!value.empty()) out[name] = json::value(value);
  };
  put("type", how.type);
  put("source", how.source);
  put("subject", how.subject);
  put("id", how.id);
  if (!out.contains("source")) out.emplace("source", "perdure://command-line");
  if (!out.contains("id")) out.emplace("id", run_id::make().str());
  if (!out.contains("specversion")) out.emplace("specversion", "1.0");
  for (const auto* name : {"type", "source", "id"}) {
    const auto* value = out.if_contains(name);
    if (value == nullptr || !value->is_string() || value->get_string().empty())
      return error{errc::invalid_argument, std::string{"the event's "} + name + " must be text; give --" + name + " or --event"};
  }
  return out;
}

int emit(const emit_command& how) {
  auto event = event_of(how);
  if (!event) return fail(how.common, event.error(), exit_usage);
  auto runs = reach(how.common.data);
  if (!runs) return fail(how.common, runs.error());
  const auto to = broker(**runs);
  if (!to) return fail(how.common, to.error());
  const auto source = std::string{event->at("source").as_string()}, id = std::string{event->at("id").as_string()};
  bool pending = false;
  if (*to) {
    // The source and id of an event say what it is: said again, it is taken once.
    const auto done = (*runs)->command({.what = "signal",
                                        .run = **to,
                                        .name = std::string{cluster::event_signal},
                                        .value = json::object{{"event", std::move(*event)}},
                                        .command_id = source + " " + id});
    if (!done) return fail(how.common, done.error());
    pending = done->pending;
  }
  if (how.common.json) {
    put_json(json::object{{"id", id}, {"source", source}, {"heard", to->has_value()}, {"pending", pending}});
  } else if (!*to) {
    put_line("event " + id + ": no document here has listened yet, so nobody gets it");
  } else {
    put_line("event " + id + (pending ? ": no node runs; taken in at the next open" : ": done"));
  }
  return exit_fine;
}

}  // namespace

void add_emit_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<emit_command>();
  auto* command = app.add_subcommand("emit", "Gives an event (CloudEvents 1.0) to the documents that listen for it");
  add_common_options(*command, how->common);
  command->add_option("TYPE", how->type, "The event's type, for example com.example.order.placed");
  command->add_option("--source", how->source, "Where it comes from, a URI (default: perdure://command-line)");
  command->add_option("--value", how->data, "Its data: JSON text, @FILE, or - for standard input")->type_name("JSON");
  command->add_option("--subject", how->subject, "What it is about");
  command->add_option("--id", how->id, "Its id; the same id of the same source is taken once (default: a new one)");
  command->add_option("--event", how->event, "The whole event instead: JSON text, @FILE, or -")->type_name("JSON");
  command->callback([&chosen, how] { chosen = [how] { return emit(*how); }; });
}

}  // namespace perdure::tools::cli
