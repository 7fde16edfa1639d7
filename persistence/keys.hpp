// The keys and small values of every table. Never reuse a table's name or a meta key for something else.
//
//   table        key                                          value
//   log          LSN                                          record (record_format.hpp)
//   meta         "format" | "head" | "epoch" shard (u32)      u32 | store_head | u64
//                "archive"                                    archive_head
//   rows         run (16 bytes)                               row (projection.hpp)
//   wakeups      due (i64 + 2^63, big-endian) run             nothing
//   keys         SHA-256(scope 0 key)                         run, LSN of its first record (u64)
//   active       run                                          nothing
//   by_status    status (u8) run                              nothing
//   by_workflow  first 8 bytes of SHA-256(workflow), run      nothing
//   tenants      SHA-256(tenant)                              u64 open runs, tenant
//   snapshots    run seq (u64, big-endian)                    check (u32), version (u8), state
//   inbox        number (u64, big-endian)                     command
//   damaged      run                                          u64 LSN of the damaged record
//
//   archive        run, first and last seq (u64 each, b.-e.)  chunk (archive_format.hpp)
//   archive_order  LSN / 4096 (u64, b.-e.), run, first seq    first LSN of the chunk's records in that range (u64)
//   archive_ends   ended (i64 + 2^63, big-endian) run         nothing: the run has ended, and its last record is archived
//   blob_refs      SHA-256 of the blob, run                   nothing: an archived record of the run refers to it
//   removals       LSN (u64, big-endian)                      record of kind run_removed that was cut off the log
//   checkpoints    LSN (u64, big-endian)                      record of kind checkpoint that was cut off the log
//   remains        LSN (u64, big-endian)                      damaged record that was cut off the log, as it was
//
// Rows and everything below them follow from the log; as long as a row waits in the overlay, its entries in the other
// tables are those of its stored form. `store_head` has counts of the stored rows, not of all.
#pragma once

#include "persistence/bytes.hpp"

namespace perdure::persistence {

/// 1: the log is whole. 2: its beginning may be in the archive, or removed. Written with the first record that makes it so.
inline constexpr std::uint32_t first_store_format = 1;
inline constexpr std::uint32_t store_format = 2;
inline constexpr std::string_view format_key = "format";
inline constexpr std::string_view head_key = "head";
inline constexpr std::string_view archive_key = "archive";
inline constexpr std::string_view epoch_prefix = "epoch";
/// LSNs that share an entry of archive_order. Part of the format.
inline constexpr lsn_t archive_bucket = 4096;

/// Written by every commit.
struct store_head {
  lsn_t last_lsn = 0;
  lsn_t redo_lsn = 1;            ///< records from here on are not yet all in the rows
  std::int64_t last_time = 0;    ///< of the newest record
  std::uint64_t total_runs = 0;  ///< of the stored rows
  std::uint64_t open_runs = 0;   ///< of the stored rows
  std::uint8_t closed = 1;       ///< closed in order; 0 while somebody may write
};

[[nodiscard]] inline std::string encode_head(const store_head& head) {
  std::string bytes;
  byte_appender out{bytes};
  out.number(head.last_lsn);
  out.number(head.redo_lsn);
  out.number(head.last_time);
  out.number(head.total_runs);
  out.number(head.open_runs);
  out.number(head.closed);
  return bytes;
}
[[nodiscard]] inline std::optional<store_head> decode_head(std::string_view bytes) {
  byte_reader in{bytes};
  store_head head;
  head.last_lsn = in.number<lsn_t>();
  head.redo_lsn = in.number<lsn_t>();
  head.last_time = in.number<std::int64_t>();
  head.total_runs = in.number<std::uint64_t>();
  head.open_runs = in.number<std::uint64_t>();
  head.closed = in.number<std::uint8_t>();
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return head;
}

/// What is not in the log any more, and the chain of checkpoints. Written by the commits of the background work.
struct archive_head {
  lsn_t first_lsn = 1;        ///< records before it were cut off the log
  lsn_t archived_lsn = 1;     ///< records before it are in the archive
  std::uint64_t records = 0;  ///< in chunks
  std::uint64_t chunks = 0;
  std::uint64_t bytes = 0;         ///< of the chunks
  std::uint64_t raw_bytes = 0;     ///< of their entries, before compression
  std::uint64_t ended_runs = 0;    ///< entries of archive_ends
  std::uint64_t skipped_runs = 0;  ///< ended and archived, but damaged: retention leaves them alone
  std::uint64_t removed_runs = 0;
  std::uint64_t removed_records = 0;
  std::uint64_t kept_removals = 0;  ///< entries of `removals`
  std::uint64_t forgotten = 0;      ///< LSNs of removals that are not kept any more
  std::uint64_t checkpoint = 0;     ///< number of the newest, 0 = there is none
  lsn_t checkpoint_lsn = 0;         ///< of its record
  lsn_t checkpoint_through = 0;     ///< last LSN that it covers
  core::digest checkpoint_hash{};

