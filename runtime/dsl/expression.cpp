#include "dsl/expression.hpp"

#include <algorithm>

#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

constexpr std::string_view spaces = " \t\r\n";

std::string listed(const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names) out += (out.empty() ? "$" : ", $") + name;
  return out.empty() ? "none" : out;
}

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

result<expression_ptr> expression::compile(std::string source, const std::vector<std::string>& names) {
  auto out = std::make_shared<expression>();
  out->program_ = parse_jq(source);
  out->source_ = std::move(source);
  const auto& program = out->program_;
  if (program.error) {
    return error{errc::invalid_argument, program.error->message + ", at character " + std::to_string(program.error->at + 1) +
                                             " of \"" + out->source_ + "\""};
  }
  for (const auto& name : program.variables) {
    if (contains(names, name)) {
      out->variables_.push_back(name);
    } else if (!program.binds) {
      return error{errc::invalid_argument,
                   "$" + name + " is not available in \"" + out->source_ + "\"; available here: " + listed(names)};
    }
  }
  return expression_ptr{std::move(out)};
}

result<json::value> expression::evaluate(const json::value& input, const variable_lookup& lookup, expression_host* host) const {
  result<json::array> values = error{errc::unsupported, "\"" + source_ + "\" needs a jq worker, and none is available"};
  if (is_native()) {
    values = evaluate_jq(*program_.root, input, lookup);
  } else if (host != nullptr) {
    json::object args;
    for (const auto& name : variables_) {
      const auto* value = lookup ? lookup(name) : nullptr;
      args.emplace(name, value != nullptr ? *value : json::value{});
    }
    values = host->evaluate(source_, input, args);
  }
  if (!values) return error{values.error().code, values.error().message + ", in \"" + source_ + "\""};
  if (values->empty()) return json::value{};
  if (values->size() == 1) return std::move(values->front());
  return json::value(std::move(*values));
}

bool dynamic_value::is_native() const {
  struct visitor {
    bool operator()(const json::value&) const { return true; }
    bool operator()(const expression_ptr& program) const { return program->is_native(); }
    bool operator()(const text& parts) const {
      return std::all_of(parts.parts.begin(), parts.parts.end(), [](const auto& part) {
        const auto* program = std::get_if<expression_ptr>(&part);
        return program == nullptr || (*program)->is_native();
      });
    }
    bool operator()(const loose& maybe) const { return maybe.program->is_native(); }
    bool operator()(const list& items) const {
      return std::all_of(items.begin(), items.end(), [](const auto& item) { return item.is_native(); });
    }
    bool operator()(const map& members) const {
      return std::all_of(members.begin(), members.end(), [](const auto& member) { return member.second.is_native(); });
    }
  };
  return std::visit(visitor{}, content_);
}

void dynamic_value::add_variables(std::vector<std::string>& names) const {
  struct visitor {
    std::vector<std::string>& names;
    void operator()(const json::value&) const {}
    void operator()(const expression_ptr& program) const {
      for (const auto& name : program->variables()) {
        if (!contains(names, name)) names.push_back(name);
      }
    }
    void operator()(const text& parts) const {
      for (const auto& part : parts.parts) {
        if (const auto* program = std::get_if<expression_ptr>(&part)) (*this)(*program);
      }
    }
    void operator()(const loose& maybe) const { (*this)(maybe.program); }
    void operator()(const list& items) const {
      for (const auto& item : items) item.add_variables(names);
    }
    void operator()(const map& members) const {
      for (const auto& member : members) member.second.add_variables(names);
    }
  };
  std::visit(visitor{names}, content_);
}

