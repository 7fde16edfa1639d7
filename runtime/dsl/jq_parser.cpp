// Recursive descent over the tokens, operators by binding strength. What jq 1.6 knows and this does not throws
// `beyond`: the program is then foreign.
#include "dsl/jq_parser.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "perdure/limits.hpp"

namespace perdure::dsl {

namespace {

struct beyond {};  // only inside this file
struct malformed {
  jq_error why;
};  // likewise

using node_pointer = std::unique_ptr<jq_node>;

/// From the weakest to the strongest; `pipe` is above all of them.
struct operator_rule {
  std::string_view symbol;
  jq_op op;
  int strength;
  enum class side : std::uint8_t { left, right, none } binds;
};
constexpr std::array<operator_rule, 16> operators{{
    {",", jq_op::comma, 1, operator_rule::side::left},
    {"//", jq_op::alternative, 2, operator_rule::side::right},
    {"or", jq_op::logical_or, 4, operator_rule::side::left},
    {"and", jq_op::logical_and, 5, operator_rule::side::left},
    {"==", jq_op::equal, 6, operator_rule::side::none},
    {"!=", jq_op::not_equal, 6, operator_rule::side::none},
    {"<", jq_op::less, 6, operator_rule::side::none},
    {"<=", jq_op::less_equal, 6, operator_rule::side::none},
    {">", jq_op::greater, 6, operator_rule::side::none},
    {">=", jq_op::greater_equal, 6, operator_rule::side::none},
    {"+", jq_op::add, 7, operator_rule::side::left},
    {"-", jq_op::subtract, 7, operator_rule::side::left},
    {"*", jq_op::multiply, 8, operator_rule::side::left},
    {"/", jq_op::divide, 8, operator_rule::side::left},
    {"%", jq_op::modulo, 8, operator_rule::side::left},
    {"|", jq_op::pipe, 0, operator_rule::side::right},
}};
constexpr int pipe_strength = 0, product_strength = 8;

constexpr std::array<std::string_view, 8> updates{"=", "|=", "+=", "-=", "*=", "/=", "%=", "//="};

/// Functions that jq_evaluate knows.
constexpr std::array<std::string_view, 22> native_functions{
    "add/0",        "empty/0",  "endswith/1", "false/0",    "has/1",   "join/1",  "keys/0",   "keys_unsorted/0",
    "length/0",     "map/1",    "not/0",      "null/0",     "range/1", "range/2", "select/1", "startswith/1",
    "to_entries/0", "tojson/0", "tonumber/0", "tostring/0", "true/0",  "type/0"};
static_assert(std::is_sorted(native_functions.begin(), native_functions.end()));

class parser {
 public:
  explicit parser(const std::vector<jq_token>& tokens) : tokens_(tokens) {}

  node_pointer program() {
    if (peek().kind == jq_token_kind::end) return make(jq_op::identity);  // the empty program is "."
    auto root = pipe();
    if (peek().kind != jq_token_kind::end) unexpected();
    return root;
  }
  std::set<std::string> variables;

 private:
  [[nodiscard]] const jq_token& peek(std::size_t ahead = 0) const { return tokens_[std::min(at_ + ahead, tokens_.size() - 1)]; }
  const jq_token& next() { return tokens_[std::min(at_++, tokens_.size() - 1)]; }
  bool accept(std::string_view symbol) {
    if (!peek().is(symbol)) return false;
    ++at_;
    return true;
  }
  void expect(std::string_view symbol) {
    if (!accept(symbol)) unexpected("'" + std::string{symbol} + "'");
  }
  void expect_word(std::string_view word) {
    if (!peek().is_word(word)) unexpected("\"" + std::string{word} + "\"");
    ++at_;
  }
  [[noreturn]] void unexpected(const std::string& wanted = {}) const {
    const auto& token = peek();
    auto found = token.kind == jq_token_kind::end            ? std::string{"the end of the expression"}
                 : token.kind == jq_token_kind::string_begin ? std::string{"a string"}
                 : token.kind == jq_token_kind::field        ? "\"." + token.text + "\""
                                                             : "\"" + token.text + "\"";
    throw malformed{{(wanted.empty() ? "unexpected " + found : "expected " + wanted + ", found " + found), token.at}};
  }

