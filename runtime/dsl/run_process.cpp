// run: shell, script and container: what the task says as work of a capability, and what its result gives.
#include <algorithm>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

std::string text_of(const json::value& value) { return value.is_null() ? std::string{} : jq::text(value); }

std::string_view kind_of(const process_task& body) {
  if (body.what == process_task::kind::shell) return "the command";
  return body.what == process_task::kind::script ? "the script" : "the container";
}

/// It survives the node, which takes it over when it starts again.
json::value durable(json::value spec) {
  spec.get_object()["durable"] = true;
  return spec;
}

/// Adds what all kinds have.
void add_common(process_spec& spec, const json::object& process) {
  spec.check = false;  // what an exit code means is the document's choice
  if (const auto* arguments = process.if_contains("arguments")) {
    for (const auto& each : arguments->as_array()) spec.arguments.push_back(text_of(each));
  }
  if (const auto* environment = process.if_contains("environment")) {
    for (const auto& [key, value] : environment->as_object()) spec.environment.emplace(std::string{key}, text_of(value));
  }
  if (const auto* input = process.if_contains("stdin")) spec.input = text_of(*input);
}

json::value value_of(const process_result& result, process_task::result gives) {
  switch (gives) {
    case process_task::result::standard_output: return json::value(result.output);
    case process_task::result::standard_error: return json::value(result.error);
    case process_task::result::code: return result.code;
    case process_task::result::all:
      return json::object{{"code", result.code}, {"stdout", result.output}, {"stderr", result.error}};
    case process_task::result::none: break;
  }
  return nullptr;
}

std::string ended_badly(const process_task& body, const process_result& result) {
  auto detail = std::string{kind_of(body)} + " ended with exit code " + std::to_string(result.code);
  auto last = result.error;
  while (!last.empty() && (last.back() == '\n' || last.back() == ' ')) last.pop_back();
  if (last.size() > limits::process_error_tail_bytes) last.erase(0, last.size() - limits::process_error_tail_bytes);
  while (!last.empty() && (static_cast<unsigned char>(last.front()) & 0xC0U) == 0x80U) last.erase(0, 1);
  return last.empty() ? detail : detail + ": " + last;
}

/// A line that only a module can have.
bool is_module(std::string_view code) {
  for (std::size_t at = 0; at < code.size();) {
    const auto end = std::min(code.find('\n', at), code.size());
    auto line = code.substr(at, end - at);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    for (const std::string_view word : {"import ", "import{", "import\"", "import'", "export "}) {
      if (line.starts_with(word)) return true;
    }
    at = end + 1;
  }
  return false;
}

/// `node -e` leaves out the script's name, so that arguments would begin one place too early.
std::vector<std::string> code_arguments(const std::string& language, const std::string& code) {
  if (language == "python") return {"-c", code};
  std::vector<std::string> out;
  if (is_module(code)) out.emplace_back("--input-type=module");
  out.insert(out.end(), {"-e", "process.argv.splice(1, 0, 'script'); " + code, "--"});
  return out;
}

process_spec script_spec(const process_task& body, std::vector<std::string> arguments, const json::object& process) {
  process_spec spec{body.language == "python" ? "python3" : "node"};
  spec.arguments = std::move(arguments);
  add_common(spec, process);
  return spec;
}

process_spec shell_spec(const json::object& process) {
  process_spec spec{"/bin/sh"};
  spec.arguments = {"-c", text_of(process.at("command")), "sh"};
  add_common(spec, process);
  return spec;
}

/// Container engines want letters, digits and "_.-" only, a letter or digit first.
std::string container_name(std::string_view workflow, std::string_view id, std::string_view space, std::string_view task) {
  auto out = std::string{workflow}.append("-").append(id).append(".").append(space).append("-").append(task);
  for (auto& each : out) {
    const bool plain = (each >= 'a' && each <= 'z') || (each >= 'A' && each <= 'Z') || (each >= '0' && each <= '9');
    if (!plain && each != '_' && each != '.' && each != '-') each = '_';
  }
  return out;
}

}  // namespace

