// Operation: a task is drawn as its nodes; what leads out of it is kept as loose ends, until it is known where they go.
#include "dsl/document_graph.hpp"

#include <unordered_map>

#include "dsl/document.hpp"

namespace perdure::dsl {

namespace {

using picture = perdure::flow::graph;
using perdure::flow::short_label;
using jump = flow;

/// A way out of a node whose target is not known yet.
struct loose_end {
  std::size_t from = 0;
  std::string label{};
};
using loose_ends = std::vector<loose_end>;

/// A scalar as written, anything else as compact JSON.
std::string text_of(const node_ptr& value) {
  if (!value) return {};
  if (value->is_string()) return std::string{value->text()};
  if (!value->source.empty()) return value->source;
  return std::string{payload{to_json(*value)}.text()};
}

node_ptr member(const node_ptr& of, std::initializer_list<std::string_view> path) {
  auto at = of;
  for (const auto key : path) {
    const auto* found = at && at->is_object() ? at->find(key) : nullptr;
    at = found != nullptr ? found->value : nullptr;
  }
  return at;
}

/// The property that makes a task what it is: the first that is not common to all tasks.
std::string kind_of(const task& what) {
  for (const auto& each : what.source->members) {
    const auto& key = each.key;
    if (key != "if" && key != "input" && key != "output" && key != "export" && key != "timeout" && key != "then" &&
        key != "metadata")
      return key;
  }
  return {};
}

/// "2s" of {seconds: 2}, else as written.
std::string length_of(const node_ptr& value) {
  if (!value || !value->is_object()) return text_of(value);
  std::string out;
  for (const auto& each : value->members) out += (out.empty() ? "" : " ") + text_of(each.value) + " " + each.key;
  return out;
}

class drawing {
 public:
  explicit drawing(const document& from) {
    out_.title = short_label(workflow_name(from) + " " + from.version);
    const auto start = out_.add({picture::shape::start, {}});
    number(from.tasks, 0);
    finish_ = out_.add({picture::shape::finish, {}});
    lead(draw(from.tasks, {{start}}), finish_);
  }
  picture take() { return std::move(out_); }

 private:
  // ---- nodes, in the order of the document ------------------------------------------------------------------------

  void number(const task_list& tasks, std::size_t group) {
    for (const auto& each : tasks) number(*each, group);
  }

