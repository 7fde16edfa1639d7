#include "dsl/jq_evaluate.hpp"

#include <cmath>

#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

namespace {

/// Where an expression's values go, one call each. Refers to its function only.
class sink {
 public:
  template <class F>
  sink(const F& function)  // NOLINT: made from lambdas in place
      : object_(&function), call_([](const void* object, const json::value& value) { (*static_cast<const F*>(object))(value); }) {
  }
  void operator()(const json::value& value) const { call_(object_, value); }

 private:
  const void* object_;
  void (*call_)(const void*, const json::value&);
};

class evaluator {
 public:
  explicit evaluator(const variable_lookup& variables) : variables_(variables) {}

  void run(const jq_node& node, const json::value& input, sink out) {
    if (++steps_ > limits::expression_steps) throw jq::failed{"the expression takes too many steps"};
    switch (node.op) {
      case jq_op::identity: out(input); return;
      case jq_op::constant: out(node.value); return;
      case jq_op::variable: variable(node, out); return;
      case jq_op::index: index(node, input, out); return;
      case jq_op::slice: slice(node, input, out); return;
      case jq_op::iterate:
        run(*node.args[0], input, [&](const json::value& of) {
          if (node.soft && !of.is_structured()) return;
          iterate(of, out);
        });
        return;
      case jq_op::optional:
        // jq 1.6 drops the errors of what follows, too.
        try {
          run(*node.args[0], input, out);
        } catch (const jq::failed&) {
        }
        return;
      case jq_op::pipe: run(*node.args[0], input, [&](const json::value& value) { run(*node.args[1], value, out); }); return;
      case jq_op::comma:
        run(*node.args[0], input, out);
        run(*node.args[1], input, out);
        return;
      case jq_op::alternative: alternative(node, input, out); return;
      case jq_op::logical_or:
      case jq_op::logical_and: logical(node, input, out); return;
      case jq_op::negate:
        run(*node.args[0], input, [&](const json::value& value) {
          if (!value.is_number())
            throw jq::failed{std::string{jq::kind(value)} + " (" + jq::excerpt(value) + ") cannot be negated"};
          out(json::value(-jq::number(value)));
        });
        return;
      case jq_op::conditional:
        run(*node.args[0], input,
            [&](const json::value& condition) { run(*node.args[jq::is_true(condition) ? 1 : 2], input, out); });
        return;
      case jq_op::text: text(node, node.args.size(), {}, input, out); return;
      case jq_op::array: out(node.args.empty() ? json::value(json::array{}) : collect(*node.args[0], input)); return;
      case jq_op::object: {
        members made;
        object(node, 0, made, input, out);
        return;
      }
      case jq_op::call: call(node, input, out); return;
      default: break;
    }
    // The other operators: the right side is the outer loop.
    run(*node.args[1], input, [&](const json::value& right) {
      run(*node.args[0], input, [&](const json::value& left) { out(binary(node.op, left, right)); });
    });
  }

  json::value collect(const jq_node& node, const json::value& input) {
    json::array items;
    run(node, input, [&](const json::value& value) {
      memory_.charge(jq::weight(value));
      items.push_back(value);
    });
    return items;
  }

 private:
  void variable(const jq_node& node, sink out) const {
    const auto* value = variables_ ? variables_(node.name) : nullptr;
    if (value == nullptr) throw jq::failed{"$" + node.name + " is not defined"};
    out(*value);
  }

  void index(const jq_node& node, const json::value& input, sink out) {
    const auto of_term = [&](const json::value& key) {
      run(*node.args[0], input, [&](const json::value& of) {
        const auto* found = jq::at(of, key);
        if (found != nullptr) return out(*found);
        json::value made;
        if (access(node, made, [&] { return charged(jq::at_new(of, key)); })) out(made);
      });
    };
    run(*node.args[1], input, of_term);
  }

  void slice(const jq_node& node, const json::value& input, sink out) {
    const json::value none;
    const auto bound = [&](std::size_t which, sink next) {
      if (node.args[which]) {
        run(*node.args[which], input, next);
      } else {
        next(none);
      }
    };
    bound(1, [&](const json::value& from) {
      bound(2, [&](const json::value& to) {
        run(*node.args[0], input, [&](const json::value& of) {
          json::value made;
          if (access(node, made, [&] { return charged(jq::slice(of, from, to)); })) out(made);
        });
      });
    });
  }

