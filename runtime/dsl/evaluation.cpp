// Evaluating inside a run: what is native and pure at once, everything else as a recorded step.
#include <algorithm>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

failure expression_error(const error& why, const std::string& reference) {
  const bool broken = why.code == errc::io_error || why.code == errc::unsupported;
  return make_error(broken ? "runtime" : "expression", why.message, reference);
}

/// What does not fit: here when that is safe, else in a worker.
result<json::array> validate(const json::value& document, const json::value& value, expression_host* host) {
  if (!schema::is_simple(document)) {
    if (host == nullptr) return error{errc::unsupported, "this schema needs a worker process, and none is available"};
    return host->validate(document, value);
  }
  const auto made = schema::compile(document);
  if (!made) return made.error();
  json::array out;
  for (auto& each : (*made)->problems(value)) out.push_back(json::value(each));
  return out;
}

/// The schema that a resource holds: `text` is what an http address gave; a file is read here.
result<json::value> schema_at(const std::string& name, const std::string& text, resource_host* files) {
  const auto path = file_of(name);
  if (!path) return read_value(text, name);
  if (files == nullptr) return error{errc::unsupported, "there are no files here, so " + name + " cannot be read"};
  const auto read = files->read(*path);
  if (!read) return error{errc::invalid_argument, read.error().message};
  return read_value(*read, *path);
}

/// What the expression sees as $secrets. The specification wants an error for a secret that is not there.
data_ptr stand_ins(const document& from, const dynamic_value& program, secret_host* host, const std::string& reference) {
  json::object out;
  for (const auto& name : from.secrets) {
    auto text = host != nullptr ? host->stand_in(workflow_name(from), name) : error{errc::not_found, "there are no secrets here"};
    if (text) {
      out.emplace(name, std::move(*text));
    } else if (text.error().code != errc::not_found) {
      throw step_error(make_error("runtime", text.error().message, reference));
    } else if (program.mentions(name)) {
      throw step_error(make_error("authorization", text.error().message, reference));
    }
  }
  return make_data(std::move(out));
}

/// Not every number can be stored.
void check_stored(const data& value, const std::string& reference) {
  try {
    (void)value.stored();
  } catch (const step_error& e) {
    throw step_error(make_error("expression", e.why().message, reference));
  }
}

}  // namespace

const std::string& interpreter::reference_of(const running* now) const {
  static const std::string whole = "/";
  return now != nullptr ? now->what->reference : whole;
}

/// Of a task that is extended, extensions see its own properties too, as the specification's examples want it.
data_ptr interpreter::describe_task(const running& now, bool extended) const {
  json::object out{{"name", now.what->name}, {"reference", now.what->reference}, {"definition", to_json(*now.what->source)}};
  out.emplace("input", now.raw_input->value());
  if (now.raw_output) out.emplace("output", now.raw_output->value());
  out.emplace("startedAt", describe_time(now.started));
  if (extended) {
    for (const auto& [key, at, value] : now.what->source->members) {
      if (key != "output") out.emplace(key, to_json(*value));
    }
  }
  return make_data(std::move(out));
}

const data_ptr& interpreter::describe_workflow() {
  if (!workflow_) {
    workflow_ = make_data(json::object{{"id", ctx_->run().str()},
                                       {"definition", *document_->definition},
                                       {"input", workflow_input_->value()},
                                       {"startedAt", describe_time(started_)}});
  }
  return workflow_;
}

bindings interpreter::bind(const std::vector<std::string>& names, const running* now, const variables_ptr& variables) {
  static const data_ptr runtime =
      make_data(json::object{{"name", "perdure"}, {"version", PERDURE_VERSION}, {"metadata", json::object{}}});
  static const data_ptr none = make_data(nullptr);
  bindings out;
  for (const auto& name : names) {
    if (name == "secrets") continue;  // looked up where the expression is evaluated, once
    data_ptr value;
    for (const auto* each = variables.get(); each != nullptr && !value; each = each->outer.get()) {
      if (each->name == name) value = each->value;
    }
    if (!value) {
      if (name == "context") value = context_;
      if (name == "workflow") value = describe_workflow();
      if (name == "runtime") value = runtime;
      if (now != nullptr && name == "input") value = now->input;
      if (now != nullptr && name == "output") value = now->output;
      if (now != nullptr && name == "authorization") value = now->authorization;
      if (now != nullptr && name == "task") {
        const auto* extended = now->around.extended;
        value = describe_task(extended != nullptr ? *extended : *now, extended != nullptr);
      }
    }
    out.emplace_back(name, value ? std::move(value) : none);
  }
  return out;
}

