#include "persistence/memory_journal.hpp"

#include <mutex>

#include "core/assert.hpp"
#include "persistence/keys.hpp"
#include "persistence/memory_store.hpp"
#include "persistence/stored_journal.hpp"

namespace perdure::persistence {

namespace {

/// Lends the disk's blobs, which outlive the journal.
class lent_blobs : public blob_store {
 public:
  explicit lent_blobs(std::shared_ptr<memory_blobs> to) : to_(std::move(to)) {}
  result<core::digest> put(std::string_view text) override { return to_->put(text); }
  result<payload> get(const core::digest& hash) override { return to_->get(hash); }
  std::vector<core::digest> untouched_for(duration age) override { return to_->untouched_for(age); }
  bool remove(const core::digest& hash, duration age) override { return to_->remove(hash, age); }
  void touch(const core::digest& hash) override { to_->touch(hash); }

 private:
  std::shared_ptr<memory_blobs> to_;
};

}  // namespace

memory_disk::memory_disk() : content_(std::make_unique<content>()) {}
memory_disk::~memory_disk() = default;

std::shared_ptr<memory_disk> memory_disk::copy() const {
  auto other = std::make_shared<memory_disk>();
  const std::shared_lock lock{content_->mutex};
  auto& to = *other->content_;
  to.tables = content_->tables;
  to.log = content_->log;
  to.log_first = content_->log_first;
  to.used_bytes = content_->used_bytes;
  to.blobs = content_->blobs;
  const auto& unsynced = content_->undo_of_unsynced;
  for (auto commit = unsynced.rbegin(); commit != unsynced.rend(); ++commit) to.undo(*commit);
  return other;
}

void memory_disk::crash(std::size_t kept_commits) {
  const std::unique_lock lock{content_->mutex};
  auto& unsynced = content_->undo_of_unsynced;
  for (; unsynced.size() > kept_commits; unsynced.pop_back()) content_->undo(unsynced.back());
  unsynced.clear();
  content_->deferring = false;
  content_->unreadable = false;
  content_->fault.reset();
}

void memory_disk::fail_commit(commit_fault how, std::size_t after) {
  const std::unique_lock lock{content_->mutex};
  content_->fault = how;
  content_->fault_after = after;
}

void memory_disk::spare_commits() {
  const std::unique_lock lock{content_->mutex};
  content_->fault.reset();
}

void memory_disk::defer_sync() {
  const std::unique_lock lock{content_->mutex};
  content_->deferring = true;
}

void memory_disk::sync() {
  const std::unique_lock lock{content_->mutex};
  content_->undo_of_unsynced.clear();
}

void memory_disk::set_capacity(std::size_t bytes) {
  const std::unique_lock lock{content_->mutex};
  content_->capacity_bytes = bytes;
}

std::size_t memory_disk::used_bytes() const {
  const std::shared_lock lock{content_->mutex};
  return content_->used_bytes;
}

bool memory_disk::damage(lsn_t lsn, std::size_t byte, unsigned bit) {
  const std::unique_lock lock{content_->mutex};
  const auto* record = content_->record(lsn);
  if (record == nullptr || byte >= (*record)->size()) return false;
  auto changed = std::make_shared<std::string>(**record);  // copies of the disk keep theirs
  (*changed)[byte] = static_cast<char>((*changed)[byte] ^ (1 << (bit % 8)));
  content_->log[lsn - content_->log_first] = std::move(changed);
  return true;
}

bool memory_disk::damage_row(const run_id& run, std::size_t byte) {
  const std::unique_lock lock{content_->mutex};
  auto& rows = content_->in(table::rows);
  const auto at = rows.find(run_key(run));
  if (at == rows.end() || byte >= at->second.size()) return false;
  at->second[byte] = static_cast<char>(at->second[byte] ^ 1);
  return true;
}

bool memory_disk::damage_chunk(const run_id& run, std::size_t byte) {
  const std::unique_lock lock{content_->mutex};
  auto& chunks = content_->in(table::archive);
  const auto at = chunks.lower_bound(run_key(run));
  if (at == chunks.end() || !at->first.starts_with(run_key(run)) || byte >= at->second.size()) return false;
  at->second[byte] = static_cast<char>(at->second[byte] ^ 1);
  return true;
}

void memory_disk::set_format(std::uint32_t version) {
  const std::unique_lock lock{content_->mutex};
  content_->set(table::meta, format_key, number_value(version).substr(0, sizeof version));
}

std::uint32_t memory_disk::stored_format() const {
  const std::shared_lock lock{content_->mutex};
  const auto& meta = content_->in(table::meta);
  const auto at = meta.find(format_key);
  return at == meta.end() ? 0 : byte_reader{at->second}.number<std::uint32_t>();
}

std::uint64_t memory_disk::commits() const {
  const std::shared_lock lock{content_->mutex};
  return content_->commits;
}

std::string memory_disk::stored_record(lsn_t lsn) const {
  const std::shared_lock lock{content_->mutex};
  const auto* record = content_->record(lsn);
  return record == nullptr ? std::string{} : **record;
}

result<std::unique_ptr<journal>> open_memory_journal(std::shared_ptr<memory_disk> disk, open_mode mode,
                                                     const upkeep_options& upkeep) {
  journal_options options;
  options.upkeep = upkeep;
  options.read_only = mode == open_mode::read_only;
  options.timed_slices = false;
  auto blobs = std::make_unique<lent_blobs>(disk->inside().blobs);
  auto opened = stored_journal::open(std::make_unique<memory_store>(std::move(disk)), std::move(blobs), options);
  if (!opened) return opened.error();
  return std::unique_ptr<journal>{std::move(*opened)};
}

std::unique_ptr<journal> make_memory_journal(const upkeep_options& upkeep) {
  auto opened = open_memory_journal(std::make_shared<memory_disk>(), open_mode::read_write, upkeep);
  PERDURE_ASSERT(opened.has_value());
  return std::move(*opened);
}

}  // namespace perdure::persistence
