#include "actors/backends/process_backend.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "actors/backends/beneath.hpp"
#include "actors/backends/job_artifacts.hpp"
#include "actors/backends/job_cgroup.hpp"
#include "actors/backends/job_files.hpp"
#include "actors/backends/job_log.hpp"
#include "actors/backends/job_spawner.hpp"
#include "actors/backends/kept_job.hpp"
#include "actors/backends/process_spec.hpp"
#include "actors/backends/work_thread.hpp"
#include "actors/capabilities/child.hpp"
#include "core/record.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::int64_t default_grace_ms = 5'000;
constexpr std::int64_t longest_ms = 366LL * 86'400'000;
/// A job that was accepted and has no supervisor is given one again after so long.
constexpr std::chrono::seconds start_pause{2};
constexpr std::string_view news_folder = "ended";
constexpr std::chrono::hours sweep_pause{1};
/// Whoever waits for a job is told so soon that it is lost.
constexpr std::chrono::milliseconds lost_pause{2'000};
/// What is told of a job's end is recorded by its run within so long.
constexpr std::chrono::seconds marker_time{10};

error system_error(const std::string& what) { return {errc::io_error, what + ": " + std::strerror(errno)}; }

std::string id_of(const std::string& key) { return core::to_hex(core::sha256({key})).substr(0, job_id_size); }

bool is_id(std::string_view text) {
  return text.size() == job_id_size && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace

class process_backend::impl : public std::enable_shared_from_this<process_backend::impl> {
 public:
  impl(std::filesystem::path root, std::function<void(std::string_view)> log, std::optional<std::filesystem::path> cgroups)
      : path_(std::move(root)), log_(std::move(log)), cgroups_(std::move(cgroups)) {
    base_["PATH"] = "/usr/local/bin:/usr/bin:/bin";
    for (const char* name : {"PATH", "HOME", "LANG"}) {
      if (const char* value = std::getenv(name); value != nullptr && *value != '\0') base_[name] = value;
    }
  }
  ~impl() { close(); }

  /// Where the work is done: logs and files must not hold up the rest.
  enum class lane : std::uint8_t { jobs, reads };
  template <class T>
  void post(lane where, backend_call how, backend_answer<T> done, std::function<result<T>()> work) {
    auto job = [how = std::move(how), done = std::move(done), work = std::move(work)] {
      if (how.stop.stop_requested()) return done(error{errc::shutting_down, "the answer is not wanted any more"});
      done(work());
    };
    (where == lane::jobs ? jobs_ : reads_).post(std::move(job));
  }

  result<std::string> submit(const job_submission& what, bool of_step) {
    sweep_sometimes();
    if (has_nul(what.key)) return error{errc::invalid_argument, "a submit key has no NUL characters"};
    if (auto ready = open_root(); !ready) return ready.error();
    const auto id = id_of(what.key);
    if (auto there = job(id)) {
      if (auto begun = begin(*there); !begun) return begun.error();
      return id;
    }
    auto spec = from_json<process_job>(what.spec.value());
    if (!spec) return error{errc::invalid_argument, "not a process_job" + spec.error().message};
    if (const auto name = strange_member(what.spec.value()))
      return error{errc::invalid_argument, "not a process_job: it has no \"" + *name + "\""};
    if (auto problem = problem_of(*spec)) return error{errc::invalid_argument, "not a process_job: " + *problem};
    if (auto made = make_job(id, what, *spec, of_step); !made) return made.error();
    keys_.insert_or_assign(id, what.key);
    if (auto begun = begin(id); !begun) return begun.error();
    return id;
  }

  result<std::optional<std::string>> find(const std::string& key) {
    if (auto ready = open_root(); !ready) return ready.error();
    auto there = job(id_of(key));
    if (!there) return std::optional<std::string>{};
    if (auto begun = begin(*there); !begun) return begun.error();
    return std::optional{there->id};
  }

  result<job_report> status(const std::string& id) {
    const auto there = job(id);
    if (!there) return there.error();
    const auto folder = there->folder.get();
    const auto& [request, who, end, progress] = there->head;
    if (is_there(end)) return with_progress(report_of(end, spec_of(folder)), progress);
    if (!is_there(who)) {
      if (auto begun = begin(*there); !begun && begun.error().code != errc::overloaded) return begun.error();
      return job_report{.status = job_status::queued, .raw = "accepted"};
    }
    if (!is_alive(who)) {
      // It may have ended between the two looks.
      if (const auto now = read_head(folder); now && is_there(now->ending))
        return with_progress(report_of(now->ending, spec_of(folder)), now->progress);
      // What its program had started is nobody's any more.
      end_job_cgroup(cgroups(), id);
      begun_.erase(id);
      keys_.erase(id);
      return job_report{
          .status = job_status::lost,
          .raw = "lost",
          .message = "its supervisor (process " + std::to_string(who.pid) + ") is gone, and left no word of its end"};
    }
    return with_progress({.status = job_status::running, .raw = exists(folder, "cancel") ? "ending" : "running"}, progress);
  }
  static job_report with_progress(job_report out, const job_progress_record& seen) {
    if (!is_there(seen)) return out;
    out.done = seen.done;
    out.total = seen.total;
    out.text = seen.text.data();
    return out;
  }

  /// The wish is on disk before the supervisor is told: one that starts only now sees it too.
  result<void> cancel(const std::string& id) {
    auto there = job(id);
    if (!there) return there.error();
    if (is_there(there->head.ending)) return {};
    if (auto written = write_small(there->folder.get(), "cancel", ""); !written) return written;
    // It may have claimed the job before it could see the wish.
    const auto now = read_head(there->folder.get());
    if (!now || !is_there(now->started)) return begin(*there);
    const auto& who = now->started;
    const auto number = static_cast<pid_t>(who.pid);
    // What is told is the process that this number means now; it is asked who it is before.
    const unique_fd process{static_cast<int>(syscall(SYS_pidfd_open, number, 0U))};
    if (!is_alive(who)) return {};
    if (process) {
      syscall(SYS_pidfd_send_signal, process.get(), SIGUSR1, nullptr, 0U);
    } else {
      kill(number, SIGUSR1);
    }
    return {};
  }

  result<job_log_page> logs(const std::string& id, const log_query& which) {
    const auto there = job(id);
    if (!there) return there.error();
    return read_job_log(there->folder.get(), which);
  }

  result<std::vector<job_artifact>> artifacts(const std::string& id) {
    const auto there = job(id);
    if (!there) return there.error();
    const auto work = work_of(there->folder.get());
    if (!work) return work.error();
    return list_artifacts(work->get(), patterns_of(there->folder.get()), hashes_);
  }

  result<std::shared_ptr<artifact_reader>> open_artifact(const std::string& id, const std::string& name) {
    const auto there = job(id);
    if (!there) return there.error();
    const auto work = work_of(there->folder.get());
    if (!work) return work.error();
    return read_artifact(work->get(), patterns_of(there->folder.get()), name, hashes_);
  }

  void when_ended(const std::string& id, std::function<void()> over) {
    jobs_.post([this, id, over = std::move(over)]() mutable {
      const auto now = status(id);
      if (!now || (now->status && is_terminal(*now->status))) return over();
      waiters_.insert_or_assign(id, std::move(over));
    });
  }

  result<outcome> collect(const std::string& id, std::size_t limit_bytes) {
    const auto there = job(id);
    if (!there) return there.error();
    if (!is_there(there->head.ending)) return error{errc::not_found, "job " + id + " has left no word of its end"};
    auto output = read_job_output(there->folder.get(), limit_bytes);
    if (!output) return output.error();
    return outcome{there->head.ending, std::move(*output)};
  }

  /// For the thread of `jobs_`: the same key may come again at once.
  result<void> forget_begun(const std::string& id) {
    begun_.erase(id);
    keys_.erase(id);
    return forget(id);
  }
  result<void> forget(const std::string& id) {
    const auto folder = open_job(id);
    if (!folder) return {};
    if (const auto head = read_head(folder->get());
        head && is_there(head->started) && !is_there(head->ending) && is_alive(head->started)) {
      return error{errc::conflict, "job " + id + " still runs"};
    }
    std::error_code bad;
    std::filesystem::remove(path_ / news_folder / id, bad);
    std::filesystem::remove_all(path_ / id, bad);
    if (bad) return error{errc::io_error, (path_ / id).string() + ": " + bad.message()};
    return {};
  }

  result<std::string> check() {
    if (auto ready = open_root(); !ready) return ready.error();
    const auto groups = cgroups();
    return "jobs are kept in " + path_.string() + "; " +
           (groups.empty() ? "no control groups: " + no_cgroups_ : "control groups in " + groups.string());
  }

  void notify(std::function<void(std::string key)> changed) {
    changed_ = std::move(changed);
    std::error_code bad;
    // What an earlier node left is looked at; without a folder there was none.
    if (std::filesystem::exists(path_, bad)) jobs_.post([this] { take_over(); });
  }

  void remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) {
    {
      const std::lock_guard lock{root_mutex_};
      run_exists_ = std::move(exists);
      orphan_age_ = age;
    }
    std::error_code bad;
    if (std::filesystem::exists(path_, bad)) reads_.post([this] { sweep(); });
  }

  void close() {
    if (closed_.exchange(true)) return;
    std::thread watcher;
    {
      const std::lock_guard lock{root_mutex_};  // after this nobody begins to listen
      const std::uint64_t one = 1;
      if (bell_) (void)!write(bell_.get(), &one, sizeof one);
      watcher = std::move(watcher_);
    }
    if (watcher.joinable()) watcher.join();
    jobs_.stop();
    reads_.stop();
    spawner_.close();
  }

 private:
  /// Makes the folders, and begins to listen for news.
  result<void> open_root() {
    const std::lock_guard lock{root_mutex_};
    if (root_) return {};
    if (closed_) return error{errc::shutting_down, "the node is closing"};
    std::error_code bad;
    std::filesystem::create_directories(path_ / news_folder, bad);
    if (bad) return error{errc::io_error, path_.string() + ": " + bad.message()};
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all, bad);
    unique_fd root{open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!root) return system_error(path_.string());
    bell_ = unique_fd{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    news_ = unique_fd{inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    if (news_ && inotify_add_watch(news_.get(), (path_ / news_folder).c_str(), IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
      news_.reset();
    if (!news_) log("no news of jobs that end comes from the system; they are looked at instead");
    root_ = std::move(root);
    if (bell_) watcher_ = std::thread{[this] { watch(); }};
    return {};
  }

  void watch() {
    std::array<pollfd, 2> both{{{bell_.get(), POLLIN, 0}, {news_.get(), POLLIN, 0}}};
    alignas(inotify_event) std::array<char, 16'384> buffer;
    auto looked = std::chrono::steady_clock::now();
    while (!closed_) {
      const auto ready = poll(both.data(), both.size(), static_cast<int>(lost_pause.count()));
      if (both[0].revents != 0) return;
      if (const auto now = std::chrono::steady_clock::now(); now - looked >= lost_pause) {
        looked = now;
        jobs_.post([this] { look_for_lost(); });
      }
      if (ready <= 0) continue;
      const auto got = read(news_.get(), buffer.data(), buffer.size());
      bool missed = false;
      for (ssize_t at = 0; at + static_cast<ssize_t>(sizeof(inotify_event)) <= got;) {
        const auto* each = reinterpret_cast<const inotify_event*>(buffer.data() + at);
        at += static_cast<ssize_t>(sizeof(inotify_event) + each->len);
        missed = missed || (each->mask & IN_Q_OVERFLOW) != 0;
        if (each->len > 0) jobs_.post([this, id = std::string{each->name}] { pass_on(id); });
      }
      if (missed) jobs_.post([this] { pass_all_on(); });
    }
  }

  /// The marker stays for a while: a node that dies before the run has recorded the end leaves it to the next one.
  void pass_on(const std::string& id) {
    if (!is_id(id)) return;
    const auto now = std::chrono::steady_clock::now();
    for (; !passed_on_.empty() && now - passed_on_.front().first >= marker_time; passed_on_.pop_front()) {
      unlinkat(root_.get(), (std::string{news_folder} + "/" + passed_on_.front().second).c_str(), 0);
    }
    passed_on_.emplace_back(now, id);
    begun_.erase(id);
    const auto known = keys_.extract(id);
    if (const auto waiter = waiters_.extract(id)) return waiter.mapped()();
    if (known) return changed_ ? changed_(known.mapped()) : void();
    const auto folder = open_job(id);
    const auto key = folder ? key_of(folder->get()) : std::string{};
    if (!key.empty() && changed_) changed_(key);
  }

  /// A supervisor that is killed leaves no word.
  void look_for_lost() {
    std::vector<std::string> over;
    for (const auto& [id, each] : waiters_) {
      const auto now = status(id);
      if (!now || (now->status && is_terminal(*now->status))) over.push_back(id);
    }
    for (const auto& id : over) waiters_.extract(id).mapped()();
  }
  void pass_all_on() {
    std::error_code bad;
    for (const auto& each : std::filesystem::directory_iterator(path_ / news_folder, bad))
      pass_on(each.path().filename().string());
  }

  /// What nobody can ask for any more goes. A job that runs is left alone, whoever wanted it.
  void sweep() {
    if (auto ready = open_root(); !ready) return;
    std::function<bool(const run_id&)> exists;
    auto age = std::chrono::seconds{0};
    {
      const std::lock_guard lock{root_mutex_};
      exists = run_exists_;
      age = orphan_age_;
      swept_ = std::chrono::steady_clock::now();
    }
    if (!exists) return;
    const auto now = std::chrono::system_clock::now();
    std::error_code bad;
    for (const auto& each : std::filesystem::directory_iterator(path_, bad)) {
      if (closed_) return;
      const auto id = each.path().filename().string();
      const auto folder = is_id(id) ? open_job(id) : error{errc::not_found, {}};
      const auto head = folder ? read_head(folder->get()) : std::nullopt;
      if (!head || !is_there(head->ending) || now - timestamp{duration{head->ending.ended_us}} < age) continue;
      const auto key = key_of(folder->get());
      const auto run = run_id::parse(std::string_view{key}.substr(0, key.find('/')));
      if (!run || exists(*run)) continue;
      if (auto gone = forget(id); !gone) log("the folder of job " + id + " cannot be removed: " + gone.error().message);
    }
  }
  /// Once an hour, when something else is done anyway.
  void sweep_sometimes() {
    {
      const std::lock_guard lock{root_mutex_};
      if (!run_exists_ || std::chrono::steady_clock::now() - swept_ < sweep_pause) return;
      swept_ = std::chrono::steady_clock::now();
    }
    reads_.post([this] { sweep(); });
  }

  void take_over() {
    if (auto ready = open_root(); !ready) {
      if (!closed_) log("jobs of an earlier node cannot be looked at: " + ready.error().message);
      return;
    }
    pass_all_on();
    std::error_code bad;
    for (const auto& each : std::filesystem::directory_iterator(path_, bad)) {
      const auto id = each.path().filename().string();
      const auto there = is_id(id) ? job(id) : error{errc::not_found, {}};
      if (!there) continue;
      if (auto begun = begin(*there); !begun) log("job " + id + " of an earlier node does not begin: " + begun.error().message);
    }
  }

  result<unique_fd> open_job(const std::string& id) {
    unique_fd out{openat(root_.get(), id.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!out && errno != ENOENT) return system_error("job " + id);
    if (!out) return error{errc::not_found, "there is no job " + id};
    return out;
  }
  /// A job that was accepted.
  struct accepted_job {
    std::string id;
    unique_fd folder;
    job_head head;
  };
  result<accepted_job> job(const std::string& id) {
    if (auto ready = open_root(); !ready) return ready.error();
    if (!is_id(id)) return error{errc::not_found, "\"" + id + "\" is no job of this backend"};
    auto folder = open_job(id);
    if (!folder) return folder.error();
    const auto head = read_head(folder->get());
    if (!head) return error{errc::not_found, "there is no job " + id};
    return accepted_job{id, std::move(*folder), *head};
  }
  static result<unique_fd> work_of(int folder) {
    unique_fd out{openat(folder, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!out) return system_error("the job's folder");
    return out;
  }

  result<void> make_job(const std::string& id, const job_submission& what, const process_job& spec, bool of_step) {
    const bool fresh = mkdirat(root_.get(), id.c_str(), 0700) == 0;
    if (!fresh && errno != EEXIST)
      return errno == ENOSPC ? error{errc::disk_full, "no room for a job's folder"} : system_error("job " + id);
    const auto folder = open_job(id);
    if (!folder) return folder.error();
    // A node may have died here before.
    std::error_code bad;
    if (!fresh) std::filesystem::remove_all(path_ / id / "work", bad);
    if (mkdirat(folder->get(), "work", 0700) != 0 && errno != EEXIST) return system_error("job " + id);
    const auto work = spec.files.empty() ? result<unique_fd>{unique_fd{}} : work_of(folder->get());
    if (!work) return work.error();
    for (const auto& [name, content] : spec.files) {
      const auto file = create_beneath(work->get(), name);
      if (!file) return file.error();
      for (std::string_view rest = content; !rest.empty();) {
        const auto wrote = write(file->get(), rest.data(), rest.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0)
          return errno == ENOSPC ? error{errc::disk_full, "\"" + name + "\": no room"} : system_error("\"" + name + "\"");
        rest.remove_prefix(static_cast<std::size_t>(wrote));
      }
    }
    if (spec.input) {
      if (auto written = write_small(folder->get(), "input", *spec.input); !written) return written;
    }
    return put_small(folder->get(), "job", file_of(id, what, spec, keep_job(what.key, spec, of_step).text()));
  }

  /// Looked for once, when the first job comes. Only from the thread of `jobs_`.
  std::filesystem::path cgroups() {
    if (!cgroups_) {
      auto found = find_job_cgroups();
      cgroups_ = std::move(found.path);
      no_cgroups_ = std::move(found.why);
    }
    return *cgroups_;
  }

  std::string file_of(const std::string& id, const job_submission& what, const process_job& spec, std::string_view kept) {
    auto all = base_;
    all["PERDURE_JOB_KEY"] = what.key;
    all["PERDURE_JOB_DIR"] = std::filesystem::absolute(path_ / id / "work").string();
    for (const auto& [name, value] : spec.environment) all[name] = value;
    std::vector<std::string> environment;
    for (const auto& [name, value] : all) environment.push_back(name + "=" + value);
    std::vector<std::string> arguments{spec.program};
    arguments.insert(arguments.end(), spec.arguments.begin(), spec.arguments.end());
    const job_request head{.has_input = spec.input ? 1U : 0U,
                           .memory_bytes = spec.memory_bytes.value_or(0),
                           .cpu_seconds = spec.cpu_seconds.value_or(0),
                           .open_files = spec.open_files.value_or(0),
                           .file_bytes = spec.file_bytes.value_or(0),
                           .processes = spec.processes.value_or(0),
                           .log_bytes = spec.log_bytes.value_or(0),
                           .wall_ms = std::clamp<std::int64_t>(spec.wall_ms.value_or(0), 0, longest_ms),
                           .silent_ms = std::clamp<std::int64_t>(spec.silent_ms.value_or(0), 0, longest_ms),
                           .grace_ms = std::clamp<std::int64_t>(spec.grace_ms.value_or(default_grace_ms), 0, longest_ms)};
    return encode_job(head, candidates_of(spec.program, all["PATH"]), arguments, environment, cgroups().string(),
                      spec.directory.value_or(""), kept);
  }

  /// Gives an accepted job its supervisor, unless it has one. Only from the thread of `jobs_`.
  result<void> begin(const accepted_job& what) {
    if (!is_there(what.head.started) && !is_there(what.head.ending)) return begin(what.id);
    begun_.erase(what.id);
    return {};
  }
  result<void> begin(const std::string& id) {
    const auto now = std::chrono::steady_clock::now();
    const auto [at, fresh] = begun_.try_emplace(id, now);
    if (!fresh && now - at->second < start_pause) return {};
    at->second = now;
    auto started = spawner_.start(root_.get(), id);
    if (!started) begun_.erase(id);
    return started;
  }

  void log(const std::string& text) const {
    if (log_) log_(text);
  }

  std::filesystem::path path_;
  std::function<void(std::string_view)> log_;
  std::optional<std::filesystem::path> cgroups_;  // none = not looked for yet; empty = there are none
  std::string no_cgroups_;
  std::map<std::string, std::string> base_;
  known_hashes hashes_;
  std::function<void(std::string key)> changed_;
  std::mutex root_mutex_;  // guards what follows, up to the watcher
  std::function<bool(const run_id&)> run_exists_;
  std::chrono::seconds orphan_age_{0};
  std::chrono::steady_clock::time_point swept_{};
  unique_fd root_, bell_, news_;
  std::thread watcher_;
  std::atomic<bool> closed_{false};
  std::map<std::string, std::function<void()>> waiters_;                                 // of the thread of jobs_: by id
  job_spawner spawner_;                                                                  // of the thread of jobs_
  std::map<std::string, std::chrono::steady_clock::time_point> begun_;                   // likewise: asked for a supervisor, when
  std::map<std::string, std::string> keys_;                                              // likewise: of jobs that were begun here
  std::deque<std::pair<std::chrono::steady_clock::time_point, std::string>> passed_on_;  // likewise
  work_thread reads_, jobs_;                                                             // end first
};

process_backend::process_backend(std::filesystem::path root, std::function<void(std::string_view)> log,
                                 std::optional<std::filesystem::path> cgroups)
    : impl_(std::make_shared<impl>(std::move(root), std::move(log), std::move(cgroups))) {}
process_backend::~process_backend() { impl_->close(); }

backend_capabilities process_backend::capabilities() const {
  return {.find = true, .idempotent = true, .cancel = true, .logs = true, .artifacts = true, .notices = true};
}

void process_backend::submit(job_submission what, backend_call how, backend_answer<std::string> done) {
  impl_->post<std::string>(impl::lane::jobs, std::move(how), std::move(done),
                           [in = impl_.get(), what = std::move(what)] { return in->submit(what, false); });
}
void process_backend::submit_step(job_submission what, backend_answer<std::string> done) {
  impl_->post<std::string>(impl::lane::jobs, {}, std::move(done),
                           [in = impl_.get(), what = std::move(what)] { return in->submit(what, true); });
}
void process_backend::status(std::string id, backend_call how, backend_answer<job_report> done) {
  impl_->post<job_report>(impl::lane::jobs, std::move(how), std::move(done),
                          [in = impl_.get(), id = std::move(id)] { return in->status(id); });
}
void process_backend::find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) {
  impl_->post<std::optional<std::string>>(impl::lane::jobs, std::move(how), std::move(done),
                                          [in = impl_.get(), key = std::move(key)] { return in->find(key); });
}
void process_backend::cancel(std::string id, backend_call how, backend_answer<void> done) {
  impl_->post<void>(impl::lane::jobs, std::move(how), std::move(done),
                    [in = impl_.get(), id = std::move(id)] { return in->cancel(id); });
}
void process_backend::logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) {
  impl_->post<job_log_page>(impl::lane::reads, std::move(how), std::move(done),
                            [in = impl_.get(), id = std::move(id), which = std::move(which)] { return in->logs(id, which); });
}
void process_backend::artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) {
  impl_->post<std::vector<job_artifact>>(impl::lane::reads, std::move(how), std::move(done),
                                         [in = impl_.get(), id = std::move(id)] { return in->artifacts(id); });
}
void process_backend::open_artifact(std::string id, std::string name, backend_call how,
                                    backend_answer<std::shared_ptr<artifact_reader>> done) {
  impl_->post<std::shared_ptr<artifact_reader>>(
      impl::lane::reads, std::move(how), std::move(done),
      [in = impl_.get(), id = std::move(id), name = std::move(name)] { return in->open_artifact(id, name); });
}
void process_backend::when_ended(std::string id, std::function<void()> over) { impl_->when_ended(id, std::move(over)); }
void process_backend::collect(std::string id, std::size_t limit_bytes, backend_answer<outcome> done) {
  impl_->post<outcome>(impl::lane::reads, {}, std::move(done),
                       [in = impl_.get(), id = std::move(id), limit_bytes] { return in->collect(id, limit_bytes); });
}
void process_backend::forget(std::string id, backend_call how, backend_answer<void> done) {
  impl_->post<void>(impl::lane::jobs, std::move(how), std::move(done),
                    [in = impl_.get(), id = std::move(id)] { return in->forget_begun(id); });
}
void process_backend::check(backend_call how, backend_answer<std::string> done) {
  impl_->post<std::string>(impl::lane::jobs, std::move(how), std::move(done), [in = impl_.get()] { return in->check(); });
}
void process_backend::remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) {
  impl_->remove_orphans(std::move(exists), age);
}
void process_backend::notify(std::function<void(std::string key)> changed) { impl_->notify(std::move(changed)); }
void process_backend::close() { impl_->close(); }

}  // namespace perdure::actors
