#include "persistence/memory_store.hpp"

#include <algorithm>
#include <mutex>

#include "core/assert.hpp"

namespace perdure::persistence {

namespace {

class memory_cursor : public table_cursor {
 public:
  explicit memory_cursor(const memory_table& in) : in_(in), at_(in.end()) {}
  bool seek(std::string_view from) override {
    at_ = in_.lower_bound(from);
    return at_ != in_.end();
  }
  bool seek_before(std::string_view before) override {
    at_ = in_.lower_bound(before);
    return previous();
  }
  bool next() override { return at_ != in_.end() && ++at_ != in_.end(); }
  bool previous() override {
    if (at_ == in_.begin()) {
      at_ = in_.end();
      return false;
    }
    --at_;
    return true;
  }
  [[nodiscard]] std::string_view key() const override { return at_->first; }
  [[nodiscard]] std::string_view value() const override { return at_->second; }

 private:
  const memory_table& in_;
  memory_table::const_iterator at_;
};

std::optional<std::string_view> find(const memory_table& in, std::string_view key) {
  const auto at = in.find(key);
  if (at == in.end()) return std::nullopt;
  return at->second;
}

class memory_view : public read_view {
 public:
  explicit memory_view(memory_disk::content& of) : lock_(of.mutex), of_(of) {
    if (of_.unreadable) throw store_failure{{errc::io_error, "the disk cannot be read"}};
  }
  std::optional<std::string_view> get(table in, std::string_view key) override { return find(of_.in(in), key); }
  std::unique_ptr<table_cursor> walk(table in) override { return std::make_unique<memory_cursor>(of_.in(in)); }
  std::optional<std::string_view> log(lsn_t lsn) override {
    const auto* record = of_.record(lsn);
    if (record == nullptr) return std::nullopt;
    return **record;
  }
  void each_log(lsn_t from, const std::function<bool(lsn_t, std::string_view)>& take) override {
    for (auto lsn = std::max(from, of_.log_first); const auto* record = of_.record(lsn); ++lsn) {
      if (!take(lsn, **record)) return;
    }
  }

 private:
  std::shared_lock<std::shared_mutex> lock_;
  memory_disk::content& of_;
};

class memory_batch : public write_batch {
 public:
  explicit memory_batch(memory_disk::content& of) : lock_(of.mutex), of_(of) {}
  ~memory_batch() override {
    if (!committed_) of_.undo(undo_);
  }

  char* log(lsn_t lsn, std::size_t size) override {
    PERDURE_ASSERT(lsn == of_.log_first + of_.log.size());
    auto record = std::make_shared<std::string>(size, '\0');
    of_.log.push_back(record);
    of_.used_bytes += size;
    undo_.records.push_back(record);
    return record->data();
  }
  void cut_log(lsn_t through) override {
    for (; !of_.log.empty() && of_.log_first <= through; ++of_.log_first) {
      of_.used_bytes -= of_.log.front()->size();
      undo_.cut.push_back(std::move(of_.log.front()));
      of_.log.pop_front();
    }
  }
  void put(table in, std::string_view key, std::string_view value) override {
    undo_.changes.push_back({in, std::string{key}, of_.set(in, key, value)});
  }
  void erase(table in, std::string_view key) override {
    undo_.changes.push_back({in, std::string{key}, of_.set(in, key, std::nullopt)});
  }
  std::optional<std::string_view> get(table in, std::string_view key) override { return find(of_.in(in), key); }
  std::unique_ptr<table_cursor> walk(table in) override { return std::make_unique<memory_cursor>(of_.in(in)); }
  std::string problem() const override { return problem_; }

  write_result commit() override {
    if (of_.unreadable) return fail("the disk cannot be written");
    if (of_.used_bytes > of_.capacity_bytes) {
      problem_ = "no room";
      return write_result::full;
    }
    if (of_.fault && of_.fault_after-- == 0) {
      const auto fault = *of_.fault;
      of_.fault.reset();
      of_.unreadable = fault == commit_fault::lost_blind || fault == commit_fault::stored_blind;
      if (fault == commit_fault::stored || fault == commit_fault::stored_blind) keep();
      return fail("the disk reports an error");
    }
    keep();
    return write_result::done;
  }

 private:
  write_result fail(std::string_view why) {
    problem_ = why;
    return write_result::failed;
  }
  void keep() {
    committed_ = true;
    ++of_.commits;
    if (of_.deferring) of_.undo_of_unsynced.push_back(std::move(undo_));
  }

  std::unique_lock<std::shared_mutex> lock_;
  memory_disk::content& of_;
  memory_commit undo_;
  bool committed_ = false;
  std::string problem_;
};

}  // namespace

std::optional<std::string> memory_disk::content::set(table which, std::string_view key, std::optional<std::string_view> value) {
  auto& entries = in(which);
  const auto at = entries.find(key);
  std::optional<std::string> old;
  if (at != entries.end()) {
    old = std::move(at->second);
    used_bytes -= key.size() + old->size();
  }
  if (value) used_bytes += key.size() + value->size();
  if (at != entries.end() && value) {
    at->second = *value;
  } else if (at != entries.end()) {
    entries.erase(at);
  } else if (value) {
    entries.emplace(key, *value);
  }
  return old;
}

void memory_disk::content::undo(const memory_commit& done) {
  for (auto change = done.changes.rbegin(); change != done.changes.rend(); ++change) set(change->in, change->key, change->value);
  for (auto record = done.records.rbegin(); record != done.records.rend(); ++record) {
    PERDURE_ASSERT(!log.empty());
    used_bytes -= (*record)->size();
    log.pop_back();
  }
  for (auto record = done.cut.rbegin(); record != done.cut.rend(); ++record, --log_first) {
    used_bytes += (*record)->size();
    log.push_front(*record);
  }
}

std::unique_ptr<read_view> memory_store::view() const { return std::make_unique<memory_view>(disk_->inside()); }
std::unique_ptr<write_batch> memory_store::begin() { return std::make_unique<memory_batch>(disk_->inside()); }

store_space memory_store::space() const {
  const auto& content = disk_->inside();
  const std::shared_lock lock{content.mutex};
  return {content.used_bytes, content.capacity_bytes, content.capacity_bytes};
}

std::size_t memory_store::log_bytes() const {
  const auto& content = disk_->inside();
  const std::shared_lock lock{content.mutex};
  std::size_t bytes = 0;
  for (const auto& record : content.log) bytes += record->size();
  return bytes;
}

}  // namespace perdure::persistence
