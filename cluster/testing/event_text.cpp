#include "cluster/testing/event_text.hpp"

#include <algorithm>
#include <map>

namespace perdure::testing {

namespace {

std::string text_in(const json::object& of, std::string_view member) {
  const auto* found = of.if_contains(member);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}
std::uint64_t number_in(const json::object& of, std::string_view member) {
  const auto* found = of.if_contains(member);
  return found != nullptr && found->is_number() ? found->to_number<std::uint64_t>() : 0;
}
bool flag_in(const json::object& of, std::string_view member) {
  const auto* found = of.if_contains(member);
  return found != nullptr && found->is_bool() && found->get_bool();
}
void for_each_in(const json::object& of, std::string_view list, const std::function<void(const json::object&)>& take) {
  const auto* found = of.if_contains(list);
  if (found == nullptr || !found->is_array()) return;
  for (const auto& each : found->get_array()) {
    if (each.is_object()) take(each.get_object());
  }
}
std::string code_in(const json::object& of) {
  const auto* found = of.if_contains("error");
  return found != nullptr && found->is_object() ? text_in(found->get_object(), "code") : std::string{};
}
std::string quoted(const std::string& text) { return "\"" + text + "\""; }

/// Knows the names of steps that later events only number.
class teller {
 public:
  told_event operator()(const run_event& of) {
    told_event out{.kind = of.kind, .executor = of.executor};
    const auto& data = of.data;
    const auto activation = number_in(data, "activation");
    std::string rest;
    const auto say = [&](const std::string& what) { rest += (rest.empty() ? ": " : ", ") + what; };
    const auto step = [&](const std::string& verb, const std::string& kind, const std::string& name) {
      out.steps.push_back(name);
      say(verb + " " + kind + (name == kind || name.empty() ? "" : " " + quoted(name)));
    };
    for_each_in(data, "done", [&](const json::object& each) {
      const auto code = code_in(each);
      step("done", text_in(each, "kind"), text_in(each, "name"));
      if (!code.empty()) say("which failed: " + code);
    });
    for_each_in(data, "issued", [&](const json::object& each) {
      names_[{activation, number_in(each, "step")}] = {text_in(each, "kind"), text_in(each, "name")};
      step("waits for", text_in(each, "kind"), text_in(each, "name"));
    });
    if (of.kind == "step_retrying") {
      names_[{activation, number_in(data, "step")}] = {text_in(data, "step_kind"), text_in(data, "name")};
      step("again", text_in(data, "step_kind"), text_in(data, "name"));
      say("after " + std::to_string(number_in(data, "tries")) + " tries");
    } else if (of.kind == "step_completed" || of.kind == "step_resumed") {
      const auto& [kind, name] = names_[{activation, number_in(data, "step")}];
      step(of.kind == "step_completed" ? "done" : "again", kind, name);
    }
    for_each_in(data, "outputs", [&](const json::object& each) {
      const auto name = text_in(each, "name");
      say(text_in(each, "kind") + (name.empty() ? "" : " " + quoted(name)));
    });
    for_each_in(data, "activations", [&](const json::object& each) { say("to " + quoted(text_in(each, "executor"))); });
    if (of.kind == "run_started") say("of " + quoted(text_in(data, "workflow")) + " " + text_in(data, "version"));
    if (of.kind == "signal_received") say(quoted(text_in(data, "name")));
    if (of.kind == "run_ended") say(text_in(data, "status"));
    if (of.kind == "warning") say(text_in(data, "text"));
    if (const auto code = code_in(data); !code.empty()) say("error " + code);
    if (number_in(data, "attempt") > 1) say("attempt " + std::to_string(number_in(data, "attempt")));
    if (flag_in(data, "finished")) say("finished");
    out.text = of.kind + (of.executor.empty() ? "" : " " + quoted(of.executor)) + rest;
    return out;
  }

 private:
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::pair<std::string, std::string>> names_;
};

std::vector<std::string> lines_of(const std::vector<told_event>& events) {
  std::vector<std::string> out;
  for (const auto& each : events) out.push_back(each.text);
  return out;
}
std::vector<std::string> lines_of(const std::vector<event_pattern>& patterns) {
  std::vector<std::string> out;
  for (const auto& each : patterns) out.push_back(text_of(each));
  return out;
}

}  // namespace

std::vector<told_event> tell(const std::vector<run_event>& events) {
  teller one;
  std::vector<told_event> out;
  for (const auto& each : events) out.push_back(one(each));
  return out;
}

bool fits(const event_pattern& wanted, const told_event& found) {
  return (wanted.kind.empty() || wanted.kind == found.kind) && (wanted.executor.empty() || wanted.executor == found.executor) &&
         (wanted.step.empty() || std::find(found.steps.begin(), found.steps.end(), wanted.step) != found.steps.end());
}

std::string text_of(const event_pattern& wanted) {
  auto out = wanted.kind.empty() ? "any event" : wanted.kind;
  if (!wanted.executor.empty()) out += " " + quoted(wanted.executor);
  if (!wanted.step.empty()) out += ", step " + quoted(wanted.step);
  return out;
}

std::string numbered_lines(const std::vector<std::string>& lines, std::size_t marked) {
  std::string out;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto number = std::to_string(i + 1);
    number.insert(0, 4 - std::min<std::size_t>(4, number.size()), ' ');
    out += (i == marked ? " -> " : "    ") + number + "  " + lines[i] + "\n";
  }
  return out.empty() ? "    (none)\n" : out;
}

// What test_run says of events -------------------------------------------------------------------------------------------

std::string test_run::events_text() const { return numbered_lines(lines_of(tell(events()))); }

void test_run::expect_events(const std::vector<event_pattern>& expected) const {
  const auto found = tell(events());
  const auto shorter = std::min(expected.size(), found.size());
  std::size_t same = 0;
  while (same < shorter && fits(expected[same], found[same])) ++same;
  if (same == expected.size() && same == found.size()) return;
  fail("the events of run " + id_.str() + " are not the expected ones, from number " + std::to_string(same + 1) +
       " on\n  expected:\n" + numbered_lines(lines_of(expected), same) + "  found:\n" + numbered_lines(lines_of(found), same));
}

void test_run::expect_subsequence(const std::vector<event_pattern>& expected) const {
  const auto found = tell(events());
  std::size_t at = 0, after = 0;
  for (std::size_t i = 0; i < found.size() && at < expected.size(); ++i) {
    if (!fits(expected[at], found[i])) continue;
    ++at;
    after = i + 1;
  }
  if (at == expected.size()) return;
  fail("the events of run " + id_.str() + " have not, in this order, what was expected: number " + std::to_string(at + 1) +
       " does not come after event " + std::to_string(after) + "\n  expected:\n" + numbered_lines(lines_of(expected), at) +
       "  found:\n" + numbered_lines(lines_of(found)));
}

void test_run::expect_no_event(const event_pattern& unwanted) const {
  const auto found = tell(events());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (!fits(unwanted, found[i])) continue;
    fail("run " + id_.str() + " was expected to have no " + text_of(unwanted) + "\n  found:\n" +
         numbered_lines(lines_of(found), i));
  }
}

std::size_t test_run::count_events(const event_pattern& of) const {
  const auto found = tell(events());
  return static_cast<std::size_t>(std::count_if(found.begin(), found.end(), [&](const auto& each) { return fits(of, each); }));
}

}  // namespace perdure::testing
