// Containers, scripts, sub-workflows and extensions: checked in full, not run by this version.
#include "dsl/reader.hpp"

namespace perdure::dsl {

void reader::check_container(const cursor& at) {
  properties all{to_, at, "a container"};
  check_string(to_, all.required("image"), false);
  for (const auto name : {"name", "command", "stdin"}) check_string(to_, all.optional(name));
  for (const auto name : {"ports", "volumes", "environment"}) check_object(to_, all.optional(name));
  check_strings(to_, all.optional("arguments"));
  check_enum(to_, all.optional("pullPolicy"), {"ifNotPresent", "always", "never"});
  if (const auto lifetime = all.optional("lifetime")) {
    properties parts{to_, *lifetime, "a container's lifetime"};
    const auto cleanup = parts.required("cleanup");
    const auto after = parts.optional("after");
    (void)read_duration(after, expression_site::in_task);
    if (check_enum(to_, cleanup, {"always", "never", "eventually"}) && cleanup) {
      const bool later = cleanup->tree().text() == "eventually";
      if (later && !after) to_.invalid(*lifetime, "expected the property \"after\", since \"cleanup\" is \"eventually\"");
      if (!later && after) to_.invalid(*after, "\"after\" is only for \"cleanup: eventually\"");
    }
    parts.done();
  }
  all.done();
}

void reader::check_script(const cursor& at) {
  properties all{to_, at, "a script"};
  check_string(to_, all.required("language"), false);
  (void)all.one_of({"code", "source"});
  check_string(to_, all.optional("code"));
  check_resource(all.optional("source"));
  check_string(to_, all.optional("stdin"));
  const auto arguments = all.optional("arguments");
  // The reference has a list here; older documents name them.
  if (arguments && !arguments->tree().is_object()) check_strings(to_, arguments);
  check_object(to_, all.optional("environment"));
  all.done();
}

void reader::check_subflow(const cursor& at) {
  properties all{to_, at, "a sub-workflow"};
  for (const auto name : {"namespace", "name", "version"}) check_string(to_, all.required(name), false);
  const auto input = all.optional("input");
  if (input && !input->tree().is_object() && !(input->tree().is_string() && is_expression(input->tree().text())))
    to_.unfit(*input, "an object, or an expression in \"${ }\"");
  all.done();
}

void reader::check_extension(const cursor& at) {
  if (!at.tree().is_object() || at.tree().members.size() != 1) {
    to_.unfit(at, "an extension: an object with its name as the only property");
    return;
  }
  const cursor one{at, at.tree().members[0]};
  properties all{to_, one, "an extension"};
  check_enum(to_, all.required("extend"),
             {"call", "composite", "emit", "extension", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"});
  (void)read_expression(all.optional("when"), expression_site::in_task);
  (void)read_tasks(all.optional("before"));
  (void)read_tasks(all.optional("after"));
  all.done();
}

}  // namespace perdure::dsl
