#include "actors/backends/slurm_backend.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "actors/backends/beneath.hpp"
#include "actors/backends/job_artifacts.hpp"
#include "actors/backends/job_files.hpp"
#include "actors/backends/slurm_commands.hpp"
#include "actors/backends/slurm_folder.hpp"
#include "actors/backends/slurm_report.hpp"
#include "actors/backends/work_thread.hpp"
#include "core/json_text.hpp"
#include "perdure/json.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t word_bytes = 64;
constexpr std::chrono::hours sweep_pause{1};

error system_error(const std::string& what) { return {errc::io_error, what + ": " + std::strerror(errno)}; }

/// "42-<hash>": number and hash.
struct job_name {
  std::string number, hash;
};
std::optional<job_name> read_id(const std::string& id) {
  const auto dash = id.find('-');
  if (dash == std::string::npos || dash == 0 || !is_slurm_hash(std::string_view{id}.substr(dash + 1))) return std::nullopt;
  return job_name{id.substr(0, dash), id.substr(dash + 1)};
}

std::map<std::string, std::string> environment_of(const slurm_options& how) {
  std::map<std::string, std::string> out{{"PATH", "/usr/local/bin:/usr/bin:/bin"}};
  for (const char* name : {"PATH", "HOME", "LANG", "USER", "LOGNAME", "SLURM_CONF"}) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') out[name] = value;
  }
  if (!how.conf.empty()) out["SLURM_CONF"] = how.conf.string();
  return out;
}

}  // namespace

class slurm_backend::impl : public std::enable_shared_from_this<slurm_backend::impl> {
 public:
  explicit impl(slurm_options how)
      : how_(std::move(how)), commands_({.folder = how_.commands, .environment = environment_of(how_)}) {}
  ~impl() { close(); }

  enum class lane : std::uint8_t { jobs, reads };
  template <class T>
  void post(lane where, backend_call how, backend_answer<T> done, std::function<result<T>(const backend_call&)> work) {
    auto job = [how = std::move(how), done = std::move(done), work = std::move(work)] {
      if (how.stop.stop_requested()) return done(error{errc::shutting_down, "the answer is not wanted any more"});
      const bool late =
          how.deadline != std::chrono::steady_clock::time_point{} && std::chrono::steady_clock::now() >= how.deadline;
      done(late ? result<T>{error{errc::timeout, "Slurm's commands are too slow to answer all questions in time"}} : work(how));
    };
    (where == lane::jobs ? jobs_ : reads_).post(std::move(job));
  }

  result<std::string> submit(const job_submission& what, const backend_call& how) {
    if (auto ready = open_root(); !ready) return ready.error();
    sweep_sometimes();
    const auto hash = slurm_hash(what.key);
    // It may have been submitted already: then this is a question.
    if (const auto there = kept(hash)) {
      auto found = find_number(hash, *there, how);
      if (!found) return found.error();
      if (*found) return **found + "-" + hash;
    }
    auto spec = from_json<slurm_job>(what.spec.value());
    if (!spec) return error{errc::invalid_argument, "not a slurm_job" + spec.error().message};
    if (const auto problem = problem_of(*spec); !problem.empty())
      return error{errc::invalid_argument, "not a slurm_job: " + problem};
    if (what.key.find('\0') != std::string::npos) return error{errc::invalid_argument, "a submit key has no NUL characters"};
    if (auto made = make_folder(hash, what, *spec); !made) return made.error();
    auto end = run("sbatch", sbatch_arguments(path_of(hash), hash, what, *spec, how_.job_options), how);
    if (!end) {
      if (end.error().code == errc::overloaded) remove(hash);  // it did not start
      return end.error();
    }
    if (end->code != 0) {
      const auto why = "sbatch: " + trimmed(end->err);
      if (is_out_of_reach(end->err)) return error{errc::io_error, why};
      remove(hash);
      return error{errc::invalid_argument, why};
    }
    // "42", or "42;cluster".
    const auto number = trimmed(end->out.substr(0, end->out.find_first_of(";\n")));
    if (!is_number(number)) return error{errc::io_error, "sbatch printed no job's number: " + trimmed(end->out)};
    const auto folder = open_job(hash);
    if (!folder) return folder.error();
    // A look-up finds it without this file, too.
    if (auto written = put_small(folder->get(), "number", number); !written)
      log("the number of job " + number + " is not kept: " + written.error().message);
    return number + "-" + hash;
  }