process_work interpreter::process_of(const running& now, const process_task& body, const json::object& process) {
  process_work out{.name = now.what->name, .capability = "process"};
  if (body.what == process_task::kind::shell) {
    out.spec = durable(to_json(shell_spec(process)));
  } else {
    auto spec = process;
    auto& name = spec["name"];
    if (name.is_null() || text_of(name).empty())
      name = json::value(container_name(document_->name, ctx_->uuid(), document_->space, now.what->name));
    spec["pull"] = json::value(body.pull);
    spec["remove"] = body.removed;
    out.capability = "container";
    out.spec = durable(json::value(std::move(spec)));
  }
  return out;
}

async<process_work> interpreter::script_of(running& now, const process_task& body, json::object process) {
  std::vector<std::string> arguments;
  if (!body.source) {
    arguments = code_arguments(body.language, text_of(process.at("code")));
  } else {
    auto where = address_of(*body.source, now.input, &now);
    const auto from = co_await where;
    if (const auto path = file_of(from.url)) {
      arguments = {ports_.files ? ports_.files->locate(*path) : *path};
    } else {
      auto fetched = fetch("script", from);
      const auto code = co_await fetched;
      arguments = code_arguments(body.language, code);
    }
  }
  process_work out{.name = now.what->name, .capability = "process"};
  out.spec = durable(to_json(script_spec(body, std::move(arguments), process)));
  co_return out;
}

async<process_result> interpreter::run_work(const process_work& work) {
  if (work.delay > duration{0}) {
    auto timer = ctx_->sleep_for(work.delay);
    co_await timer;
  }
  auto done = perform(work.name, work.capability, work.spec.as_object());
  const auto stored = co_await done;
  auto result = from_json<process_result>(stored.value());
  if (!result) throw step_error(make_error("runtime", "the process's result" + result.error().message, {}));
  co_return std::move(*result);
}

async<> interpreter::handle(const process_order& order, context& ctx) {
  ctx_ = &ctx;
  for (const auto& each : order.works) {
    auto work = run_work(each);
    co_await work;
  }
}

async<> interpreter::run_beside(process_order order) {
  const background_options options{.at_end = background_end::detach};
  auto begun = ctx_->spawn_background(ctx_->executor(), order, options);
  co_await begun;
}

async<interpreter::given> interpreter::run_process(running& now, const process_task& body) {
  auto evaluated = evaluate("process", program(body.process), now.input, &now, now.around.variables);
  const auto process = co_await evaluated;
  process_work work;
  if (body.what == process_task::kind::script) {
    auto made = script_of(now, body, process->value().as_object());
    work = co_await made;
  } else {
    work = process_of(now, body, process->value().as_object());
  }
  process_order later;
  if (body.removed_after) {
    auto measure = length_of(*body.removed_after, &now, now.around.variables);
    const auto after = co_await measure;
    later.works.push_back({.name = "remove " + now.what->name,
                           .capability = "container",
                           .spec = json::object{{"drop", work.spec.at("name")}},
                           .delay = after});
  }
  note_step();
  given out;
  if (!body.awaits) {
    later.works.insert(later.works.begin(), work);
    auto begun = run_beside(std::move(later));
    co_await begun;
    out.value = now.input;
    co_return out;
  }
  auto working = run_work(work);
  const auto result = co_await working;
  if (!later.works.empty()) {
    auto begun = run_beside(std::move(later));
    co_await begun;
  }
  const bool tells_code = body.gives == process_task::result::code || body.gives == process_task::result::all;
  const bool tells_output = body.gives != process_task::result::code && body.gives != process_task::result::none;
  if (result.cut_bytes && tells_output) {
    throw step_error(make_error("runtime",
                                std::string{kind_of(body)} + " wrote " + std::to_string(*result.cut_bytes) +
                                    " bytes more than are kept (limit process_output_bytes, " +
                                    std::to_string(limits::process_output_bytes) +
                                    " of each stream); write large output to a file, or say return: none",
                                now.what->reference));
  }
  if (result.code != 0 && !tells_code) throw step_error(make_error("runtime", ended_badly(body, result), now.what->reference));
  out.value = make_data(value_of(result, body.gives));
  co_return out;
}

}  // namespace perdure::dsl
