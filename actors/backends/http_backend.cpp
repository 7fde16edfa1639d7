#include "actors/backends/http_backend.hpp"

#include <algorithm>
#include <deque>
#include <unordered_map>

#include "actors/backends/http_answers.hpp"
#include "actors/backends/http_artifact.hpp"
#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

/// Jobs of which it is remembered when they were submitted and with which key.
constexpr std::size_t remembered_jobs = 10'000;
constexpr std::size_t most_pages = 1'000;
/// A callback is small; a large one is none.
constexpr std::size_t callback_bytes = 256U << 10;

std::string status_text(const service_answer& of) {
  return "answered with status " + std::to_string(of.status) + (of.shown.empty() ? "" : ": " + of.shown);
}

/// What an answer without success is for a question that may be asked again.
error error_of(const service_answer& of, const std::string& what, const std::set<long>& gone = {}) {
  // A page of HTML is by a proxy, or by a login: it says nothing of the job.
  if (gone.contains(of.status) && !of.is_page) return {errc::not_found, what + ": the service knows no such job"};
  return {of.status == 429 ? errc::overloaded : errc::io_error, what + " was " + status_text(of)};
}

/// What an answer without success is for a submit: refused for good, surely not accepted, or unknown.
error refusal_of(const service_answer& of, const std::set<long>& not_accepted) {
  const auto text = "the submit was " + status_text(of);
  if (not_accepted.contains(of.status) || of.status == 307 || of.status == 308) return {errc::overloaded, text};
  const bool unknown = of.status < 400 || of.status > 499 || of.status == 408 || of.status == 409 || of.status == 423;
  if (unknown) return {errc::io_error, text};
  return {of.is_page ? errc::overloaded : errc::invalid_argument, text};
}

}  // namespace

class http_backend::impl : public std::enable_shared_from_this<http_backend::impl> {
 public:
  impl(http_service service, http_backend_ports ports)
      : how_(std::move(service)), ports_(std::move(ports)),
        asker_(how_.url, how_.headers, how_.auth, how_.timeout, ports_.secrets) {}

  [[nodiscard]] const http_service& how() const { return how_; }

  void submit(const job_submission& what, const backend_call& call, backend_answer<std::string> done) {
    if (const auto problem = problem_of_id(what.key); !problem.empty())
      return done(error{errc::invalid_argument, "a submit key that " + problem + " cannot be sent"});
    template_values values{{"key", what.key},       {"name", what.name},     {"executor", what.executor},
                           {"run", what.run.str()}, {"tenant", what.tenant}, {"priority", std::to_string(what.priority)}};
    if (how_.webhook) values.emplace("webhook", expand(how_.webhook->url, values, template_use::url));
    auto body = body_of(what.spec, values);
    if (!body) return done(body.error());
    asker_.ask({.what = &how_.submit, .values = std::move(values), .body = std::move(*body), .once = true}, call,
               guarded<std::string>(std::move(done), [self = shared_from_this(), key = what.key](service_end end) {
                 return self->submitted(end, key);
               }));
  }

  void find(const std::string& key, const backend_call& call, backend_answer<std::optional<std::string>> done) {
    if (!how_.find) return done(error{errc::unsupported, "this service cannot look up a job by its key"});
    find_in_page(key, {}, 1, call, std::move(done));
  }

  void status(const std::string& id, const backend_call& call, backend_answer<job_report> done) {
    if (auto problem = problem_of_id(id); !problem.empty()) return done(unknown_job(id, problem));
    asker_.ask({.what = &how_.status, .values = {{"id", id}}}, call,
               guarded<job_report>(std::move(done), [self = shared_from_this(), id](service_end end) -> result<job_report> {
                 auto answer = self->content_of(end, "the look at job " + id, self->how_.status.gone);
                 if (!answer && answer.error().code == errc::not_found && self->is_young(id))
                   return error{errc::io_error, answer.error().message + " yet"};
                 return answer ? report_in(*answer, self->how_.status) : answer.error();
               }));
  }

