// A whole document: its header, its components, its tasks; and the entry point.
#include <algorithm>
#include <array>
#include <tuple>

#include "core/record.hpp"
#include "dsl/jq_values.hpp"
#include "dsl/reader.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::dsl {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// RFC 1123 label, either case.
bool is_label(std::string_view text) {
  if (text.empty() || text.size() > 63 || text.front() == '-' || text.back() == '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
}

/// Identifiers between dots; of a pre-release, numbers have no leading zero.
bool are_identifiers(std::string_view text, bool numbers_are_plain) {
  while (true) {
    const auto end = text.find('.');
    const auto part = text.substr(0, end);
    if (part.empty() || !std::all_of(part.begin(), part.end(), [](char c) { return is_letter(c) || is_digit(c) || c == '-'; }))
      return false;
    if (numbers_are_plain && part.size() > 1 && part[0] == '0' && std::all_of(part.begin(), part.end(), is_digit)) return false;
    if (end == std::string_view::npos) return true;
    text.remove_prefix(end + 1);
  }
}

/// Semantic versioning 2.0.
bool is_version(std::string_view text) {
  if (text.size() > 128) return false;
  if (const auto build = text.find('+'); build != std::string_view::npos) {
    if (!are_identifiers(text.substr(build + 1), false)) return false;
    text = text.substr(0, build);
  }
  if (const auto pre = text.find('-'); pre != std::string_view::npos) {
    if (!are_identifiers(text.substr(pre + 1), true)) return false;
    text = text.substr(0, pre);
  }
  int parts = 0;
  while (true) {
    const auto end = text.find('.');
    const auto part = text.substr(0, end);
    if (part.empty() || !std::all_of(part.begin(), part.end(), is_digit) || (part.size() > 1 && part[0] == '0')) return false;
    ++parts;
    if (end == std::string_view::npos) return parts == 3;
    text.remove_prefix(end + 1);
  }
}

std::optional<task_kind> kind_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, task_kind>, 12> kinds{{{"call", task_kind::call},
                                                                          {"composite", task_kind::composite},
                                                                          {"emit", task_kind::emit},
                                                                          {"extension", task_kind::extension},
                                                                          {"for", task_kind::loop},
                                                                          {"listen", task_kind::listen},
                                                                          {"raise", task_kind::raise},
                                                                          {"run", task_kind::run},
                                                                          {"set", task_kind::set},
                                                                          {"switch", task_kind::choice},
                                                                          {"try", task_kind::attempt},
                                                                          {"wait", task_kind::wait}}};
  for (const auto& [each, kind] : kinds) {
    if (each == name) return kind;
  }
  return std::nullopt;
}

json::value sorted(const json::value& value) {
  if (const auto* items = value.if_array()) {
    json::array out;
    out.reserve(items->size());
    for (const auto& item : *items) out.push_back(sorted(item));
    return out;
  }
  if (const auto* object = value.if_object()) {
    std::vector<std::string_view> keys;
    for (const auto& [key, member] : *object) keys.emplace_back(key.data(), key.size());
    std::sort(keys.begin(), keys.end());
    json::object out;
    for (const auto key : keys) out.emplace(key, sorted(object->at(key)));
    return out;
  }
  return value;
}

}  // namespace

document reader::read(const node_ptr& root) {
  document out;
  out.policy = options_.policy;
  const cursor at{root};
  properties all{to_, at, "a workflow"};
  if (!all.is_object()) return out;
  if (const auto header = all.required("document")) read_header(*header, out);
  read_evaluate(all.optional("evaluate"));  // before all expressions
  if (const auto use = all.optional("use")) {
    kept_.push_back(*use);
    read_use(kept_.back(), out);
  }
  auto input = read_transform(all.optional("input"), "the workflow's input", "from", expression_site::workflow_input);
  out.input_from = std::move(input.value);
  out.input_schema = std::move(input.schema);
  out.tasks = read_tasks(all.required("do"));
  out.task_count = task_count_;
  auto output = read_transform(all.optional("output"), "the workflow's output", "as", expression_site::workflow_output);
  out.output_as = std::move(output.value);
  out.output_schema = std::move(output.schema);
  out.timeout = read_timeout(all.optional("timeout"), expression_site::workflow_output);
  out.schedule = read_schedule(all.optional("schedule"));
  all.done();
  read_functions(out);
  read_unused();
  check_programs();
  out.needs_jq = needs_jq_;
  out.definition = std::make_shared<const json::value>(to_json(*root));
  return out;
}

