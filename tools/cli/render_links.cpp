#include "tools/cli/render_links.hpp"

#include "tools/cli/table.hpp"
#include "tools/cli/times.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::cli {

namespace {

std::string heading(std::string_view text) { return "\n" + paint(colour::bold, text) + "\n"; }

std::string children_table(const json::object& shown, std::size_t width) {
  table out{{{"CHILD", 13}, {"WORKFLOW", 10}, {"AT END", 0}, {"STATUS"}, {"TOOK", 0, true}, {"NOTE", 8}}};
  for (const auto& each : list_of(shown, "children")) {
    const auto& child = each.get_object();
    const auto status = text_of(child, "status"), ended = text_of(child, "ended_at"), executor = text_of(child, "executor");
    const auto what = flag_of(child, "background") ? executor + " (background)" : text_of(child, "workflow");
    const auto why = value_of(child, "error");
    const auto note = why.is_object() ? text_of(why.get_object(), "code") + ": " + text_of(why.get_object(), "detail") : "";
    out.add({{text_of(child, "run_id"), colour::plain},
             {printable(what), colour::plain},
             {text_of(child, "close"), colour::dim},
             {status, colour_of(status)},
             {ended.empty() ? "-" : between(text_of(child, "started_at"), ended), colour::dim},
             {printable(note), colour::red}});
  }
  return out.empty() ? std::string{} : heading("Children") + out.text(width);
}

std::string linked_runs(const json::object& shown) {
  std::string out;
  const auto add = [&](const std::string& how, const std::string& run) {
    if (!run.empty()) out += how + std::string(10 - how.size(), ' ') + run + "\n";
  };
  const auto link = text_of(shown, "link");
  add("parent", text_of(shown, "parent"));
  add(link == "forked" ? "fork of" : link == "continued" ? "follows" : "retry of", text_of(shown, "source"));
  add("goes on", text_of(shown, "successor"));
  return out.empty() ? out : heading("Linked runs") + out;
}

}  // namespace

std::string render_links(const json::object& shown) { return children_table(shown, terminal_width()) + linked_runs(shown); }

}  // namespace perdure::tools::cli
