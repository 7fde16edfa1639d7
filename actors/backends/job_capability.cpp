#include "actors/backends/job_capability.hpp"

#include <atomic>

#include "actors/backends/ask.hpp"
#include "actors/backends/work_thread.hpp"
#include "actors/capabilities/process.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

/// Unless the step has its own limit, a read takes no longer.
constexpr std::chrono::seconds patience{60};
constexpr std::chrono::hours sweep_pause{1};

std::string text_of(const json::object& spec, std::string_view name) {
  const auto* found = spec.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

core::outcome failed(const error& why) {
  return {.error = failure{.code = std::string{to_string(why.code)}, .message = why.message}};
}

class job_capability final : public capability {
 public:
  job_capability(std::shared_ptr<job_service> jobs, std::shared_ptr<artifact_store> store,
                 std::function<bool(const run_id&)> exists)
      : jobs_(std::move(jobs)), store_(std::move(store)), exists_(std::move(exists)) {
    if (store_ != nullptr && exists_) copies_.post([this] { sweep(); });
  }

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
    } else if (what == "keep") {
      const auto* number = spec->if_contains("job");
      boost::system::error_code bad;
      const auto job = number != nullptr && number->is_number() ? number->to_number<std::uint32_t>(bad) : 0;
      keep(std::move(request), at, id, bad ? 0 : job);
    } else {
      request.done(failed({errc::unsupported, "nothing is known of \"" + what + "\" of a job"}));
    }
  }
  void stop_all() override {
    stopping_ = true;
    copies_.stop();
  }

 private:
  void sweep() {
    swept_ = std::chrono::steady_clock::now();
    store_->sweep([this](const run_id& run) { return stopping_ || exists_(run); }, limits::blob_grace);
  }

  void keep(capability_request request, const std::shared_ptr<backend>& at, const std::string& id, std::uint32_t job) {
    const auto run = run_id::parse(request.run);
    if (store_ == nullptr) return request.done(failed({errc::unsupported, "this node has no folder to keep artifacts in"}));
    if (!run || job == 0) return request.done(failed({errc::invalid_argument, "a malformed question about a job"}));
    // Dropped at a stop, when the step is done again at the next start.
    copies_.post([this, at, id, run = *run, job, stop = request.stop, done = std::move(request.done)] {
      const auto over = [this, &stop] { return stopping_ || stop.stop_requested(); };
      const auto list = ask<std::vector<job_artifact>>(
          patience, [&](const backend_call& how, auto answer) { at->artifacts(id, how, std::move(answer)); }, over);
      if (!list) return done(failed(list.error()));
      const auto kept = store_->keep(
          run, job, *list,
          [&](const std::string& name) {
            return ask<std::shared_ptr<artifact_reader>>(
                patience, [&](const backend_call& how, auto answer) { at->open_artifact(id, name, how, std::move(answer)); },
                over);
          },
          over);
      done(kept ? core::outcome{.value = payload{to_json(*kept)}} : failed(kept.error()));
      if (exists_ && std::chrono::steady_clock::now() - swept_ >= sweep_pause) sweep();
    });
  }

  template <class T>
  static backend_answer<T> answer(std::function<void(core::outcome)> done) {
    return [done = std::move(done)](const result<T>& got) {
      done(got ? core::outcome{.value = payload{to_json(*got)}} : failed(got.error()));
    };
  }

  std::shared_ptr<job_service> jobs_;
  std::shared_ptr<artifact_store> store_;
  std::function<bool(const run_id&)> exists_;
  std::atomic<bool> stopping_{false};
  std::chrono::steady_clock::time_point swept_{};  // of the thread's
  work_thread copies_;                             // ends first
};

}  // namespace

job_log_page as_text(job_log_page page) {
  for (auto& line : page.lines) line.text = to_text(line.text, false, line.text.size() * 3 + 3, line.text.size() * 6 + 6).text;
  return page;
}

std::shared_ptr<capability> make_job_capability(std::shared_ptr<job_service> jobs, std::shared_ptr<artifact_store> store,
                                                std::function<bool(const run_id&)> exists) {
  return std::make_shared<job_capability>(std::move(jobs), std::move(store), std::move(exists));
}

}  // namespace perdure::actors