std::shared_ptr<const task> reader::read_function(const node_ptr& root, const std::string& name, std::string caller) {
  caller_ = std::move(caller);
  auto out = read_task(cursor{root}, name, {});
  check_programs();
  return out;
}

void reader::read_header(const cursor& at, document& out) {
  properties all{to_, at, "the document's header"};
  const auto text = [&](const std::optional<cursor>& value, std::string& into) {
    if (!value || !check_string(to_, value)) return false;
    into = value->tree().text();
    return true;
  };
  const auto dsl = all.required("dsl");
  if (text(dsl, out.dsl)) {
    if (!is_version(out.dsl)) {
      to_.unfit(*dsl, "the version of the DSL such as 1.0.3");
    } else if (!out.dsl.starts_with("1.0.")) {
      to_.invalid(*dsl, "version " + out.dsl + " of the DSL is not known here; documents of 1.0 run");
    }
  }
  const auto space = all.required("namespace");
  if (text(space, out.space) && !is_label(out.space))
    to_.unfit(*space, "1 to 63 letters, digits and hyphens, no hyphen at either end");
  const auto name = all.required("name");
  if (text(name, out.name) && !is_label(out.name))
    to_.unfit(*name, "1 to 63 letters, digits and hyphens, no hyphen at either end");
  const auto version = all.required("version");
  if (text(version, out.version) && !is_version(out.version)) to_.unfit(*version, "a semantic version such as 0.1.0");
  text(all.optional("title"), out.title);
  text(all.optional("summary"), out.summary);
  check_object(to_, all.optional("tags"));
  check_object(to_, all.optional("metadata"));
  all.done();
}

void reader::read_evaluate(const std::optional<cursor>& at) {
  if (!at) return;
  properties all{to_, *at, "the evaluation's settings"};
  const auto language = all.optional("language");
  if (check_string(to_, language) && language && language->tree().text() != "jq") {
    to_.unsupported(*language, "the expression language \"" + std::string{language->tree().text()} + "\" (only \"jq\" is)");
  }
  const auto mode = all.optional("mode");
  if (check_enum(to_, mode, {"strict", "loose"}) && mode && mode->tree().text() == "loose") mode_ = evaluate_mode::loose;
  all.done();
}

void reader::read_components(properties& use, std::string_view name, components& out) {
  const auto group = use.optional(name);
  if (!check_object(to_, group) || !group) return;
  kept_.push_back(*group);
  for (const auto& member : kept_.back().tree().members) out.emplace(member.key, component{cursor{kept_.back(), member}});
}

void reader::read_use(const cursor& at, document& out) {
  properties all{to_, at, "the components"};
  // First, since expressions in the others may use them.
  const auto secrets = all.optional("secrets");
  if (check_strings(to_, secrets) && secrets) {
    for (const auto& each : secrets->tree().items) out.secrets.emplace_back(each->text());
  }
  secrets_ = out.secrets;
  if (secrets && !out.secrets.empty() && !options_.policy.may_use_secrets) to_.forbidden(*secrets, "a secret");
  read_components(all, "timeouts", timeouts_);
  read_components(all, "retries", retries_);
  read_components(all, "errors", errors_);
  read_components(all, "authentications", authentications_);
  for (const auto& [name, policy] : authentications_) check_authentication(policy.at, false);
  read_components(all, "catalogs", catalogs_);
  for (const auto& [name, catalog] : catalogs_) {
    properties one{to_, catalog.at, "a catalog"};
    check_endpoint(one.required("endpoint"));
    one.done();
  }
  read_components(all, "functions", functions_);
  if (const auto extensions = all.optional("extensions")) {
    if (!extensions->tree().is_array()) to_.unfit(*extensions, "an array of extensions, each \"- name: …\"");
    for (std::size_t i = 0; i < extensions->tree().items.size(); ++i) read_extension(cursor{*extensions, i}, out);
  }
  all.done();
}