  static node_pointer make(jq_op op) {
    auto out = std::make_unique<jq_node>();
    out->op = op;
    return out;
  }
  template <class... Args>
  static node_pointer make(jq_op op, Args... args) {
    auto out = make(op);
    (add(*out, std::move(args)), ...);
    return out;
  }
  static void add(jq_node& to, node_pointer arg) {
    if (arg) to.depth = std::max(to.depth, arg->depth + 1);
    if (to.depth > limits::expression_depth) throw beyond{};
    to.args.push_back(std::move(arg));
  }
  static node_pointer constant(json::value value) {
    auto out = make(jq_op::constant);
    out->value = std::move(value);
    return out;
  }
  struct level {
    explicit level(std::size_t& depth) : depth(depth) {
      if (++depth > limits::expression_depth) throw beyond{};
    }
    ~level() { --depth; }
    level(const level&) = delete;
    level& operator=(const level&) = delete;
    std::size_t& depth;
  };

  node_pointer pipe() { return binary(pipe_strength); }

  [[nodiscard]] const operator_rule* operator_here() const {
    const auto& token = peek();
    if (token.kind != jq_token_kind::symbol && token.kind != jq_token_kind::identifier) return nullptr;
    if (std::find(updates.begin(), updates.end(), token.text) != updates.end() || token.is("?//")) throw beyond{};
    const auto* found =
        std::find_if(operators.begin(), operators.end(), [&](const auto& each) { return each.symbol == token.text; });
    return found == operators.end() ? nullptr : found;
  }

  node_pointer binary(int weakest) {
    const level here{depth_};
    auto left = unary();
    int refused = -1;  // strength of an operator that does not chain
    while (const auto* rule = operator_here()) {
      if (rule->strength < weakest) break;
      if (rule->strength == refused) unexpected();
      const auto at = next().at;
      auto right = binary(rule->binds == operator_rule::side::right ? rule->strength : rule->strength + 1);
      left = folded(rule->op, std::move(left), std::move(right), at);
      refused = rule->binds == operator_rule::side::none ? rule->strength : -1;
    }
    return left;
  }

  /// jq computes with constant numbers when it compiles, and refuses what it cannot compute.
  static node_pointer folded(jq_op op, node_pointer left, node_pointer right, std::size_t at) {
    if (left->op == jq_op::constant && right->op == jq_op::constant && left->value.is_double() && right->value.is_double()) {
      const auto a = left->value.get_double();
      const auto b = right->value.get_double();
      if (op == jq_op::divide && b == 0) throw malformed{{"division by zero", at}};
      if (op == jq_op::add) return constant(a + b);
      if (op == jq_op::subtract) return constant(a - b);
      if (op == jq_op::multiply) return constant(a * b);
      if (op == jq_op::divide) return constant(a / b);
    }
    return make(op, std::move(left), std::move(right));
  }

  static bool is_constant(const jq_node& node) {
    if (node.op == jq_op::constant) return true;
    if (node.op != jq_op::array && node.op != jq_op::object && node.op != jq_op::comma) return false;
    return std::all_of(node.args.begin(), node.args.end(), [](const auto& arg) { return is_constant(*arg); });
  }

  node_pointer unary() {
    const auto& token = peek();
    if (token.is("-")) {
      ++at_;
      return make(jq_op::negate, binary(product_strength));
    }
    if (token.kind == jq_token_kind::identifier) {
      if (token.text == "if") return optional_marks(conditional());
      if (token.text == "def" || token.text == "reduce" || token.text == "foreach" || token.text == "try" ||
          token.text == "label" || token.text == "break" || token.text == "import" || token.text == "include" ||
          token.text == "module") {
        throw beyond{};
      }
    }
    auto out = term();
    if (peek().is_word("as")) throw beyond{};
    return optional_marks(std::move(out));
  }

  /// After a whole expression: nothing but an operator may follow.
  node_pointer optional_marks(node_pointer out) {
    while (accept("?")) out = make(jq_op::optional, std::move(out));
    return out;
  }

  node_pointer conditional() {
    const level here{depth_};
    ++at_;  // if, elif
    auto condition = pipe();
    expect_word("then");
    auto yes = pipe();
    if (peek().is_word("elif")) return make(jq_op::conditional, std::move(condition), std::move(yes), conditional());
    expect_word("else");
    auto no = pipe();
    expect_word("end");
    return make(jq_op::conditional, std::move(condition), std::move(yes), std::move(no));
  }

