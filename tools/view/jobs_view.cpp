#include "tools/view/jobs_view.hpp"

#include "tools/view/json_access.hpp"

namespace perdure::tools {

namespace {
json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }
}  // namespace

void jobs_view::add(const run_event& event) {
  const auto& data = event.data;
  if (event.kind == "turn") {
    for (const auto& step : list_of(data, "issued")) {
      if (text_of(step.get_object(), "kind") != "job") continue;
      const auto args = value_of(step.get_object(), "args");
      const auto asked = args.is_object() ? value_of(args.get_object(), "ask") : json::value(nullptr);
      if (!asked.is_object()) continue;
      auto& made = jobs_[number_of(args.get_object(), "number")];
      if (!made.created_at.empty()) continue;  // an earlier attempt asked for it
      made.backend = text_of(asked.get_object(), "backend");
      made.executor = event.executor;
      made.status = "queued";
      made.created_at = to_string(event.time);
    }
  } else if (event.kind == "job_noted") {
    auto& known = jobs_[number_of(data, "job")];
    known.id = text_of(data, "id");
    known.status = text_of(data, "status");
    known.raw = text_of(data, "raw");
    known.progress = value_of(data, "progress");
    known.error = value_of(data, "error");
    known.cancel_wanted = flag_of(data, "cancel_wanted");
    known.asked_at = flag_of(data, "asks") ? to_string(event.time) : std::string{};
  } else if (event.kind == "job_ended") {
    auto& known = jobs_[number_of(data, "job")];
    known.status = text_of(data, "status");
    known.raw = text_of(data, "raw");
    known.exit_code = value_of(data, "exit_code");
    known.error = value_of(data, "error");
    known.ended_at = to_string(event.time);
    known.asked_at.clear();
  } else if (event.kind == "cancel_requested" || event.kind == "run_ended") {
    for (auto& [number, each] : jobs_) each.asked_at.clear();
  }
}

json::array jobs_view::list() const {
  json::array out;
  for (const auto& [number, each] : jobs_) {
    out.push_back(json::object{{"job", number},
                               {"backend", each.backend},
                               {"executor", text_or_null(each.executor)},
                               {"id", text_or_null(each.id)},
                               {"status", each.status},
                               {"raw", text_or_null(each.raw)},
                               {"progress", each.progress},
                               {"exit_code", each.exit_code},
                               {"cancel_wanted", each.cancel_wanted},
                               {"created_at", each.created_at},
                               {"ended_at", text_or_null(each.ended_at)},
                               {"error", each.error}});
  }
  return out;
}

}  // namespace perdure::tools
