#include "tools/cli/jq_worker.hpp"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <array>
#include <iostream>
#include <list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

extern "C" {
#include <jq.h>
#include <jv.h>
}

#include "cluster/documents.hpp"
#include "cluster/expression_workers.hpp"
#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::tools::cli {

namespace json = boost::json;

namespace {

/// An expression's result and what envelops it.
constexpr std::size_t most_levels = 512;

constexpr rlim_t memory_limit_bytes = rlim_t{1} << 30;
constexpr std::size_t cached_programs = 256;
/// Kills an evaluation that its host does not stop, because it is gone.
constexpr unsigned last_resort_s = 30;

/// Built-ins that reach outside of the program: shadowed by ones that fail.
constexpr std::string_view shadows = R"(
def env: error("env is not available in expressions");
def input: error("input is not available in expressions");
def inputs: error("inputs is not available in expressions");
def debug: error("debug is not available in expressions");
def stderr: error("stderr is not available in expressions");
def input_filename: error("input_filename is not available in expressions");
def input_line_number: error("input_line_number is not available in expressions");
def halt: error("halt is not available in expressions");
def halt_error: error("halt_error is not available in expressions");
def halt_error(f): error("halt_error is not available in expressions");
def get_search_list: error("get_search_list is not available in expressions");
def modulemeta: error("modulemeta is not available in expressions");
)";

struct jq_deleter {
  void operator()(jq_state* held) const { jq_teardown(&held); }
};
using jq_ptr = std::unique_ptr<jq_state, jq_deleter>;

std::string text_of(jv value) {
  auto shown = jv_get_kind(value) == JV_KIND_STRING ? jv_copy(value) : jv_dump_string(jv_copy(value), 0);
  std::string out{jv_string_value(shown), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(shown)))};
  jv_free(shown);
  jv_free(value);
  return out;
}

void keep_first(void* to, jv message) {
  auto& first = *static_cast<std::string*>(to);
  auto text = text_of(message);
  if (first.empty()) first = std::move(text);
}

/// What no shadow reaches: modules stand before everything else, and $ENV is known to the compiler.
std::string refused(std::string_view program) {
  std::size_t at = 0;
  while (at < program.size()) {
    if (std::isspace(static_cast<unsigned char>(program[at])) != 0) {
      ++at;
    } else if (program[at] == '#') {
      at = std::min(program.find('\n', at), program.size());
    } else {
      break;
    }
  }
  for (const std::string_view word : {"import", "include", "module"}) {
    if (program.substr(at).starts_with(word)) return "modules are not available in expressions";
  }
  if (program.find("$ENV") != std::string_view::npos || program.find("$__prog_args") != std::string_view::npos) {
    return "the environment is not available in expressions";
  }
  return {};
}

struct compiled {
  jq_ptr state;
  std::string problem;
};

/// False: with what is wrong first. Most of the time goes into jq's own built-ins, however long the text is.
bool compiles(compiled& out, const std::string& text) {
  out.state.reset(jq_init());
  jq_set_error_cb(out.state.get(), keep_first, &out.problem);
  if (jq_compile(out.state.get(), text.c_str()) != 0 && out.problem.empty()) return true;
  if (out.problem.empty()) out.problem = "it does not compile";
  return false;
}

/// Arguments are part of the input, so that a program compiles once for all their values.
compiled compile(const std::string& program, const std::vector<std::string>& names) {
  compiled out;
  out.problem = refused(program);
  if (!out.problem.empty()) return out;
  std::string bind;
  for (const auto& name : names) bind += ".[1]." + name + " as $" + name + " | ";
  // What only compiles inside the parentheses below is no program; alone it stands below the variables, on a line of its own.
  if (!cluster::is_closed_expression(program) && !compiles(out, std::string{shadows} + bind + "\n" + program)) return out;
  (void)compiles(out, std::string{shadows} + bind + ".[0] | (\n" + program + "\n)");
  return out;
}

struct source {
  std::string program;
  std::vector<std::string> names;
};

/// Whether they compile, all in one text: each is a function of its own that gets its variables inside.
bool compile_together(const std::vector<source>& all) {
  std::string text{shadows};
  for (const auto& each : all) {
    if (!refused(each.program).empty() || !cluster::is_closed_expression(each.program)) return false;
    text += &each == all.data() ? "(def checked__: " : ", (def checked__: ";
    for (const auto& name : each.names) text += "null as $" + name + " | ";
    text += "\n" + each.program + "\n; checked__)";
  }
  compiled whole;
  return compiles(whole, text);
}

