// A job service on loopback, for tests of the backend that speaks to one; and everything that such services do wrong.
//
// Operation: a job does what its spec says ({"do": "ends", "fails", "hangs", "writes" or "leaves"}): running at the first look,
// ended at the second. `before` may answer a request instead of the service; what `after` gives replaces the service's own
// answer, when what was asked for is done. Submits that were accepted are counted, outside of the program that is tested.
// Concurrency: any thread.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "perdure/payload.hpp"
#include "support/http_server.hpp"

namespace perdure::test {

class remote_service {
 public:
  struct job {
    std::string id, key, what, state = "WAITING";
    int looks = 0;
  };
  using hook = std::function<std::optional<server_response>(const server_request&)>;

  hook before, after;  ///< set before the first request

  [[nodiscard]] std::string url(const std::string& path = "") const { return server_.url("/v1" + path); }
  /// How the service is described to the program.
  [[nodiscard]] std::string file(const std::string& more = "") const {
    return "kind: http\nurl: " + url() + R"(
auth: {bearer: {secret: remote_service}}
timeout_s: 5
submit:
  path: /jobs
  headers: {Idempotency-Key: "{key}"}
  insert: {/meta/key: "{key}"}
  id: /job/id
find: {path: /jobs, query: {key: "{key}", after: "{cursor}"}, items: /items, key: /meta/key, id: /id, next: /next}
status:
  path: /jobs/{id}
  state: /state
  states: {WAITING: queued, BUSY: running, DONE: succeeded, BROKEN: failed, STOPPED: cancelled}
  progress: {done: /progress/done, total: /progress/total, text: /progress/text}
  exit_code: /code
  result: /output
  message: /why
cancel: {path: "/jobs/{id}/cancel"}
logs: {path: "/jobs/{id}/logs", query: {cursor: "{cursor}", limit: "{limit}"}, items: /lines, text: /text, time: /at, stream: /from, next: /next, more: /more}
artifacts:
  path: /jobs/{id}/files
  items: /files
  name: /name
  size: /bytes
  download: {path: "/jobs/{id}/files/{name}"}
estimate: {path: /estimate, can_submit: /yes, cost_max: /dollars}
check: {path: /health}
)" + more;
  }
  [[nodiscard]] const http_server& server() const { return server_; }
  [[nodiscard]] std::vector<job> jobs() const {
    const std::lock_guard lock{mutex_};
    std::vector<job> out;
    for (const auto& [id, each] : jobs_) out.push_back(each);
    return out;
  }
  [[nodiscard]] std::size_t accepted() const { return jobs().size(); }
  void set(const std::string& id, const std::string& state) {
    const std::lock_guard lock{mutex_};
    jobs_.at(id).state = state;
  }
  void lose(const std::string& id) {
    const std::lock_guard lock{mutex_};
    jobs_.erase(id);
  }
  /// Jobs have this in front of their number.
  std::string id_prefix = "job-";
  /// Whether the same key gives the same job.
  bool idempotent = false;

  static server_response json_of(const json::value& what, int status = 200) {
    return {.status = status, .body = std::string{payload{what}.text()}};
  }