  void number(const task& what, std::size_t group) {
    const auto name = short_label(what.name);
    const auto kind = kind_of(what);
    const auto inner = [&](std::string_view title) {
      auto text = std::string{title};
      for (const auto& line : remarks(what)) text += ", " + line;
      out_.groups.push_back({std::move(text), group});
      return out_.groups.size() - 1;
    };
    if (const auto* body = std::get_if<do_task>(&what.body)) {
      if (body->tasks.empty()) return simple(what, group, picture::shape::step, {name, kind});
      const auto inside = inner(name + " (do)");
      if (passes(*body->tasks.front())) {
        entry_[&what] = second_[&what] = out_.add({picture::shape::bar, {"do"}, inside});
        return number(body->tasks, inside);
      }
      number(body->tasks, inside);
      entry_[&what] = entry_.at(body->tasks.front().get());
    } else if (const auto* body = std::get_if<for_task>(&what.body)) {
      const auto inside = inner(name + " (for)");
      std::vector<std::string> lines{short_label("each " + body->each + " of " + text_of(member(what.source, {"for", "in"})))};
      if (body->condition) lines.push_back(short_label("while " + text_of(member(what.source, {"while"}))));
      entry_[&what] = out_.add({picture::shape::loop, std::move(lines), inside});
      number(body->tasks, inside);
    } else if (const auto* body = std::get_if<fork_task>(&what.body)) {
      const auto inside = inner(name + " (fork)");
      entry_[&what] = out_.add({picture::shape::bar, {"fork"}, inside});
      number(body->branches, inside);
      second_[&what] = out_.add({picture::shape::bar, {body->compete ? "the first one" : "all of them"}, inside});
    } else if (const auto* body = std::get_if<try_task>(&what.body)) {
      const auto outside = inner(name + " (try)");
      entry_[&what] = out_.add({picture::shape::bar, {"try"}, outside});
      number(body->tasks, outside);
      auto lines = std::vector<std::string>{"catch"};
      if (const auto with = member(what.source, {"catch", "errors", "with"})) lines.push_back(short_label(text_of(with)));
      for (const auto* key : {"when", "exceptWhen"}) {
        if (const auto when = member(what.source, {"catch", key}))
          lines.push_back(short_label(std::string{key} + " " + text_of(when)));
      }
      second_[&what] = out_.add({picture::shape::choice, std::move(lines), outside});
      if (body->handler) number(*body->handler, outside);
    } else if (std::holds_alternative<switch_task>(what.body)) {
      simple(what, group, picture::shape::choice, {name});
    } else if (std::holds_alternative<wait_task>(what.body)) {
      simple(what, group, picture::shape::wait, {name, short_label("wait " + length_of(member(what.source, {"wait"})))});
    } else if (std::holds_alternative<raise_task>(what.body)) {
      const auto error = member(what.source, {"raise", "error"});
      const auto type = error && error->is_object() ? text_of(member(error, {"type"})) : text_of(error);
      simple(what, group, picture::shape::failure, {name, short_label("raise " + type.substr(type.rfind('/') + 1))});
    } else {
      const auto detail = kind == "run" || kind == "call" ? member(what.source, {kind}) : nullptr;
      const auto* first = detail && detail->is_object() && !detail->members.empty() ? &detail->members.front() : nullptr;
      const auto more = first != nullptr ? " " + first->key : detail ? " " + text_of(detail) : std::string{};
      simple(what, group, picture::shape::step, {name, short_label(kind + more)});
    }
  }

  void simple(const task& what, std::size_t group, picture::shape kind, std::vector<std::string> lines) {
    for (auto& line : remarks(what)) lines.push_back(std::move(line));
    entry_[&what] = out_.add({kind, std::move(lines), group});
  }

  static std::vector<std::string> remarks(const task& what) {
    std::vector<std::string> out;
    if (what.condition) out.push_back(short_label("if " + text_of(member(what.source, {"if"}))));
    if (what.timeout) {
      const auto after = member(what.source, {"timeout", "after"});
      out.push_back(short_label("at most " + length_of(after ? after : member(what.source, {"timeout"}))));
    }
    return out;
  }

  // ---- edges ------------------------------------------------------------------------------------------------------

  /// Whether skipping the task leads somewhere else than doing it.
  static bool passes(const task& what) {
    return what.condition && (what.then.where != jump::kind::next || std::holds_alternative<raise_task>(what.body));
  }
  static void mark_past(loose_ends& ends, const task& what) {
    for (auto& each : ends) each.label += (each.label.empty() ? "" : ", ") + ("else past " + short_label(what.name));
  }

  void lead(const loose_ends& ends, std::size_t to) {
    for (const auto& each : ends) out_.edges.push_back({each.from, to, each.label});
  }

  /// A list in progress: how it is left.
  struct walk {
    const task_list& tasks;
    loose_ends exits;
  };

  /// To the task at `at`, and past it where that is another way.
  void enter(walk& list, loose_ends ends, std::size_t at) {
    if (at >= list.tasks.size()) {
      list.exits.insert(list.exits.end(), ends.begin(), ends.end());
      return;
    }
    const auto& what = *list.tasks[at];
    lead(ends, entry_.at(&what));
    if (!passes(what)) return;
    mark_past(ends, what);
    enter(list, std::move(ends), at + 1);
  }

  void go(walk& list, loose_ends ends, const jump& then, std::size_t next) {
    switch (then.where) {
      case jump::kind::next: return enter(list, std::move(ends), next);
      case jump::kind::jump: return enter(list, std::move(ends), then.target);
      case jump::kind::end: return lead(ends, finish_);
      case jump::kind::exit: list.exits.insert(list.exits.end(), ends.begin(), ends.end());
    }
  }

