// What a backend answers that does not offer something.
#include "perdure/backend.hpp"

namespace perdure {

namespace {
error unsupported(const char* what) { return {errc::unsupported, std::string{"this backend has no "} + what}; }
}  // namespace

void backend::find(std::string, backend_call, backend_answer<std::optional<std::string>> done) {
  done(unsupported("look-up by key"));
}
void backend::cancel(std::string, backend_call, backend_answer<void> done) { done(unsupported("cancel")); }
void backend::logs(std::string, log_query, backend_call, backend_answer<job_log_page> done) { done(unsupported("logs")); }
void backend::artifacts(std::string, backend_call, backend_answer<std::vector<job_artifact>> done) {
  done(unsupported("artifacts"));
}
void backend::open_artifact(std::string, std::string, backend_call, backend_answer<std::shared_ptr<artifact_reader>> done) {
  done(unsupported("artifacts"));
}
void backend::estimate(payload, backend_call, backend_answer<job_estimate> done) { done(unsupported("estimate")); }
void backend::forget(std::string, backend_call, backend_answer<void> done) { done(result<void>{}); }
void backend::check(backend_call, backend_answer<std::string> done) { done(std::string{"nothing to check"}); }

}  // namespace perdure
