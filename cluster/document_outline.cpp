// What a document would do, task by task, without doing it.
#include "cluster/documents.hpp"
#include "dsl/document.hpp"
#include "dsl/syntax_tree.hpp"

namespace perdure::cluster {

namespace {

class outline {
 public:
  explicit outline(std::vector<outline_line>& out) : out_(out) {}

  void tasks(const dsl::task_list& list, std::size_t depth) {
    for (const auto& each : list) task(*each, depth);
  }

  void task(const dsl::task& what, std::size_t depth) {
    out_.push_back({depth, what.name, what.reference, kind_of(what), conditions_of(what)});
    const auto inside = depth + 1;
    if (const auto* body = std::get_if<dsl::do_task>(&what.body)) tasks(body->tasks, inside);
    if (const auto* body = std::get_if<dsl::for_task>(&what.body)) tasks(body->tasks, inside);
    if (const auto* body = std::get_if<dsl::fork_task>(&what.body)) tasks(body->branches, inside);
    if (const auto* body = std::get_if<dsl::listen_task>(&what.body); body != nullptr && body->each)
      tasks(body->each->tasks, inside);
    if (const auto* body = std::get_if<dsl::try_task>(&what.body)) {
      tasks(body->tasks, inside);
      if (!body->handler) return;
      out_.push_back({inside, "catch", what.reference + "/catch", "", ""});
      tasks(*body->handler, inside + 1);
    }
  }

 private:
  /// "run shell", "call http" …
  static std::string kind_of(const dsl::task& what) {
    for (const auto& member : what.source->members) {
      const auto& key = member.key;
      if (key == "if" || key == "input" || key == "output" || key == "export" || key == "timeout" || key == "then" ||
          key == "metadata" || key == "with" || key == "while" || key == "foreach" || key == "catch")
        continue;
      if (key == "do" && what.source->find("for") != nullptr) continue;
      const auto& value = *member.value;
      if (key == "call" && value.is_string()) return key + " " + std::string{value.text()};
      if (key == "run" && value.is_object() && !value.members.empty()) return key + " " + value.members[0].key;
      return key;
    }
    return {};
  }

  static std::string conditions_of(const dsl::task& what) {
    std::string out;
    const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : ", ") + text; };
    const auto text_of = [](const dsl::node& of) {
      return of.is_string() ? std::string{of.text()} : std::string{payload{dsl::to_json(of)}.text()};
    };
    if (const auto* found = what.source->find("if")) add("if " + text_of(*found->value));
    if (const auto* found = what.source->find("timeout")) add("timeout " + text_of(*found->value));
    if (const auto* found = what.source->find("then")) add("then " + text_of(*found->value));
    return out;
  }

  std::vector<outline_line>& out_;
};

}  // namespace

result<std::vector<outline_line>> document_reader::outline_of(const std::string& text, const std::string& file) {
  auto read = dsl::read_document(text, file, {.host = host_.get(), .clock = clock_.get()});
  if (const auto* problems = std::get_if<std::vector<dsl::problem>>(&read)) {
    std::string all;
    for (const auto& each : *problems) all += (all.empty() ? "" : "\n") + each.str();
    return error{errc::invalid_argument, all};
  }
  const auto& model = std::get<dsl::document>(read);
  std::vector<outline_line> out;
  outline{out}.tasks(model.tasks, 0);
  return out;
}

}  // namespace perdure::cluster