  node_pointer term() {
    auto out = first_of_term();
    while (true) {
      if (peek().kind == jq_token_kind::field) {
        out = access(make(jq_op::index, std::move(out), constant(json::value(next().text))));
      } else if (peek().is(".") && peek(1).kind == jq_token_kind::string_begin) {
        ++at_;
        auto key = string();
        out = access(make(jq_op::index, std::move(out), std::move(key)));
      } else if (peek().is(".") && peek(1).kind == jq_token_kind::format) {
        throw beyond{};
      } else if (peek().is("[")) {
        ++at_;
        out = access(brackets(std::move(out)));
      } else {
        return out;
      }
    }
  }
  /// A '?' right after an access concerns that access alone.
  node_pointer access(node_pointer out) {
    out->soft = accept("?");
    return out;
  }

  /// After '['.
  node_pointer brackets(node_pointer of) {
    if (accept("]")) return make(jq_op::iterate, std::move(of));
    if (accept(":")) {
      auto to = pipe();
      expect("]");
      return make(jq_op::slice, std::move(of), node_pointer{}, std::move(to));
    }
    auto key = pipe();
    if (accept("]")) return make(jq_op::index, std::move(of), std::move(key));
    expect(":");
    node_pointer to;
    if (!peek().is("]")) to = pipe();
    expect("]");
    return make(jq_op::slice, std::move(of), std::move(key), std::move(to));
  }

  node_pointer first_of_term() {
    const auto& token = peek();
    switch (token.kind) {
      case jq_token_kind::number: ++at_; return constant(json::value(token.number));
      case jq_token_kind::string_begin: return string();
      case jq_token_kind::format: throw beyond{};
      case jq_token_kind::field:
        ++at_;
        return access(make(jq_op::index, make(jq_op::identity), constant(json::value(token.text))));
      case jq_token_kind::identifier: return word();
      case jq_token_kind::symbol: break;
      default: unexpected();
    }
    if (token.is(".")) {
      ++at_;
      if (peek().kind == jq_token_kind::string_begin) {
        auto key = string();
        return access(make(jq_op::index, make(jq_op::identity), std::move(key)));
      }
      if (peek().kind == jq_token_kind::format) throw beyond{};
      return make(jq_op::identity);
    }
    if (token.is("..")) throw beyond{};
    if (token.is("$")) {
      ++at_;
      return variable();
    }
    if (accept("(")) {
      auto inner = pipe();
      expect(")");
      return inner;
    }
    if (accept("[")) {
      if (accept("]")) return make(jq_op::array);
      auto inner = pipe();
      expect("]");
      return make(jq_op::array, std::move(inner));
    }
    if (accept("{")) return object();
    unexpected();
  }

  node_pointer variable() {
    if (peek().is_word("__loc__")) throw beyond{};
    if (peek().kind != jq_token_kind::identifier || is_jq_keyword(peek().text)) unexpected("a variable's name");
    auto out = make(jq_op::variable);
    out->name = next().text;
    variables.insert(out->name);
    return out;
  }

  node_pointer word() {
    const auto& token = peek();
    if (is_jq_keyword(token.text)) unexpected();
    ++at_;
    auto out = make(jq_op::call);
    out->name = token.text;
    if (accept("(")) {
      do {
        add(*out, pipe());
      } while (accept(";"));
      expect(")");
    }
    if (token.text.find("::") != std::string::npos) throw beyond{};
    if (!is_jq_function(token.text, out->args.size())) {
      throw malformed{{token.text + "/" + std::to_string(out->args.size()) + " is not defined", token.at}};
    }
    const auto signature = token.text + "/" + std::to_string(out->args.size());
    if (!std::binary_search(native_functions.begin(), native_functions.end(), std::string_view{signature})) throw beyond{};
    if (token.text == "true" || token.text == "false") return constant(token.text == "true");
    if (token.text == "null") return constant(nullptr);
    return out;
  }

