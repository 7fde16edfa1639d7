#include "actors/backends/leftover_steps.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <vector>

#include "actors/backends/job_files.hpp"
#include "actors/backends/kept_job.hpp"
#include "actors/backends/process_backend.hpp"

namespace perdure::actors {

namespace {

constexpr std::chrono::seconds pause_between_looks{1};
/// A close waits so long for a wish to be on the disk.
constexpr std::chrono::seconds last_wait{2};

/// Steps' programs beneath `root` that have not ended and nobody asked to end.
std::map<std::string, std::string> find_left(const std::filesystem::path& root) {
  std::map<std::string, std::string> out;
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(root, bad)) {
    auto id = each.path().filename().string();
    if (id.size() != job_id_size) continue;
    const unique_fd folder{open(each.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    const auto head = folder ? read_head(folder.get()) : std::nullopt;
    if (!head || is_there(head->ending) || exists(folder.get(), "cancel")) continue;
    if (auto key = step_of(folder.get())) out.emplace(std::move(*key), std::move(id));
  }
  return out;
}

std::optional<run_id> run_of(std::string_view key) { return run_id::parse(key.substr(0, key.find('/'))); }

}  // namespace

leftover_steps::leftover_steps(const std::filesystem::path& root, ports out) : out_(std::move(out)), left_(find_left(root)) {
  if (!left_.empty()) thread_ = std::thread{[this] { watch(); }};
}

leftover_steps::~leftover_steps() { close({}); }

bool leftover_steps::any() const {
  const std::lock_guard lock{mutex_};
  return !left_.empty();
}

void leftover_steps::asked_for(const std::string& key) {
  const std::lock_guard lock{mutex_};
  if (left_.erase(key) > 0 && left_.empty()) wake_.notify_all();
}

void leftover_steps::start(capability_request request) {
  const auto& place = request.key;
  end_those([&](const std::string& key) { return key.starts_with(place); });
  request.done({});
}

void leftover_steps::watch() {
  std::unique_lock lock{mutex_};
  while (!closed_ && !left_.empty()) {
    lock.unlock();
    end_those([this](const std::string& key) { return out_.ended(*run_of(key)); });
    lock.lock();
    wake_.wait_for(lock, pause_between_looks, [this] { return closed_ || left_.empty(); });
  }
}

void leftover_steps::close(const std::map<std::string, std::string>& running) {
  {
    const std::lock_guard lock{mutex_};
    if (std::exchange(closed_, true)) return;
    for (const auto& [key, id] : running) {
      if (run_of(key)) left_.emplace(key, id);
    }
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  end_those([this](const std::string& key) { return out_.ended(*run_of(key)); });
  std::unique_lock lock{count_->mutex};
  count_->over.wait_for(lock, last_wait, [this] { return count_->left == 0; });
}

void leftover_steps::end_those(const std::function<bool(const std::string& key)>& unwanted) {
  std::map<std::string, std::string> all;
  {
    const std::lock_guard lock{mutex_};
    all = left_;
  }
  std::erase_if(all, [&](const auto& each) { return !unwanted(each.first); });  // may read the journal: not under the lock
  std::vector<std::string> ids;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [key, id] : all) {
      if (left_.erase(key) > 0) ids.push_back(id);
    }
    if (left_.empty()) wake_.notify_all();
  }
  {
    const std::lock_guard lock{count_->mutex};
    count_->left += ids.size();
  }
  for (const auto& id : ids) {
    out_.end(id, [count = count_] {
      const std::lock_guard lock{count->mutex};
      --count->left;
      count->over.notify_all();
    });
  }
}

}  // namespace perdure::actors
