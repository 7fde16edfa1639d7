#include "actors/backends/artifact_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>

#include "actors/backends/job_files.hpp"
#include "actors/capabilities/fd.hpp"
#include "core/hashing.hpp"
#include "perdure/json.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t at_once = 1U << 20;
constexpr std::size_t digits = 64;

error system_error(const std::string& what) {
  const bool full = errno == ENOSPC || errno == EDQUOT;
  return {full ? errc::disk_full : errc::io_error, what + ": " + std::strerror(errno)};
}

bool is_hash(const std::string& text) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

result<void> sync_folder(const fs::path& path) {
  const unique_fd folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder || ::fsync(folder.get()) != 0) return system_error("cannot sync " + path.string());
  return {};
}

result<void> make_folder(const fs::path& path) {
  std::error_code bad;
  fs::create_directories(path, bad);
  if (bad)
    return error{bad == std::errc::no_space_on_device ? errc::disk_full : errc::io_error, path.string() + ": " + bad.message()};
  return {};
}

/// Room that is taken while a file is written, and given back unless it stays.
struct taken_room {
  std::atomic<std::uint64_t>& all;
  std::uint64_t mine = 0;
  ~taken_room() { all -= mine; }
  void take(std::uint64_t more) {
    mine += more;
    all += more;
  }
};

/// A file that is written, and away again unless it gets a name.
class fresh_file {
 public:
  explicit fresh_file(fs::path path)
      : path_(std::move(path)), file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)) {}
  fresh_file(const fresh_file&) = delete;
  fresh_file& operator=(const fresh_file&) = delete;
  ~fresh_file() {
    if (file_) ::unlink(path_.c_str());
  }
  [[nodiscard]] bool there() const { return static_cast<bool>(file_); }
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto wrote = ::write(file_.get(), bytes.data(), bytes.size());
      if (wrote < 0 && errno == EINTR) continue;
      if (wrote < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
    return true;
  }
  /// Durable under that name.
  result<void> become(const fs::path& name) {
    if (::fsync(file_.get()) != 0 || ::rename(path_.c_str(), name.c_str()) != 0) return system_error(name.string());
    file_.reset();
    return sync_folder(name.parent_path());
  }

 private:
  fs::path path_;
  unique_fd file_;
};

class stored_reader final : public artifact_reader {
 public:
  stored_reader(unique_fd file, job_artifact what) : file_(std::move(file)), what_(std::move(what)) {}
  const job_artifact& what() const override { return what_; }
  result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) override {
    std::size_t out = 0;
    while (out < size) {
      const auto got = ::pread(file_.get(), into + out, size - out, static_cast<off_t>(offset + out));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return system_error("\"" + what_.name + "\"");
      if (got == 0) break;
      out += static_cast<std::size_t>(got);
    }
    return out;
  }

 private:
  unique_fd file_;
  job_artifact what_;
};

}  // namespace

artifact_store::artifact_store(options chosen) : how_(std::move(chosen)) {}

fs::path artifact_store::path_of(const std::string& sha256) const {
  return how_.root / "sha256" / sha256.substr(0, 2) / sha256.substr(2);
}
fs::path artifact_store::list_of(const run_id& run, std::uint32_t job) const {
  return how_.root / "runs" / run.str() / (std::to_string(job) + ".json");
}

/// What is there counts; what an earlier process had begun does not.
result<void> artifact_store::make_ready() {
  const std::lock_guard lock{ready_mutex_};
  if (ready_) return {};
  std::error_code bad;
  fs::remove_all(how_.root / "new", bad);
  for (const auto* name : {"new", "sha256", "runs"}) {
    if (auto made = make_folder(how_.root / name); !made) return made;
  }
  fs::permissions(how_.root, fs::perms::owner_all, bad);
  std::uint64_t all = 0;
  for (const auto& each : fs::recursive_directory_iterator(how_.root / "sha256", bad)) {
    if (each.is_regular_file(bad)) all += each.file_size(bad);
  }
  bytes_ = all;
  ready_ = true;
  return {};
}