  loose_ends draw(const task_list& tasks, loose_ends in) {
    walk list{tasks, {}};
    enter(list, std::move(in), 0);
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      const auto& what = *tasks[i];
      if (const auto* body = std::get_if<switch_task>(&what.body)) {
        bool complete = false;
        for (std::size_t branch = 0; branch < body->branches.size(); ++branch) {
          const auto& each = body->branches[branch];
          complete = complete || !each.when;
          go(list, {{entry_.at(&what), label_of(what, branch)}}, each.then, i + 1);
        }
        if (!complete) go(list, {{entry_.at(&what), "else"}}, what.then, i + 1);
      } else {
        go(list, inside(what), what.then, i + 1);
      }
    }
    return std::move(list.exits);
  }

  static std::string label_of(const task& what, std::size_t branch) {
    const auto& each = std::get<switch_task>(what.body).branches[branch];
    const auto cases = member(what.source, {"switch"});
    if (!each.when || !cases || branch >= cases->items.size()) return short_label(each.name);
    return short_label(each.name + ": " + text_of(member(cases->items[branch], {each.name, "when"})));
  }

  /// Draws what is inside a task; gives the ways out of it.
  loose_ends inside(const task& what) {
    const auto entry = entry_.at(&what);
    if (const auto* body = std::get_if<do_task>(&what.body)) {
      if (body->tasks.empty()) return {{entry}};
      return draw(body->tasks, second_.contains(&what) ? loose_ends{{entry}} : loose_ends{});
    }
    if (const auto* body = std::get_if<for_task>(&what.body)) {
      lead(draw(body->tasks, {{entry, "next"}}), entry);
      return {{entry, "done"}};
    }
    if (const auto* body = std::get_if<fork_task>(&what.body)) {
      const auto join = second_.at(&what);
      for (const auto& each : body->branches) {
        lead({{entry}}, entry_.at(each.get()));
        if (loose_ends past{{entry}}; passes(*each)) {
          mark_past(past, *each);
          lead(past, join);
        }
        // Of a branch's own `then` only the end of the workflow counts.
        lead(branch_ends(*each), each->then.where == jump::kind::end ? finish_ : join);
      }
      return {{join}};
    }
    if (const auto* body = std::get_if<try_task>(&what.body)) return inside_try(what, *body, entry);
    if (std::holds_alternative<raise_task>(what.body)) return {};
    return {{entry}};
  }

  loose_ends branch_ends(const task& what) {
    const auto* choice = std::get_if<switch_task>(&what.body);
    if (choice == nullptr) return inside(what);
    return {{entry_.at(&what)}};
  }

  loose_ends inside_try(const task& what, const try_task& body, std::size_t entry) {
    const auto caught = second_.at(&what);
    auto ends = draw(body.tasks, {{entry}});
    out_.edges.push_back({entry, caught, "on an error", true});
    const auto retry = member(what.source, {"catch", "retry"});
    if (body.retry) {
      auto label = std::string{"again"};
      if (body.retry->count) label += ", up to " + std::to_string(*body.retry->count) + " times";
      if (const auto delay = member(retry, {"delay"})) label += ", after " + length_of(delay);
      out_.edges.push_back({caught, entry, short_label(label), true});
    }
    if (body.handler) {
      auto handled = draw(*body.handler, {{caught, body.retry ? "no more" : "handle"}});
      ends.insert(ends.end(), handled.begin(), handled.end());
    } else if (!body.retry) {
      ends.push_back({caught, "go on"});
    }
    return ends;
  }

  picture out_;
  std::size_t finish_ = 0;
  std::unordered_map<const task*, std::size_t> entry_;   ///< the node where a task begins
  std::unordered_map<const task*, std::size_t> second_;  ///< a fork's join, a try's catch, a do's own beginning
};

}  // namespace

perdure::flow::graph graph_of(const document& from) { return drawing{from}.take(); }

}  // namespace perdure::dsl
