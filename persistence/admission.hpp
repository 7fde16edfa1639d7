// Decides which items of a batch may be written, and where their records go.
//
// Operation: `begin` a batch, `admit` its items in order, `end`; each admitted item is staged, so that later items of the batch
// are checked against it. The writer then stores what is `planned` and calls `publish`, or `drop` when nothing was stored.
// Concurrency: the writer's thread; `publish` under the index lock.
#pragma once

#include <deque>

#include "persistence/damage.hpp"
#include "persistence/overlay.hpp"
#include "persistence/store.hpp"

namespace perdure::persistence {

class admission {
 public:
  struct planned_item {
    append_item* item = nullptr;
    std::size_t first_place = 0;  ///< in `places`, one for each record
  };

  admission(overlay& rows, const store& behind, core::blob_port& blobs, const damage& damaged)
      : rows_(rows), store_(behind), blobs_(blobs), damage_(damaged) {}

  /// `room`: what the batch may use of the store.
  void begin(lsn_t next_lsn, space room);
  /// To damaged runs only essential items go.
  [[nodiscard]] verdict admit(append_item& item, epoch_t epoch);
  /// No more items: lets go of the store, so that it can be written.
  void end() { view_.reset(); }
  void publish();
  void drop();

  /// Says whether an item of the batch is for the run, which was not in the overlay before.
  [[nodiscard]] bool touches(const run_id& run) const { return fresh_.contains(run); }
  [[nodiscard]] const std::vector<planned_item>& planned() const { return planned_; }
  [[nodiscard]] const std::vector<record_place>& places() const { return places_; }
  [[nodiscard]] lsn_t next_lsn() const { return next_lsn_; }
  /// Time of the newest staged record.
  [[nodiscard]] timestamp last_time() const { return last_time_; }

 private:
  struct touched {
    overlay_entry* entry = nullptr;  ///< null: it is among `fresh_`
    run_id run;
    lsn_t first_lsn = 0;
    run_head head;  ///< after the batch
  };

  /// Null: there is no such run. corrupt: its stored row is damaged.
  [[nodiscard]] result<overlay_entry*> find(const run_id& run);
  [[nodiscard]] std::optional<error> check_shape(const append_item& item) const;
  [[nodiscard]] std::optional<error> check_room(const append_item& item) const;
  [[nodiscard]] std::optional<verdict> check(const precondition& what);
  [[nodiscard]] std::optional<run_id> holder_of(std::string_view scope, std::string_view key);
  void stage(append_item& item, overlay_entry& entry);
  /// After what is staged already.
  [[nodiscard]] static const run_head& newest(const overlay_entry& of) { return of.staged ? *of.staged : of.row.head; }
  read_view& view();

  overlay& rows_;
  const store& store_;
  core::blob_port& blobs_;
  const damage& damage_;
  space room_;
  lsn_t next_lsn_ = 1;
  timestamp last_time_{};
  std::unique_ptr<read_view> view_;
  overlay::map fresh_;  ///< rows that are not in the overlay: new runs, and those read from the store
  std::unordered_map<std::string, run_id> staged_keys_;
  std::map<std::string, std::int64_t, std::less<>> staged_open_;
  std::deque<touched> touched_;  ///< rows point into it
  std::vector<planned_item> planned_;
  std::vector<record_place> places_;
};

}  // namespace perdure::persistence
