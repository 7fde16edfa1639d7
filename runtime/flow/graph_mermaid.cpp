// Graphs as Mermaid flowcharts.
#include "flow/graph.hpp"

namespace perdure::flow {

namespace {

/// Text inside quotes. Mermaid has no backslash escapes: what means something to it is written as an entity, and so is
/// the word `end`, which older versions take for the end of a subgraph wherever it stands, and what newer ones take for
/// the beginning of a list.
std::string escaped(std::string_view text) {
  const auto is_word = [&](std::size_t at) {
    if (at >= text.size()) return false;
    const auto c = static_cast<unsigned char>(text[at]);
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80U;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    switch (text[i]) {
      case '"': out += "#quot;"; break;
      case '#': out += "#35;"; break;
      case '%': out += "#37;"; break;
      case '&': out += "#amp;"; break;
      case '<': out += "#lt;"; break;
      case '>': out += "#gt;"; break;
      case '\\': out += "#92;"; break;
      case '`': out += "#96;"; break;
      case '*': out += "#42;"; break;
      case '-':
      case '+': out += i == 0 ? (text[i] == '-' ? "#45;" : "#43;") : std::string{text[i]}; break;
      case '.': out += i > 0 && text.substr(0, i).find_first_not_of("0123456789") == text.npos ? "#46;" : "."; break;
      case 'e':
        if (text.substr(i, 3) == "end" && !is_word(i + 3) && (i == 0 || !is_word(i - 1))) {
          out += "#101;";
          break;
        }
        [[fallthrough]];
      default: out += text[i];
    }
  }
  return out;
}

std::string lines_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& each : lines) {
    if (!each.empty()) out += (out.empty() ? "" : "<br>") + escaped(each);
  }
  return out;
}

std::string node_text(const graph::node& node) {
  const auto text = "\"" + lines_of(node.lines) + "\"";
  switch (node.kind) {
    case graph::shape::start: return "((\" \")):::point";
    case graph::shape::finish: return "(((\" \"))):::point";
    case graph::shape::step: return "[" + text + "]";
    case graph::shape::wait: return "([" + text + "]):::wait";
    case graph::shape::choice: return "{" + text + "}:::choice";
    case graph::shape::loop: return "{{" + text + "}}:::loop";
    case graph::shape::bar: return "([" + text + "]):::bar";
    case graph::shape::failure: return "[" + text + "]:::failure";
  }
  return {};
}

/// The nodes of a group, in the order in which they were added, with the groups inside it.
void write_group(const graph& what, std::size_t group, const std::string& indent, std::string& out) {
  for (std::size_t i = 0; i < what.nodes.size(); ++i) {
    if (what.nodes[i].group == group) out += indent + "n" + std::to_string(i) + node_text(what.nodes[i]) + "\n";
  }
  for (std::size_t i = group + 1; i < what.groups.size(); ++i) {
    if (what.groups[i].parent != group) continue;
    out += indent + "subgraph g" + std::to_string(i) + "[\"" + escaped(what.groups[i].title) + "\"]\n";
    write_group(what, i, indent + "  ", out);
    out += indent + "end\n";
  }
}

}  // namespace

std::string write_mermaid(const graph& what) {
  std::string out = "---\ntitle: \"";
  for (const char c : what.title) out += c == '"' || c == '\\' ? std::string{'\\', c} : std::string{c};
  out += "\"\n---\nflowchart TD\n";
  write_group(what, 0, "  ", out);
  for (const auto& each : what.edges) {
    out += "  n" + std::to_string(each.from) + (each.dashed ? " -.->" : " -->");
    if (!each.label.empty()) out += "|\"" + escaped(each.label) + "\"|";
    out += " n" + std::to_string(each.to) + "\n";
  }
  // Light fills with dark text: readable on a light and on a dark page.
  out +=
      "  classDef point fill:#57606a,stroke:#57606a,color:#fff\n"
      "  classDef wait fill:#fff8c5,stroke:#bf8700,color:#24292f\n"
      "  classDef choice fill:#ddf4ff,stroke:#0969da,color:#24292f\n"
      "  classDef loop fill:#fbefff,stroke:#8250df,color:#24292f\n"
      "  classDef bar fill:#eaeef2,stroke:#57606a,color:#24292f\n"
      "  classDef failure fill:#ffebe9,stroke:#cf222e,color:#24292f\n";
  return out;
}

}  // namespace perdure::flow
