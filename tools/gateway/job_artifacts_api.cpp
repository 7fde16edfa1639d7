// /api/v1/jobs/{id}/artifacts: the files that a job left, with addresses that are good without a key.
#include <chrono>

#include "core/percent.hpp"
#include "tools/gateway/byte_answer.hpp"
#include "tools/gateway/jobs_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::uint64_t longest_address_s = 7 * 24 * 3'600;

timestamp now() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

/// What a signed address opens.
std::string address_of(const std::string& job, const std::string& name) {
  return "/api/v1/jobs/" + job + "/artifacts/" + core::percent_encoded(name);
}

bool opens(const api_parts& parts, const call& of) {
  const auto* sign = of.in().parameter("sign");
  return sign != nullptr && parts.signer.opens(address_of(of.captured[0], of.captured[1]), *sign, now());
}

result<response> list_artifacts(const api_parts& parts, const call& of) {
  const auto length =
      number_parameter(of.in(), "expires_in", static_cast<std::uint64_t>(signed_address_time.count()), 1, longest_address_s);
  if (!length) return length.error();
  const auto job = job_of(parts, of);
  if (!job) return job.error();
  json::array files;
  if (!job->backend_id.empty()) {
    auto told = ask_about_jobs(parts, {{"do", "job_artifacts"}, {"backend", job->backend}, {"id", job->backend_id}});
    if (!told) return told.error();
    files = std::move(told->as_array());
  }
  const auto until = std::chrono::floor<std::chrono::seconds>(now()) + std::chrono::seconds{*length};
  for (auto& each : files) {
    auto& one = each.as_object();
    const auto address = address_of(job->id, text_of(one, "name"));
    one.emplace("url", address + "?sign=" + parts.signer.pass_for(address, until));
    one.emplace("expires_at", to_string(timestamp{until}));
  }
  return json_answer(json::object{{"id", job->id}, {"run_id", job->run.str()}, {"artifacts", std::move(files)}});
}

void give_artifact(const api_parts& parts, const call& of) {
  if (of.who.id.empty() && !opens(parts, of))
    return of.answer(refusal(403, "the address is not signed, or not good any more", of.in()));
  const auto job = job_of(parts, of);
  if (!job) return of.fail(job.error());
  const auto reader =
      parts.engine.open_artifact(job->run, static_cast<std::uint32_t>(number_of(job->shown, "job")), of.captured[1]);
  if (!reader) return of.fail(reader.error());
  const auto& what = (*reader)->what();
  byte_source bytes{.size = what.size_bytes,
                    .type = what.media_type.empty() ? "application/octet-stream" : what.media_type,
                    .name = what.name.substr(what.name.rfind('/') + 1),
                    .etag = what.sha256.empty() ? std::to_string(what.size_bytes) + "-" + job->id : what.sha256};
  bytes.read = [held = *reader](std::uint64_t offset, char* into, std::size_t size) { return held->read(offset, into, size); };
  answer_bytes(of.at, std::move(bytes), parts.limits.stream_piece_bytes);
}

}  // namespace

void add_job_artifact_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/api/v1/jobs/{id}/artifacts", right::read, [parts](const call& of) { return list_artifacts(parts, of); });
  to.add_linked("/api/v1/jobs/{id}/artifacts/{name}", right::read,
                [parts](const std::shared_ptr<call>& of) { give_artifact(parts, *of); });
}

}  // namespace perdure::tools::gateway
