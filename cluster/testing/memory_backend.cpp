#include "perdure/memory_backend.hpp"

#include <algorithm>
#include <charconv>

#include "core/hashing.hpp"
#include "perdure/limits.hpp"

namespace perdure::testing {

namespace {

error no_job(const std::string& id) { return {errc::not_found, "there is no job " + id}; }

job_report usual_plan(const memory_backend::job& of) {
  if (of.looks < 2) return {.status = job_status::running, .raw = "running"};
  return {.status = job_status::succeeded, .raw = "succeeded"};
}

job_artifact describe(const std::string& name, const std::string& content) {
  core::hash_stream hash;
  hash.add(content);
  return {.name = name, .media_type = "application/octet-stream", .size_bytes = content.size(), .sha256 = hash.hex()};
}

class text_reader final : public artifact_reader {
 public:
  text_reader(job_artifact what, std::string content) : what_(std::move(what)), content_(std::move(content)) {}
  const job_artifact& what() const override { return what_; }
  result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) override {
    if (offset >= content_.size()) return std::size_t{0};
    const auto count = std::min<std::size_t>(size, content_.size() - offset);
    std::copy_n(content_.data() + offset, count, into);
    return count;
  }

 private:
  job_artifact what_;
  std::string content_;
};

}  // namespace

memory_backend::memory_backend(backend_capabilities can) : can_(can), plan_(usual_plan) {}

void memory_backend::plan(planner how) {
  const std::lock_guard lock{mutex_};
  plan_ = std::move(how);
}
void memory_backend::fail_before(fault which) {
  const std::lock_guard lock{mutex_};
  before_ = std::move(which);
}
void memory_backend::fail_after(fault which) {
  const std::lock_guard lock{mutex_};
  after_ = std::move(which);
}
void memory_backend::ignore_cancels(bool on) {
  const std::lock_guard lock{mutex_};
  ignore_cancels_ = on;
}
void memory_backend::down(bool on) {
  const std::lock_guard lock{mutex_};
  down_ = on;
}

void memory_backend::set(const std::string& id, job_report is) {
  std::string key;
  {
    const std::lock_guard lock{mutex_};
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return;
    at->second.is = std::move(is);
    key = at->second.what.key;
  }
  tell(key);
}
void memory_backend::finish(const std::string& id, job_status status, payload result) {
  set(id, {.status = status, .raw = boost::describe::enum_to_string(status, "?"), .result = std::move(result)});
}
void memory_backend::lose(const std::string& id) {
  std::string key;
  {
    const std::lock_guard lock{mutex_};
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return;
    key = at->second.what.key;
    by_key_.erase(key);
    jobs_.erase(at);
  }
  tell(key);
}
void memory_backend::write(const std::string& id, std::string line, std::string stream) {
  const std::lock_guard lock{mutex_};
  const auto at = jobs_.find(id);
  if (at != jobs_.end()) at->second.lines.push_back({.stream = std::move(stream), .text = std::move(line)});
}
void memory_backend::leave_file(const std::string& id, std::string name, std::string content) {
  const std::lock_guard lock{mutex_};
  const auto at = jobs_.find(id);
  if (at != jobs_.end()) at->second.files[std::move(name)] = std::move(content);
}

std::vector<memory_backend::job> memory_backend::jobs() const {
  const std::lock_guard lock{mutex_};
  std::vector<job> out;
  for (const auto& [id, each] : jobs_) out.push_back(each);
  return out;
}
std::optional<memory_backend::job> memory_backend::find_job(const std::string& key) const {
  const std::lock_guard lock{mutex_};
  const auto at = by_key_.find(key);
  return at == by_key_.end() ? std::nullopt : std::optional{jobs_.at(at->second)};
}
std::size_t memory_backend::accepted() const {
  const std::lock_guard lock{mutex_};
  return jobs_.size();
}

void memory_backend::tell(const std::string& key) {
  std::function<void(std::string)> changed;
  {
    const std::lock_guard lock{mutex_};
    if (can_.notices) changed = changed_;
  }
  if (changed) changed(key);
}

template <class T>
std::optional<result<T>> memory_backend::out_of_order() const {
  if (!down_) return std::nullopt;
  return result<T>{error{errc::io_error, "the backend is down"}};
}

void memory_backend::submit(job_submission what, backend_call, backend_answer<std::string> done) {
  result<std::string> out{std::string{}};
  {
    const std::lock_guard lock{mutex_};
    auto refused = down_ ? std::optional{error{errc::overloaded, "the backend is down"}} : before_ ? before_(what) : std::nullopt;
    if (refused) {
      out = *refused;
    } else {
      const auto known = by_key_.find(what.key);
      std::string id;
      if (can_.idempotent && known != by_key_.end()) {
        id = known->second;
      } else {
        id = "m" + std::to_string(++ids_);
        by_key_[what.key] = id;
        jobs_[id] = {.id = id, .what = what};
      }
      ++jobs_[id].submits;
      out = id;
      if (after_) {
        if (auto cut = after_(what)) out = *cut;
      }
    }
  }
  done(std::move(out));
}

