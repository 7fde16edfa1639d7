// emit, listen and what they are made of: checked in full, not run by this version.
#include "dsl/reader.hpp"

namespace perdure::dsl {

void reader::check_emit(const cursor& at) {
  properties all{to_, at, "emit"};
  if (const auto event = all.required("event")) {
    properties one{to_, *event, "an event"};  // may have properties of its own
    check_event_properties(one.required("with"), true);
  }
  all.done();
  to_.unsupported(at, "emit");
}

void reader::check_listen(properties& task_properties, const cursor& at) {
  properties all{to_, at, "listen"};
  check_consumption(all.required("to"));
  check_enum(to_, all.optional("read"), {"data", "envelope", "raw"});
  all.done();
  check_iterator(task_properties.optional("foreach"));
  to_.unsupported(at, "listen");
}

void reader::check_consumption(const std::optional<cursor>& at, bool may_have_until) {
  if (!at) return;
  properties all{to_, *at, "what to listen to"};
  (void)all.one_of({"all", "any", "one"});
  for (const auto name : {"all", "any"}) {
    const auto filters = all.optional(name);
    if (!filters) continue;
    if (!filters->tree().is_array()) to_.unfit(*filters, "an array of event filters");
    for (std::size_t i = 0; i < filters->tree().items.size(); ++i) check_event_filter(cursor{*filters, i});
  }
  if (const auto one = all.optional("one")) check_event_filter(*one);
  if (may_have_until && at->tree().find("any") != nullptr) {
    if (const auto until = all.optional("until")) {
      if (until->tree().is_string()) {
        (void)read_expression(until, expression_site::in_task);
      } else {
        check_consumption(until, false);
      }
    }
  }
  all.done();
}

void reader::check_event_filter(const cursor& at) {
  properties all{to_, at, "an event filter"};
  const auto with = all.required("with");
  check_event_properties(with, false);
  if (with && with->tree().is_object() && with->tree().members.empty())
    to_.invalid(*with, "expected at least one property to filter events by");
  const auto correlate = all.optional("correlate");
  if (check_object(to_, correlate) && correlate) {
    for (const auto& member : correlate->tree().members) {
      const cursor one{*correlate, member};
      properties parts{to_, one, "a correlation"};
      (void)read_expression(parts.required("from"), expression_site::in_task);
      check_string(to_, parts.optional("expect"));
      parts.done();
    }
  }
  all.done();
}

/// Events may have extension attributes, so no property is unknown here.
void reader::check_event_properties(const std::optional<cursor>& at, bool emitted) {
  if (!at) return;
  properties all{to_, *at, "an event's properties"};
  const auto need = [&](std::string_view name) { return emitted ? all.required(name) : all.optional(name); };
  check_uri(need("source"), true);
  check_string(to_, need("type"), false);
  for (const auto name : {"id", "time", "subject", "datacontenttype"}) check_string(to_, all.optional(name));
  check_uri(all.optional("dataschema"), true);
}

void reader::check_iterator(const std::optional<cursor>& at) {
  if (!at) return;
  properties all{to_, *at, "an iterator"};
  variables_.push_back(read_variable(all.optional("item"), "item"));
  variables_.push_back(read_variable(all.optional("at"), "index"));
  (void)read_tasks(all.optional("do"));
  (void)read_transform(all.optional("output"), "an iterator's output", "as", expression_site::task_output);
  (void)read_transform(all.optional("export"), "an iterator's export", "as", expression_site::task_export);
  variables_.resize(variables_.size() - 2);
  all.done();
}

}  // namespace perdure::dsl