  result<std::optional<std::string>> find(const std::string& key, const backend_call& how) {
    if (auto ready = open_root(); !ready) return ready.error();
    const auto hash = slurm_hash(key);
    const auto there = kept(hash);
    if (!there) return std::optional<std::string>{};
    auto found = find_number(hash, *there, how);
    if (!found || !*found) return found;
    return std::optional{**found + "-" + hash};
  }

  result<job_report> status(const std::string& id, const backend_call& how) {
    const auto job = job_of(id);
    if (!job) return job.error();
    if (auto end = kept_end_of(job->folder.get())) return *end;
    auto all = squeue(how);
    if (!all && all.error().code != errc::limit_exceeded) return all.error();
    std::vector<slurm_task> mine;
    if (all) {
      for (const auto& each : **all) {
        if (each.job == job->number) mine.push_back(each);
      }
    }
    if (std::none_of(mine.begin(), mine.end(), goes_on)) {
      auto known = details(*job, how);
      if (!known) return known.error();
      mine = std::move(*known);
    }
    if (std::any_of(mine.begin(), mine.end(), is_held_launch)) {
      if (auto settled = settle_held(*job, mine, how); !settled) return settled.error();
    }
    if (std::any_of(mine.begin(), mine.end(), goes_on)) return open_report(*job, mine);
    auto out = end_report(*job, mine);
    if (auto kept = keep_end(job->folder.get(), out); !kept) log("how a job ended is not kept: " + kept.error().message);
    return out;
  }

  result<void> cancel(const std::string& id, const backend_call& how) {
    const auto job = job_of(id);
    if (!job) return job.error();
    if (kept_end_of(job->folder.get())) return {};
    if (auto written = write_small(job->folder.get(), "cancel", ""); !written) return written;
    std::vector<std::string> numbers{std::to_string(job->number)};
    // A second submit of the same job waits in the queue, maybe.
    if (const auto other = number_file(job->folder.get()); other && *other != numbers.front()) numbers.push_back(*other);
    const auto end = run("scancel", numbers, how);
    if (!end) return end.error();
    drop_listing();
    if (end->code == 0 || is_unknown_job(end->err)) return {};
    if (is_out_of_reach(end->err)) return error{errc::io_error, "scancel: " + trimmed(end->err)};
    const auto seen = status(id, how);
    if (seen && seen->status && is_terminal(*seen->status)) return {};
    return error{errc::io_error, "scancel: " + trimmed(end->err)};
  }

  result<job_log_page> logs(const std::string& id, const log_query& which) {
    const auto job = job_of(id);
    if (!job) return job.error();
    const bool over = exists(job->folder.get(), "ended");
    std::vector<slurm_log> files;
    for (const auto index : read_array(job->kept.spec.array, limits::run_jobs)) {
      const auto text = std::to_string(index);
      files.push_back({"log." + text, "task " + text, over || exists(job->folder.get(), "exit." + text)});
    }
    if (files.empty()) files.push_back({"log", "output", over || exists(job->folder.get(), "exit")});
    return read_slurm_log(job->folder.get(), files, which);
  }

  result<std::vector<job_artifact>> artifacts(const std::string& id) {
    const auto job = job_of(id);
    if (!job) return job.error();
    const auto work = work_of(job->folder.get());
    if (!work) return work.error();
    return list_artifacts(work->get(), job->kept.spec.artifacts, hashes_);
  }

  result<std::shared_ptr<artifact_reader>> open_artifact(const std::string& id, const std::string& name) {
    const auto job = job_of(id);
    if (!job) return job.error();
    const auto work = work_of(job->folder.get());
    if (!work) return work.error();
    return read_artifact(work->get(), job->kept.spec.artifacts, name, hashes_);
  }

  result<void> forget(const std::string& id, const backend_call& how) {
    const auto job = job_of(id);
    if (!job) return {};
    const auto seen = status(id, how);
    if (!seen) return seen.error();
    if (!seen->status || !is_terminal(*seen->status)) return error{errc::conflict, "job " + id + " still goes on"};
    remove(read_id(id)->hash);
    return {};
  }

