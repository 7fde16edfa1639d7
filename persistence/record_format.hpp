// The stored form of a journal record. The LSN is its key in the log.
//
//   record   = check version kind schema status flags run seq previous time wakeup hash [skip] payload
//   check    = u32    CRC-32C of the LSN (u64) and of everything after the check
//   version  = u8     1
//   kind     = u8     core::event_kind, never 0
//   schema   = u8     of the payload
//   status   = u8     run_status after the event
//   flags    = u8     1: an attempt is in flight after the event; 2: skip is there; other bits are 0
//   run      = 16 bytes
//   seq      = u64    from 1
//   previous = u64    LSN of the run's record before, 0 = this is its first
//   time     = i64    microseconds since the Unix epoch
//   wakeup   = i64    the run's earliest deadline after the event, the least i64 = none
//   hash     = 32 bytes, core::chain_hash
//   skip     = u64    LSN of the run's record `skip_distance(seq)` before, so that a long run is walked back in large steps
//   payload  = the rest: the encoded event
//
// Integers are little-endian. docs/journal-format.md is the page about it.
#pragma once

#include <string_view>

#include "core/record.hpp"

namespace perdure::persistence {

inline constexpr std::uint8_t record_version = 1;
inline constexpr std::size_t record_header_bytes = 4 + 5 + 16 + 8 + 8 + 8 + 8 + 32;

/// How far back the skip link of a record reaches; 0 = it has none. Part of the format.
inline constexpr run_seq short_skip = 64;
inline constexpr run_seq long_skip = 4096;
[[nodiscard]] constexpr run_seq skip_distance(run_seq seq) {
  const auto distance = seq % long_skip == 0 ? long_skip : seq % short_skip == 0 ? short_skip : 0;
  return distance < seq ? distance : 0;
}

/// Where a record stands; what the journal adds to it.
struct record_place {
  lsn_t lsn = 0;
  lsn_t previous = 0;
  lsn_t skip = 0;  ///< 0 = no link
};

/// A stored record without its payload copied: valid as long as the bytes it was read from.
struct record_view {
  core::record header;  ///< `bytes` is empty
  lsn_t skip = 0;
  std::string_view payload;

  [[nodiscard]] core::record copy() const&;
  [[nodiscard]] core::record copy() &&;
};

[[nodiscard]] std::size_t encoded_size(const core::record& record, const record_place& place);
/// Writes exactly `encoded_size` bytes to `to`.
void encode_record(const core::record& record, const record_place& place, char* to);
/// `corrupt` for any damage, `newer_format` for a sound record of a later version; the messages name the LSN.
/// Never reads outside `bytes`.
[[nodiscard]] result<record_view> decode_record(lsn_t lsn, std::string_view bytes);
/// The run that a damaged record seems to belong to, for a diagnosis only.
[[nodiscard]] std::optional<run_id> guess_run(std::string_view bytes);

}  // namespace perdure::persistence
