// The journal over an ordered store; both engines are this class with another store under it.
//
// Operation: an append is checked (admission), written to the store in one commit with one head row, then made visible
// in the overlay. Rows follow in slices (flusher). Opening reads [redo_lsn, end) again. Look-ups read overlay ∪ store, the
// overlay first: what a flush takes out of it is in the store by then.
// Concurrency: `writing_` orders all that commits, `index_` guards what look-ups share with the writer; a thread that
// needs both takes `writing_` first. Commits are made without `index_`, so a look-up never waits for the disk.
// Limitations: a read_only journal may run beside a writer in another process; it knows what was durable when it was opened,
// and of what came later only rows that the writer has flushed.
#pragma once

#include <atomic>
#include <mutex>
#include <shared_mutex>

#include "perdure/limits.hpp"
#include "persistence/admission.hpp"
#include "persistence/damage.hpp"
#include "persistence/flusher.hpp"
#include "persistence/upkeep.hpp"

namespace perdure::persistence {

struct journal_options {
  bool read_only = false;
  std::size_t min_free_disk_bytes = 0;
  std::size_t reserved_rows = 0;  ///< room made in the overlay at once
  std::size_t overlay_rows = limits::overlay_rows;
  std::uint64_t redo_records = limits::redo_records;
  std::size_t flush_rows = limits::flush_rows;
  upkeep_options upkeep;
  bool timed_slices = true;  ///< false: slices are cut by their number of rows alone
};

class stored_journal : public journal {
 public:
  /// Reads the head and the tail. newer_format: nothing was changed.
  [[nodiscard]] static result<std::unique_ptr<stored_journal>> open(std::unique_ptr<store> below,
                                                                    std::unique_ptr<blob_store> blobs, journal_options options);

  using journal::append;
  std::vector<verdict> append(std::span<append_item> items, upkeep_plan* along) override;
  [[nodiscard]] bool fatal() const override { return fatal_; }
  result<void> flush() override;
  [[nodiscard]] std::unique_ptr<upkeep_plan> plan_upkeep(timestamp now) override;
  [[nodiscard]] archive_figures archive(bool with_sizes) const override;
  [[nodiscard]] archive_figures archive() const { return archive(false); }
  [[nodiscard]] std::optional<checkpoint_place> newest_checkpoint() const override;
  result<epoch_t> acquire(shard_id shard) override;

  [[nodiscard]] result<std::vector<core::record>> read_run(const run_id& run, run_seq after, std::size_t limit) const override;
  [[nodiscard]] result<std::vector<core::record>> scan(lsn_t from, std::size_t limit) const override;
  [[nodiscard]] lsn_t last_lsn() const override;
  [[nodiscard]] std::optional<std::pair<run_seq, std::string>> snapshot(const run_id& run, run_seq at_most) const override;

  [[nodiscard]] std::optional<run_row> row(const run_id& run) const override;
  [[nodiscard]] std::optional<std::string> damage_of(const run_id& run) const override { return damage_.of(run); }
  [[nodiscard]] std::vector<std::pair<run_id, std::string>> damaged_runs() const override { return damage_.all(); }
  [[nodiscard]] std::optional<run_id> find_key(std::string_view scope, std::string_view key) const override;
  [[nodiscard]] std::vector<run_row> rows(const row_query& query) const override;
  void for_each_active(const std::function<void(const run_row&)>& take) const override;
  [[nodiscard]] std::vector<std::pair<timestamp, run_id>> wakeups(timestamp until,
                                                                  std::optional<std::pair<timestamp, run_id>> after,
                                                                  std::size_t limit) const override;
  [[nodiscard]] std::uint64_t open_runs() const override;
  [[nodiscard]] std::uint64_t total_runs() const override;
  [[nodiscard]] std::uint64_t redone_records() const override { return redone_records_; }
  [[nodiscard]] timestamp last_time() const override;
  [[nodiscard]] bool was_closed() const override { return was_closed_; }
  void mark_closed() override;

  [[nodiscard]] core::blob_port& blobs() override { return *blobs_; }
  [[nodiscard]] persistence::space space() const override;
  [[nodiscard]] verify_report verify(const std::function<bool(const run_id&)>& waits,
                                     const std::optional<core::digest>& anchor) const override;
  result<void> put_inbox(std::string_view command) override;
  [[nodiscard]] std::vector<inbox_entry> inbox() const override;
  result<void> drop_from_inbox(std::span<const std::uint64_t> numbers) override;

