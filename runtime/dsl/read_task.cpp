// Lists of tasks and what all tasks have in common.
#include <algorithm>

#include "dsl/reader.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

namespace {

/// Every property that some task has.
constexpr std::array<std::string_view, 23> task_properties{
    "call",   "catch", "do",  "emit", "export", "for",  "foreach", "fork", "if",   "input", "listen", "metadata",
    "output", "raise", "run", "set",  "switch", "then", "timeout", "try",  "wait", "while", "with"};

bool is_task_property(std::string_view name) {
  return std::find(task_properties.begin(), task_properties.end(), name) != task_properties.end();
}

/// "- name:" with what the task does as far to the left as the name.
bool is_dedented(const std::vector<node::member>& members) {
  return members[0].value->kind == node_kind::null && !is_task_property(members[0].key) &&
         std::all_of(members.begin() + 1, members.end(), [](const auto& each) { return is_task_property(each.key); });
}

}  // namespace

task_list reader::read_tasks(const std::optional<cursor>& at, bool in_order) {
  task_list out;
  if (!at) return out;
  const auto& tree = at->tree();
  if (!tree.is_array()) {
    to_.unfit(*at, "an array of tasks, each \"- name: …\"");
    return out;
  }
  std::vector<std::string_view> names;
  for (const auto& item : tree.items) {
    if (in_order && item->is_object() && item->members.size() == 1) names.emplace_back(item->members[0].key);
  }
  std::map<std::string_view, mark> first;
  for (std::size_t i = 0; i < tree.items.size(); ++i) {
    const cursor item{*at, i};
    const auto& members = item.tree().members;
    if (!item.tree().is_object() || members.empty()) {
      to_.unfit(item, "a task: an object with its name as the only property");
      continue;
    }
    if (members.size() > 1 && is_dedented(members)) {
      to_.add(problem_kind::invalid, members[1].at, item.pointer(),
              "\"" + members[1].key + "\" stands beside the task \"" + members[0].key +
                  "\", which is empty; indent it further than \"" + members[0].key + "\", as a part of the task");
      continue;
    }
    if (members.size() > 1) {
      // A task written one level too high looks like an item with many names.
      const bool flat =
          std::all_of(members.begin(), members.end(), [](const auto& member) { return is_task_property(member.key); });
      to_.invalid(
          item, "expected one task in this item, found " + std::to_string(members.size()) +
                    (flat ? " properties; write the task under its name: \"- name: { … }\"" : ": begin each with its own \"-\""));
      for (const auto& member : members) {
        if (!flat && member.value->is_object()) (void)read_task(cursor{item, member}, member.key, names);
      }
      continue;
    }
    const auto& member = members[0];
    if (const auto [twice, fresh] = first.emplace(member.key, member.at); !fresh) {
      to_.add(problem_kind::invalid, member.at, item.pointer(),
              "duplicate task name \"" + member.key + "\"; the first is in line " + std::to_string(twice->second.line));
    }
    if (member.key.empty() || member.key.size() > limits::name_bytes) {
      to_.add(problem_kind::invalid, member.at, item.pointer(),
              "expected a task's name of 1 to " + std::to_string(limits::name_bytes) + " bytes");
    }
    auto made = read_task(cursor{item, member}, member.key, names);
    if (made) out.push_back(std::move(made));
  }
  return out;
}

std::shared_ptr<const task> reader::read_task(const cursor& at, const std::string& name,
                                              const std::vector<std::string_view>& siblings) {
  ++task_count_;
  auto out = std::make_shared<task>();
  out->name = name;
  out->reference = caller_.value_or(std::string{}) + at.pointer();
  out->source = at.shared();
  properties all{to_, at, "a task"};
  if (!all.is_object()) return nullptr;
  out->condition = read_expression(all.optional("if"), expression_site::before_task);
  auto input = read_transform(all.optional("input"), "a task's input", "from", expression_site::before_task);
  auto output = read_transform(all.optional("output"), "a task's output", "as", expression_site::task_output);
  auto exported = read_transform(all.optional("export"), "a task's export", "as", expression_site::task_export);
  out->input_from = std::move(input.value);
  out->input_schema = std::move(input.schema);
  out->output_as = std::move(output.value);
  out->output_schema = std::move(output.schema);
  out->export_as = std::move(exported.value);
  out->export_schema = std::move(exported.schema);
  out->timeout = read_timeout(all.optional("timeout"), expression_site::in_task);
  out->then = read_flow(all.optional("then"), siblings);
  check_object(to_, all.optional("metadata"));
  read_body(all, at, *out, siblings);
  all.done();
  return out;
}