  /// False: the access failed and a '?' allows it.
  template <class F>
  static bool access(const jq_node& node, json::value& out, const F& function) {
    try {
      out = function();
    } catch (const jq::failed&) {
      if (!node.soft) throw;
      return false;
    }
    return true;
  }

  static void iterate(const json::value& of, sink out) {
    if (const auto* items = of.if_array()) {
      for (const auto& item : *items) out(item);
    } else if (const auto* members = of.if_object()) {
      for (const auto& member : *members) out(member.value());
    } else {
      throw jq::failed{"Cannot iterate over " + std::string{jq::kind(of)} + " (" + jq::excerpt(of) + ")"};
    }
  }

  void alternative(const jq_node& node, const json::value& input, sink out) {
    bool found = false;
    run(*node.args[0], input, [&](const json::value& value) {
      if (!jq::is_true(value)) return;
      found = true;
      out(value);
    });
    if (!found) run(*node.args[1], input, out);
  }

  void logical(const jq_node& node, const json::value& input, sink out) {
    const bool decides = node.op == jq_op::logical_or;  // the left value that settles it
    run(*node.args[0], input, [&](const json::value& left) {
      if (jq::is_true(left) == decides) {
        out(json::value(decides));
      } else {
        run(*node.args[1], input, [&](const json::value& right) { out(json::value(jq::is_true(right))); });
      }
    });
  }

  json::value binary(jq_op op, const json::value& left, const json::value& right) {
    switch (op) {
      case jq_op::equal: return jq::equal(left, right);
      case jq_op::not_equal: return !jq::equal(left, right);
      case jq_op::less: return jq::compare(left, right) < 0;
      case jq_op::less_equal: return jq::compare(left, right) <= 0;
      case jq_op::greater: return jq::compare(left, right) > 0;
      case jq_op::greater_equal: return jq::compare(left, right) >= 0;
      case jq_op::add: return jq::add(left, right, memory_);
      case jq_op::subtract: return jq::subtract(left, right);
      case jq_op::multiply: return jq::multiply(left, right, memory_);
      case jq_op::divide: return charged(jq::divide(left, right));
      default: return jq::modulo(left, right);
    }
  }

  /// Parts from the last to the first: the last is the outer loop.
  void text(const jq_node& node, std::size_t left, const std::string& rest, const json::value& input, sink out) {
    if (left == 0) {
      out(json::value(rest));
      return;
    }
    run(*node.args[left - 1], input, [&](const json::value& value) {
      auto joined = jq::text(value);
      memory_.charge(joined.size() + rest.size());
      joined += rest;
      text(node, left - 1, joined, input, out);
    });
  }

  /// Keys and values stay where their generators hold them until all are there.
  using members = std::vector<std::pair<const json::value*, const json::value*>>;
  void object(const jq_node& node, std::size_t next, members& made, const json::value& input, sink out) {
    if (next == node.args.size()) {
      json::object whole;
      whole.reserve(made.size());
      for (const auto& [key, value] : made) {
        memory_.charge(jq::weight(*value) + key->get_string().size());
        whole.insert_or_assign(key->get_string(), *value);
      }
      out(json::value(std::move(whole)));
      return;
    }
    run(*node.args[next], input, [&](const json::value& key) {
      if (!key.is_string()) throw jq::failed{"Object keys must be strings"};
      run(*node.args[next + 1], input, [&](const json::value& value) {
        made.emplace_back(&key, &value);
        object(node, next + 2, made, input, out);
        made.pop_back();
      });
    });
  }

  json::value charged(json::value value) {
    memory_.charge(jq::weight(value));
    return value;
  }

