#include "tools/view/relations_view.hpp"

#include <algorithm>

#include "tools/view/json_access.hpp"

namespace perdure::tools {

namespace {

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

std::string close_name(std::uint64_t number, bool background) {
  if (number == 2) return "wait";
  if (number == 3) return background ? "detach" : "abandon";
  return "cancel";
}

}  // namespace

child_view* relations_view::find(const std::string& id) {
  const auto at = std::find_if(children_.begin(), children_.end(), [&](const auto& each) { return each.id == id; });
  return at == children_.end() ? nullptr : &*at;
}

void relations_view::add(const run_event& event) {
  const auto& data = event.data;
  if (event.kind == "run_started") {
    parent_ = text_of(data, "parent");
  } else if (event.kind == "run_restored") {
    source_ = text_of(data, "source");
    link_ = text_of(data, "link");
    // Those that go on run under ids of their own when the run was retried or forked: what becomes of them is seen there.
    for (const auto& each : list_of(data, "children")) {
      if (!each.is_object()) continue;
      const auto& what = each.get_object();
      const auto stage = text_of(what, "stage");
      const bool over = stage == "ended" || stage == "refused";
      auto& made = children_.emplace_back();
      made.id = text_of(what, over ? "child" : "run");
      made.workflow = text_of(what, "workflow");
      made.executor = text_of(what, "start");
      made.background = flag_of(what, "background");
      made.close = close_name(number_of(what, "close"), made.background);
      made.status = stage == "ended" ? text_of(what, "status") : stage;
      made.started_at = to_string(event.time);
      if (over) made.ended_at = made.started_at;
      made.error = value_of(what, "error");
    }
  } else if (event.kind == "run_ended") {
    successor_ = text_of(data, "successor");
  } else if (event.kind == "turn") {
    for (const auto& step : list_of(data, "issued")) {
      if (text_of(step.get_object(), "kind") != "child") continue;
      const auto args = value_of(step.get_object(), "args");
      if (!args.is_object()) continue;
      const auto& what = args.get_object();
      const auto id = text_of(what, "run");
      if (find(id) != nullptr) continue;
      auto& made = children_.emplace_back();
      made.id = id;
      made.workflow = text_of(what, "workflow");
      made.executor = text_of(what, "start");
      made.background = flag_of(what, "background");
      made.close = close_name(number_of(what, "close"), made.background);
      made.status = "starting";
      made.started_at = to_string(event.time);
    }
  } else if (event.kind == "message_delivered") {
    auto* child = find(text_of(data, "to"));
    if (child == nullptr || child->status != "starting") return;
    child->error = value_of(data, "error");
    child->status = child->error.is_null() ? "running" : "refused";
  } else if (event.kind == "child_ended") {
    if (auto* child = find(text_of(data, "child"))) {
      child->status = text_of(data, "status");
      child->ended_at = to_string(event.time);
      child->error = value_of(data, "error");
    }
  }
}

void relations_view::put(json::object& out) const {
  if (!parent_.empty()) out.emplace("parent", parent_);
  if (!source_.empty()) {
    if (link_ == "retried" || link_.empty()) out.emplace("retry_of", source_);
    out.emplace("source", source_);
    out.emplace("link", link_);
  }
  if (!successor_.empty()) out.emplace("successor", successor_);
  json::array list;
  for (const auto& each : children_) {
    list.push_back(json::object{{"run_id", each.id},
                                {"workflow", each.workflow},
                                {"executor", text_or_null(each.executor)},
                                {"background", each.background},
                                {"close", each.close},
                                {"status", each.status},
                                {"started_at", each.started_at},
                                {"ended_at", text_or_null(each.ended_at)},
                                {"error", each.error}});
  }
  out.emplace("children", std::move(list));
}

}  // namespace perdure::tools
