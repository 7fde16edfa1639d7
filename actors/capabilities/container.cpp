#include "actors/capabilities/container.hpp"

#include <algorithm>
#include <array>

#include "core/json_text.hpp"
#include "perdure/json.hpp"

namespace perdure::actors {

namespace {

/// What docker and podman answer when they, and not the container, have failed.
constexpr std::int32_t engine_failed = 125;

constexpr std::string_view drop_old = R"(
old=$("$0" ps -aq --filter "label=perdure.key=$PERDURE_IDEMPOTENCY_KEY" 2>/dev/null </dev/null)
[ -z "$old" ] || "$0" rm -f $old >/dev/null 2>&1 </dev/null
)";

failure container_failure(std::string message) { return {.code = "container", .message = std::move(message)}; }

std::string text_of(const json::value& value) {
  if (const auto* text = value.if_string()) return {text->data(), text->size()};
  std::string out;
  if (!value.is_null()) core::write_json_text(out, value);
  return out;
}

std::string member(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found == nullptr ? std::string{} : text_of(*found);
}

bool flag(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_bool() && found->get_bool();
}

/// Handed on by name so that no list of processes shows them, but for those that the engine's program itself looks at.
bool is_engines_own(std::string_view name) {
  constexpr std::array<std::string_view, 5> own{"PATH", "HOME", "LANG", "PERDURE_IDEMPOTENCY_KEY", "TRACEPARENT"};
  return name.starts_with("DOCKER_") || name.starts_with("CONTAINER") || name.starts_with("XDG_") ||
         std::find(own.begin(), own.end(), name) != own.end();
}

process_spec spec_of(const std::string& engine, const json::object& from) {
  process_spec out{"/bin/sh"};
  out.check = false;
  if (const auto name = member(from, "drop"); !name.empty()) {
    out.arguments = {"-c", "\"$0\" rm -f \"$1\"", engine, name};
    return out;
  }
  auto& words = out.arguments;
  words = {"-c", std::string{drop_old} + "exec \"$0\" run --label \"perdure.key=$PERDURE_IDEMPOTENCY_KEY\" \"$@\"", engine,
           "--pull=" + member(from, "pull")};
  if (flag(from, "remove")) words.emplace_back("--rm");
  if (const auto name = member(from, "name"); !name.empty()) words.insert(words.end(), {"--name", name});
  if (const auto* input = from.if_contains("stdin")) {
    out.input = text_of(*input);
    words.emplace_back("-i");
  }
  const auto each = [&](std::string_view name, auto&& take) {
    const auto* members = from.if_contains(name);
    if (members == nullptr || !members->is_object()) return;
    for (const auto& [key, value] : members->get_object()) take(std::string{key}, text_of(value));
  };
  each("environment", [&](const std::string& name, std::string value) {
    words.emplace_back("-e");
    if (is_engines_own(name)) {
      words.push_back(name + "=" + value);
    } else {
      words.push_back(name);
      out.environment.emplace(name, std::move(value));
    }
  });
  each("ports", [&](const std::string& outside, const std::string& inside) {
    words.insert(words.end(), {"-p", outside + ":" + inside});
  });
  each("volumes", [&](const std::string& outside, const std::string& inside) {
    words.insert(words.end(), {"-v", outside + ":" + inside});
  });
  words.insert(words.end(), {"--", member(from, "image")});
  if (const auto command = member(from, "command"); !command.empty()) words.insert(words.end(), {"sh", "-c", command, "sh"});
  if (const auto* arguments = from.if_contains("arguments"); arguments != nullptr && arguments->is_array()) {
    for (const auto& word : arguments->get_array()) words.push_back(text_of(word));
  }
  return out;
}

}  // namespace

void container_capability::start(capability_request request) {
  auto engine = processes_->find("docker");
  if (engine.empty()) engine = processes_->find("podman");
  if (engine.empty()) {
    return request.done({.error = container_failure(
                             "a container needs docker or podman, and neither is in a directory of PATH; install one of them")});
  }
  const auto spec = request.spec.value();
  if (!spec.is_object()) return request.done({.error = container_failure("bad container spec: expected an object")});
  request.done = [done = std::move(request.done), processes = processes_, engine, key = request.key](core::outcome end) {
    if (end.error && end.error->code == failure_code::cancelled) {
      // The engine's program has ended; the container may go on without it.
      process_spec drop{"/bin/sh"};
      drop.check = false;
      drop.arguments = {"-c", std::string{drop_old}, engine};
      processes->run({.key = key, .done = [](const core::outcome&) {}}, std::move(drop));
    }
    if (!end.error) {
      const auto result = end.value.value();
      if (result.at("code").to_number<std::int32_t>() == engine_failed)
        end = {.error = container_failure(engine + " could not run the container: " + text_of(result.at("error")))};
    }
    done(std::move(end));
  };
  processes_->run(std::move(request), spec_of(engine, spec.get_object()));
}

}  // namespace perdure::actors