  result<std::string> check(const backend_call& how) {
    if (auto ready = open_root(); !ready) return ready.error();
    const auto end = run("sinfo", {"--noheader", "--format=%P %a %D %T"}, how);
    if (!end) return end.error();
    if (end->code != 0) return error{errc::io_error, "sinfo: " + trimmed(end->err)};
    auto lines = trimmed(end->out);
    std::replace(lines.begin(), lines.end(), '\n', ';');
    return "jobs are kept in " + how_.root.string() + "; partitions: " + lines;
  }

  void remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) {
    jobs_.post([this, exists = std::move(exists), age] {
      run_exists_ = exists;
      orphan_age_ = age;
      sweep_sometimes();
    });
  }

  void close() {
    if (closed_.exchange(true)) return;
    commands_.stop();
    jobs_.stop();
    reads_.stop();
  }

 private:
  [[nodiscard]] std::filesystem::path path_of(const std::string& hash) const { return how_.root / hash; }

  result<void> open_root() {
    const std::lock_guard lock{mutex_};
    if (root_) return {};
    std::error_code bad;
    std::filesystem::create_directories(how_.root, bad);
    if (bad) return error{errc::io_error, how_.root.string() + ": " + bad.message()};
    unique_fd root{open(how_.root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!root) return system_error(how_.root.string());
    root_ = std::move(root);
    return {};
  }
  result<unique_fd> open_job(const std::string& hash) {
    unique_fd out{openat(root_.get(), hash.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!out && errno != ENOENT) return system_error("job " + hash);
    if (!out) return error{errc::not_found, "there is no job " + hash};
    return out;
  }
  static result<unique_fd> work_of(int folder) {
    unique_fd out{openat(folder, "work", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!out) return system_error("the job's folder");
    return out;
  }

  std::optional<kept_job> kept(const std::string& hash) {
    const auto folder = open_job(hash);
    const auto text =
        folder ? read_small(folder->get(), "spec.json", 2 * limits::payload_bytes) : result<std::string>{folder.error()};
    const auto read =
        text ? core::read_json_text(*text, limits::json_depth + core::envelope_depth) : result<json::value>{text.error()};
    auto out = read ? from_json<kept_job>(*read) : result<kept_job>{read.error()};
    return out ? std::optional{std::move(*out)} : std::nullopt;
  }

  /// The job's folder, with the number of the submit that does the work.
  result<slurm_place> job_of(const std::string& id) {
    const auto name = read_id(id);
    if (!name || !is_number(name->number))
      return error{errc::not_found, "\"" + trimmed(id.substr(0, 100)) + "\" is no job of this backend"};
    if (auto ready = open_root(); !ready) return ready.error();
    auto there = kept(name->hash);
    auto folder = open_job(name->hash);
    if (!there || !folder) return error{errc::not_found, "there is no job " + id};
    const auto claimed = claim_of(folder->get());
    return slurm_place{
        .folder = std::move(*folder), .number = std::stoull(claimed.value_or(name->number)), .kept = std::move(*there)};
  }

  static std::optional<std::string> claim_of(int folder) {
    std::string text(word_bytes, '\0');
    const auto got = readlinkat(folder, "claim", text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return is_number(text) ? std::optional{text} : std::nullopt;
  }
  static std::optional<std::string> number_file(int folder) {
    const auto text = read_small(folder, "number", word_bytes);
    return text && is_number(*text) ? std::optional{*text} : std::nullopt;
  }

  /// Who claimed the work; else what sbatch said; else what Slurm knows of such a job.
  result<std::optional<std::string>> find_number(const std::string& hash, const kept_job& job, const backend_call& how) {
    using found = std::optional<std::string>;
    const auto folder = open_job(hash);
    if (!folder) return folder.error();
    if (auto claimed = claim_of(folder->get())) return found{std::move(claimed)};
    if (auto said = number_file(folder->get())) return found{std::move(said)};
    const auto name = slurm_name(hash, job.name);
    const auto listed =
        run("squeue", {"--noheader", "--all", "--states=all", "--user=" + user_, "--name=" + name, "--format=%F|%k"}, how);
    if (!listed) return listed.error();
    if (listed->code != 0) return error{errc::io_error, "squeue: " + trimmed(listed->err)};
    for (std::size_t at = 0; at < listed->out.size();) {
      const auto end = std::min(listed->out.find('\n', at), listed->out.size());
      const auto line = listed->out.substr(at, end - at);
      const auto border = line.find('|');
      at = end + 1;
      if (border == std::string::npos || !line.substr(border + 1).starts_with("perdure:" + hash) ||
          !is_number(line.substr(0, border)))
        continue;
      return found{line.substr(0, border)};
    }
    // It may have left Slurm's memory, though it never began: cancelled by somebody, say.
    const auto accounted = run("sacct",
                               {"--noheader", "--allocations", "--parsable2", "--uid=" + user_, "--name=" + name,
                                "--starttime=now-30days", "--format=JobID,State,ExitCode"},
                               how);
    if (!accounted) return accounted.error().code == errc::overloaded ? result<found>{found{}} : accounted.error();
    const auto tasks = accounted->code == 0 ? read_sacct(accounted->out) : std::vector<slurm_task>{};
    return tasks.empty() ? found{} : found{std::to_string(tasks.front().job)};
  }

  result<void> make_folder(const std::string& hash, const job_submission& what, const slurm_job& spec) {
    if (mkdirat(root_.get(), hash.c_str(), 0700) != 0 && errno != EEXIST)
      return errno == ENOSPC ? error{errc::disk_full, "no room for a job's folder"} : system_error("job " + hash);
    const auto folder = open_job(hash);
    if (!folder) return folder.error();
    std::error_code bad;
    std::filesystem::remove_all(path_of(hash) / "work", bad);
    if (mkdirat(folder->get(), "work", 0700) != 0 && errno != EEXIST) return system_error("job " + hash);
    const auto work = work_of(folder->get());
    if (!work) return work.error();
    for (const auto& [name, content] : spec.files) {
      const auto file = create_beneath(work->get(), name);
      if (!file) return file.error();
      if (auto written = put_all(file->get(), content, name); !written) return written;
    }
    if (!spec.script.empty()) {
      if (auto written = put_program(folder->get(), "script", spec.script); !written) return written;
    }
    if (auto written =
            put_program(folder->get(), "batch", batch_script(std::filesystem::absolute(path_of(hash)), what.key, spec));
        !written)
      return written;
    // What the job does not need to be told twice is left out.
    auto known = spec;
    known.files.clear();
    known.script.clear();
    known.environment.clear();
    std::string text;
    core::write_json_text(text, to_json(kept_job{what.key, what.name, how_.owner, std::move(known)}),
                          limits::json_depth + core::envelope_depth);
    return put_small(folder->get(), "spec.json", text);
  }
  static result<void> put_all(int file, std::string_view content, const std::string& name) {
    while (!content.empty()) {
      const auto wrote = write(file, content.data(), content.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0)
        return errno == ENOSPC ? error{errc::disk_full, "\"" + name + "\": no room"} : system_error("\"" + name + "\"");
      content.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return {};
  }
  static result<void> put_program(int folder, const std::string& name, const std::string& text) {
    if (auto written = put_small(folder, name, text); !written) return written;
    return fchmodat(folder, name.c_str(), 0700, 0) == 0 ? result<void>{} : system_error("\"" + name + "\"");
  }
  void remove(const std::string& hash) {
    std::error_code bad;
    std::filesystem::remove_all(path_of(hash), bad);
    if (bad) log(path_of(hash).string() + ": " + bad.message());
  }

  /// All jobs that Slurm has in memory, at most `refresh` old. limit_exceeded: they are too many to list.
  result<const std::vector<slurm_task>*> squeue(const backend_call& how) {
    const auto now = std::chrono::steady_clock::now();
    if (now - listed_at_ < how_.refresh) {
      if (listed_) return &*listed_;
      if (not_listed_) return *not_listed_;
    }
    const auto end =
        run("squeue", {"--noheader", "--all", "--array", "--states=all", "--user=" + user_, "--format=%F|%K|%T|%r"}, how);
    listed_at_ = std::chrono::steady_clock::now();
    listed_.reset();
    not_listed_.reset();
    if (!end) {
      not_listed_ = end.error().code == errc::io_error ? error{errc::limit_exceeded, end.error().message} : end.error();
    } else if (end->code != 0) {
      not_listed_ = error{errc::io_error, "squeue: " + trimmed(end->err)};
    } else {
      listed_ = read_squeue(end->out);
      return &*listed_;
    }
    return *not_listed_;
  }
  void drop_listing() { listed_at_ = {}; }

  /// A command of Slurm. Each of them looks a minute long for a configuration that is not there.
  result<slurm_commands::printed> run(const std::string& command, std::vector<std::string> arguments, const backend_call& how) {
    if (!how_.conf.empty() && access(how_.conf.c_str(), R_OK) != 0) return system_error(how_.conf.string());
    return commands_.run(command, std::move(arguments), how);
  }

  /// A controller that was killed before it had stored that a job began starts it again, fails, as the job is still there, and
  /// holds what it takes for a second try. The first one goes on, and its own word is how it ended; the second is not to be.
  result<void> settle_held(const slurm_place& job, std::vector<slurm_task>& tasks, const backend_call& how) {
    for (auto& each : tasks) {
      if (!is_held_launch(each)) continue;
      auto said = own_word(job, each.index);
      if (goes_on(said) || !said.exit_code) continue;
      const auto number = std::to_string(job.number) + (each.index ? "_" + std::to_string(*each.index) : std::string{});
      const auto end = run("scancel", {number}, how);
      if (!end) return end.error();
      if (end->code != 0 && !is_unknown_job(end->err)) return error{errc::io_error, "scancel: " + trimmed(end->err)};
      drop_listing();
      each = std::move(said);
    }
    return {};
  }

  /// What is known of a job's tasks, from the surest place on: Slurm's memory, its accounting, the job's own word.
  result<std::vector<slurm_task>> details(const slurm_place& job, const backend_call& how) {
    const auto number = std::to_string(job.number);
    const auto shown = run("scontrol", {"--oneliner", "show", "job", number}, how);
    if (!shown) return shown.error();
    if (shown->code != 0 && !is_unknown_job(shown->err)) return error{errc::io_error, "scontrol: " + trimmed(shown->err)};
    auto out = shown->code == 0 ? read_scontrol(shown->out) : std::vector<slurm_task>{};
    std::erase_if(out, [&](const slurm_task& each) { return each.job != job.number; });
    const auto indices = read_array(job.kept.spec.array, limits::run_jobs);
    if (indices.empty() ? !out.empty() : out.size() >= indices.size()) return out;
    // One line may stand for many tasks that wait.
    if (std::any_of(out.begin(), out.end(), goes_on)) return out;
    const auto counted =
        run("sacct", {"--noheader", "--allocations", "--parsable2", "--jobs=" + number, "--format=JobID,State,ExitCode"}, how);
    if (!counted && counted.error().code != errc::overloaded) return counted.error();
    const auto accounted = counted && counted->code == 0 ? read_sacct(counted->out) : std::vector<slurm_task>{};
    const auto add = [&](std::optional<std::uint64_t> index) {
      const auto same = [&](const slurm_task& each) { return each.job == job.number && each.index == index; };
      if (std::any_of(out.begin(), out.end(), same)) return;
      if (const auto at = std::find_if(accounted.begin(), accounted.end(), same); at != accounted.end())
        return out.push_back(*at);
      out.push_back(own_word(job, index));
    };
    if (indices.empty()) add(std::nullopt);
    for (const auto each : indices) add(each);
    return out;
  }

  /// Once an hour, when something else is done anyway.
  void sweep_sometimes() {
    const auto now = std::chrono::steady_clock::now();
    if (!run_exists_ || (swept_ && now - *swept_ < sweep_pause)) return;
    swept_ = now;
    std::error_code bad;
    if (!std::filesystem::exists(how_.root, bad) || !open_root()) return;
    for (const auto& each : std::filesystem::directory_iterator(how_.root, bad)) {
      const auto hash = each.path().filename().string();
      const auto job = !closed_ && is_slurm_hash(hash) ? kept(hash) : std::nullopt;
      const auto folder = job && job->owner == how_.owner ? open_job(hash) : error{errc::not_found, {}};
      struct stat ended {};
      if (!folder || fstatat(folder->get(), "ended", &ended, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (std::chrono::system_clock::now() - std::chrono::system_clock::from_time_t(ended.st_mtime) < orphan_age_) continue;
      const auto run = run_id::parse(std::string_view{job->key}.substr(0, job->key.find('/')));
      if (run && !run_exists_(*run)) remove(hash);
    }
  }

  void log(const std::string& text) const {
    if (how_.log) how_.log(text);
  }

  const slurm_options how_;
  const std::string user_ = std::to_string(geteuid());
  slurm_commands commands_;
  std::mutex mutex_;  // guards the root's opening
  unique_fd root_;
  // The thread of `jobs_` only.
  std::function<bool(const run_id&)> run_exists_;
  std::chrono::seconds orphan_age_{0};
  std::optional<std::chrono::steady_clock::time_point> swept_;
  std::optional<std::vector<slurm_task>> listed_;
  std::optional<error> not_listed_;  ///< why not; asked again after `refresh`, too
  std::chrono::steady_clock::time_point listed_at_{};
  std::atomic<bool> closed_{false};
  known_hashes hashes_;
  work_thread jobs_, reads_;
};

slurm_backend::slurm_backend(slurm_options how) : impl_(std::make_shared<impl>(std::move(how))) {}
slurm_backend::~slurm_backend() { close(); }

backend_capabilities slurm_backend::capabilities() const {
  return {.find = true, .idempotent = true, .cancel = true, .logs = true, .artifacts = true};
}
void slurm_backend::submit(job_submission what, backend_call how, backend_answer<std::string> done) {
  impl_->post<std::string>(
      impl::lane::jobs, std::move(how), std::move(done),
      [held = impl_.get(), what = std::move(what)](const backend_call& call) { return held->submit(what, call); });
}
void slurm_backend::status(std::string id, backend_call how, backend_answer<job_report> done) {
  impl_->post<job_report>(impl::lane::jobs, std::move(how), std::move(done),
                          [held = impl_.get(), id = std::move(id)](const backend_call& call) { return held->status(id, call); });
}
void slurm_backend::find(std::string key, backend_call how, backend_answer<std::optional<std::string>> done) {
  impl_->post<std::optional<std::string>>(
      impl::lane::jobs, std::move(how), std::move(done),
      [held = impl_.get(), key = std::move(key)](const backend_call& call) { return held->find(key, call); });
}
void slurm_backend::cancel(std::string id, backend_call how, backend_answer<void> done) {
  impl_->post<void>(impl::lane::jobs, std::move(how), std::move(done),
                    [held = impl_.get(), id = std::move(id)](const backend_call& call) { return held->cancel(id, call); });
}
void slurm_backend::logs(std::string id, log_query which, backend_call how, backend_answer<job_log_page> done) {
  impl_->post<job_log_page>(
      impl::lane::reads, std::move(how), std::move(done),
      [held = impl_.get(), id = std::move(id), which = std::move(which)](const backend_call&) { return held->logs(id, which); });
}
void slurm_backend::artifacts(std::string id, backend_call how, backend_answer<std::vector<job_artifact>> done) {
  impl_->post<std::vector<job_artifact>>(
      impl::lane::reads, std::move(how), std::move(done),
      [held = impl_.get(), id = std::move(id)](const backend_call&) { return held->artifacts(id); });
}
void slurm_backend::open_artifact(std::string id, std::string name, backend_call how,
                                  backend_answer<std::shared_ptr<artifact_reader>> done) {
  impl_->post<std::shared_ptr<artifact_reader>>(impl::lane::reads, std::move(how), std::move(done),
                                                [held = impl_.get(), id = std::move(id), name = std::move(name)](
                                                    const backend_call&) { return held->open_artifact(id, name); });
}
void slurm_backend::forget(std::string id, backend_call how, backend_answer<void> done) {
  impl_->post<void>(impl::lane::jobs, std::move(how), std::move(done),
                    [held = impl_.get(), id = std::move(id)](const backend_call& call) { return held->forget(id, call); });
}
void slurm_backend::check(backend_call how, backend_answer<std::string> done) {
  // Not behind the looks: each of them takes long when the controller is not there, and that is when somebody asks.
  impl_->post<std::string>(impl::lane::reads, std::move(how), std::move(done),
                           [held = impl_.get()](const backend_call& call) { return held->check(call); });
}
void slurm_backend::close() { impl_->close(); }
void slurm_backend::remove_orphans(std::function<bool(const run_id&)> exists, std::chrono::seconds age) {
  impl_->remove_orphans(std::move(exists), age);
}

}  // namespace perdure::actors
