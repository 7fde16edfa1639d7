#include "cluster/control_protocol.hpp"

#include "core/event_json.hpp"
#include "core/record.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::cluster {

namespace {

json::value time_or_null(const std::optional<timestamp>& at) { return at ? json::value(to_string(*at)) : json::value(nullptr); }

error unfit(std::string_view member, std::string_view wanted) {
  return {errc::invalid_argument, "member \"" + std::string{member} + "\": expected " + std::string{wanted}};
}

std::string text(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

std::uint64_t number(const json::object& in, std::string_view name, std::uint64_t otherwise = 0) {
  const auto* found = in.if_contains(name);
  if (found == nullptr || !found->is_number()) return otherwise;
  boost::system::error_code bad;
  const auto value = found->to_number<std::uint64_t>(bad);
  return bad ? otherwise : value;
}

std::optional<timestamp> time_in(const json::object& in, std::string_view name) {
  const auto written = text(in, name);
  return written.empty() ? std::nullopt : parse_timestamp(written);
}

}  // namespace

json::object to_wire(const error& why) { return {{"code", to_string(why.code)}, {"message", why.message}}; }

json::object to_wire(const run_summary& run) {
  return {{"run_id", run.id.str()},
          {"workflow", run.workflow},
          {"version", run.version},
          {"status", to_string(run.status)},
          {"key", run.key.empty() ? json::value(nullptr) : json::value(run.key)},
          {"created_at", to_string(run.created_at)},
          {"updated_at", to_string(run.updated_at)},
          {"ended_at", time_or_null(run.ended_at)},
          {"wakeup", time_or_null(run.wakeup)},
          {"seq", run.seq},
          {"blocked", run.blocked.empty() ? json::value(nullptr) : json::value(run.blocked)}};
}

json::object to_wire(const run_info& run) {
  auto out = to_wire(static_cast<const run_summary&>(run));
  out.emplace("input", run.input.value());
  out.emplace("output", run.output.value());
  out.emplace("error", run.error ? json::value(core::failure_to_json(*run.error)) : json::value(nullptr));
  out.emplace("handled_errors", run.handled_errors);
  if (run.successor) out.emplace("successor", run.successor->str());
  return out;
}

json::object to_wire(const job_info& job) {
  return {{"job", job.number},
          {"key", job.key},
          {"executor", job.executor},
          {"backend", job.backend},
          {"id", job.id.empty() ? json::value(nullptr) : json::value(job.id)},
          {"status", boost::describe::enum_to_string(job.status, "?")},
          {"raw", job.raw.empty() ? json::value(nullptr) : json::value(job.raw)},
          {"progress", job.progress.value()},
          {"submission", job.submission},
          {"cancel_wanted", job.cancel_wanted},
          {"asks", job.asks},
          {"created_at", to_string(job.created_at)},
          {"ended_at", time_or_null(job.ended_at)},
          {"due", time_or_null(job.due)},
          {"exit_code", job.exit_code ? json::value(*job.exit_code) : json::value(nullptr)},
          {"result", job.result.value()},
          {"error", job.error ? json::value(core::failure_to_json(*job.error)) : json::value(nullptr)}};
}

json::object to_wire(const run_page& page) {
  json::array runs;
  runs.reserve(page.runs.size());
  for (const auto& each : page.runs) runs.push_back(to_wire(each));
  return {{"runs", std::move(runs)},
          {"next_cursor", page.next_cursor.empty() ? json::value(nullptr) : json::value(page.next_cursor)}};
}

json::object to_wire(const run_event& event) {
  return {{"lsn", event.lsn},   {"run_id", event.run.str()},  {"seq", event.seq},  {"time", to_string(event.time)},
          {"kind", event.kind}, {"executor", event.executor}, {"data", event.data}};
}

json::object to_wire(const list_options& options) {
  json::object out{{"workflow", options.workflow},
                   {"limit", options.limit},
                   {"cursor", options.cursor},
                   {"newest_first", options.newest_first}};
  if (options.status) out.emplace("status", to_string(*options.status));
  return out;
}

json::object to_wire(const run_command& command) {
  json::object out{{"do", command.what}, {"run_id", command.run.str()}};
  if (command.what == "signal") out.emplace("name", command.name);
  if (command.what == "respond") out.emplace("request_id", command.request_id);
  if (command.what == "signal" || command.what == "respond") out.emplace("value", command.value);
  if (!command.reason.empty()) out.emplace("reason", command.reason);
  if (!command.command_id.empty()) out.emplace("command_id", command.command_id);
  if (command.what == "fork") out.emplace("from", command.from);
  if (command.what == "cancel_job") out.emplace("job", command.job);
  return out;
}

json::object to_wire(const node_stats& stats) {
  return {{"commits", stats.commits},
          {"records", stats.records},
          {"live_runs", stats.live_runs},
          {"open_runs", stats.open_runs},
          {"recovered_runs", stats.recovered_runs},
          {"replayed_events", stats.replayed_events},
          {"stale_results", stats.stale_results},
          {"clock_jumps", stats.clock_jumps},
          {"log_records", stats.log_records},
          {"archived_records", stats.archived_records},
          {"removed_runs", stats.removed_runs},
          {"recovery_us", stats.recovery_time.count()}};
}

error error_from_wire(const json::value& in) {
  if (!in.is_object()) return {errc::internal, "the node's answer has no error text"};
  const auto code = text(in.get_object(), "code");
  error out{errc::internal, text(in.get_object(), "message")};
  for (auto each = static_cast<int>(errc::invalid_argument); each <= static_cast<int>(errc::internal); ++each) {
    if (to_string(static_cast<errc>(each)) == code) out.code = static_cast<errc>(each);
  }
  return out;
}

std::optional<run_status> status_from_name(std::string_view name) {
  run_status out{};
  if (!boost::describe::enum_from_string(std::string{name}.c_str(), out)) return std::nullopt;
  return out;
}

result<run_summary> summary_from_wire(const json::value& in) {
  if (!in.is_object()) return unfit("run", "an object");
  const auto& from = in.get_object();
  const auto id = run_id::parse(text(from, "run_id"));
  if (!id) return unfit("run_id", "a run's id");
  const auto status = status_from_name(text(from, "status"));
  if (!status) return unfit("status", "a status of a run");
  run_summary out;
  out.id = *id;
  out.workflow = text(from, "workflow");
  out.version = text(from, "version");
  out.status = *status;
  out.created_at = time_in(from, "created_at").value_or(timestamp{});
  out.updated_at = time_in(from, "updated_at").value_or(timestamp{});
  out.ended_at = time_in(from, "ended_at");
  out.wakeup = time_in(from, "wakeup");
  out.seq = number(from, "seq");
  out.key = text(from, "key");
  out.blocked = text(from, "blocked");
  return out;
}

result<run_page> page_from_wire(const json::value& in) {
  run_page out;
  if (!in.is_object()) return unfit("page", "an object");
  const auto* runs = in.get_object().if_contains("runs");
  if (runs == nullptr || !runs->is_array()) return unfit("runs", "an array");
  for (const auto& each : runs->get_array()) {
    auto run = summary_from_wire(each);
    if (!run) return run.error();
    out.runs.push_back(std::move(*run));
  }
  out.next_cursor = text(in.get_object(), "next_cursor");
  return out;
}

result<run_event> event_from_wire(const json::value& in) {
  if (!in.is_object()) return unfit("event", "an object");
  const auto& from = in.get_object();
  const auto id = run_id::parse(text(from, "run_id"));
  const auto at = time_in(from, "time");
  const auto* data = from.if_contains("data");
  if (!id || !at || data == nullptr || !data->is_object()) return unfit("event", "run_id, time and data");
  return run_event{number(from, "lsn"), *id, number(from, "seq"), *at, text(from, "kind"), text(from, "executor"),
                   data->get_object()};
}

result<list_options> list_options_from_wire(const json::object& in) {
  list_options out;
  if (const auto name = text(in, "status"); !name.empty()) {
    out.status = status_from_name(name);
    if (!out.status) return unfit("status", "a status of a run");
  }
  out.workflow = text(in, "workflow");
  out.limit = static_cast<std::size_t>(number(in, "limit", out.limit));
  out.cursor = text(in, "cursor");
  if (const auto* order = in.if_contains("newest_first"); order != nullptr && order->is_bool())
    out.newest_first = order->get_bool();
  return out;
}

result<run_command> command_from_wire(const json::object& in) {
  run_command out;
  out.what = text(in, "do");
  const auto id = run_id::parse(text(in, "run_id"));
  if (!id) return unfit("run_id", "a run's id");
  out.run = *id;
  out.name = text(in, "name");
  out.request_id = text(in, "request_id");
  if (const auto* value = in.if_contains("value")) out.value = *value;
  out.reason = text(in, "reason");
  out.command_id = text(in, "command_id");
  out.from = number(in, "from");
  out.job = static_cast<std::uint32_t>(std::min<std::uint64_t>(number(in, "job"), limits::run_jobs + 1));
  if (out.what == "signal" && out.name.empty()) return unfit("name", "the signal's name");
  if (out.what == "respond" && out.request_id.empty()) return unfit("request_id", "the request's id");
  return out;
}

run_id linked_id(const run_id& source, std::string_view command_id) {
  const std::string_view bytes{reinterpret_cast<const char*>(source.bytes.data()), source.bytes.size()};
  const auto hash = core::sha256({"linked", bytes, command_id});
  // What a UUIDv7 has of time is that of the command where its id says one, else that of the source; what it has of chance
  // comes from the hash.
  const auto said = run_id::parse(command_id);
  auto out = said && (said->bytes[6] & 0xF0U) == 0x70U ? *said : source;
  for (std::size_t i = 6; i < out.bytes.size(); ++i) out.bytes[i] = hash[i];
  out.bytes[6] = static_cast<std::uint8_t>(0x70U | (out.bytes[6] & 0x0FU));
  out.bytes[8] = static_cast<std::uint8_t>(0x80U | (out.bytes[8] & 0x3FU));
  return out;
}

result<json::object> carry_out(const control_target& node, const run_command& command) {
  const auto found = node.get(command.run);
  if (!found) return found.error();
  const auto& run = *found;
  if (command.what == "retry" || command.what == "fork") {
    const bool forks = command.what == "fork";
    const auto linked = forks ? (node.fork ? node.fork(command.run, command.from, command.command_id) : run.fork(command.from))
                        : node.retry ? node.retry(command.run, command.command_id)
                                     : run.retry();
    if (!linked) return linked.error();
    return json::object{{"run_id", linked->id().str()}};
  }
  result<void> done = error{errc::invalid_argument, "unknown command \"" + command.what + "\""};
  if (command.what == "cancel") done = run.cancel(command.reason);
  if (command.what == "cancel_job") done = run.cancel_job(command.job);
  if (command.what == "pause") done = run.pause();
  if (command.what == "resume") done = run.resume();
  if (command.what == "signal") done = run.signal(command.name, command.value, command.command_id);
  if (command.what == "respond") done = run.respond(command.request_id, command.value, command.command_id);
  if (!done) return done.error();
  return json::object{{"run_id", command.run.str()}};
}

result<run_command> command_of_inbox(std::string_view entry) {
  auto read = payload::parse_text(entry);
  if (!read) return read.error();
  const auto value = read->value();
  if (!value.is_object()) return unfit("inbox entry", "an object");
  return command_from_wire(value.get_object());
}

}  // namespace perdure::cluster
