#include "actors/capabilities/process.hpp"

#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

namespace perdure::actors {

namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";

// What stands at the front of the text: a character of so many bytes, or so many bytes that are none.
struct character {
  std::size_t size = 1;
  bool valid = false;
  bool unfinished = false;  // the bytes end inside of it
};

character front_of(std::string_view text) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = at(0);
  if (first < 0x80) return {1, true};
  if (first < 0xC2 || first > 0xF4) return {1, false};
  const std::size_t size = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  // The second byte's range keeps out overlong forms, surrogates, and what is past U+10FFFF.
  const unsigned low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const unsigned high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  for (std::size_t i = 1; i < size; ++i) {
    if (i == text.size()) return {i, false, true};
    const bool fits = i == 1 ? at(i) >= low && at(i) <= high : (at(i) & 0xC0) == 0x80;
    if (!fits) return {i, false};
  }
  return {size, true};
}

std::size_t json_size(std::string_view one) {
  const auto byte = static_cast<unsigned char>(one[0]);
  if (one.size() > 1 || (byte >= 0x20 && byte != '"' && byte != '\\')) return one.size();
  return std::string_view{"\"\\\b\f\n\r\t"}.find(one[0]) != std::string_view::npos ? 2 : 6;
}

std::string in_quotes(std::string_view program) { return "\"" + std::string{program} + "\""; }

failure process_failure(std::string message) {
  return {.code = std::string{failure_code::process}, .message = std::move(message)};
}

failure why_not_started(const launch_failure& why, const process_spec& spec) {
  const auto reason = std::generic_category().message(why.error);
  if (why.at == launch_failure::stage::directory) {
    return process_failure("cannot start " + in_quotes(spec.program) + " in directory " + in_quotes(spec.directory.value_or("")) +
                           ": " + reason + "; create it, or name another one");
  }
  std::string hint = "try again later";
  switch (why.error) {
    case ENOENT:
      hint = spec.program.find('/') == std::string::npos
                 ? "is it installed, and in a directory of PATH?"
                 : "check the path (a relative one starts at the process's directory), and in a script the program after #!";
      break;
    case EACCES: hint = "is it a program file that this user may execute (chmod +x)?"; break;
    case ENOEXEC: hint = "a script needs a first line like #!/bin/sh"; break;
    case E2BIG: hint = "arguments and environment are too long; pass the data as input"; break;
    case EMFILE:
    case ENFILE: hint = "raise the limit of open files (ulimit -n), or run less at once"; break;
    case EAGAIN:
    case ENOMEM: hint = "raise the limit of processes or memory, or run less at once"; break;
    default: break;
  }
  return process_failure("cannot start " + in_quotes(spec.program) + ": " + reason + "; " + hint);
}

// The last part of what it wrote to standard error, from the start of a line where there is one.
std::string tail_of(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  if (text.size() > limits::process_error_tail_bytes) {
    text.remove_prefix(text.size() - limits::process_error_tail_bytes);
    const auto line = text.find('\n');
    if (line != std::string_view::npos) text.remove_prefix(line + 1);
    while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xC0) == 0x80) text.remove_prefix(1);
  }
  return std::string{text};
}

std::string how_it_ended(const child_exit& end) {
  if (!end.by_signal) return "ended with exit code " + std::to_string(end.code);
  const char* name = sigdescr_np(end.code);
  return "was ended by signal " + std::to_string(end.code) + (name != nullptr ? " (" + std::string{name} + ")" : "");
}

core::outcome outcome_of_exit(const process_spec& spec, const child_exit& end) {
  if (end.stopped) {
    return {.error = failure{.code = std::string{failure_code::cancelled},
                             .message = in_quotes(spec.program) + " was stopped: it " + how_it_ended(end)}};
  }
  auto output = to_text(end.output, end.cut_output > 0, limits::process_output_bytes, limits::process_output_json_bytes);
  auto error = to_text(end.error, end.cut_error > 0, limits::process_output_bytes, limits::process_output_json_bytes);
  if (spec.check && (end.by_signal || end.code != 0)) {
    const auto tail = tail_of(error.text);
    return {.error = process_failure(in_quotes(spec.program) + " " + how_it_ended(end) + (tail.empty() ? "" : ": " + tail))};
  }
  process_result result;
  result.code = end.by_signal ? 128 + end.code : end.code;
  result.output = std::move(output.text);
  result.error = std::move(error.text);
  const auto cut = end.cut_output + end.cut_error + output.cut_bytes + error.cut_bytes;
  if (cut > 0) result.cut_bytes = cut;
  return {.value = payload{to_json(result)}};
}

