#include "actors/backends/job_capability.hpp"

#include "actors/capabilities/process.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

/// Unless the step has its own limit, a read takes no longer.
constexpr std::chrono::seconds patience{60};

std::string text_of(const json::object& spec, std::string_view name) {
  const auto* found = spec.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

core::outcome failed(const error& why) {
  return {.error = failure{.code = std::string{to_string(why.code)}, .message = why.message}};
}

class job_capability final : public capability {
 public:
  explicit job_capability(std::shared_ptr<job_service> jobs) : jobs_(std::move(jobs)) {}

  void start(capability_request request) override {
    const auto value = request.spec.value();
    const auto* spec = value.if_object();
    if (spec == nullptr) return request.done(failed({errc::invalid_argument, "a malformed question about a job"}));
    const auto name = text_of(*spec, "backend");
    const auto at = jobs_->find(name);
    if (at == nullptr) return request.done(failed({errc::unsupported, "this node has no backend \"" + name + "\""}));
    const auto what = text_of(*spec, "what");
    const auto id = text_of(*spec, "id");
    const backend_call how{.stop = request.stop, .deadline = std::chrono::steady_clock::now() + patience};
    if (what == "logs") {
      const log_query which{.cursor = text_of(*spec, "cursor"), .limit = limits::job_log_page_lines};
      at->logs(id, which, how, [done = std::move(request.done)](const result<job_log_page>& page) {
        done(page ? core::outcome{.value = payload{to_json(as_text(*page))}} : failed(page.error()));
      });
    } else if (what == "artifacts") {
      at->artifacts(id, how, answer<std::vector<job_artifact>>(std::move(request.done)));
    } else if (what == "estimate") {
      const auto* asked = spec->if_contains("spec");
      at->estimate(asked == nullptr ? payload{} : payload{*asked}, how, answer<job_estimate>(std::move(request.done)));
    } else {
      request.done(failed({errc::unsupported, "nothing is known of \"" + what + "\" of a job"}));
    }
  }
  void stop_all() override {}

 private:
  template <class T>
  static backend_answer<T> answer(std::function<void(core::outcome)> done) {
    return [done = std::move(done)](const result<T>& got) {
      done(got ? core::outcome{.value = payload{to_json(*got)}} : failed(got.error()));
    };
  }

  std::shared_ptr<job_service> jobs_;
};

}  // namespace

job_log_page as_text(job_log_page page) {
  for (auto& line : page.lines) line.text = to_text(line.text, false, line.text.size() * 3 + 3, line.text.size() * 6 + 6).text;
  return page;
}

std::shared_ptr<capability> make_job_capability(std::shared_ptr<job_service> jobs) {
  return std::make_shared<job_capability>(std::move(jobs));
}

}  // namespace perdure::actors