  void cancel(const std::string& id, const backend_call& call, backend_answer<void> done) {
    if (!how_.cancel) return done(error{errc::unsupported, "this service cannot cancel a job"});
    if (auto problem = problem_of_id(id); !problem.empty()) return done(unknown_job(id, problem));
    asker_.ask({.what = &*how_.cancel, .values = {{"id", id}}}, call,
               [self = shared_from_this(), id, call, done = std::move(done)](service_end end) mutable {
                 if (const auto* silence = std::get_if<service_silence>(&end))
                   return done(error{silence->code, silence->message});
                 const auto& answer = std::get<service_answer>(end);
                 if (answer.good()) return done({});
                 auto why = error_of(answer, "the cancel of job " + id, {404, 410});
                 // Services refuse to end what has ended, each with a status of its own.
                 const bool may_have_ended = answer.status >= 400 && answer.status < 500 && why.code == errc::io_error;
                 if (!may_have_ended) return done(std::move(why));
                 self->status(id, call, [why = std::move(why), done = std::move(done)](const result<job_report>& seen) {
                   const bool ended = seen && seen->status && is_terminal(*seen->status);
                   ended ? done({}) : done(why);
                 });
               });
  }

  void logs(const std::string& id, const log_query& which, const backend_call& call, backend_answer<job_log_page> done) {
    if (!how_.logs) return done(error{errc::unsupported, "this service gives no logs"});
    if (auto problem = problem_of_id(id); !problem.empty()) return done(unknown_job(id, problem));
    const auto at = read_cursor(which.cursor);
    if (!at) return done(at.error());
    const auto limit = std::clamp<std::size_t>(which.limit, 1, limits::job_log_page_lines);
    template_values values{{"id", id}, {"cursor", at->cursor}, {"limit", std::to_string(limit + at->skip)}};
    asker_.ask({.what = &*how_.logs, .values = std::move(values)}, call,
               guarded<job_log_page>(std::move(done),
                                     [self = shared_from_this(), id, at = *at, limit](service_end end) -> result<job_log_page> {
                                       auto answer = self->content_of(end, "the log of job " + id, {404, 410});
                                       if (!answer) return answer.error();
                                       return lines_in(*answer, *self->how_.logs, at, limit);
                                     }));
  }

  using files = std::vector<remote_file>;
  void files_of(const std::string& id, const backend_call& call, backend_answer<files> done) {
    if (!how_.artifacts) return done(error{errc::unsupported, "this service has no artifacts"});
    if (auto problem = problem_of_id(id); !problem.empty()) return done(unknown_job(id, problem));
    files_in_page(id, {}, {}, 1, call, std::move(done));
  }

  void open_artifact(const std::string& id, const std::string& name, const backend_call& call,
                     backend_answer<std::shared_ptr<artifact_reader>> done) {
    files_of(id, call, [self = shared_from_this(), id, name, done = std::move(done)](const result<files>& all) {
      if (!all) return done(all.error());
      const auto found = std::find_if(all->begin(), all->end(), [&](const auto& each) { return each.what.name == name; });
      if (found == all->end()) return done(error{errc::not_found, "job " + id + " has no artifact \"" + name + "\""});
      const auto& how = *self->how_.artifacts;
      auto address = [asker = self->downloads(), how,
                      values = template_values{{"id", id}, {"artifact", found->id}, {"name", name}}] {
        return address_in(*asker, how, values);
      };
      done(remote_artifact(self->downloads(), found->what, how.private_urls, std::move(address)));
    });
  }

  void estimate(const payload& spec, const backend_call& call, backend_answer<job_estimate> done) {
    if (!how_.estimate) return done(error{errc::unsupported, "this service gives no estimates"});
    auto body = body_of(spec, {});
    if (!body) return done(body.error());
    asker_.ask({.what = &*how_.estimate, .body = std::move(*body)}, call,
               guarded<job_estimate>(std::move(done), [self = shared_from_this()](service_end end) -> result<job_estimate> {
                 auto answer = self->content_of(end, "the estimate", {});
                 if (!answer) return answer.error();
                 return estimate_in(*answer, *self->how_.estimate);
               }));
  }

