#include "tools/gateway/service_run.hpp"

#include <algorithm>

#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

double seconds_between(const std::string& from, const std::string& to) {
  const auto begin = parse_timestamp(from), end = parse_timestamp(to);
  return begin && end ? std::chrono::duration<double>(*end - *begin).count() : 0.0;
}

}  // namespace

std::string service_workflow_id(std::string_view name, std::string_view version, std::string_view hash) {
  const auto digest = core::sha256({name, std::string_view{"\0", 1}, version, std::string_view{"\0", 1}, hash});
  run_id out;  // a UUID like any other
  std::copy_n(digest.begin(), out.bytes.size(), out.bytes.begin());
  out.bytes[6] = static_cast<std::uint8_t>(0x80U | (out.bytes[6] & 0x0FU));  // version 8: of a form of our own
  out.bytes[8] = static_cast<std::uint8_t>(0x80U | (out.bytes[8] & 0x3FU));
  return out.str();
}

std::string service_workflow_id(const run_view& run) {
  return service_workflow_id(run.workflow(), run.version(), run.definition_hash());
}

std::size_t handled_errors(const run_view& run) {
  if (run.status() != "succeeded") return 0;
  const auto all = run.executors();
  return static_cast<std::size_t>(std::count_if(
      all.begin(), all.end(), [](const auto& each) { return each.status == "failed" || each.status == "timed_out"; }));
}

std::string service_status(const run_view& run) {
  const auto status = run.status();
  if (status == "succeeded") return handled_errors(run) > 0 ? "partial-succeeded" : "succeeded";
  if (status == "failed" || status == "timed_out") return "failed";
  if (status == "cancelled") return "stopped";
  if (status == "scheduled") return "scheduled";
  if (status == "paused" || !run.requests().empty()) return "paused";
  return "running";
}

json::value unix_seconds(const std::string& at) {
  const auto time = parse_timestamp(at);
  if (!time) return nullptr;
  return json::value(std::chrono::floor<std::chrono::seconds>(*time).time_since_epoch().count());
}

std::string error_text(const json::value& error) {
  if (!error.is_object()) return {};
  const auto& why = error.get_object();
  const auto detail = text_of(why, "detail");
  if (!detail.empty()) return detail;
  const auto title = text_of(why, "title");
  return title.empty() ? text_of(why, "code") : title;
}

json::object service_data(const run_view& run) {
  return {{"id", run.id()},
          {"workflow_id", service_workflow_id(run)},
          {"status", service_status(run)},
          // Only an object fits what clients expect; anything else stands under the name that they read.
          {"outputs", run.output().is_null()     ? json::value(json::object{})
                      : run.output().is_object() ? run.output()
                                                 : json::value(json::object{{"output", run.output()}})},
          {"error", run.error().is_null() ? json::value(nullptr) : json::value(error_text(run.error()))},
          {"elapsed_time", seconds_between(run.created_at(), run.ended_at())},
          {"total_tokens", 0},
          {"total_steps", run.executors().size()},
          {"created_at", unix_seconds(run.created_at())},
          {"finished_at", unix_seconds(run.ended_at())}};
}

json::object service_envelope(const std::string& run, json::object data) {
  return {{"task_id", run}, {"workflow_run_id", run}, {"data", std::move(data)}};
}

json::object service_inputs(const json::value& input) {
  json::object out;
  if (!input.is_object()) return out;
  for (const auto& [name, value] : input.get_object()) {
    const std::string_view key = name;
    if (key != system_member::user && key != system_member::files && key != system_member::origin) out.emplace(key, value);
  }
  return out;
}

std::string service_member(const json::value& input, std::string_view name) {
  return input.is_object() ? text_of(input.get_object(), name) : std::string{};
}

result<run_place> place_of(node& at, const run_id& run) {
  run_view view;
  lsn_t last = 0, paused = 0;
  const auto read = cluster::events_of(at, run, 0, [&](const run_event& event) {
    view.add(event);
    last = event.lsn;
    const bool rests = service_status(view) == "paused";
    if (!rests) paused = 0;
    if (rests && paused == 0) paused = event.lsn;
    return true;
  });
  if (!read) return read.error();
  return run_place{paused == 0 ? last + 1 : paused, view.workflow(), view.version()};
}

result<run_view> read_view(node& at, const run_id& run) {
  run_view out;
  const auto read = cluster::events_of(at, run, 0, [&](const run_event& event) {
    out.add(event);
    return true;
  });
  if (!read) return read.error();
  return out;
}

}  // namespace perdure::tools::gateway