void memory_backend::status(std::string id, backend_call, backend_answer<job_report> done) {
  std::unique_lock lock{mutex_};
  if (auto bad = out_of_order<job_report>()) {
    lock.unlock();
    return done(std::move(*bad));
  }
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) {
    lock.unlock();
    return done(no_job(id));
  }
  ++at->second.looks;
  auto out = at->second.is ? *at->second.is : plan_(at->second);
  if (out.status && is_terminal(*out.status)) at->second.is = out;  // the first end stays
  lock.unlock();
  done(std::move(out));
}

void memory_backend::find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) {
  if (!can_.find) return backend::find(std::move(key), how, std::move(done));
  std::unique_lock lock{mutex_};
  auto bad = out_of_order<std::optional<std::string>>();
  const auto at = by_key_.find(key);
  result<std::optional<std::string>> out = bad                   ? std::move(*bad)
                                           : at == by_key_.end() ? std::optional<std::string>{}
                                                                 : std::optional{at->second};
  lock.unlock();
  done(std::move(out));
}

void memory_backend::cancel(std::string id, backend_call how, backend_answer<void> done) {
  if (!can_.cancel) return backend::cancel(std::move(id), how, std::move(done));
  std::string key;
  result<void> out;
  {
    const std::lock_guard lock{mutex_};
    const auto at = jobs_.find(id);
    if (auto bad = out_of_order<void>()) {
      out = *bad;
    } else if (at == jobs_.end()) {
      out = no_job(id);
    } else {
      ++at->second.cancels;
      const bool over = at->second.is && at->second.is->status && is_terminal(*at->second.is->status);
      if (!over && !ignore_cancels_) {
        at->second.is = job_report{.status = job_status::cancelled, .raw = "cancelled"};
        key = at->second.what.key;
      }
    }
  }
  done(std::move(out));
  if (!key.empty()) tell(key);
}

void memory_backend::logs(std::string id, log_query which, backend_call, backend_answer<job_log_page> done) {
  std::unique_lock lock{mutex_};
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) {
    lock.unlock();
    return done(no_job(id));
  }
  std::size_t from = 0;
  const auto& cursor = which.cursor;
  const auto read = std::from_chars(cursor.data(), cursor.data() + cursor.size(), from);
  if (!cursor.empty() && (read.ec != std::errc{} || read.ptr != cursor.data() + cursor.size())) {
    lock.unlock();
    return done(error{errc::invalid_argument, "\"" + cursor + "\" is no cursor of this log"});
  }
  const auto& lines = at->second.lines;
  job_log_page out;
  for (; from < lines.size() && out.lines.size() < which.limit; ++from) out.lines.push_back(lines[from]);
  out.next_cursor = std::to_string(from);
  out.has_more = from < lines.size();
  lock.unlock();
  done(std::move(out));
}

void memory_backend::artifacts(std::string id, backend_call, backend_answer<std::vector<job_artifact>> done) {
  std::unique_lock lock{mutex_};
  const auto at = jobs_.find(id);
  if (at == jobs_.end()) {
    lock.unlock();
    return done(no_job(id));
  }
  std::vector<job_artifact> out;
  for (const auto& [name, content] : at->second.files) out.push_back(describe(name, content));
  lock.unlock();
  done(std::move(out));
}

void memory_backend::open_artifact(std::string id, std::string name, backend_call,
                                   backend_answer<std::shared_ptr<artifact_reader>> done) {
  std::unique_lock lock{mutex_};
  const auto at = jobs_.find(id);
  const auto file = at == jobs_.end() ? std::map<std::string, std::string>::iterator{} : at->second.files.find(name);
  if (at == jobs_.end() || file == at->second.files.end()) {
    lock.unlock();
    return done(error{errc::not_found, "there is no artifact \"" + name + "\""});
  }
  std::shared_ptr<artifact_reader> out = std::make_shared<text_reader>(describe(name, file->second), file->second);
  lock.unlock();
  done(std::move(out));
}

void memory_backend::estimate(payload spec, backend_call how, backend_answer<job_estimate> done) {
  if (!can_.estimate) return backend::estimate(std::move(spec), how, std::move(done));
  done(job_estimate{.cost_min_usd = 0, .cost_max_usd = 0});
}

void memory_backend::notify(std::function<void(std::string key)> changed) {
  const std::lock_guard lock{mutex_};
  changed_ = std::move(changed);
}

}  // namespace perdure::testing