result<job_artifact> artifact_store::put(const job_artifact& what, artifact_reader& from, const stop_check& stop) {
  const auto too_large = [&](const std::string& limit) {
    return error{errc::limit_exceeded, "artifact \"" + what.name + "\" does not fit: " + limit};
  };
  fresh_file file{how_.root / "new" / std::to_string(next_++)};
  if (!file.there()) return system_error("a file for \"" + what.name + "\"");
  core::hash_stream hash;
  taken_room room{bytes_};
  job_artifact out{.name = what.name, .media_type = what.media_type};
  std::string buffer(at_once, '\0');
  while (true) {
    if (stop && stop()) return error{errc::shutting_down, "the node is closing"};
    const auto got = from.read(out.size_bytes, buffer.data(), buffer.size());
    if (!got) return got.error();
    if (*got == 0) break;
    const std::string_view bytes{buffer.data(), *got};
    out.size_bytes += *got;
    if (out.size_bytes > how_.one_bytes)
      return too_large("it has over " + std::to_string(how_.one_bytes) + " bytes (limit artifact_bytes)");
    room.take(*got);
    if (bytes_ > how_.all_bytes) {
      return too_large("the node keeps " + std::to_string(bytes_ - room.mine) + " bytes of artifacts already, and may keep " +
                       std::to_string(how_.all_bytes) + " (node_options.max_artifact_bytes); remove runs, or raise it");
    }
    hash.add(bytes);
    if (!file.write(bytes)) return system_error("\"" + what.name + "\"");
  }
  out.sha256 = hash.hex();
  if (!what.sha256.empty() && what.sha256 != out.sha256)
    return error{errc::corrupt, "artifact \"" + what.name + "\" has the SHA-256 " + out.sha256 + ", not " + what.sha256};
  const auto path = path_of(out.sha256);
  struct stat known {};
  if (::stat(path.c_str(), &known) == 0 && known.st_size == static_cast<off_t>(out.size_bytes)) {
    ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0);
    return out;
  }
  if (auto made = make_folder(path.parent_path()); !made) return made.error();
  if (auto synced = sync_folder(path.parent_path().parent_path()); !synced) return synced.error();
  if (auto there = file.become(path); !there) return there.error();
  room.mine = 0;
  return out;
}

result<std::vector<job_artifact>> artifact_store::keep(const run_id& run, std::uint32_t job,
                                                       const std::vector<job_artifact>& which, const open_one& open,
                                                       const stop_check& stop) {
  const std::shared_lock keeping{keeping_};
  if (auto ready = make_ready(); !ready) return ready.error();
  std::vector<job_artifact> out;
  for (const auto& each : which) {
    const auto from = open(each.name);
    if (!from) return from.error();
    auto stored = put(each, **from, stop);
    if (!stored) return stored.error();
    out.push_back(std::move(*stored));
  }
  const auto path = list_of(run, job);
  if (auto made = make_folder(path.parent_path()); !made) return made.error();
  fresh_file list{how_.root / "new" / std::to_string(next_++)};
  if (!list.there() || !list.write(payload{to_json(out)}.text())) return system_error(path.string());
  if (auto there = list.become(path); !there) return there.error();
  if (auto synced = sync_folder(how_.root / "runs"); !synced) return synced.error();
  return out;
}

result<std::vector<job_artifact>> artifact_store::kept(const run_id& run, std::uint32_t job) const {
  const auto path = list_of(run, job);
  const unique_fd folder{::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return std::vector<job_artifact>{};
  const auto text = read_small(folder.get(), path.filename().string(), limits::payload_bytes);
  if (!text)
    return text.error().code == errc::not_found ? result<std::vector<job_artifact>>{std::vector<job_artifact>{}} : text.error();
  const auto read = payload::parse_text(*text);
  if (!read) return error{errc::corrupt, path.string() + " is damaged"};
  auto out = from_json<std::vector<job_artifact>>(read->value());
  if (!out) return error{errc::corrupt, path.string() + " is damaged"};
  return std::move(*out);
}

result<std::shared_ptr<artifact_reader>> artifact_store::open(const run_id& run, std::uint32_t job,
                                                              const std::string& name) const {
  auto all = kept(run, job);
  if (!all) return all.error();
  for (auto& each : *all) {
    if (each.name != name || !is_hash(each.sha256)) continue;
    unique_fd file{::open(path_of(each.sha256).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!file) return system_error("artifact \"" + name + "\"");
    return std::shared_ptr<artifact_reader>{std::make_shared<stored_reader>(std::move(file), std::move(each))};
  }
  return error{errc::not_found, "run " + run.str() + " keeps no artifact \"" + name + "\" of job " + std::to_string(job)};
}

void artifact_store::sweep(const std::function<bool(const run_id&)>& exists, std::chrono::seconds age) {
  const std::unique_lock alone{keeping_, std::try_to_lock};
  if (!alone) return;
  std::error_code bad;
  std::set<std::string> named;
  for (const auto& run : fs::directory_iterator(how_.root / "runs", bad)) {
    const auto id = run_id::parse(run.path().filename().string());
    if (id && !exists(*id)) {
      fs::remove_all(run.path(), bad);
      continue;
    }
    for (const auto& list : fs::directory_iterator(run.path(), bad)) {
      const auto all = id ? kept(*id, static_cast<std::uint32_t>(std::strtoul(list.path().stem().c_str(), nullptr, 10)))
                          : result<std::vector<job_artifact>>{error{errc::corrupt, {}}};
      if (!all) return;  // what cannot be read may name anything
      for (const auto& each : *all) named.insert(each.sha256);
    }
  }
  if (bad && bad != std::errc::no_such_file_or_directory) return;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& folder : fs::directory_iterator(how_.root / "sha256", bad)) {
    for (const auto& file : fs::directory_iterator(folder.path(), bad)) {
      const auto hash = folder.path().filename().string() + file.path().filename().string();
      if (named.contains(hash) || now - file.last_write_time(bad) < age) continue;
      const auto size = file.file_size(bad);
      if (!bad && fs::remove(file.path(), bad) && bytes_ >= size) bytes_ -= size;
    }
  }
}

std::uint64_t artifact_store::bytes() const { return bytes_; }

}  // namespace perdure::actors