  void call(const jq_node& node, const json::value& input, sink out) {
    const std::string_view name = node.name;
    if (name == "empty") return;
    if (name == "not") return out(json::value(!jq::is_true(input)));
    if (name == "length") return out(jq::length_of(input));
    if (name == "keys" || name == "keys_unsorted") return out(charged(jq::keys(input, name == "keys")));
    if (name == "type") return out(json::value(jq::kind(input)));
    if (name == "tostring") return out(charged(json::value(jq::text(input))));
    if (name == "tojson") return out(charged(json::value(jq::dump(input))));
    if (name == "tonumber") return out(jq::to_number(input));
    if (name == "to_entries") return out(entries(input));
    if (name == "add") return out(sum(input));
    if (name == "range") return range(node, input, out);
    if (name == "map") return map(node, input, out);
    const auto& argument = *node.args[0];
    if (name == "select") {
      run(argument, input, [&](const json::value& wanted) {
        if (jq::is_true(wanted)) out(input);
      });
    } else {
      run(argument, input, [&](const json::value& value) {
        if (name == "has") {
          out(json::value(jq::has(input, value)));
        } else if (name == "join") {
          out(join(input, value));
        } else {
          out(json::value(affix(name, input, value)));
        }
      });
    }
  }

  json::value entries(const json::value& input) {
    json::array out;
    const auto names = jq::keys(input, false);
    for (const auto& key : names.get_array()) {
      const auto& value = *jq::at(input, key);
      memory_.charge(jq::weight(value));
      out.push_back(json::object{{"key", key}, {"value", value}});
    }
    return out;
  }

  json::value sum(const json::value& input) {
    json::value out;
    iterate(input, [&](const json::value& item) { jq::append(out, item, memory_); });
    return out;
  }

  void map(const jq_node& node, const json::value& input, sink out) {
    json::array items;
    iterate(input, [&](const json::value& item) {
      run(*node.args[0], item, [&](const json::value& value) {
        memory_.charge(jq::weight(value));
        items.push_back(value);
      });
    });
    out(json::value(std::move(items)));
  }

  void range(const jq_node& node, const json::value& input, sink out) {
    const auto count = [&](const json::value& from, const json::value& to) {
      if (!from.is_number() || !to.is_number()) throw jq::failed{"Range bounds must be numeric"};
      for (auto at = jq::number(from); at < jq::number(to); ++at) {
        if (++steps_ > limits::expression_steps) throw jq::failed{"the expression takes too many steps"};
        out(json::value(at));
      }
    };
    const json::value zero(0);
    if (node.args.size() == 1) {
      run(*node.args[0], input, [&](const json::value& to) { count(zero, to); });
    } else {
      run(*node.args[0], input,
          [&](const json::value& from) { run(*node.args[1], input, [&](const json::value& to) { count(from, to); }); });
    }
  }

  json::value join(const json::value& input, const json::value& separator) {
    json::value out;
    iterate(input, [&](const json::value& item) {
      if (out.is_null()) {
        out = "";
      } else {
        jq::append(out, separator, memory_);
      }
      const auto part = item.is_null()                       ? json::value("")
                        : item.is_bool() || item.is_number() ? json::value(jq::dump(item))
                                                             : item;
      jq::append(out, part, memory_);
    });
    return jq::is_true(out) ? out : json::value("");
  }

  static bool affix(std::string_view name, const json::value& input, const json::value& part) {
    if (!input.is_string() || !part.is_string()) throw jq::failed{std::string{name} + "() requires string inputs"};
    const std::string_view whole{input.get_string().data(), input.get_string().size()};
    const std::string_view wanted{part.get_string().data(), part.get_string().size()};
    return name == "startswith" ? whole.starts_with(wanted) : whole.ends_with(wanted);
  }

  const variable_lookup& variables_;
  std::size_t steps_ = 0;
  jq::budget memory_{4 * limits::expression_result_bytes};
};

}  // namespace

result<json::array> evaluate_jq(const jq_node& program, const json::value& input, const variable_lookup& variables) {
  json::array values;
  try {
    evaluator worker{variables};
    jq::budget size{limits::expression_result_bytes};
    worker.run(program, input, [&](const json::value& value) {
      if (values.size() >= limits::expression_values) throw jq::failed{"the expression gives too many values"};
      size.charge(jq::weight(value) / 4);
      values.push_back(jq::settle(value));
    });
  } catch (const jq::failed& e) {
    return error{errc::invalid_argument, e.message};
  }
  return values;
}

}  // namespace perdure::dsl
