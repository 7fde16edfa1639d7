// emit, listen and what they are made of.
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {
constexpr auto site = expression_site::in_task;
}

void reader::read_emit(const cursor& at, emit_task& out) {
  properties all{to_, at, "emit"};
  if (const auto event = all.required("event")) {
    properties one{to_, *event, "an event"};  // may have properties of its own
    const auto with = one.required("with");
    check_event_properties(with, true);
    if (with && with->tree().is_object()) out.event = read_dynamic(*with, site);
  }
  all.done();
}

void reader::read_listen(properties& task_properties, const cursor& at, listen_task& out) {
  properties all{to_, at, "listen"};
  out.to = read_strategy(all.required("to"));
  const auto read = all.optional("read");
  if (check_enum(to_, read, {"data", "envelope", "raw"}) && read) out.envelope = read->tree().text() == "envelope";
  all.done();
  out.each = read_iterator(task_properties.optional("foreach"));
}

event_strategy reader::read_strategy(const std::optional<cursor>& at, bool may_have_until) {
  event_strategy out;
  if (!at) return out;
  properties all{to_, *at, "what to listen to"};
  const auto which = all.one_of({"all", "any", "one"});
  out.what = which == "all" ? event_strategy::kind::all : which == "any" ? event_strategy::kind::any : event_strategy::kind::one;
  for (const auto* name : {"all", "any"}) {
    const auto filters = all.optional(name);
    if (!filters) continue;
    if (!filters->tree().is_array()) to_.unfit(*filters, "an array of event filters");
    for (std::size_t i = 0; i < filters->tree().items.size(); ++i) out.filters.push_back(read_event_filter(cursor{*filters, i}));
    if (std::string_view{name} == "all" && filters->tree().is_array() && filters->tree().items.empty())
      to_.invalid(*filters, "expected at least one event filter");
  }
  if (const auto one = all.optional("one")) out.filters.push_back(read_event_filter(*one));
  if (may_have_until && at->tree().find("any") != nullptr) {
    if (const auto until = all.optional("until")) {
      if (until->tree().is_string()) {
        out.until = read_expression(until, site);
      } else {
        out.until_events = std::make_shared<const event_strategy>(read_strategy(until, false));
      }
    }
  }
  all.done();
  return out;
}

event_filter reader::read_event_filter(const cursor& at) {
  event_filter out;
  properties all{to_, at, "an event filter"};
  const auto with = all.required("with");
  check_event_properties(with, false);
  if (with && with->tree().is_object()) {
    if (with->tree().members.empty()) to_.invalid(*with, "expected at least one property to filter events by");
    for (const auto& member : with->tree().members) out.with.emplace_back(member.key, read_dynamic(cursor{*with, member}, site));
  }
  const auto correlate = all.optional("correlate");
  if (check_object(to_, correlate) && correlate) {
    for (const auto& member : correlate->tree().members) {
      const cursor one{*correlate, member};
      properties parts{to_, one, "a correlation"};
      correlation made{.name = member.key};
      made.from = read_expression(parts.required("from"), site);
      const auto expect = parts.optional("expect");
      if (check_string(to_, expect) && expect) made.expect = read_text(*expect, site);
      parts.done();
      out.correlate.push_back(std::move(made));
    }
  }
  all.done();
  return out;
}

/// Events may have extension attributes, so no property is unknown here.
void reader::check_event_properties(const std::optional<cursor>& at, bool emitted) {
  if (!at) return;
  properties all{to_, *at, "an event's properties"};
  const auto need = [&](std::string_view name) { return emitted ? all.required(name) : all.optional(name); };
  const auto source = need("source");
  if (emitted) {
    check_uri(source, true);
  } else {
    check_string(to_, source, false);  // of filters it may be a pattern
  }
  check_string(to_, need("type"), false);
  for (const auto* name : {"id", "subject", "datacontenttype"}) check_string(to_, all.optional(name));
  const auto time = all.optional("time");
  if (check_string(to_, time) && time && emitted && time->tree().text().find("${") == std::string::npos &&
      !parse_timestamp(time->tree().text()))
    to_.unfit(*time, "a timestamp such as 2026-01-31T12:00:00Z, or an expression in \"${ }\"");
  check_uri(all.optional("dataschema"), true);
}

std::optional<iterator_rule> reader::read_iterator(const std::optional<cursor>& at) {
  if (!at) return std::nullopt;
  iterator_rule out;
  properties all{to_, *at, "an iterator"};
  out.item = read_variable(all.optional("item"), "item");
  out.at = read_variable(all.optional("at"), "index");
  variables_.push_back(out.item);
  variables_.push_back(out.at);
  out.tasks = read_tasks(all.optional("do"));
  auto output = read_transform(all.optional("output"), "an iterator's output", "as", expression_site::task_output);
  auto exported = read_transform(all.optional("export"), "an iterator's export", "as", expression_site::task_export);
  out.output_as = std::move(output.value);
  out.output_schema = std::move(output.schema);
  out.export_as = std::move(exported.value);
  out.export_schema = std::move(exported.schema);
  variables_.resize(variables_.size() - 2);
  all.done();
  return out;
}

}  // namespace perdure::dsl