  bool operator==(const archive_head&) const = default;
};

[[nodiscard]] inline std::string encode_archive_head(const archive_head& head) {
  std::string bytes;
  byte_appender out{bytes};
  for (const auto number : {head.first_lsn, head.archived_lsn, head.records, head.chunks, head.bytes, head.raw_bytes,
                            head.ended_runs, head.skipped_runs, head.removed_runs, head.removed_records, head.kept_removals,
                            head.forgotten, head.checkpoint, head.checkpoint_lsn, head.checkpoint_through}) {
    out.number(number);
  }
  out.raw(head.checkpoint_hash.data(), head.checkpoint_hash.size());
  return bytes;
}
[[nodiscard]] inline std::optional<archive_head> decode_archive_head(std::string_view bytes) {
  byte_reader in{bytes};
  archive_head head;
  for (auto* number : {&head.first_lsn, &head.archived_lsn, &head.records, &head.chunks, &head.bytes, &head.raw_bytes,
                       &head.ended_runs, &head.skipped_runs, &head.removed_runs, &head.removed_records, &head.kept_removals,
                       &head.forgotten, &head.checkpoint, &head.checkpoint_lsn, &head.checkpoint_through}) {
    *number = in.number<std::uint64_t>();
  }
  in.raw(head.checkpoint_hash.data(), head.checkpoint_hash.size());
  if (!in.ok() || !in.at_end()) return std::nullopt;
  return head;
}

/// Bytes in the order of the numbers.
[[nodiscard]] inline std::string ordered(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (auto at = bytes.rbegin(); at != bytes.rend(); ++at, value >>= 8) *at = static_cast<char>(value);
  return bytes;
}
[[nodiscard]] inline std::uint64_t number_of(std::string_view ordered_bytes) {
  std::uint64_t value = 0;
  for (const auto byte : ordered_bytes.substr(0, 8)) value = value << 8 | static_cast<std::uint8_t>(byte);
  return value;
}
template <class T>
[[nodiscard]] std::string_view raw_view(const T& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[nodiscard]] inline std::string_view run_key(const run_id& run) { return raw_view(run.bytes); }
/// The run whose id ends the key; the key was written by one of the functions here.
[[nodiscard]] inline std::optional<run_id> run_at_end(std::string_view key) {
  run_id run;
  if (key.size() < run.bytes.size()) return std::nullopt;
  std::memcpy(run.bytes.data(), key.data() + key.size() - run.bytes.size(), run.bytes.size());
  return run;
}

[[nodiscard]] inline std::string wakeup_key(timestamp due, const run_id& run) {
  constexpr std::uint64_t bias = std::uint64_t{1} << 63;
  return ordered(static_cast<std::uint64_t>(due.time_since_epoch().count()) + bias).append(run_key(run));
}
[[nodiscard]] inline timestamp due_of(std::string_view key) {
  constexpr std::uint64_t bias = std::uint64_t{1} << 63;
  return timestamp{duration{static_cast<std::int64_t>(number_of(key) - bias)}};
}
[[nodiscard]] inline std::string status_key(run_status status, const run_id& run) {
  return std::string(1, static_cast<char>(status)).append(run_key(run));
}
[[nodiscard]] inline std::string workflow_prefix(std::string_view workflow) {
  return std::string{raw_view(core::sha256({workflow})).substr(0, 8)};
}
[[nodiscard]] inline std::string scoped_key(std::string_view scope, std::string_view key) {
  return std::string{raw_view(core::sha256({scope, std::string_view{"\0", 1}, key}))};
}
[[nodiscard]] inline std::string tenant_key(std::string_view tenant) { return std::string{raw_view(core::sha256({tenant}))}; }
[[nodiscard]] inline std::string snapshot_key(const run_id& run, run_seq seq) {
  return std::string{run_key(run)}.append(ordered(seq));
}
[[nodiscard]] inline std::string chunk_key(const run_id& run, run_seq first, run_seq last) {
  return std::string{run_key(run)}.append(ordered(first)).append(ordered(last));
}
[[nodiscard]] inline std::string archive_order_key(std::uint64_t bucket, const run_id& run, run_seq first) {
  return ordered(bucket).append(run_key(run)).append(ordered(first));
}
[[nodiscard]] inline std::string blob_ref_key(const core::digest& blob, const run_id& run) {
  return std::string{raw_view(blob)}.append(run_key(run));
}
[[nodiscard]] inline std::string epoch_key(std::uint32_t shard) {
  std::string key{epoch_prefix};
  byte_appender{key}.number(shard);
  return key;
}
[[nodiscard]] inline std::string number_value(std::uint64_t value) {
  std::string bytes;
  byte_appender{bytes}.number(value);
  return bytes;
}
[[nodiscard]] inline std::string format_value(std::uint32_t format) {
  std::string bytes;
  byte_appender{bytes}.number(format);
  return bytes;
}
[[nodiscard]] inline std::uint64_t value_number(std::string_view bytes) { return byte_reader{bytes}.number<std::uint64_t>(); }

}  // namespace perdure::persistence
