// Records that the journal writes of itself: that a run was removed, and checkpoints. They stand in the log like all others,
// but make no rows.
//
//   run_removed (kind 30) = head seq (u64) head LSN (u64) head hash (32) ended (i64) why (u8: 1 age, 2 number)
//       Run, status and chain are those of the removed run: it is the run's last record, with the next seq after its head.
//   checkpoint (kind 31)  = first (u64) through (u64) digest (32)
//       Of the run with the nil id; its seq is the number of the checkpoint, `previous` leads to the one before and the chain
//       of hashes too. The digest is SHA-256 of LSN (8 bytes, little-endian) and hash (32) of every record from LSN `first` to
//       `through`; a damaged record has the SHA-256 of its bytes for a hash.
#pragma once

#include "persistence/projection.hpp"

namespace perdure::persistence {

inline constexpr auto run_removed_kind = static_cast<core::event_kind>(30);
inline constexpr auto checkpoint_kind = static_cast<core::event_kind>(31);
/// Such a record belongs to no run's history.
[[nodiscard]] constexpr bool is_ledger(core::event_kind kind) { return kind == run_removed_kind || kind == checkpoint_kind; }
/// Empty for kinds that are not of the ledger.
[[nodiscard]] std::string_view ledger_name(core::event_kind kind);

enum class removal_reason : std::uint8_t { age = 1, number = 2 };

struct run_removed {
  run_seq head_seq = 0;
  lsn_t head_lsn = 0;
  core::digest head_hash{};
  timestamp ended_at{};
  removal_reason why = removal_reason::age;
};
struct checkpoint {
  lsn_t first = 0, through = 0;
  core::digest digest{};
};

/// Both are complete but for their own LSN.
[[nodiscard]] core::record removal_record(const projected_row& row, removal_reason why, timestamp now);
[[nodiscard]] core::record checkpoint_record(std::uint64_t number, lsn_t previous, const core::digest& previous_hash,
                                             const checkpoint& what, timestamp now);

/// corrupt, newer_format.
[[nodiscard]] result<run_removed> read_removal(const core::record& record);
[[nodiscard]] result<checkpoint> read_checkpoint(const core::record& record);

/// Gathers what a checkpoint's digest is made of.
class checkpoint_digest {
 public:
  void add(lsn_t lsn, std::string_view stored);
  [[nodiscard]] std::uint64_t records() const { return text_.size() / (sizeof(lsn_t) + sizeof(core::digest)); }
  [[nodiscard]] core::digest finish() const { return core::sha256({text_}); }

 private:
  std::string text_;
};

}  // namespace perdure::persistence