  node_pointer string() {
    const level here{depth_};
    ++at_;
    auto out = make(jq_op::text);
    while (peek().kind != jq_token_kind::string_end) {
      const auto& token = next();
      if (token.kind == jq_token_kind::string_text) {
        add(*out, constant(json::value(token.text)));
      } else {
        add(*out, pipe());
        if (next().kind != jq_token_kind::interpolation_end) {
          --at_;
          unexpected("')'");
        }
      }
    }
    ++at_;
    if (out->args.empty()) return constant(json::value(""));
    if (out->args.size() == 1 && out->args[0]->op == jq_op::constant && out->args[0]->value.is_string())
      return std::move(out->args[0]);
    return out;
  }

  /// After '{'.
  node_pointer object() {
    const level here{depth_};
    auto out = make(jq_op::object);
    while (!accept("}")) {
      member(*out);
      if (accept("}")) break;
      expect(",");
    }
    return out;
  }
  void member(jq_node& out) {
    const auto& token = peek();
    if (token.is("$")) {
      ++at_;
      auto value = variable();
      auto key = constant(json::value(value->name));
      add(out, std::move(key));
      add(out, std::move(value));
      return;
    }
    if (token.is("(")) {
      ++at_;
      auto key = pipe();
      if (is_constant(*key) && key->op != jq_op::comma && !key->value.is_string())
        throw malformed{{"a property's name must be text", token.at}};
      expect(")");
      expect(":");
      add(out, std::move(key));
      add(out, member_value());
      return;
    }
    if (token.kind == jq_token_kind::format) throw beyond{};
    if (token.kind == jq_token_kind::string_begin) {
      const auto begin = at_;
      auto key = string();
      if (!accept(":")) {
        at_ = begin;
        add(out, string());
        add(out, make(jq_op::index, make(jq_op::identity), std::move(key)));
        return;
      }
      add(out, std::move(key));
      add(out, member_value());
      return;
    }
    if (token.kind != jq_token_kind::identifier) unexpected("a property's name");
    ++at_;
    add(out, constant(json::value(token.text)));
    if (accept(":")) {
      add(out, member_value());
    } else if (is_jq_keyword(token.text)) {
      unexpected("':'");
    } else {
      add(out, make(jq_op::index, make(jq_op::identity), constant(json::value(token.text))));
    }
  }
  /// Only terms, negation and pipes: other operators need parentheses there.
  node_pointer member_value() {
    const level here{depth_};
    auto left = accept("-") ? make(jq_op::negate, member_value_without_pipe()) : term();
    if (accept("|")) return make(jq_op::pipe, std::move(left), member_value());
    return left;
  }
  node_pointer member_value_without_pipe() {
    const level here{depth_};
    return accept("-") ? make(jq_op::negate, member_value_without_pipe()) : term();
  }

  const std::vector<jq_token>& tokens_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace

jq_program parse_jq(std::string_view program) {
  jq_program out;
  if (program.size() > limits::expression_bytes) {
    out.error = jq_error{"longer than expression_bytes = " + std::to_string(limits::expression_bytes), 0};
    return out;
  }
  const auto tokens = lex_jq(program);
  out.error = tokens.error ? tokens.error : find_forbidden(tokens.list);
  if (out.error) return out;
  parser reader{tokens.list};
  try {
    out.root = reader.program();
    out.verdict = jq_verdict::native;
    out.variables.assign(reader.variables.begin(), reader.variables.end());
  } catch (const malformed& e) {
    // A definition further on may give the name that is missing here; jq itself then has the last word.
    const bool defines =
        std::any_of(tokens.list.begin(), tokens.list.end(), [](const auto& token) { return token.is_word("def"); });
    out.verdict = defines ? jq_verdict::foreign : jq_verdict::invalid;
    if (!defines) out.error = e.why;
  } catch (const beyond&) {
    out.verdict = jq_verdict::foreign;
  }
  if (out.verdict == jq_verdict::foreign) {
    std::set<std::string> names;
    for (std::size_t i = 0; i + 1 < tokens.list.size(); ++i) {
      const auto& token = tokens.list[i];
      if (token.is("$") && tokens.list[i + 1].kind == jq_token_kind::identifier) names.insert(tokens.list[i + 1].text);
      out.binds = out.binds || token.is_word("as") || token.is_word("def") || token.is_word("label");
    }
    names.erase("__loc__");
    out.variables.assign(names.begin(), names.end());
  }
  return out;
}

}  // namespace perdure::dsl
