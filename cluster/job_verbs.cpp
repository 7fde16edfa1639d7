#include "cluster/job_verbs.hpp"

#include "actors/backends/ask.hpp"
#include "actors/backends/job_capability.hpp"
#include "actors/backends/process_backend.hpp"
#include "actors/run_actor.hpp"
#include "cluster/run_info.hpp"
#include "core/base64.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"
#include "persistence/journal.hpp"

namespace perdure::cluster {

namespace {

/// The socket's thread serves others meanwhile only when it is over.
constexpr std::chrono::seconds patience{10};
/// Of an artifact, in one answer.
constexpr std::size_t read_bytes = 256U << 10;

std::string text(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}
std::uint64_t number(const json::object& in, std::string_view name, std::uint64_t otherwise) {
  const auto* found = in.if_contains(name);
  boost::system::error_code bad;
  const auto out = found != nullptr && found->is_number() ? found->to_number<std::uint64_t>(bad) : otherwise;
  return bad ? otherwise : out;
}

template <class T>
result<json::value> as_json(const result<T>& what) {
  if (!what) return what.error();
  return to_json(*what);
}

result<std::shared_ptr<backend>> backend_of(const control_target& node, const json::object& request) {
  const auto name = text(request, "backend");
  auto found = node.find_backend ? node.find_backend(name) : nullptr;
  if (found == nullptr) return error{errc::not_found, "there is no backend \"" + name + "\" here"};
  return found;
}

json::object capabilities_of(const backend_capabilities& can) {
  return {{"find", can.find},           {"idempotent", can.idempotent}, {"cancel", can.cancel},  {"logs", can.logs},
          {"artifacts", can.artifacts}, {"estimate", can.estimate},     {"notices", can.notices}};
}

result<json::value> jobs_of(const control_target& node, const json::object& request) {
  const auto id = run_id::parse(text(request, "run_id"));
  if (!id) return error{errc::invalid_argument, "run_id is not a run's id"};
  const auto run = node.get(*id);
  if (!run) return run.error();
  const auto info = run->status();
  if (!info) return info.error();
  json::array out;
  for (const auto& each : info->jobs) out.push_back(to_wire(each));
  return json::value(std::move(out));
}

result<json::value> logs_of(backend& at, const json::object& request) {
  const log_query which{.cursor = text(request, "cursor"), .limit = number(request, "limit", limits::job_log_page_lines)};
  auto page = actors::ask<job_log_page>(
      patience, [&](const backend_call& how, auto done) { at.logs(text(request, "id"), which, how, std::move(done)); });
  if (!page) return page.error();
  return to_json(actors::as_text(std::move(*page)));
}

result<json::value> piece_of(const result<std::shared_ptr<artifact_reader>>& reader, const json::object& request) {
  if (!reader) return reader.error();
  std::string bytes(read_bytes, '\0');
  const auto got = (*reader)->read(number(request, "offset", 0), bytes.data(), bytes.size());
  if (!got) return got.error();
  bytes.resize(*got);
  return json::value{{"data", core::to_base64(bytes)}, {"size_bytes", (*reader)->what().size_bytes}};
}

/// What the node has kept is there also when the backend is not.
result<json::value> read_of(const control_target& node, const json::object& request) {
  const auto run = run_id::parse(text(request, "run_id"));
  const auto job = static_cast<std::uint32_t>(number(request, "job", 0));
  if (node.open_artifact && run && job > 0) return piece_of(node.open_artifact(*run, job, text(request, "name")), request);
  const auto at = backend_of(node, request);
  if (!at) return at.error();
  return piece_of(actors::ask<std::shared_ptr<artifact_reader>>(patience,
                                                                [&](const backend_call& how, auto done) {
                                                                  (*at)->open_artifact(text(request, "id"), text(request, "name"),
                                                                                       how, std::move(done));
                                                                }),
                  request);
}

}  // namespace

bool is_job_verb(std::string_view verb) {
  return verb == "jobs" || verb == "job_logs" || verb == "job_artifacts" || verb == "job_read" || verb == "job_estimate" ||
         is_backend_verb(verb);
}
bool is_backend_verb(std::string_view verb) { return verb == "backends" || verb == "backend_check"; }

result<json::value> answer_about_jobs(const control_target& node, const json::object& request) {
  const auto verb = text(request, "do");
  if (verb == "jobs") return jobs_of(node, request);
  if (verb == "backends") {
    json::array out;
    for (const auto& name : node.backends ? node.backends() : std::vector<std::string>{}) {
      const auto at = node.find_backend(name);
      if (at == nullptr) continue;
      json::object each{{"name", name}, {"capabilities", capabilities_of(at->capabilities())}};
      const auto health = node.health_of ? node.health_of(name) : result<backend_health>{error{errc::unsupported, {}}};
      if (health) {
        each.emplace("up", health->up);
        each.emplace("why", health->why.empty() ? json::value(nullptr) : json::value(health->why));
        each.emplace("running", health->running);
        each.emplace("waiting", health->waiting);
      }
      out.push_back(std::move(each));
    }
    return json::value(std::move(out));
  }
  if (verb == "job_read") return read_of(node, request);
  const auto at = backend_of(node, request);
  if (!at) return at.error();
  if (verb == "job_logs") return logs_of(**at, request);
  if (verb == "job_artifacts") {
    return as_json(actors::ask<std::vector<job_artifact>>(
        patience, [&](const backend_call& how, auto done) { (*at)->artifacts(text(request, "id"), how, std::move(done)); }));
  }
  if (verb == "job_estimate") {
    const auto* spec = request.if_contains("spec");
    return as_json(actors::ask<job_estimate>(patience, [&](const backend_call& how, auto done) {
      (*at)->estimate(spec == nullptr ? payload{} : payload{*spec}, how, std::move(done));
    }));
  }
  const auto well =
      actors::ask<std::string>(patience, [&](const backend_call& how, auto done) { (*at)->check(how, std::move(done)); });
  return json::value{{"name", text(request, "backend")}, {"ok", well.has_value()}, {"text", well ? *well : well.error().message}};
}

result<json::value> stored_jobs(persistence::journal& journal, const run_id& run) {
  auto state = actors::load_run(journal, &journal.blobs(), run);
  if (!state) return state.error();
  json::array out;
  for (const auto& each : info_of(std::move(*state)).jobs) out.push_back(to_wire(each));
  return json::value(std::move(out));
}

std::shared_ptr<backend> stored_processes(const std::filesystem::path& data, bool also_none) {
  std::error_code bad;
  if (!also_none && !std::filesystem::is_directory(data / "jobs", bad)) return nullptr;
  return std::make_shared<actors::process_backend>(data / "jobs");
}

result<std::string> from_base64(std::string_view text) {
  const error bad{errc::invalid_argument, "not base64"};
  if (text.size() % 4 != 0) return bad;
  std::string out;
  out.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    std::uint32_t three = 0;
    std::size_t missing = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      const char each = text[at + i];
      std::uint32_t value = 0;
      if (each >= 'A' && each <= 'Z') {
        value = static_cast<std::uint32_t>(each - 'A');
      } else if (each >= 'a' && each <= 'z') {
        value = static_cast<std::uint32_t>(each - 'a') + 26;
      } else if (each >= '0' && each <= '9') {
        value = static_cast<std::uint32_t>(each - '0') + 52;
      } else if (each == '+' || each == '/') {
        value = each == '+' ? 62 : 63;
      } else if (each == '=' && at + 4 == text.size() && i >= 2) {
        ++missing;
      } else {
        return bad;
      }
      if (missing > 0 && each != '=') return bad;
      three = three << 6U | value;
    }
    for (std::size_t i = 0; i + missing < 3; ++i) out += static_cast<char>(three >> (16U - 8 * i));
  }
  return out;
}

}  // namespace perdure::cluster