 protected:
  [[nodiscard]] store& below() { return *store_; }
  stored_journal(std::unique_ptr<store> below, std::unique_ptr<blob_store> blobs, journal_options options);
  result<void> recover();

 private:
  /// Which rows are wanted. The default wants all.
  struct row_filter {
    std::optional<run_status> status;
    std::string workflow;
    bool open_only = false;
    bool active_only = false;

    [[nodiscard]] bool takes(const run_head& head, const std::string& of_workflow) const;
  };

  // stored_journal.cpp: writing
  void append_chunk(std::span<append_item> items, std::span<verdict> verdicts, prepared_upkeep* along);
  [[nodiscard]] bool admit_all(std::span<append_item> items, std::span<verdict> verdicts, bool essential_only);
  void begin_round_when_due();
  [[nodiscard]] std::optional<error> why_not_writable() const;
  [[nodiscard]] slice_limits slice_now() const;
  [[nodiscard]] write_result write(store_head& head, bool with_slice, prepared_upkeep* along, std::string& problem);
  void make_visible(const store_head& head, const prepared_upkeep* along);
  [[nodiscard]] bool is_stored(const store_head& head, const prepared_upkeep* along) const;
  [[nodiscard]] result<void> commit_other(const std::function<void(write_batch&, store_head&)>& fill,
                                          bool may_use_reserve = true);

  // stored_journal_upkeep.cpp
  [[nodiscard]] std::optional<result<void>> why_not_now(const prepared_upkeep& plan) const;
  void fill_upkeep(write_batch& batch, prepared_upkeep& plan, store_head& head) const;

  // recovery.cpp
  struct damaged_record {
    std::string bytes;
    std::optional<run_id> run;  ///< whose it is, or seems to be
  };
  using damaged_records = std::map<lsn_t, damaged_record>;
  [[nodiscard]] damaged_records redo(lsn_t from, lsn_t to);
  void redo_record(lsn_t lsn, std::string_view bytes, read_view& view, damaged_records& damaged);
  [[nodiscard]] static std::optional<lsn_t> claim_damaged(const core::record& record, damaged_records& damaged);
  [[nodiscard]] static run_facts facts_of_damaged(const run_id& run, lsn_t first, const damaged_records& damaged);
  void settle_damage(const damaged_records& tail);
  [[nodiscard]] run_counts stored_counts(read_view& view, const store_head& head) const;

  // stored_journal_read.cpp
  [[nodiscard]] result<std::optional<projected_row>> look_up(const run_id& run) const;
  [[nodiscard]] std::optional<projected_row> listed_row(read_view& view, const run_id& run) const;
  [[nodiscard]] result<std::vector<core::record>> read_sound(const projected_row& row, run_seq after, std::size_t limit) const;
  [[nodiscard]] result<void> read_tail(const projected_row& row, run_seq after, run_seq last, std::vector<core::record>& to,
                                       bool& moved) const;
  [[nodiscard]] error not_there(const run_id& run, lsn_t lsn) const;
  [[nodiscard]] std::vector<run_row> select(const row_filter& filter, std::optional<run_id> after, std::size_t limit,
                                            bool newest_first) const;
  /// What `read` gives; `otherwise` when the store cannot be read.
  template <class T, class F>
  [[nodiscard]] T reading(T otherwise, F&& read) const {
    try {
      return read();
    } catch (const store_failure&) {
      fatal_ = true;
      return otherwise;
    }
  }

  std::unique_ptr<store> store_;
  std::unique_ptr<blob_store> blobs_;
  journal_options options_;

  std::mutex writing_;
  store_head head_;            ///< as stored
  archive_head archive_;       ///< as stored
  bool knows_format_ = false;  ///< the stored format says that the log may be shortened
  std::map<shard_id, epoch_t> epochs_;
  mutable std::shared_mutex index_;
  overlay overlay_;
  damage damage_;
  admission admission_;
  flusher flusher_;
  upkeep_planner planner_;  ///< of the one thread that plans

  std::atomic<lsn_t> last_lsn_{0};
  std::atomic<std::int64_t> last_time_{0};
  mutable std::atomic<bool> fatal_{false};
  std::uint64_t redone_records_ = 0;
  bool was_closed_ = true;
};

}  // namespace perdure::persistence
