// Graphs in Graphviz' DOT language.
#include "flow/graph.hpp"

namespace perdure::flow {

namespace {

/// Text inside quotes: backslashes are escapes there (\n, \N, \l), and & begins an HTML entity.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '&': out += "&amp;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string lines_of(const std::vector<std::string>& lines) {
  std::string out;
  for (const auto& each : lines) {
    if (!each.empty()) out += (out.empty() ? "" : "\\n") + escaped(each);
  }
  return out;
}

std::string_view style_of(graph::shape kind) {
  switch (kind) {
    case graph::shape::start: return "shape=circle, width=0.18, fixedsize=true, fillcolor=\"#57606a\", color=\"#57606a\"";
    case graph::shape::finish: return "shape=doublecircle, width=0.14, fixedsize=true, fillcolor=\"#57606a\", color=\"#57606a\"";
    case graph::shape::step: return "";
    case graph::shape::wait: return "fillcolor=\"#fff8c5\", color=\"#bf8700\"";
    case graph::shape::choice:
      return "shape=diamond, style=filled, fillcolor=\"#ddf4ff\", color=\"#0969da\", margin=\"0.04,0.04\"";
    case graph::shape::loop: return "shape=hexagon, style=filled, fillcolor=\"#fbefff\", color=\"#8250df\"";
    case graph::shape::bar: return "fillcolor=\"#eaeef2\", color=\"#57606a\", height=0.25";
    case graph::shape::failure: return "fillcolor=\"#ffebe9\", color=\"#cf222e\"";
  }
  return "";
}

void write_group(const graph& what, std::size_t group, const std::string& indent, std::string& out) {
  for (std::size_t i = 0; i < what.nodes.size(); ++i) {
    const auto& node = what.nodes[i];
    if (node.group != group) continue;
    const auto style = style_of(node.kind);
    out += indent + "n" + std::to_string(i) + " [label=\"" + lines_of(node.lines) + "\"";
    if (!style.empty()) out += ", " + std::string{style};
    out += "];\n";
  }
  for (std::size_t i = group + 1; i < what.groups.size(); ++i) {
    if (what.groups[i].parent != group) continue;
    out += indent + "subgraph cluster_" + std::to_string(i) + " {\n";
    out += indent + "  label=\"" + escaped(what.groups[i].title) + "\";\n";
    write_group(what, i, indent + "  ", out);
    out += indent + "}\n";
  }
}

}  // namespace

std::string write_dot(const graph& what) {
  const auto title = escaped(what.title);
  std::string out = "digraph \"" + title + "\" {\n";
  out += "  graph [label=\"" + title +
         "\", labelloc=t, labeljust=l, fontname=\"Helvetica\", fontsize=13, color=\"#8c959f\", style=rounded,"
         " nodesep=0.35, ranksep=0.4];\n"
         "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#ffffff\", color=\"#57606a\","
         " fontname=\"Helvetica\", fontsize=11, margin=\"0.16,0.08\", height=0.3];\n"
         "  edge [color=\"#57606a\", fontname=\"Helvetica\", fontsize=10, arrowsize=0.7];\n";
  write_group(what, 0, "  ", out);
  for (const auto& each : what.edges) {
    out += "  n" + std::to_string(each.from) + " -> n" + std::to_string(each.to);
    std::string attributes;
    if (!each.label.empty()) attributes = "label=\" " + escaped(each.label) + " \"";
    if (each.dashed) attributes += (attributes.empty() ? "" : ", ") + std::string{"style=dashed, color=\"#cf222e\""};
    if (!attributes.empty()) out += " [" + attributes + "]";
    out += ";\n";
  }
  return out + "}\n";
}

}  // namespace perdure::flow