async<data_ptr> interpreter::evaluate(std::string label, program_ptr what, data_ptr input, const running* now,
                                      variables_ptr variables, bool recorded) {
  const bool kept = recorded;
  recorded = recorded && records_all_;
  if (!recorded) {
    if (const auto* constant = what->constant()) co_return make_data(*constant);
  }
  std::vector<std::string> names;
  what->add_variables(names);
  // A newer build says something else there, and a run that goes on under it must not: what was said is recorded.
  const bool secret = std::find(names.begin(), names.end(), "secrets") != names.end();
  recorded = recorded || secret || std::find(names.begin(), names.end(), "runtime") != names.end();
  auto values = bind(names, now, variables);
  const auto reference = reference_of(now);
  if (!recorded && what->is_native()) {
    auto value = what->evaluate(input->value(), lookup_in(values), nullptr);
    if (!value) throw step_error(expression_error(value.error(), reference));
    auto out = make_data(std::move(*value));
    if (kept) check_stored(*out, reference);
    co_return out;
  }
  // What the body uses it co-owns: a body may outlive the attempt that started it.
  auto body = [ports = ports_, document = document_, program = std::move(what), input, values = std::move(values), secret,
               reference]() -> payload {
    auto known = values;
    if (secret) known.emplace_back("secrets", stand_ins(*document, *program, ports.secrets.get(), reference));
    auto value = program->evaluate(input->value(), lookup_in(known), ports.workers.get());
    if (!value) throw step_error(expression_error(value.error(), reference));
    try {
      return payload{*value};
    } catch (const step_error& e) {
      throw step_error(make_error("expression", e.why().message, reference));
    }
  };
  note_step();
  auto step = ctx_->call(label, body);
  auto stored = co_await step;
  step_bytes_ += stored.size();
  co_return std::make_shared<const data>(std::move(stored));
}

async<> interpreter::check_schema(std::string what, const schema_rule& rule, data_ptr value, const running* now) {
  json::value problems;
  if (rule.fixed && rule.fixed->is_compiled()) {
    json::array found;
    for (auto& each : rule.fixed->problems(value->value())) found.push_back(json::value(each));
    problems = std::move(found);
  } else {
    std::string text, name;
    if (rule.resource) {
      auto address = address_of(*rule.resource, value, now);
      const auto from = co_await address;
      name = from.url;
      if (!file_of(name)) {
        auto fetched = fetch("schema", from);
        text = co_await fetched;
      }
    }
    auto body = [ports = ports_, fixed = rule.fixed, text, name, value, reference = reference_of(now)]() -> payload {
      const auto document = fixed ? result<json::value>{fixed->document()} : schema_at(name, text, ports.files.get());
      auto told = document ? validate(*document, value->value(), ports.workers.get()) : result<json::array>{document.error()};
      if (!told) {
        const bool theirs = told.error().code == errc::invalid_argument;
        throw step_error(make_error(theirs ? "configuration" : "runtime", told.error().message, reference));
      }
      return payload{json::value(std::move(*told))};
    };
    note_step();
    auto step = ctx_->call("schema", body);
    const auto stored = co_await step;
    problems = stored.value();
  }
  const auto& list = problems.as_array();
  if (list.empty()) co_return;
  auto detail = what + " does not fit its schema: ";
  for (std::size_t i = 0; i < list.size(); ++i) detail += (i == 0 ? "" : "; ") + jq::text(list[i]);
  throw step_error(make_error("validation", std::move(detail), reference_of(now)));
}

async<bool> interpreter::is_true(std::string label, const expression_ptr& what, data_ptr input, const running* now,
                                 variables_ptr variables) {
  auto condition = std::make_shared<const dynamic_value>(what);
  auto evaluated = evaluate(std::move(label), std::move(condition), std::move(input), now, std::move(variables));
  const auto value = co_await evaluated;
  co_return jq::is_true(value->value());
}

async<duration> interpreter::length_of(const duration_value& what, const running* now, variables_ptr variables) {
  if (const auto* fixed = std::get_if<duration>(&what)) co_return *fixed;
  const auto input = now != nullptr ? now->input : workflow_input_;
  auto evaluated = evaluate("duration", program(std::get<dynamic_value>(what)), input, now, std::move(variables));
  const auto value = co_await evaluated;
  co_return to_duration(value->value(), reference_of(now));
}

}  // namespace perdure::dsl