void reader::read_extension(const cursor& at, document& out) {
  if (!at.tree().is_object() || at.tree().members.size() != 1) {
    to_.unfit(at, "an extension: an object with its name as the only property");
    return;
  }
  const cursor one{at, at.tree().members[0]};
  properties all{to_, one, "an extension"};
  extension made;
  made.name = at.tree().members[0].key;
  const auto extends = all.required("extend");
  const bool known = check_enum(
      to_, extends,
      {"call", "composite", "emit", "extension", "for", "listen", "raise", "run", "set", "switch", "try", "wait", "all"});
  if (known && extends) made.extends = kind_named(extends->tree().text());
  made.when = read_expression(all.optional("when"), expression_site::in_task);
  made.before = read_tasks(all.optional("before"));
  made.after = read_tasks(all.optional("after"));
  all.done();
  out.extensions.push_back(std::move(made));
}

/// Functions know nothing of where they are called, so each is read once. Those that nobody calls are checked, but what this
/// version does not run has no effect in them.
void reader::read_functions(document& out) {
  for (bool found = true; found;) {
    found = false;
    for (auto& [name, function] : functions_) {
      if (!function.used || std::exchange(function.read, true)) continue;
      found = true;  // it may call others
      if (auto made = read_task(function.at, name, {})) out.functions.emplace(name, std::move(made));
    }
  }
  to_.tell_unsupported(false);
  for (const auto& [name, function] : functions_) {
    if (!function.read) (void)read_task(function.at, name, {});
  }
  to_.tell_unsupported(true);
}

void reader::read_unused() {
  variables_ = {"error"};  // what a retry policy's conditions have by default
  for (const auto& [name, timeout] : timeouts_) {
    if (!timeout.used) (void)read_timeout(timeout.at, expression_site::in_task);
  }
  for (const auto& [name, retry] : retries_) {
    if (!retry.used) (void)read_retry_rule(retry.at);
  }
  for (const auto& [name, error] : errors_) {
    if (!error.used) (void)read_error(error.at);
  }
  variables_.clear();
}

const cursor* reader::find_component(const cursor& at, components& among, std::string_view kind) {
  const auto name = at.tree().text();
  const auto found = among.find(name);
  if (found != among.end()) {
    found->second.used = true;
    return &found->second.at;
  }
  std::vector<std::string_view> names;
  for (const auto& each : among) names.emplace_back(each.first);
  const auto meant = nearest(name, names);
  to_.invalid(at, "expected the name of " + std::string{kind} + " defined in \"use\", found \"" + std::string{name} + "\"" +
                      (meant ? "; did you mean \"" + std::string{*meant} + "\"?" : ""));
  return nullptr;
}

