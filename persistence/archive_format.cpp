#include "persistence/archive_format.hpp"

#include <zstd.h>

#include <algorithm>

#include "core/assert.hpp"
#include "perdure/limits.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/keys.hpp"

namespace perdure::persistence {

namespace {

constexpr std::size_t check_bytes = sizeof(std::uint32_t);
constexpr std::size_t run_bytes = run_id{}.bytes.size();
/// Short inputs compress hardly better at higher levels, and this one keeps pace with the writer.
constexpr int compression_level = 1;
/// A chunk has one record more than fits at most.
constexpr std::size_t most_raw_bytes = limits::archive_chunk_bytes + limits::record_bytes + (std::size_t{1} << 20);

std::uint32_t check_of(std::string_view key, std::string_view after_check) {
  return crc32c(after_check.data(), after_check.size(), crc32c(key.data(), key.size()));
}

std::string name_of(std::string_view key) {
  const auto range = read_chunk_key(key);
  if (!range) return "a chunk with a strange key";
  return "the chunk of run " + range->run.str() + " with seq " + std::to_string(range->first) + " to " +
         std::to_string(range->last);
}

error corrupt(std::string_view key, std::string_view why) {
  return {errc::corrupt, name_of(key) + " is damaged: " + std::string{why}};
}

/// Reads what stands before the frame, and leaves `frame` there.
result<chunk_facts> read_head(std::string_view key, std::string_view bytes, std::string_view& frame) {
  chunk_facts facts;
  const auto range = read_chunk_key(key);
  if (!range || range->first == 0 || range->last < range->first) return corrupt(key, "wrong key");
  facts.range = *range;
  byte_reader in{bytes};
  const auto check = in.number<std::uint32_t>();
  if (!in.ok() || check != check_of(key, bytes.substr(check_bytes))) return corrupt(key, "wrong check");
  if (const auto version = in.number<std::uint8_t>(); version != chunk_version) {
    return error{errc::newer_format,
                 name_of(key) + " was written by a newer version (chunk format " + std::to_string(version) + ")"};
  }
  facts.raw_bytes = in.number<std::uint32_t>();
  if (facts.raw_bytes > most_raw_bytes) return corrupt(key, "too large");
  const auto buckets = in.number<std::uint32_t>();
  if (buckets > bytes.size() / sizeof(std::uint64_t)) return corrupt(key, "too many buckets");
  facts.buckets.resize(buckets);
  for (auto& bucket : facts.buckets) bucket = in.number<std::uint64_t>();
  const auto blobs = in.number<std::uint32_t>();
  if (blobs > bytes.size() / sizeof(core::digest)) return corrupt(key, "too many blobs");
  facts.blobs.resize(blobs);
  for (auto& blob : facts.blobs) in.raw(blob.data(), blob.size());
  frame = in.rest();
  if (!in.ok()) return corrupt(key, "too short");
  return facts;
}

}  // namespace

std::optional<chunk_range> read_chunk_key(std::string_view key) {
  if (key.size() != run_bytes + 2 * sizeof(run_seq)) return std::nullopt;
  return chunk_range{*run_at_end(key.substr(0, run_bytes)), number_of(key.substr(run_bytes)),
                     number_of(key.substr(run_bytes + sizeof(run_seq)))};
}

result<chunk_facts> read_chunk_facts(std::string_view key, std::string_view bytes) {
  std::string_view frame;
  return read_head(key, bytes, frame);
}

result<chunk> read_chunk(std::string_view key, std::string_view bytes) {
  std::string_view frame;
  auto facts = read_head(key, bytes, frame);
  if (!facts) return facts.error();
  chunk out;
  out.facts = std::move(*facts);
  out.entries.resize(out.facts.raw_bytes);
  const auto unpacked = ZSTD_decompress(out.entries.data(), out.entries.size(), frame.data(), frame.size());
  if (ZSTD_isError(unpacked) != 0 || unpacked != out.entries.size()) return corrupt(key, "it cannot be unpacked");
  std::string_view left{out.entries};
  const auto count = out.facts.range.last - out.facts.range.first + 1;
  while (!left.empty()) {
    byte_reader in{left};
    const auto lsn = in.number<lsn_t>();
    const auto size = in.number<std::uint32_t>();
    const auto rest = in.rest();
    if (!in.ok() || size > rest.size() || out.records.size() == count) return corrupt(key, "wrong entries");
    out.records.push_back({lsn, rest.substr(0, size)});
    left = rest.substr(size);
  }
  if (out.records.size() != count) return corrupt(key, "entries are missing");
  return out;
}

struct chunk_packer::compressor {
  ZSTD_CCtx* context = ZSTD_createCCtx();
  compressor() = default;
  compressor(const compressor&) = delete;
  ~compressor() { ZSTD_freeCCtx(context); }
};

chunk_packer::chunk_packer() : compressor_(std::make_unique<compressor>()) { PERDURE_ASSERT(compressor_->context != nullptr); }
chunk_packer::~chunk_packer() = default;

std::string chunk_packer::pack(std::string_view key, const std::vector<stored_record>& records,
                               const std::vector<core::digest>& blobs) {
  entries_.clear();
  std::vector<std::uint64_t> buckets;
  byte_appender entry{entries_};
  for (const auto& record : records) {
    entry.number(record.lsn);
    entry.number(static_cast<std::uint32_t>(record.bytes.size()));
    entry.raw(record.bytes.data(), record.bytes.size());
    const auto bucket = record.lsn / archive_bucket;
    if (buckets.empty() || buckets.back() != bucket) buckets.push_back(bucket);  // LSNs of a run grow
  }
  std::string bytes;
  byte_appender out{bytes};
  out.number(std::uint32_t{0});
  out.number(chunk_version);
  out.number(static_cast<std::uint32_t>(entries_.size()));
  out.number(static_cast<std::uint32_t>(buckets.size()));
  for (const auto bucket : buckets) out.number(bucket);
  out.number(static_cast<std::uint32_t>(blobs.size()));
  for (const auto& blob : blobs) out.raw(blob.data(), blob.size());
  const auto head = bytes.size();
  bytes.resize(head + ZSTD_compressBound(entries_.size()));
  const auto packed = ZSTD_compressCCtx(compressor_->context, bytes.data() + head, bytes.size() - head, entries_.data(),
                                        entries_.size(), compression_level);
  PERDURE_ASSERT(ZSTD_isError(packed) == 0);  // only for want of room, and there is enough
  bytes.resize(head + packed);
  byte_writer{bytes.data()}.number(check_of(key, std::string_view{bytes}.substr(check_bytes)));
  return bytes;
}

}  // namespace perdure::persistence
