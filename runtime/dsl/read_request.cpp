// call: request, a function of this runtime: what is asked, the fields of the answer, and what may be chosen.
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {

/// Whether the items of a literal list can be looked at now; one that an expression gives is looked at when it is answered.
bool is_list(checker& to, const std::optional<cursor>& at) {
  if (!at || at->tree().is_array()) return at.has_value();
  if (!at->tree().is_string() || !is_expression(at->tree().text())) to.unfit(*at, "an array, or an expression that gives one");
  return false;
}

void check_input(checker& to, const cursor& at) {
  properties all{to, at, "an input of a request"};
  check_string(to, all.required("name"), false);
  check_enum(to, all.optional("type"), {"text-input", "paragraph", "number", "checkbox", "select"});
  check_string(to, all.optional("label"));
  check_boolean(to, all.optional("required"));
  check_strings(to, all.optional("options"));
  (void)all.optional("default");
  all.done();
}

void check_action(checker& to, const cursor& at) {
  properties all{to, at, "an action of a request"};
  check_string(to, all.required("id"), false);
  check_string(to, all.optional("title"));
  check_enum(to, all.optional("style"), {"default", "primary", "accent", "ghost"});
  all.done();
}

}  // namespace

void reader::read_request(const cursor& with, request_task& out) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, with, "the arguments of call: request"};
  dynamic_value::map question;
  read_member(all.required("content"), "content", question, false);
  const auto inputs = all.optional("inputs"), actions = all.optional("actions");
  if (is_list(to_, inputs)) {
    for (std::size_t i = 0; i < inputs->tree().items.size(); ++i) check_input(to_, cursor{*inputs, i});
  }
  if (is_list(to_, actions)) {
    for (std::size_t i = 0; i < actions->tree().items.size(); ++i) check_action(to_, cursor{*actions, i});
  }
  if (inputs) question.emplace_back("inputs", read_dynamic(*inputs, site));
  if (actions) question.emplace_back("actions", read_dynamic(*actions, site));
  out.timeout = read_duration(all.optional("timeout"), site);
  all.done();
  out.question = dynamic_value{std::move(question)};
}

}  // namespace perdure::dsl
