// Decides what becomes of a job by what its backend says and by its deadlines.
#pragma once

#include "core/decide_parts.hpp"

namespace perdure::core {

[[nodiscard]] std::vector<event> decide_job(const run_state& state, const job_noticed& what, timestamp now);
/// What a person says of a job that asks: "retry" or "fail". not_found: it does not ask.
[[nodiscard]] result<std::vector<event>> answer_job(const run_state& state, job_number number, const respond_command& what);
/// The run is about to end, and then nobody can be asked any more: the jobs that ask and would go on without it fail.
[[nodiscard]] std::vector<event> leave_questions(const run_state& state);
/// Somebody outside wants a live job to end.
[[nodiscard]] event job_cancel(const run_state& state, job_number number);
/// Its time limit has passed.
[[nodiscard]] event job_overdue(const run_state& state, job_number number);
/// The pause before the next try is over, or it is time to look again.
[[nodiscard]] event job_look(const run_state& state, job_number number, timestamp now);

}  // namespace perdure::core
