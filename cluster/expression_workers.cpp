#include "cluster/expression_workers.hpp"

#include <unistd.h>

#include <boost/json.hpp>

#include <filesystem>

#include "actors/capabilities/jq_workers.hpp"
#include "dsl/jq_lexer.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::cluster {

namespace {

std::string find_program(const std::string& named) {
  if (!named.empty()) return named;
  std::error_code failed;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return {};
  if (self.filename() == "perdure") return "/proc/self/exe";
  const auto beside = self.parent_path() / "perdure";
  return ::access(beside.c_str(), X_OK) == 0 ? beside.string() : std::string{};
}

/// What a worker says of its work, of a schema.
error of_schema(error why) {
  constexpr std::string_view expression = "the expression ";
  if (why.message.starts_with(expression)) why.message.replace(0, expression.size(), "the check against the schema ");
  const auto at = why.message.find(", or an error of jq");
  if (at != std::string::npos) why.message.replace(at, std::string::npos, ", or references that lead in a circle)");
  return why;
}

class expression_workers : public dsl::expression_host {
 public:
  explicit expression_workers(const std::string& program)
      : known_(!program.empty()), workers_({.program = program, .time = limits::expression_time}) {}

  result<json::array> evaluate(const std::string& program, const json::value& input, const json::object& args) override {
    auto answer = ask({{"program", program}, {"input", input}, {"args", args}});
    if (!answer) return answer.error();
    return std::move(answer->at("values").as_array());
  }

  result<void> check(const std::vector<dsl::expression_text>& programs) override {
    // In portions, each of which a worker compiles in one piece and well within its time.
    for (std::size_t at = 0; at < programs.size();) {
      json::array part;
      for (std::size_t bytes = 0; at < programs.size() && part.size() < portion && bytes < portion_bytes; ++at) {
        bytes += programs[at].program.size();
        part.emplace_back(json::object{{"program", programs[at].program}, {"names", to_json(programs[at].names)}});
      }
      if (auto answer = ask({{"check", std::move(part)}}); !answer) return answer.error();
    }
    return {};
  }

  result<json::array> validate(const json::value& schema, const json::value& value) override {
    auto answer = ask({{"schema", schema}, {"value", value}});
    if (!answer) return of_schema(answer.error());
    return std::move(answer->at("problems").as_array());
  }

  result<void> check_schema(const json::value& schema) override {
    if (auto answer = ask({{"schema", schema}}); !answer) return of_schema(answer.error());
    return {};
  }

 private:
  static constexpr std::size_t portion = 250, portion_bytes = 32U << 10;

  result<json::object> ask(const json::object& request) {
    if (!known_)
      return error{errc::unsupported,
                   "no worker here: the perdure program was not found beside this one (node_options.helper_program)"};
    return workers_.ask(request);
  }

  bool known_;
  actors::jq_workers workers_;
};

}  // namespace

bool is_closed_expression(std::string_view program) { return !dsl::lex_jq(program).error; }

std::shared_ptr<dsl::expression_host> make_expression_workers(const std::string& helper_program) {
  return std::make_shared<expression_workers>(find_program(helper_program));
}

}  // namespace perdure::cluster
