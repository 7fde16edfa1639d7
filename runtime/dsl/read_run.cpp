// run in all its forms: processes of the machine and other workflows.
#include "dsl/document.hpp"
#include "dsl/reader.hpp"

namespace perdure::dsl {

namespace {

constexpr auto site = expression_site::in_task;

process_task::result result_named(std::string_view name) {
  using result = process_task::result;
  if (name == "stderr") return result::standard_error;
  if (name == "code") return result::code;
  if (name == "all") return result::all;
  return name == "none" ? result::none : result::standard_output;
}

}  // namespace

void reader::read_run(const cursor& at, task& out) {
  properties all{to_, at, "run"};
  const auto which = all.one_of({"shell", "script", "container", "workflow"});
  const auto awaits = all.optional("await");
  const auto gives = all.optional("return");
  const bool waits = !(check_boolean(to_, awaits) && awaits) || awaits->tree().scalar.get_bool();
  const bool known = check_enum(to_, gives, {"stdout", "stderr", "code", "all", "none"});
  all.done();
  if (which.empty()) return;
  const auto process = *all.optional(which);
  const auto result = known && gives ? result_named(gives->tree().text()) : process_task::result::standard_output;
  if (which == "workflow") {
    subflow_task body;
    body.awaits = waits;
    body.gives_output = result != process_task::result::none;
    read_subflow(process, body);
    out.body = std::move(body);
    return;
  }
  if (!options_.policy.may_run) to_.forbidden(process, "run: " + std::string{which});
  process_task body;
  body.gives = result;
  body.awaits = waits;
  if (which == "shell") read_shell(process, body);
  if (which == "script") read_script(process, body);
  if (which == "container") read_container(process, body);
  out.body = std::move(body);
}

void reader::read_member(const std::optional<cursor>& at, std::string_view name, dynamic_value::map& out, bool may_be_empty) {
  if (check_string(to_, at, may_be_empty) && at) out.emplace_back(std::string{name}, read_text(*at, site));
}

void reader::read_arguments(const std::optional<cursor>& at, dynamic_value::map& out) {
  if (check_strings(to_, at) && at) out.emplace_back("arguments", read_dynamic(*at, site));
}

void reader::read_environment(const std::optional<cursor>& at, dynamic_value::map& out) {
  if (!check_object(to_, at) || !at) return;
  for (const auto& member : at->tree().members) {
    if (!member.key.empty() && member.key.find('=') == std::string::npos && member.key.find('\0') == std::string::npos) continue;
    to_.invalid(cursor{*at, member}, "\"" + member.key + "\" cannot be the name of an environment variable");
  }
  out.emplace_back("environment", read_dynamic(*at, site));
}

void reader::read_shell(const cursor& at, process_task& out) {
  properties all{to_, at, "a shell process"};
  dynamic_value::map process;
  read_member(all.required("command"), "command", process, false);
  read_member(all.optional("stdin"), "stdin", process);
  read_arguments(all.optional("arguments"), process);
  read_environment(all.optional("environment"), process);
  all.done();
  out.what = process_task::kind::shell;
  out.process = dynamic_value{std::move(process)};
}

void reader::read_script(const cursor& at, process_task& out) {
  properties all{to_, at, "a script"};
  dynamic_value::map process;
  const auto language = all.required("language");
  if (check_string(to_, language, false) && language) {
    const auto name = language->tree().text();
    out.language = name == "js" || name == "javascript" ? "javascript" : name == "python" ? "python" : "";
    if (out.language.empty())
      to_.unfit(*language, "a language of scripts: \"javascript\" (\"js\") or \"python\"; others run in a container");
  }
  const auto which = all.one_of({"code", "source"});
  const auto code = all.optional("code");
  if (check_string(to_, code, false) && code && which == "code") {
    // Scripts have "${…}" of their own, so only the whole of it can be an expression.
    const bool given = is_expression(code->tree().text());
    process.emplace_back("code", given ? read_text(*code, site) : dynamic_value{code->tree().scalar});
  }
  if (const auto source = all.optional("source"); source && which == "source")
    out.source = read_resource(source, "a script", site);
  read_member(all.optional("stdin"), "stdin", process);
  const auto arguments = all.optional("arguments");
  if (arguments && arguments->tree().is_object()) {
    // Older documents name them.
    to_.unsupported(*arguments, "a script with named arguments");
  } else {
    read_arguments(arguments, process);
  }
  read_environment(all.optional("environment"), process);
  all.done();
  out.what = process_task::kind::script;
  out.process = dynamic_value{std::move(process)};
}

void reader::read_container(const cursor& at, process_task& out) {
  properties all{to_, at, "a container"};
  dynamic_value::map process;
  read_member(all.required("image"), "image", process, false);
  for (const auto* name : {"name", "command", "stdin"}) read_member(all.optional(name), name, process);
  for (const auto* name : {"ports", "volumes"}) {
    const auto value = all.optional(name);
    if (check_object(to_, value) && value) process.emplace_back(name, read_dynamic(*value, site));
  }
  read_arguments(all.optional("arguments"), process);
  read_environment(all.optional("environment"), process);
  const auto pull = all.optional("pullPolicy");
  const bool known = check_enum(to_, pull, {"ifNotPresent", "always", "never"});
  out.pull = known && pull && pull->tree().text() != "ifNotPresent" ? std::string{pull->tree().text()} : "missing";
  if (const auto lifetime = all.optional("lifetime")) read_lifetime(*lifetime, out);
  all.done();
  out.what = process_task::kind::container;
  out.process = dynamic_value{std::move(process)};
}

void reader::read_lifetime(const cursor& at, process_task& out) {
  properties parts{to_, at, "a container's lifetime"};
  const auto cleanup = parts.required("cleanup");
  const auto after = parts.optional("after");
  auto length = read_duration(after, site);
  if (check_enum(to_, cleanup, {"always", "never", "eventually"}) && cleanup) {
    const bool later = cleanup->tree().text() == "eventually";
    if (later && !after) to_.invalid(at, "expected the property \"after\", since \"cleanup\" is \"eventually\"");
    if (!later && after) to_.invalid(*after, "\"after\" is only for \"cleanup: eventually\"");
    out.removed = cleanup->tree().text() == "always";
    if (later) out.removed_after = std::move(length);
  }
  parts.done();
}

void reader::read_subflow(const cursor& at, subflow_task& out) {
  properties all{to_, at, "a sub-workflow"};
  std::string texts[3];
  std::size_t i = 0;
  for (const auto* name : {"namespace", "name", "version"}) {
    const auto value = all.required(name);
    if (check_string(to_, value, false) && value) texts[i] = value->tree().text();
    ++i;
  }
  out.workflow = workflow_name(texts[0], texts[1]);
  if (texts[2] != "latest") out.version = texts[2];
  const auto input = all.optional("input");
  if (input && !input->tree().is_object() && !(input->tree().is_string() && is_expression(input->tree().text()))) {
    to_.unfit(*input, "an object, or an expression in \"${ }\"");
  } else if (input) {
    out.input = read_dynamic(*input, site);
  }
  all.done();
}

}  // namespace perdure::dsl