  void check(const backend_call& call, backend_answer<std::string> done) {
    const http_operation base;
    const bool named = how_.check.has_value();
    asker_.ask({.what = named ? &*how_.check : &base}, call,
               guarded<std::string>(std::move(done), [self = shared_from_this(), named](service_end end) -> result<std::string> {
                 if (const auto* silence = std::get_if<service_silence>(&end)) return error{silence->code, silence->message};
                 const auto& answer = std::get<service_answer>(end);
                 const bool there = named ? answer.good() : answer.status < 500 && answer.status != 401 && answer.status != 403;
                 if (!there) return error{errc::io_error, self->how_.url + " " + status_text(answer)};
                 auto out = self->how_.url + " answers";
                 if (const auto ahead = clock_ahead(answer.headers);
                     ahead && std::chrono::abs(*ahead) > std::chrono::seconds{5}) {
                   out += "; its clock is " + std::to_string(std::chrono::abs(*ahead).count()) + " s " +
                          (ahead->count() > 0 ? "ahead of" : "behind") + " ours";
                 }
                 return out;
               }));
  }

  void notify(std::function<void(std::string key)> changed) {
    const std::lock_guard lock{mutex_};
    changed_ = std::move(changed);
  }

  result<void> take_callback(const callback& what) {
    if (!how_.webhook) return error{errc::not_found, "this backend takes no callbacks"};
    if (what.body.size() > callback_bytes) return error{errc::payload_too_large, "the callback is too large"};
    const auto secret = asker_.secret(how_.webhook->secret);
    if (!secret) {
      log("a callback cannot be checked: " + secret.error().message);
      return secret.error();
    }
    if (!is_signed(what, *how_.webhook, *secret)) return error{errc::invalid_argument, "the signature is missing or wrong"};
    const auto key = key_of(what);
    std::function<void(std::string)> tell;
    {
      const std::lock_guard lock{mutex_};
      tell = changed_;
    }
    if (!key) return error{errc::not_found, "the callback names no job that is known here"};
    if (tell) tell(*key);
    return {};
  }

  void close() {
    asker_.stop();
    const std::lock_guard lock{mutex_};
    closed_ = true;
    if (downloads_) downloads_->stop();
  }

 private:
  struct known_job {
    std::string key;
    std::chrono::steady_clock::time_point at;
  };

  /// Whatever an answer does to us, the call has an answer.
  template <class T, class F>
  static std::function<void(service_end)> guarded(backend_answer<T> done, F take) {
    return [done = std::move(done), take = std::move(take)](service_end end) {
      result<T> out = error{errc::internal, {}};
      try {
        out = take(std::move(end));
      } catch (const std::exception& thrown) {
        out = error{errc::io_error, std::string{"the service's answer cannot be taken: "} + thrown.what()};
      }
      done(std::move(out));
    };
  }

  static error unknown_job(const std::string& id, const std::string& problem) {
    return {errc::not_found, "the service has no such job: its id (" + std::to_string(id.size()) + " bytes) " + problem};
  }

  /// The spec as a body, with what is inserted into it.
  result<json::value> body_of(const payload& spec, const template_values& values) const {
    auto out = spec.value();
    if (!how_.submit.spec_at.empty()) {
      json::value outer = json::object{};
      if (auto placed = put(outer, how_.submit.spec_at, std::move(out)); !placed) return placed.error();
      out = std::move(outer);
    }
    if (values.empty()) return out;
    for (const auto& [at, text] : how_.submit.insert) {
      const auto value = expand(text, values, template_use::plain);
      if (value.empty()) continue;
      if (auto placed = put(out, at, json::value(value)); !placed) return placed.error();
    }
    return out;
  }
  static result<void> put(json::value& into, const std::string& at, json::value what) {
    if (put_at(into, at, std::move(what))) return {};
    return error{errc::invalid_argument,
                 "the job's spec has no place for \"" + at + "\": it has to be an object, also on the way there"};
  }

