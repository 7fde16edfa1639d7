// The runs that cannot be read, and why; and the keys that they may hold.
//
// Operation: what recovery finds is noted before anybody asks, stays in the table `damaged`, and keeps appends away. What
// only a reader meets is known until the journal is closed.
// Concurrency: `note` and `hold_key` before there are other threads; the rest from any.
// Limitations: a key of which not enough is left to recognise it is not held (may_have_key says what is enough).
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "persistence/journal.hpp"

namespace perdure::persistence {

class damage {
 public:
  /// Keeps the lowest LSN of a run.
  void note(const run_id& run, lsn_t lsn);
  /// The run's first record is damaged: what is left of it may name a key.
  void hold_key(const run_id& run, lsn_t lsn, std::string_view bytes) { first_.push_back({run, lsn, std::string{bytes}}); }
  /// What a reader met.
  void met(const run_id& run, const std::string& what) const;

  /// By run; what is to be stored.
  [[nodiscard]] const std::map<run_id, lsn_t>& noted() const { return noted_; }
  [[nodiscard]] bool is_noted(const run_id& run) const { return noted_.contains(run); }
  /// What is damaged, for people; null: as far as is known the run is whole.
  [[nodiscard]] std::optional<std::string> of(const run_id& run) const;
  [[nodiscard]] std::vector<std::pair<run_id, std::string>> all() const;
  /// The damaged run that was, or may have been, begun with the key.
  [[nodiscard]] std::optional<run_id> holder_of(std::string_view scope, std::string_view key) const;

 private:
  struct first_record {
    run_id run;
    lsn_t lsn = 0;
    std::string bytes;
  };

  std::map<run_id, lsn_t> noted_;
  std::vector<first_record> first_;
  mutable std::mutex mutex_;
  mutable std::map<run_id, std::string> met_;
};

}  // namespace perdure::persistence
