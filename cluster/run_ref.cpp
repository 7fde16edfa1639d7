#include "cluster/run_access.hpp"

namespace perdure {

namespace {
const error no_run{errc::not_found, "an empty run_ref refers to no run"};
}

result<run_info> run_ref::status() const {
  if (!access_) return no_run;
  return access_->status(id_);
}

result<run_info> run_ref::wait(duration limit) const {
  if (!access_) return no_run;
  return access_->wait(id_, limit);
}

result<void> run_ref::signal(std::string_view name, const json::value& value, std::string_view command_id) const {
  if (!access_) return no_run;
  return access_->command(id_, core::signal_command{std::string{name}, payload{value}, std::string{command_id}});
}

result<void> run_ref::respond(std::string_view request_id, const json::value& answer, std::string_view command_id) const {
  if (!access_) return no_run;
  return access_->command(id_, core::respond_command{std::string{request_id}, payload{answer}, std::string{command_id}});
}

result<void> run_ref::cancel(std::string_view reason) const {
  if (!access_) return no_run;
  return access_->command(id_, core::cancel_command{std::string{reason}, {}});
}

result<void> run_ref::cancel_job(std::uint32_t number) const {
  if (!access_) return no_run;
  return access_->command(id_, core::cancel_job_command{number});
}

result<void> run_ref::pause() const {
  if (!access_) return no_run;
  return access_->command(id_, core::pause_command{});
}

result<void> run_ref::resume() const {
  if (!access_) return no_run;
  return access_->command(id_, core::resume_command{});
}

result<run_ref> run_ref::retry() const {
  if (!access_) return no_run;
  return access_->retry(id_);
}

result<run_ref> run_ref::fork(run_seq from) const {
  if (!access_) return no_run;
  return access_->fork(id_, from);
}

result<subscription> run_ref::subscribe(std::function<void(const run_event&)> on_event, run_seq after) const {
  if (!access_) return no_run;
  return access_->subscribe(id_, std::move(on_event), after);
}

result<std::vector<run_event>> run_ref::events(run_seq after, std::size_t limit) const {
  if (!access_) return no_run;
  return access_->events(id_, after, limit);
}

}  // namespace perdure