/// Not with Boost's parser: it reads one double in five a unit off.
json::value read(std::string_view text) {
  auto value = core::read_json_text(text, most_levels);
  if (!value) throw std::runtime_error{value.error().message};
  return std::move(*value);
}

class evaluator {
 public:
  json::object answer(const json::object& request) {
    if (const auto* programs = request.if_contains("check")) {
      std::vector<source> all;
      for (const auto& each : programs->as_array())
        all.push_back(
            {json::value_to<std::string>(each.at("program")), json::value_to<std::vector<std::string>>(each.at("names"))});
      if (all.size() > 1) {
        if (compile_together(all)) return {};
        return {{"error", "one of " + std::to_string(all.size()) + " programs does not compile"}};
      }
      for (const auto& each : all) {
        if (const auto& known = find(each.program, each.names); !known.problem.empty())
          return {{"error", each.program + ": " + known.problem}};
      }
      return {};
    }
    if (const auto* schema = request.if_contains("schema"))
      return cluster::check_by_schema(*schema, request.if_contains("value"));
    std::vector<std::string> names;
    const auto& args = request.at("args").as_object();
    for (const auto& [name, value] : args) names.emplace_back(name);
    auto& known = find(json::value_to<std::string>(request.at("program")), names);
    if (!known.problem.empty()) return {{"error", known.problem}};
    return run(*known.state, json::serialize(json::array{request.at("input"), args}));
  }

 private:
  static json::object run(jq_state& state, const std::string& input) {
    const auto parsed = jv_parse_sized(input.data(), static_cast<int>(input.size()));
    if (!jv_is_valid(parsed)) {
      jv_free(parsed);
      return {{"error", "the input is nested too deep"}};
    }
    jq_start(&state, parsed, 0);
    json::array values;
    std::size_t bytes = 0;
    jv next = jq_next(&state);
    for (; jv_is_valid(next); next = jq_next(&state)) {
      const auto dumped = jv_dump_string(next, 0);
      const std::string_view text{jv_string_value(dumped), static_cast<std::size_t>(jv_string_length_bytes(jv_copy(dumped)))};
      bytes += text.size();
      const bool fits = bytes <= limits::expression_result_bytes && values.size() < limits::expression_values;
      if (fits) values.push_back(read(text));
      jv_free(dumped);
      if (!fits) return {{"error", "the result is too large"}};
    }
    if (!jv_invalid_has_msg(jv_copy(next))) {
      jv_free(next);
      return {{"values", std::move(values)}};
    }
    auto why = text_of(jv_invalid_get_msg(next));
    return {{"error", why.empty() ? "it failed" : std::move(why)}};
  }

  compiled& find(const std::string& program, const std::vector<std::string>& names) {
    auto key = program;
    for (const auto& name : names) key += '\0' + name;
    if (const auto at = known_.find(key); at != known_.end()) return at->second;
    if (known_.size() >= cached_programs) known_.clear();
    return known_.emplace(std::move(key), compile(program, names)).first->second;
  }

  std::map<std::string, compiled> known_;
};

}  // namespace

int jq_worker_main() {
  ::prctl(PR_SET_DUMPABLE, 0);
  ::clearenv();
  const rlimit memory{memory_limit_bytes, memory_limit_bytes}, files{3, 3}, none{0, 0};
  ::setrlimit(RLIMIT_AS, &memory);
  ::setrlimit(RLIMIT_NOFILE, &files);
  ::setrlimit(RLIMIT_FSIZE, &none);
  ::setrlimit(RLIMIT_CORE, &none);
  ::setrlimit(RLIMIT_NPROC, &none);
  std::ios::sync_with_stdio(false);
  evaluator jq;
  for (std::string line; std::getline(std::cin, line);) {
    json::object out;
    ::alarm(last_resort_s);
    try {
      out = jq.answer(read(line).as_object());
    } catch (const std::exception& thrown) {
      out = {{"error", thrown.what()}};
    }
    ::alarm(0);
    std::cout << json::serialize(out) << '\n' << std::flush;
  }
  return 0;
}

}  // namespace perdure::tools::cli
