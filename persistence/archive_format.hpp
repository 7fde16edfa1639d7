// The stored form of a chunk of the archive: consecutive records of one run, compressed. Its key has the run and the first
// and last seq.
//
//   chunk    = check version size buckets blobs frame
//   check    = u32    CRC-32C of the key and of everything after the check
//   version  = u8     1
//   size     = u32    bytes of `entries`
//   buckets  = u32 count, u64 each: LSN / 4096 of the records, ascending, each once
//   blobs    = u32 count, 32 bytes each: SHA-256 of the blobs that the records refer to, ascending, each once
//   frame    = the rest: `entries` as one zstd frame
//   entries  = for each record, in the order of seq: LSN (u64), bytes (u32), the record as it stood in the log
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "persistence/record_format.hpp"

namespace perdure::persistence {

inline constexpr std::uint8_t chunk_version = 1;
/// Of each entry, before the record.
inline constexpr std::size_t entry_head_bytes = sizeof(lsn_t) + sizeof(std::uint32_t);

/// A record as it stands or stood in the log.
struct stored_record {
  lsn_t lsn = 0;
  std::string_view bytes;
};

/// What a chunk's key says.
struct chunk_range {
  run_id run;
  run_seq first = 0, last = 0;
};
/// Nothing for a key that is not one of a chunk.
[[nodiscard]] std::optional<chunk_range> read_chunk_key(std::string_view key);

/// What a chunk says without being unpacked.
struct chunk_facts {
  chunk_range range;
  std::size_t raw_bytes = 0;
  std::vector<std::uint64_t> buckets;
  std::vector<core::digest> blobs;
};
struct chunk {
  chunk_facts facts;
  std::string entries;                 ///< what `records` look at
  std::vector<stored_record> records;  ///< of facts.range, in order

  chunk() = default;
  chunk(chunk&&) = default;
  chunk& operator=(chunk&&) = default;
  chunk(const chunk&) = delete;  // the views would stay with the other
  chunk& operator=(const chunk&) = delete;
};

/// `corrupt` for any damage, `newer_format` for a later version. Checks all bytes, unpacks none.
[[nodiscard]] result<chunk_facts> read_chunk_facts(std::string_view key, std::string_view bytes);
/// The same, and unpacks. That the records are sound is for the reader of each to check.
[[nodiscard]] result<chunk> read_chunk(std::string_view key, std::string_view bytes);

/// Packs chunks; keeps what the compressor needs from one to the next. One thread.
class chunk_packer {
 public:
  chunk_packer();
  ~chunk_packer();
  chunk_packer(const chunk_packer&) = delete;
  chunk_packer& operator=(const chunk_packer&) = delete;

  /// `blobs` ascending, each once.
  [[nodiscard]] std::string pack(std::string_view key, const std::vector<stored_record>& records,
                                 const std::vector<core::digest>& blobs);

 private:
  struct compressor;
  std::unique_ptr<compressor> compressor_;
  std::string entries_;
};

}  // namespace perdure::persistence