std::vector<schedule_rule> reader::read_schedule(const std::optional<cursor>& at) {
  using kind = schedule_rule::kind;
  if (!at) return {};
  properties all{to_, *at, "a schedule"};
  const auto every = all.optional("every"), text = all.optional("cron"), after = all.optional("after"), on = all.optional("on");
  all.done();
  if (!every && !text && !after && !on && at->tree().is_object())
    to_.invalid(*at, "expected at least one of the properties \"every\", \"cron\", \"after\", \"on\" in a schedule");
  std::vector<schedule_rule> out;
  if (every) {
    auto length = read_duration(every, expression_site::workflow_input);
    const auto* fixed = length ? std::get_if<duration>(&*length) : nullptr;
    if (fixed != nullptr && *fixed <= duration{0}) to_.invalid(*every, "expected a duration longer than nothing");
    out.push_back({.what = kind::every, .length = std::move(length)});
  }
  if (text && check_string(to_, text, false)) {
    auto made = cron::parse(text->tree().text());
    const auto known =
        made && options_.clock != nullptr ? options_.clock->next(*made, timestamp{}) : result<timestamp>{timestamp{}};
    if (!made || !known) {
      to_.invalid(*text, (made ? known.error() : made.error()).message);
    } else {
      out.push_back({.what = kind::cron, .when = std::move(*made)});
    }
  }
  if (after) out.push_back({.what = kind::after, .length = read_duration(after, expression_site::workflow_input)});
  if (on) {
    auto listener = std::make_shared<task>();
    listener->name = "schedule";
    listener->reference = "/schedule";
    listener->source = at->shared();
    listener->body = listen_task{.to = read_strategy(on), .envelope = true};
    out.push_back({.what = kind::on, .listener = std::move(listener)});
  }
  return out;
}

void reader::check_programs() {
  if (options_.host == nullptr) return;
  for (const auto& each : schemas_) {
    const auto answer = options_.host->check_schema(each.document);
    if (!answer) to_.add(problem_kind::invalid, each.at, each.pointer, answer.error().message);
  }
  if (programs_.empty()) return;
  std::map<std::pair<std::string, std::vector<std::string>>, std::vector<const pending_program*>> places;
  for (const auto& each : programs_) places[{each.text.program, each.text.names}].push_back(&each);
  std::vector<std::vector<const pending_program*>> different;
  for (auto& [text, all] : places) different.push_back(std::move(all));
  std::size_t guilty = 0;
  // One question for all; only when the answer is no, the guilty are looked for by halves.
  const auto ask = [&](auto&& self, std::size_t begin, std::size_t end) -> void {
    if (guilty >= limits::document_problems) return;
    std::vector<expression_text> texts;
    for (auto i = begin; i < end; ++i) texts.push_back(different[i].front()->text);
    const auto answer = options_.host->check(texts);
    if (answer) return;
    if (end - begin > 1) {
      const auto middle = begin + (end - begin) / 2;
      self(self, begin, middle);
      self(self, middle, end);
      return;
    }
    ++guilty;
    for (const auto* each : different[begin]) {
      to_.add(problem_kind::invalid, each->at, each->pointer,
              "not a valid expression: " + answer.error().message + ", in \"" + each->text.program + "\"");
    }
  };
  ask(ask, 0, different.size());
}

std::variant<document, std::vector<problem>> read_document(std::string_view text, const std::string& file,
                                                           const read_options& options) {
  std::vector<problem> problems;
  const auto root = read_tree(text, file, problems);
  document out;
  if (root) {
    checker to{file, problems};
    reader reads{to, options};
    out = reads.read(root);
  }
  if (!problems.empty()) {
    const auto place = [](const problem& each) { return std::tie(each.at.line, each.at.column, each.pointer, each.message); };
    std::stable_sort(problems.begin(), problems.end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
    problems.erase(std::unique(problems.begin(), problems.end()), problems.end());
    return problems;
  }
  const auto canonical = jq::dump(sorted(*out.definition));
  out.hash = core::to_hex(core::sha256({canonical}));
  return out;
}

std::variant<std::shared_ptr<const task>, std::vector<problem>> read_function(std::string_view text, const std::string& file,
                                                                              const std::string& name, std::string caller,
                                                                              const read_options& options) {
  std::vector<problem> problems;
  std::shared_ptr<const task> out;
  if (const auto root = read_tree(text, file, problems)) {
    checker to{file, problems};
    reader reads{to, options};
    out = reads.read_function(root, name, std::move(caller));
  }
  if (!problems.empty()) return problems;
  return out;
}

std::string workflow_name(const std::string& space, const std::string& name) {
  return space == "default" ? name : space + "/" + name;
}
std::string workflow_name(const document& from) { return workflow_name(from.space, from.name); }

}  // namespace perdure::dsl