std::optional<std::string> problem_of(const process_spec& spec) {
  const auto has_nul = [](const std::string& text) { return text.find('\0') != std::string::npos; };
  if (spec.program.empty()) return "it names no program";
  if (has_nul(spec.program) || std::any_of(spec.arguments.begin(), spec.arguments.end(), has_nul)) {
    return "program and arguments must not contain NUL characters; pass binary data as input";
  }
  if (spec.directory && (spec.directory->empty() || has_nul(*spec.directory)))
    return "its directory is empty or contains a NUL character";
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value)) {
      return "the environment variable " + in_quotes(name.substr(0, name.find('\0'))) +
             " has a bad name, or a NUL character in its value";
    }
  }
  return std::nullopt;
}

}  // namespace

core::outcome outcome_of(const process_spec& spec, const child_end& end) {
  if (const auto* exit = std::get_if<child_exit>(&end)) return outcome_of_exit(spec, *exit);
  if (const auto* why = std::get_if<launch_failure>(&end)) return {.error = why_not_started(*why, spec)};
  if (const auto* refused = std::get_if<child_refused>(&end)) {
    if (refused->why == child_refused::reason::too_many) {
      return {.error =
                  failure{.code = std::string{failure_code::limit},
                          .message = in_quotes(spec.program) + " was not started: " + std::to_string(limits::waiting_processes) +
                                     " programs wait already (waiting_processes)"}};
    }
    const bool own = refused->why == child_refused::reason::stopped;
    return {.error = failure{.code = std::string{failure_code::cancelled},
                             .message = in_quotes(spec.program) +
                                        " was not started: " + (own ? "it was stopped before" : "the node is closing")}};
  }
  return {.error = process_failure("how " + in_quotes(spec.program) +
                                   " ended is unknown: something else in this process waits for any child, or ignores SIGCHLD")};
}

captured_text to_text(std::string_view bytes, bool goes_on, std::size_t limit_bytes, std::size_t limit_json_bytes) {
  captured_text out;
  out.text.reserve(std::min(bytes.size(), limit_bytes));
  std::size_t json_bytes = 0;
  while (!bytes.empty()) {
    const auto next = front_of(bytes);
    if (next.unfinished && goes_on) break;
    const auto shown = next.valid ? bytes.substr(0, next.size) : replacement;
    const auto cost = json_size(shown);
    if (out.text.size() + shown.size() > limit_bytes || json_bytes + cost > limit_json_bytes) break;
    out.text += shown;
    json_bytes += cost;
    bytes.remove_prefix(next.size);
  }
  out.cut_bytes = bytes.size();
  return out;
}

process_capability::process_capability(std::shared_ptr<spawner> children) : children_(std::move(children)) {
  base_environment_["PATH"] = "/usr/local/bin:/usr/bin:/bin";
  for (const char* name : {"PATH", "HOME", "LANG"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') base_environment_[name] = value;
  }
}

void process_capability::start(capability_request request) {
  auto read = from_json<process_spec>(request.spec.value());
  if (!read) return request.done({.error = process_failure("bad process spec: " + read.error().message)});
  run(std::move(request), std::move(*read));
}

void process_capability::run(capability_request request, process_spec given) {
  auto spec = std::make_shared<process_spec>(std::move(given));
  if (auto problem = problem_of(*spec)) return request.done({.error = process_failure("bad process spec: " + *problem)});

  child_request child;
  child.what = {.program = spec->program,
                .arguments = std::move(spec->arguments),
                .environment = base_environment_,
                .directory = spec->directory,
                .input = std::move(spec->input)};
  child.what.environment["PERDURE_IDEMPOTENCY_KEY"] = request.key.substr(0, request.key.find('\0'));
  if (!request.trace.empty()) child.what.environment["TRACEPARENT"] = request.trace;
  for (auto& [name, value] : spec->environment) child.what.environment[name] = std::move(value);
  if (spec->grace_ms) child.grace = std::chrono::milliseconds{std::clamp<std::int64_t>(*spec->grace_ms, 0, 86'400'000)};
  child.stop = request.stop;
  child.done = [spec, done = std::move(request.done)](child_end end) {
    core::outcome outcome;
    try {
      outcome = outcome_of(*spec, end);
    } catch (const std::exception& thrown) {
      outcome = {.error = process_failure("the result of " + in_quotes(spec->program) + " could not be taken: " + thrown.what())};
    }
    done(std::move(outcome));
  };
  children_->start(std::move(child));
}

std::string process_capability::find(const std::string& program) const {
  std::string_view rest = base_environment_.at("PATH");
  while (!rest.empty()) {
    const auto end = std::min(rest.find(':'), rest.size());
    auto path = std::string{rest.substr(0, end)} + "/" + program;
    // An empty entry means the current directory to a shell; here it means nothing.
    if (end > 0 && ::access(path.c_str(), X_OK) == 0) return path;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

void process_capability::stop_all() { children_->stop_all(); }

}  // namespace perdure::actors
