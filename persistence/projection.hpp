// What look-ups know of a run, made from its records alone: row = project(record, old row). Pure, so that rows can be made
// again from the log at any time; `verify` and recovery do.
//
//   row      = check version status active created updated ended wakeup seq first head marks hash input strings
//   check    = u32   CRC-32C of the run's id (16 bytes) and of everything after the check
//   version  = u8    1
//   status   = u8    run_status
//   active   = u8    0 | 1
//   created, updated, ended, wakeup = i64 each, microseconds since the Unix epoch, the least i64 = none
//   seq      = u64   the run's last
//   first, head = u64 each, LSNs of the run's first and last record
//   marks    = u64 u64, LSNs of the latest records whose seq is a multiple of short_skip and long_skip, 0 = none
//   hash     = 32 bytes, chain hash of the last record
//   input    = 32 bytes, run_row::input_hash
//   strings  = workflow version definition_hash key tenant, each u32 length and bytes
#pragma once

#include "persistence/journal.hpp"
#include "persistence/record_format.hpp"

namespace perdure::persistence {

inline constexpr std::uint8_t row_version = 1;

/// What the first record of a run settles.
struct run_facts {
  run_id id;
  std::string workflow, version, definition_hash, key, tenant;
  timestamp created_at{};
  lsn_t first_lsn = 0;
  core::digest input_hash{};

  bool operator==(const run_facts&) const = default;
};

/// What every record of a run moves on.
struct run_head {
  run_status status = run_status::scheduled;
  bool active = false;
  timestamp updated_at{};
  std::optional<timestamp> ended_at, wakeup;
  run_seq seq = 0;
  lsn_t lsn = 0;
  lsn_t short_mark = 0, long_mark = 0;
  core::digest hash{};

  [[nodiscard]] bool open() const { return !is_terminal(status); }
  bool operator==(const run_head&) const = default;
};

struct projected_row {
  run_facts facts;
  run_head head;

  [[nodiscard]] run_row to_row() const;
  bool operator==(const projected_row&) const = default;
};

/// SHA-256 of message name, 0 byte, input text.
[[nodiscard]] core::digest input_hash(std::string_view message, std::string_view input);

/// Reads the first record of a run (run_started or run_restored). invalid_argument: it is no such record; else what
/// decoding says. `blobs` may be null: then an input that is kept as a blob has the hash of nothing.
[[nodiscard]] result<run_facts> project_first(const core::record& record, lsn_t lsn, core::blob_port* blobs);
[[nodiscard]] run_head project(const core::record& record, lsn_t lsn, const run_head& old);
/// Where the run's next record goes.
[[nodiscard]] record_place place_after(const run_head& head, lsn_t lsn);

[[nodiscard]] std::string encode_row(const projected_row& row);
/// `corrupt` for any damage, `newer_format` for a later version.
[[nodiscard]] result<projected_row> decode_row(const run_id& id, std::string_view bytes);
/// The same without its check: what is damaged may be anything. For salvage.
[[nodiscard]] result<projected_row> decode_row_unchecked(const run_id& id, std::string_view bytes);

}  // namespace perdure::persistence