 private:
  static std::vector<std::string> parts_of(const std::string& path) {
    std::vector<std::string> out;
    for (std::size_t at = 1; at <= path.size();) {
      const auto end = std::min(path.find('/', at), path.size());
      out.push_back(decoded(path.substr(at, end - at)));
      at = end + 1;
    }
    return out;
  }
  static std::string decoded(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
      out += text[i] == '%' ? static_cast<char>(std::stoi(text.substr(i + 1, 2), nullptr, 16)) : text[i];
      i += text[i] == '%' ? 2 : 0;
    }
    return out;
  }
  static std::string parameter(const server_request& of, const std::string& name) {
    for (std::size_t at = 0; at < of.query.size();) {
      const auto end = std::min(of.query.find('&', at), of.query.size());
      const auto one = of.query.substr(at, end - at);
      if (one.starts_with(name + "=")) return decoded(one.substr(name.size() + 1));
      at = end + 1;
    }
    return {};
  }

  server_response answer(const server_request& request) {
    if (before) {
      if (auto instead = before(request)) return *instead;
    }
    auto out = usual(request);
    if (after) {
      if (auto instead = after(request)) return *instead;
    }
    return out;
  }

  server_response usual(const server_request& request) {
    const std::lock_guard lock{mutex_};
    const auto path = parts_of(request.path);
    if (path.size() == 2 && path[1] == "health") return json_of({{"up", true}});
    if (path.size() == 2 && path[1] == "estimate") return json_of({{"yes", true}, {"dollars", 1.5}});
    if (path.size() < 2 || path[1] != "jobs") return json_of({{"error", "no such resource"}}, 404);
    if (path.size() == 2) return request.method == "POST" ? submit(request) : list(request);
    const auto found = jobs_.find(path[2]);
    if (found == jobs_.end()) return json_of({{"error", "no such job"}}, 404);
    auto& one = found->second;
    if (path.size() == 3) return look(one);
    if (path[3] == "cancel") {
      if (one.state == "DONE" || one.state == "BROKEN" || one.state == "STOPPED")
        return json_of({{"error", "it has ended"}}, 409);
      one.state = "STOPPED";
      return json_of(json::object{}, 202);
    }
    if (path[3] == "logs") return log(one, request);
    const json::value nothing(json::object{{"files", json::array{}}});
    if (path.size() == 4) {
      return json_of(one.what != "leaves"
                         ? nothing
                         : json::value(json::object{{"files", json::array{json::object{{"name", "result.txt"}, {"bytes", 4}}}}}));
    }
    return content("done", request);
  }

  server_response submit(const server_request& request) {
    const auto body = payload::parse_text(request.body).value().value();
    const auto what = std::string{body.at("do").as_string()};
    if (what == "refused") return json_of({{"error", "never"}}, 422);
    const auto key = std::string{body.at("meta").at("key").as_string()};
    for (const auto& [id, each] : jobs_) {
      if (idempotent && each.key == key) return json_of({{"job", {{"id", id}}}});
    }
    const auto id = id_prefix + std::to_string(jobs_.size() + 1);
    jobs_[id] = {.id = id, .key = key, .what = what};
    return json_of({{"job", {{"id", id}}}}, 201);
  }

  /// Two jobs a page.
  server_response list(const server_request& request) const {
    const auto key = parameter(request, "key"), after_id = parameter(request, "after");
    json::array items;
    std::string next;
    for (auto at = after_id.empty() ? jobs_.begin() : jobs_.upper_bound(after_id); at != jobs_.end(); ++at) {
      if (at->second.key != key && !ignores_filter) continue;
      if (items.size() == 2) {
        next = items.back().at("id").as_string();
        break;
      }
      items.push_back({{"id", at->first}, {"meta", {{"key", at->second.key}}}});
    }
    return json_of({{"items", std::move(items)}, {"next", next}});
  }

  static server_response look(job& of) {
    ++of.looks;
    if (of.state == "WAITING") {
      of.state = "BUSY";
    } else if (of.state == "BUSY" && of.what != "hangs") {
      of.state = of.what == "fails" ? "BROKEN" : "DONE";
    }
    json::object out{{"id", of.id}, {"state", of.state}, {"progress", {{"done", of.looks}, {"total", 10}, {"text", "at it"}}}};
    if (of.state == "DONE") {
      out["code"] = 0;
      out["output"] = {{"loss", 0.25}};
    } else if (of.state == "BROKEN") {
      out["code"] = 3;
      out["why"] = "it broke";
    }
    return json_of(out);
  }

  static server_response log(const job& of, const server_request& request) {
    const std::vector<std::string> lines =
        of.what == "writes" ? std::vector<std::string>{"one", "two", "three"} : std::vector<std::string>{};
    const auto cursor = parameter(request, "cursor");
    const auto limit = std::stoul(parameter(request, "limit"));
    auto at = cursor.empty() ? 0UL : std::stoul(cursor);
    json::array out;
    for (; at < lines.size() && out.size() < limit; ++at)
      out.push_back({{"text", lines[at]}, {"at", "2026-01-01T00:00:00Z"}, {"from", "info"}});
    return json_of({{"lines", std::move(out)}, {"next", std::to_string(at)}, {"more", at < lines.size()}});
  }

  server_response content(const std::string& all, const server_request& request) const {
    const auto range = request.headers.find("range");
    if (range == request.headers.end() || !gives_pieces) return {.body = all};
    const auto from = std::stoul(range->second.substr(6));
    const auto until = std::min<std::size_t>(std::stoul(range->second.substr(range->second.find('-') + 1)), all.size() - 1);
    if (from >= all.size()) return {.status = 416};
    return {.status = 206,
            .body = all.substr(from, until - from + 1),
            .headers = {{"Content-Range",
                         "bytes " + std::to_string(from) + "-" + std::to_string(until) + "/" + std::to_string(all.size())}}};
  }

 public:
  bool ignores_filter = false;  ///< the list has all jobs, whatever key is asked for
  bool gives_pieces = true;     ///< of files

 private:
  mutable std::mutex mutex_;
  std::map<std::string, job> jobs_;
  http_server server_{[this](const server_request& request) { return answer(request); }};
};

}  // namespace perdure::test
