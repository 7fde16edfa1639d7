#include "persistence/each_record.hpp"

#include "perdure/limits.hpp"

namespace perdure::persistence {

namespace {

/// Goes through the log of a run that cannot be read.
class damaged_run {
 public:
  damaged_run(const journal& from, const run_id& run, error why) : from_(from), run_(run), why_(std::move(why)) {}

  result<void> give(run_seq after, const std::function<bool(const core::record&)>& take) {
    const auto row = from_.row(run_);
    // Of a run whose row is damaged it may say anything.
    const auto last = row ? row->seq : 0;
    if (const auto first = row ? row->first_lsn : 1; first > 1 && sees_its_beginning(first)) return go(first, last, after, take);
    return go(1, last, after, take);
  }

 private:
  /// Whether the run's first record, sound or not, is at this LSN or after it.
  [[nodiscard]] bool sees_its_beginning(lsn_t first) const {
    bool sound = false;
    (void)scan(first, [&](const core::record& record) {
      if (record.run != run_ || is_damaged(record)) return true;
      sound = record.seq == 1 || record.previous >= first;
      return false;
    });
    return sound;
  }

  result<void> go(lsn_t first, run_seq last_known, run_seq after, const std::function<bool(const core::record&)>& take) {
    bool enough = false;
    auto missing = last_known;
    auto scanned = scan(first, [&](const core::record& record) {
      if (is_damaged(record)) {
        suspects_.push_back(record.lsn);
        return true;
      }
      if (record.run != run_) return true;
      if (record.seq != last_ + 1) {
        if (record.seq == last_ + 2) suspects_ = {record.previous};
        missing = record.seq - 1;
        return false;
      }
      last_ = record.seq;
      suspects_.clear();
      enough = last_ > after && !take(record);
      return !enough;
    });
    if (!scanned || enough) return scanned;
    return problem(missing > last_ ? missing - last_ : 0);
  }

  /// `missing` records come after the sound ones before the next sound one, or before the end.
  [[nodiscard]] error problem(run_seq missing) const {
    constexpr auto way_out = ". `perdure journal verify` names all that is damaged; restore the directory from a copy";
    const auto until = last_ == 0 ? "" : "; seq 1 to " + std::to_string(last_) + " can be read";
    const auto name = "run " + run_.str();
    if (suspects_.empty()) return {errc::corrupt, name + ": " + why_.message + until + way_out};
    const auto lsn = std::to_string(first_of_its_own(missing));
    return {errc::corrupt, name + ": record " + lsn + " is damaged (LSN " + lsn + ", seq " + std::to_string(last_ + 1) +
                               " of the run)" + until + way_out};
  }

  /// Nothing says whose a damaged record is. When there are more of them than are missing, others are among them.
  [[nodiscard]] lsn_t first_of_its_own(run_seq missing) const {
    if (suspects_.size() > missing) {
      for (const auto lsn : suspects_) {
        if (why_.message.starts_with("record " + std::to_string(lsn) + " is damaged")) return lsn;
      }
    }
    return suspects_.front();
  }

  static bool is_damaged(const core::record& record) { return record.kind == core::event_kind{}; }

  result<void> scan(lsn_t at, const std::function<bool(const core::record&)>& take) const {
    while (true) {
      const auto page = from_.scan(at, limits::reader_records);
      if (!page) return page.error();
      for (const auto& record : *page) {
        if (!take(record)) return {};
      }
      if (page->size() < limits::reader_records) return {};
      at = page->back().lsn + 1;
    }
  }

  const journal& from_;
  run_id run_;
  error why_;
  run_seq last_ = 0;             ///< of the sound beginning
  std::vector<lsn_t> suspects_;  ///< damaged records after that
};

}  // namespace

result<void> each_record(const journal& from, const run_id& run, run_seq after,
                         const std::function<bool(const core::record&)>& take) {
  while (true) {
    auto page = from.read_run(run, after, limits::reader_records);
    if (!page && page.error().code == errc::corrupt) return damaged_run{from, run, page.error()}.give(after, take);
    if (!page) return page.error();
    for (const auto& record : *page) {
      if (!take(record)) return {};
      after = record.seq;
    }
    if (page->size() < limits::reader_records) return {};
  }
}

}  // namespace perdure::persistence