flow reader::read_flow(const std::optional<cursor>& at, const std::vector<std::string_view>& siblings) {
  if (!at || !check_string(to_, at)) return {};
  const auto text = at->tree().text();
  if (text == "continue") return {};
  if (text == "exit") return {flow::kind::exit, 0, {}};
  if (text == "end") return {flow::kind::end, 0, {}};
  const auto found = std::find(siblings.begin(), siblings.end(), text);
  if (found == siblings.end()) {
    auto message =
        "expected \"continue\", \"exit\", \"end\" or the name of a task of the same list, found \"" + std::string{text} + "\"";
    auto names = siblings;
    names.insert(names.end(), {"continue", "exit", "end"});
    if (const auto meant = nearest(text, names)) message += "; did you mean \"" + std::string{*meant} + "\"?";
    to_.invalid(*at, std::move(message));
    return {};
  }
  return {flow::kind::jump, static_cast<std::size_t>(found - siblings.begin()), std::string{text}};
}

reader::transform reader::read_transform(const std::optional<cursor>& at, std::string_view what, std::string_view property,
                                         expression_site site) {
  transform out;
  if (!at) return out;
  properties all{to_, *at, std::string{what}};
  out.schema = read_schema(all.optional("schema"), site);
  if (const auto value = all.optional(property)) {
    if (value->tree().is_object()) {
      out.value = read_dynamic(*value, site);
    } else if (value->tree().is_string()) {
      if (auto compiled = read_expression(value, site)) out.value = dynamic_value{std::move(compiled)};
    } else {
      to_.unfit(*value, "an expression or an object");
    }
  }
  all.done();
  return out;
}

std::optional<duration_value> reader::read_timeout(const std::optional<cursor>& at, expression_site site) {
  if (!at) return std::nullopt;
  if (at->tree().is_string()) {
    const auto* found = find_component(*at, timeouts_, "a timeout");
    return found != nullptr ? read_timeout(*found, site) : std::nullopt;
  }
  properties all{to_, *at, "a timeout"};
  auto out = read_duration(all.required("after"), site);
  all.done();
  return out;
}

std::optional<schema_rule> reader::read_schema(const std::optional<cursor>& at, expression_site site) {
  if (!at) return std::nullopt;
  properties all{to_, *at, "a schema"};
  const auto format = all.optional("format");
  if (check_string(to_, format, false) && format) {
    const auto kind = format->tree().text().substr(0, format->tree().text().find(':'));
    if (kind != "json")
      to_.unsupported(*format, "the schema format \"" + std::string{format->tree().text()} + "\" (only \"json\" is)");
  }
  const auto which = all.one_of({"document", "resource"});
  all.done();
  if (which.empty()) return std::nullopt;
  schema_rule out;
  const auto value = *all.optional(which);
  if (which == "document") {
    read_inline_schema(value, out);
  } else {
    out.resource = read_resource(value, "a schema", site);
  }
  return out;
}

void reader::read_inline_schema(const cursor& at, schema_rule& out) {
  auto document = to_json(at.tree());
  const bool simple = schema::is_simple(document);
  // What is not simple is not looked at in this process, not even to see whether it is a schema.
  if (!simple) schemas_.push_back({at.at(), at.pointer(), document});
  auto made = simple ? schema::compile(std::move(document)) : schema::keep(std::move(document));
  if (made) {
    out.fixed = std::move(*made);
  } else if (made.error().code == errc::unsupported) {
    to_.unsupported(at, made.error().message);
  } else {
    to_.invalid(at, made.error().message);
  }
}

}  // namespace perdure::dsl
