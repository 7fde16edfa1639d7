// http_backend: jobs of a remote service that is reached over HTTP, as an http_service describes it.
//
// Operation: each call is one request, or several for what comes in pages. Nothing is kept on disk: the run knows the id, the
// service the rest. A submit that may have reached the service is never sent again from here. An answer that cannot be
// understood changes nothing: it is an error, and the job is looked at again.
// Concurrency: any thread; answers come on the thread of the backend's own HTTP client.
// Limitations: a callback of the service is a reason to look, no more: what it says of the job is not believed.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "actors/backends/http_asker.hpp"
#include "actors/backends/webhook.hpp"

namespace perdure::actors {

struct http_backend_ports {
  find_secret secrets;
  std::function<void(std::string_view)> log;  ///< any thread; may be empty
};

class http_backend final : public backend, public callback_receiver {
 public:
  http_backend(http_service service, http_backend_ports ports);
  ~http_backend() override;

  [[nodiscard]] backend_capabilities capabilities() const override;
  void submit(job_submission what, backend_call how, backend_answer<std::string> done) override;
  void status(std::string id, backend_call how, backend_answer<job_report> done) override;
  void find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) override;
  void cancel(std::string id, backend_call how, backend_answer<void> done) override;
  void logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) override;
  void artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) override;
  void open_artifact(std::string id, std::string name, backend_call how,
                     backend_answer<std::shared_ptr<artifact_reader>> done) override;
  void estimate(payload spec, backend_call how, backend_answer<job_estimate> done) override;
  void check(backend_call how, backend_answer<std::string> done) override;
  void notify(std::function<void(std::string key)> changed) override;
  void close() override;
  [[nodiscard]] result<void> take_callback(const callback& what) override;

 private:
  class impl;
  std::shared_ptr<impl> impl_;
};

}  // namespace perdure::actors