  result<std::string> submitted(const service_end& end, const std::string& key) {
    if (const auto* silence = std::get_if<service_silence>(&end))
      return error{silence->sent ? silence->code : errc::overloaded, silence->message};
    const auto& answer = std::get<service_answer>(end);
    if (!answer.good()) return refusal_of(answer, how_.submit.not_accepted);
    if (!answer.content) return error{errc::io_error, "the submit was answered with something that is not JSON: " + answer.shown};
    auto id = how_.submit.id.text_in(*answer.content);
    if (id.empty()) return error{errc::io_error, "the submit was answered without the id of a job: " + answer.shown};
    // To submit again would give another one like it.
    if (const auto problem = problem_of_id(id); !problem.empty())
      return error{errc::unsupported, "the service accepted the job and gave it an id that " + problem};
    remember(id, key);
    return id;
  }

  /// The JSON of a good answer.
  static result<json::value> content_of(service_end& end, const std::string& what, const std::set<long>& gone) {
    if (const auto* silence = std::get_if<service_silence>(&end)) return error{silence->code, silence->message};
    auto& answer = std::get<service_answer>(end);
    if (!answer.good()) return error_of(answer, what, gone);
    if (!answer.content) return error{errc::io_error, what + " was answered with something that is not JSON: " + answer.shown};
    return std::move(*answer.content);
  }

  void find_in_page(const std::string& key, const std::string& cursor, std::size_t page, const backend_call& call,
                    backend_answer<std::optional<std::string>> done) {
    asker_.ask({.what = &*how_.find, .values = {{"key", key}, {"cursor", cursor}}}, call,
               [self = shared_from_this(), key, cursor, page, call, done = std::move(done)](service_end end) mutable {
                 using found = std::optional<std::string>;
                 auto answer = content_of(end, "the look-up by key", {404});
                 if (!answer && answer.error().code == errc::not_found) return done(found{});
                 if (!answer) return done(answer.error());
                 auto got = job_in(*answer, *self->how_.find, key);
                 if (!got || *got) {
                   if (got) self->remember(**got, key);
                   return done(std::move(got));
                 }
                 auto next = self->how_.find->next.text_in(*answer);
                 if (next.empty() || next == cursor) return done(found{});
                 if (page >= most_pages) return done(error{errc::io_error, "the service's list of jobs has no end"});
                 self->find_in_page(key, next, page + 1, call, std::move(done));
               });
  }

  void files_in_page(const std::string& id, const std::string& cursor, files before, std::size_t page, const backend_call& call,
                     backend_answer<files> done) {
    asker_.ask(
        {.what = &*how_.artifacts, .values = {{"id", id}, {"cursor", cursor}}}, call,
        [self = shared_from_this(), id, cursor, all = std::move(before), page, call,
         done = std::move(done)](service_end end) mutable {
          auto answer = content_of(end, "the artifacts of job " + id, {404, 410});
          if (!answer) return done(answer.error());
          std::size_t refused = 0;
          for (auto& each : files_in(*answer, *self->how_.artifacts, refused)) all.push_back(std::move(each));
          if (refused > 0)
            self->log(std::to_string(refused) + " artifacts of job " + id + " are left out: their names lead out of a folder");
          if (all.size() > limits::job_artifacts || page > most_pages) {
            return done(error{errc::limit_exceeded,
                              "job " + id + " has more artifacts than job_artifacts = " + std::to_string(limits::job_artifacts)});
          }
          auto next = self->how_.artifacts->next.text_in(*answer);
          if (next.empty() || next == cursor) return done(std::move(all));
          self->files_in_page(id, next, std::move(all), page + 1, call, std::move(done));
        });
  }

  /// Where an artifact can be had now. Waits; not on the thread of this asker.
  static result<std::string> address_in(http_asker& asker, const http_service::artifacts_call& how,
                                        const template_values& values) {
    if (!how.url.is_set()) return asker.address_of(how.download, values);
    auto answer = asker.ask_and_wait({.what = &how.download, .values = values}, {});
    auto content = content_of(answer, "the address of an artifact", {404, 410});
    if (!content) return content.error();
    auto address = how.url.text_in(*content);
    if (address.empty()) return error{errc::io_error, "the service's answer has no address where one was expected"};
    return asker.absolute(address);
  }

