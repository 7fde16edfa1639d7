// What each kind of task adds to what all tasks have.
#include <algorithm>
#include <array>

#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {

constexpr std::array<std::string_view, 12> kinds{"call",  "do",  "emit", "for",    "fork", "listen",
                                                 "raise", "run", "set",  "switch", "try",  "wait"};
constexpr std::array<std::string_view, 4> companions{"with", "while", "foreach", "catch"};

task_kind kind_of(std::string_view name) {
  constexpr std::array<task_kind, kinds.size()> as_extended{
      task_kind::call,  task_kind::composite, task_kind::emit, task_kind::loop,   task_kind::composite, task_kind::listen,
      task_kind::raise, task_kind::run,       task_kind::set,  task_kind::choice, task_kind::attempt,   task_kind::wait};
  return as_extended[static_cast<std::size_t>(std::find(kinds.begin(), kinds.end(), name) - kinds.begin())];
}

}  // namespace

void reader::read_body(properties& all, const cursor& at, task& out, const std::vector<std::string_view>& siblings) {
  std::vector<std::string_view> found;
  for (const auto each : kinds) {
    if (at.tree().find(each) != nullptr) found.push_back(each);
  }
  if (at.tree().find("for") != nullptr) std::erase(found, "do");  // a loop has both
  if (found.size() != 1) {
    for (const auto each : kinds) (void)all.optional(each);
    for (const auto each : companions) (void)all.optional(each);
    std::string list;
    for (const auto each : found.empty() ? std::vector<std::string_view>(kinds.begin(), kinds.end()) : found) {
      list += (list.empty() ? "\"" : ", \"") + std::string{each} + "\"";
    }
    to_.invalid(at, found.empty() ? "expected what the task does: one of " + list : "expected one kind of task, found " + list);
    return;
  }
  const auto kind = found[0];
  out.kind = kind_of(kind);
  const auto value = *all.optional(kind);
  if (kind == "do") {
    out.body = do_task{read_tasks(value)};
  } else if (kind == "set") {
    read_set(value, out);
  } else if (kind == "wait") {
    if (auto length = read_duration(value, expression_site::in_task)) out.body = wait_task{std::move(*length)};
  } else if (kind == "fork") {
    read_fork(value, out);
  } else if (kind == "for") {
    read_for(all, value, out);
  } else if (kind == "switch") {
    read_switch(value, out, siblings);
  } else if (kind == "raise") {
    read_raise(value, out);
  } else if (kind == "try") {
    read_try(all, value, out);
  } else if (kind == "run") {
    read_run(value, out);
  } else if (kind == "call") {
    read_call(all, value, out);
  } else if (kind == "emit") {
    emit_task body;
    read_emit(value, body);
    out.body = std::move(body);
  } else {
    listen_task body;
    read_listen(all, value, body);
    out.body = std::move(body);
  }
}

void reader::read_set(const cursor& at, task& out) {
  if (at.tree().is_string()) {
    const auto text = at.tree().text();
    if (mode_ == evaluate_mode::strict && !whole_expression(text)) {
      to_.unfit(at, "an object, or one expression in \"${ }\"");
      return;
    }
    out.body = set_task{read_text(at, expression_site::in_task)};
    return;
  }
  if (!at.tree().is_object()) {
    to_.unfit(at, "an object, or one expression in \"${ }\"");
    return;
  }
  if (at.tree().members.empty()) to_.invalid(at, "expected at least one property to set");
  out.body = set_task{read_dynamic(at, expression_site::in_task)};
}

void reader::read_fork(const cursor& at, task& out) {
  properties all{to_, at, "a fork"};
  fork_task body;
  const auto branches = all.required("branches");
  body.branches = read_tasks(branches, false);  // side by side, so none can follow another
  if (branches && branches->tree().is_array() && branches->tree().items.empty())
    to_.invalid(*branches, "expected at least one branch");
  const auto compete = all.optional("compete");
  if (check_boolean(to_, compete) && compete) body.compete = compete->tree().scalar.get_bool();
  all.done();
  out.body = std::move(body);
}

void reader::read_for(properties& task_properties, const cursor& at, task& out) {
  for_task body;
  properties all{to_, at, "a loop"};
  body.each = read_variable(all.optional("each"), "item");
  body.at = read_variable(all.optional("at"), "index");
  body.in = read_expression(all.required("in"), expression_site::in_task);
  if (body.each == body.at) to_.invalid(at, "\"each\" and \"at\" name the same variable \"" + body.each + "\"");
  all.done();
  variables_.push_back(body.each);
  variables_.push_back(body.at);
  body.condition = read_expression(task_properties.optional("while"), expression_site::in_task);
  body.tasks = read_tasks(task_properties.required("do"));
  variables_.resize(variables_.size() - 2);
  out.body = std::move(body);
}

void reader::read_switch(const cursor& at, task& out, const std::vector<std::string_view>& siblings) {
  if (!at.tree().is_array() || at.tree().items.empty()) {
    to_.unfit(at, "an array of at least one case, each \"- name: { when, then }\"");
    return;
  }
  switch_task body;
  std::vector<std::string_view> names;
  bool has_default = false;
  for (std::size_t i = 0; i < at.tree().items.size(); ++i) {
    const cursor item{at, i};
    if (!item.tree().is_object() || item.tree().members.size() != 1) {
      to_.unfit(item, "a case: an object with its name as the only property");
      continue;
    }
    const auto& member = item.tree().members[0];
    const cursor one{item, member};
    if (std::find(names.begin(), names.end(), member.key) != names.end())
      to_.invalid(one, "duplicate case name \"" + member.key + "\"");
    names.emplace_back(member.key);
    properties all{to_, one, "a case"};
    switch_task::branch branch;
    branch.name = member.key;
    const auto when = all.optional("when");
    branch.when = read_expression(when, expression_site::in_task);
    branch.then = read_flow(all.required("then"), siblings);
    all.done();
    if (!when && all.is_object()) {
      if (std::exchange(has_default, true)) to_.invalid(one, "a second case without \"when\"; only one can be the default");
    }
    body.branches.push_back(std::move(branch));
  }
  out.body = std::move(body);
}

void reader::read_raise(const cursor& at, task& out) {
  properties all{to_, at, "raise"};
  if (const auto error = all.required("error")) {
    if (error->tree().is_string()) {
      if (const auto* found = find_component(*error, errors_, "an error")) out.body = raise_task{read_error(*found)};
    } else {
      out.body = raise_task{read_error(*error)};
    }
  }
  all.done();
}

}  // namespace perdure::dsl