bool dynamic_value::mentions(std::string_view text) const {
  struct visitor {
    std::string_view text;
    bool operator()(const json::value&) const { return false; }
    bool operator()(const expression_ptr& program) const { return program->source().find(text) != std::string::npos; }
    bool operator()(const dynamic_value::text& parts) const {
      return std::any_of(parts.parts.begin(), parts.parts.end(), [this](const auto& part) {
        const auto* program = std::get_if<expression_ptr>(&part);
        return program != nullptr && (*this)(*program);
      });
    }
    bool operator()(const loose& maybe) const { return (*this)(maybe.program); }
    bool operator()(const list& items) const {
      return std::any_of(items.begin(), items.end(), [this](const auto& item) { return item.mentions(text); });
    }
    bool operator()(const map& members) const {
      return std::any_of(members.begin(), members.end(), [this](const auto& member) { return member.second.mentions(text); });
    }
  };
  return std::visit(visitor{text}, content_);
}

result<json::value> dynamic_value::evaluate(const json::value& input, const variable_lookup& lookup,
                                            expression_host* host) const {
  struct visitor {
    const json::value& input;
    const variable_lookup& lookup;
    expression_host* host;
    result<json::value> operator()(const json::value& constant) const { return constant; }
    result<json::value> operator()(const expression_ptr& program) const { return program->evaluate(input, lookup, host); }
    result<json::value> operator()(const text& parts) const {
      std::string out;
      for (const auto& part : parts.parts) {
        if (const auto* literal = std::get_if<std::string>(&part)) {
          out += *literal;
          continue;
        }
        auto value = std::get<expression_ptr>(part)->evaluate(input, lookup, host);
        if (!value) return value;
        out += jq::text(*value);
      }
      return json::value(out);
    }
    result<json::value> operator()(const loose& maybe) const {
      auto value = maybe.program->evaluate(input, lookup, host);
      if (!value && value.error().code == errc::invalid_argument) return json::value(maybe.otherwise);
      return value;
    }
    result<json::value> operator()(const list& items) const {
      json::array out;
      out.reserve(items.size());
      for (const auto& item : items) {
        auto value = item.evaluate(input, lookup, host);
        if (!value) return value;
        out.push_back(std::move(*value));
      }
      return json::value(std::move(out));
    }
    result<json::value> operator()(const map& members) const {
      json::object out;
      out.reserve(members.size());
      for (const auto& [key, member] : members) {
        auto value = member.evaluate(input, lookup, host);
        if (!value) return value;
        out.emplace(key, std::move(*value));
      }
      return json::value(std::move(out));
    }
  };
  return std::visit(visitor{input, lookup, host}, content_);
}

std::optional<std::string_view> whole_expression(std::string_view text) {
  const auto begin = text.find_first_not_of(spaces);
  if (begin == std::string_view::npos || text.substr(begin, 2) != "${") return std::nullopt;
  const auto end = text.find_last_not_of(spaces);
  if (text[end] != '}') return std::nullopt;
  const auto tokens = lex_jq_to_brace(text.substr(0, end + 1), begin + 2);
  // What cannot be split into tokens is meant as an expression all the same, so that its error is told.
  if (!tokens.error && tokens.stopped != end) return std::nullopt;
  return text.substr(begin + 2, end - begin - 2);
}

std::vector<text_piece> split_text(std::string_view text) {
  std::vector<text_piece> out;
  std::size_t literal = 0, unended = 0;
  const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  for (auto at = text.find("${"); at != std::string_view::npos; at = text.find("${", at)) {
    const auto inside = text.substr(at + 2);
    const bool begins = !inside.empty() && (spaces.find(inside[0]) != std::string_view::npos || inside[0] == '.' ||
                                            (inside[0] == '$' && inside.size() > 1 && is_letter(inside[1])));
    const auto tokens = begins ? lex_jq_to_brace(text, at + 2) : jq_tokens{};
    if (!begins || tokens.error) {
      if (begins && ++unended > 100) break;  // each was looked for up to the end of the text
      at += 2;
      continue;
    }
    if (at > literal) out.push_back({text.substr(literal, at - literal), false});
    out.push_back({text.substr(at + 2, tokens.stopped - at - 2), true});
    at = literal = tokens.stopped + 1;
  }
  if (literal < text.size() || out.empty()) out.push_back({text.substr(literal), false});
  return out;
}

}  // namespace perdure::dsl
