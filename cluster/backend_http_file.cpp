#include "cluster/backend_http_file.hpp"

#include <algorithm>
#include <array>

namespace perdure::cluster {

namespace {

using actors::http_service;

struct preset {
  std::string_view name, text;
};
constexpr std::array<preset, 2> presets{{{"jungle-grid", R"(
url: https://api.junglegrid.dev
submit:
  method: POST
  path: /v1/jobs
  headers: {Idempotency-Key: "{key}"}
  id: [/job_id, /id]
status:
  path: /v1/jobs/{id}
  state: /status
  states:
    pending: queued
    queued: queued
    assigned: queued
    running: running
    completed: succeeded
    failed: failed
    rejected: failed
    cancelled: cancelled
  exit_code: /runtime/exit_code
  timed_out: /runtime/timed_out
  result: /runtime
  message: [/failure_reason, /error, /runtime/stderr_tail]
cancel: {method: POST, path: "/v1/jobs/{id}/cancel"}
logs:
  path: /v1/jobs/{id}/logs
  query: {limit: "{limit}", cursor: "{cursor}"}
  items: /items
  text: /message
  time: /timestamp
  stream: /level
  next: /next_cursor
  more: /has_more
artifacts:
  path: /v1/jobs/{id}/artifacts
  items: [/items, /artifacts]
  name: /filename
  id: /artifact_id
  size: /size_bytes
  media_type: /content_type
  ready: /ready
  download: {path: "/v1/jobs/{id}/artifacts/{artifact}/download", url: /url}
estimate:
  method: POST
  path: /v1/jobs/estimate
  can_submit: /can_submit
  reason: [/unavailable_reason, /unavailable_code]
  cost_min: /estimated_cost_usd/min
  cost_max: /estimated_cost_usd/max
  minutes_min: [/estimated_runtime_minutes/min, /runtime_minutes/min]
  minutes_max: [/estimated_runtime_minutes/max, /runtime_minutes/max]
)"},
                                         {"runpod", R"(
submit:
  method: POST
  path: /run
  insert: {/webhook: "{webhook}"}
  id: /id
status:
  path: /status/{id}
  state: /status
  states:
    IN_QUEUE: queued
    IN_PROGRESS: running
    COMPLETED: succeeded
    FAILED: failed
    CANCELLED: cancelled
    TIMED_OUT: timed_out
  result: /output
  message: [/error, /output/error]
cancel: {method: POST, path: "/cancel/{id}"}
check: {path: /health}
)"}}};

void read_operation(section& from, const name_set& known, actors::http_operation& out) {
  static constexpr std::array<std::string_view, 5> methods{"GET", "POST", "PUT", "PATCH", "DELETE"};
  out.method = from.text("method", out.method);
  if (std::find(methods.begin(), methods.end(), out.method) == methods.end())
    from.wrong("method", "expected GET, POST, PUT, PATCH or DELETE");
  if (!from.needed_part("path")) return;
  out.path = from.pattern("path", known);
  if (!out.path.empty() && out.path.front() != '/') from.wrong("path", "a path begins with \"/\"");
  out.query = from.patterns("query", known);
  out.headers = from.patterns("headers", known);
}

http_service::credentials read_auth(section& all) {
  http_service::credentials out;
  const auto at = all.part("auth");
  if (!at) return out;
  section auth{all.to(), *at, "how this node makes itself known"};
  const auto bearer = auth.part("bearer"), header = auth.part("header"), basic = auth.part("basic");
  if ((bearer ? 1 : 0) + (header ? 1 : 0) + (basic ? 1 : 0) != 1)
    all.to().invalid(*at, "expected one of \"bearer\", \"header\" and \"basic\"");
  using kind = http_service::credentials::kind;
  if (bearer) {
    section how{all.to(), *bearer, "a bearer token"};
    out.what = kind::header;
    out.prefix = "Bearer ";
    out.secret = how.needed_text("secret");
    how.done();
  } else if (header) {
    section how{all.to(), *header, "a header with a secret"};
    out.what = kind::header;
    out.name = how.needed_text("name");
    out.prefix = how.text("prefix");
    out.secret = how.needed_text("secret");
    how.done();
  } else if (basic) {
    section how{all.to(), *basic, "a user and a secret"};
    out.what = kind::basic;
    out.user = how.needed_text("user");
    out.secret = how.needed_text("secret");
    how.done();
  }
  auth.done();
  return out;
}

const name_set& submit_names() {
  static const name_set out{"key", "name", "executor", "run", "tenant", "priority", "webhook"};
  return out;
}

void read_submit(const dsl::cursor& at, dsl::checker& to, http_service::submit_call& out) {
  section from{to, at, "the submit"};
  out.method = "POST";
  read_operation(from, submit_names(), out);
  out.spec_at = from.text("spec_at");
  if (!out.spec_at.empty() && out.spec_at.front() != '/') from.wrong("spec_at", "a JSON pointer begins with \"/\"");
  out.insert = from.patterns("insert", submit_names());
  for (const auto& [pointer, text] : out.insert) {
    if (!pointer.starts_with('/')) from.wrong("insert", "\"" + pointer + "\" is no JSON pointer: \"/" + pointer + "\"");
  }
  out.id = from.place("id", true);
  out.idempotent = from.flag("idempotent", false);
  if (auto given = from.statuses("not_accepted")) out.not_accepted.merge(*given);
  from.done();
}

void read_find(const dsl::cursor& at, dsl::checker& to, http_service::find_call& out) {
  section from{to, at, "the look-up by key"};
  read_operation(from, {"key", "cursor"}, out);
  out.items = from.place("items");
  out.key = from.place("key", true);
  out.id = from.place("id", true);
  out.next = from.place("next");
  from.done();
}

void read_states(section& from, http_service::status_call& out) {
  const auto at = from.needed_part("states");
  if (!at || !dsl::check_string_map(from.to(), at)) return;
  for (const auto& each : at->tree().members) {
    job_status state{};
    if (!boost::describe::enum_from_string(std::string{each.value->text()}.c_str(), state)) {
      from.to().unfit(dsl::cursor{*at, each}, "queued, running, succeeded, failed, cancelled, timed_out or lost");
      continue;
    }
    out.states[each.key] = state;
  }
}

void read_status(const dsl::cursor& at, dsl::checker& to, http_service::status_call& out) {
  section from{to, at, "the look at a job"};
  read_operation(from, {"id"}, out);
  out.state = from.place("state", true);
  read_states(from, out);
  out.exit_code = from.place("exit_code");
  out.result = from.place("result");
  out.message = from.place("message");
  out.timed_out = from.place("timed_out");
  if (auto given = from.statuses("gone")) out.gone = std::move(*given);
  if (const auto given = from.number("settle_s", 0, 3'600)) out.settle = std::chrono::seconds{*given};
  if (const auto progress = from.part("progress")) {
    section how{to, *progress, "the progress of a job"};
    out.done = how.place("done");
    out.total = how.place("total");
    out.fraction = how.place("fraction");
    out.percent = how.place("percent");
    out.text = how.place("text");
    how.done();
  }
  from.done();
}

void read_logs(const dsl::cursor& at, dsl::checker& to, http_service::logs_call& out) {
  section from{to, at, "the logs"};
  read_operation(from, {"id", "cursor", "limit"}, out);
  out.items = from.place("items", true);
  out.text = from.place("text");
  out.time = from.place("time");
  out.stream = from.place("stream");
  out.next = from.place("next");
  out.more = from.place("more");
  from.done();
}

void read_artifacts(const dsl::cursor& at, dsl::checker& to, http_service::artifacts_call& out) {
  section from{to, at, "the artifacts"};
  read_operation(from, {"id", "cursor"}, out);
  out.items = from.place("items", true);
  out.name = from.place("name", true);
  out.id = from.place("id");
  out.size = from.place("size");
  out.media_type = from.place("media_type");
  out.sha256 = from.place("sha256");
  out.ready = from.place("ready");
  out.next = from.place("next");
  if (const auto download = from.needed_part("download")) {
    section how{to, *download, "the download of an artifact"};
    read_operation(how, {"id", "artifact", "name"}, out.download);
    out.url = how.place("url");
    out.private_urls = how.flag("private_urls", false);
    how.done();
  }
  from.done();
}

void read_estimate(const dsl::cursor& at, dsl::checker& to, http_service::estimate_call& out) {
  section from{to, at, "the estimate"};
  out.method = "POST";
  read_operation(from, {}, out);
  out.can_submit = from.place("can_submit");
  out.reason = from.place("reason");
  out.cost_min = from.place("cost_min");
  out.cost_max = from.place("cost_max");
  out.minutes_min = from.place("minutes_min");
  out.minutes_max = from.place("minutes_max");
  from.done();
}

void read_webhook(const dsl::cursor& at, dsl::checker& to, http_service::webhook_rule& out) {
  section from{to, at, "the callbacks"};
  auto names = submit_names();
  names.erase("webhook");
  out.url = from.pattern("url", names);
  out.key = from.place("key");
  out.id = from.place("id");
  if (const auto signature = from.needed_part("signature")) {
    section how{to, *signature, "the signature of callbacks"};
    out.header = how.needed_text("header");
    std::transform(out.header.begin(), out.header.end(), out.header.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    out.secret = how.needed_text("secret");
    out.prefix = how.text("prefix");
    out.timestamp_header = how.text("timestamp");
    std::transform(out.timestamp_header.begin(), out.timestamp_header.end(), out.timestamp_header.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    out.signs = how.pattern("signs", out.timestamp_header.empty() ? name_set{"body"} : name_set{"body", "timestamp"}, out.signs);
    if (out.signs.find("{body}") == std::string::npos) how.wrong("signs", "what is signed has to contain {body}");
    const auto encoding = how.text("encoding", "hex");
    out.base64 = encoding == "base64";
    if (encoding != "hex" && encoding != "base64") how.wrong("encoding", "expected \"hex\" or \"base64\"");
    how.done();
  }
  from.done();
}

/// Reads an optional part into its place.
template <class T, class F>
void read_part(section& all, std::string_view name, std::optional<T>& out, F read) {
  const auto at = all.part(name);
  if (at) read(*at, all.to(), out.emplace());
}

void read_plain(const dsl::cursor& at, dsl::checker& to, const name_set& known, std::string_view method,
                actors::http_operation& out) {
  section from{to, at, "a request"};
  out.method = method;
  read_operation(from, known, out);
  from.done();
}

}  // namespace

std::string_view http_preset(std::string_view name) {
  const auto* found = std::find_if(presets.begin(), presets.end(), [&](const preset& each) { return each.name == name; });
  return found == presets.end() ? std::string_view{} : found->text;
}

std::vector<std::string_view> http_presets() {
  std::vector<std::string_view> out;
  for (const auto& each : presets) out.push_back(each.name);
  return out;
}

actors::http_service read_http_service(section& all) {
  http_service out;
  out.url = all.needed_text("url");
  if (!out.url.empty() && !out.url.starts_with("http://") && !out.url.starts_with("https://"))
    all.wrong("url", "expected an address that begins with http:// or https://");
  out.headers = all.patterns("headers", {});
  out.auth = read_auth(all);
  if (const auto given = all.number("timeout_s", 1, 600)) out.timeout = std::chrono::seconds{*given};
  if (const auto at = all.needed_part("submit")) read_submit(*at, all.to(), out.submit);
  if (const auto at = all.needed_part("status")) read_status(*at, all.to(), out.status);
  read_part(all, "find", out.find, read_find);
  read_part(all, "logs", out.logs, read_logs);
  read_part(all, "artifacts", out.artifacts, read_artifacts);
  read_part(all, "estimate", out.estimate, read_estimate);
  read_part(all, "webhook", out.webhook, read_webhook);
  read_part(all, "cancel", out.cancel, [](const dsl::cursor& at, dsl::checker& to, actors::http_operation& into) {
    read_plain(at, to, {"id"}, "POST", into);
  });
  read_part(all, "check", out.check,
            [](const dsl::cursor& at, dsl::checker& to, actors::http_operation& into) { read_plain(at, to, {}, "GET", into); });
  return out;
}

}  // namespace perdure::cluster