  /// Downloads have a thread of their own: who reads one waits, maybe on the thread that answered before.
  std::shared_ptr<http_asker> downloads() {
    const std::lock_guard lock{mutex_};
    if (!downloads_) {
      downloads_ = std::make_shared<http_asker>(how_.url, how_.headers, how_.auth, how_.timeout, ports_.secrets);
      if (closed_) downloads_->stop();
    }
    return downloads_;
  }

  void remember(const std::string& id, const std::string& key) {
    const std::lock_guard lock{mutex_};
    if (known_.insert_or_assign(id, known_job{key, std::chrono::steady_clock::now()}).second) order_.push_back(id);
    if (order_.size() <= remembered_jobs) return;
    known_.erase(order_.front());
    order_.pop_front();
  }
  bool is_young(const std::string& id) {
    const std::lock_guard lock{mutex_};
    const auto found = known_.find(id);
    return found != known_.end() && std::chrono::steady_clock::now() - found->second.at < how_.status.settle;
  }

  /// The job of a callback: it names its key, in its body or in its address, or an id that was given to us.
  std::optional<std::string> key_of(const callback& what) {
    const auto body = core::read_json_text(core::valid_utf8(what.body));
    if (body) {
      if (auto key = how_.webhook->key.text_in(*body); !key.empty()) return key;
      const auto id = how_.webhook->id.text_in(*body);
      const std::lock_guard lock{mutex_};
      if (const auto found = known_.find(id); found != known_.end()) return found->second.key;
    }
    for (const auto& [name, value] : what.query) {
      if (name == "key" && !value.empty()) return value;
    }
    return std::nullopt;
  }

  void log(const std::string& text) const {
    if (ports_.log) ports_.log(text);
  }

  const http_service how_;
  const http_backend_ports ports_;
  http_asker asker_;
  std::mutex mutex_;
  std::shared_ptr<http_asker> downloads_;  ///< made when it is needed
  bool closed_ = false;
  std::function<void(std::string key)> changed_;
  std::unordered_map<std::string, known_job> known_;  ///< by id
  std::deque<std::string> order_;
};

http_backend::http_backend(http_service service, http_backend_ports ports)
    : impl_(std::make_shared<impl>(std::move(service), std::move(ports))) {}
http_backend::~http_backend() { close(); }

backend_capabilities http_backend::capabilities() const {
  const auto& how = impl_->how();
  return {.find = how.find.has_value(),
          .idempotent = how.submit.idempotent,
          .cancel = how.cancel.has_value(),
          .logs = how.logs.has_value(),
          .artifacts = how.artifacts.has_value(),
          .estimate = how.estimate.has_value(),
          .notices = how.webhook.has_value()};
}

void http_backend::submit(job_submission what, backend_call how, backend_answer<std::string> done) {
  impl_->submit(what, how, std::move(done));
}
void http_backend::status(std::string id, backend_call how, backend_answer<job_report> done) {
  impl_->status(id, how, std::move(done));
}
void http_backend::find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) {
  impl_->find(key, how, std::move(done));
}
void http_backend::cancel(std::string id, backend_call how, backend_answer<void> done) {
  impl_->cancel(id, how, std::move(done));
}
void http_backend::logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) {
  impl_->logs(id, which, how, std::move(done));
}
void http_backend::artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) {
  impl_->files_of(id, how, [done = std::move(done)](const result<impl::files>& all) {
    if (!all) return done(all.error());
    std::vector<job_artifact> out;
    for (const auto& each : *all) out.push_back(each.what);
    done(std::move(out));
  });
}
void http_backend::open_artifact(std::string id, std::string name, backend_call how,
                                 backend_answer<std::shared_ptr<artifact_reader>> done) {
  impl_->open_artifact(id, name, how, std::move(done));
}
void http_backend::estimate(payload spec, backend_call how, backend_answer<job_estimate> done) {
  impl_->estimate(spec, how, std::move(done));
}
void http_backend::check(backend_call how, backend_answer<std::string> done) { impl_->check(how, std::move(done)); }
void http_backend::notify(std::function<void(std::string key)> changed) { impl_->notify(std::move(changed)); }
void http_backend::close() { impl_->close(); }
result<void> http_backend::take_callback(const callback& what) { return impl_->take_callback(what); }

}  // namespace perdure::actors
