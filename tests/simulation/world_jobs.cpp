// What people and handlers ask about the jobs of a schedule's backend.
#include "core/jobs.hpp"
#include "simulation/world.hpp"

namespace perdure::sim {

detail::body_result world::files_of(const attempt::body& of) {
  const auto args = of.request.args.value();
  const std::string id{args.at("spec").at("id").as_string()};
  auto& job = jobs_.at(id);
  if (job.accepted == 0 && !job.by_old) throw broken("files are asked of a job that was never accepted: " + id);
  ++count_.looks_at_files;
  if (!std::exchange(job.looked_at, true)) job.files = static_cast<std::uint32_t>(random_.below(3));
  if (random_.one_in(4)) throw step_error("io_error", "the backend does not answer");
  json::array out;
  for (std::uint32_t i = 0; i < job.files; ++i) out.push_back({{"name", id + "." + std::to_string(i)}, {"size_bytes", i}});
  return {payload{json::value(std::move(out))}, true};
}

bool world::answer_question(const core::run_state& of, const char* what, std::string id) {
  for (const auto& [number, job] : of.jobs) {
    if (!core::asks(job.now)) continue;
    ++count_.questions;
    core::respond_command answer{core::question_id(number), payload{json::value(what)}, id};
    command(of.id, std::move(answer), std::move(id));
    return true;
  }
  return false;
}

}  // namespace perdure::sim
