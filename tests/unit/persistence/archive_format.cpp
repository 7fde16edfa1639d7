// Chunks of the archive: what goes in comes out, and no damage is taken for content.
#include "persistence/archive_format.hpp"

#include "persistence/crc32c.hpp"
#include "persistence/keys.hpp"
#include "support/journal_records.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

struct packed {
  std::string key, bytes;
  std::vector<std::string> stored;
  std::vector<core::digest> blobs{core::sha256({"a"}), core::sha256({"b"})};

  explicit packed(std::size_t count) {
    scripted_run run{7};
    std::vector<stored_record> records;
    for (std::size_t i = 0; i < count; ++i) {
      const auto record = i == 0 ? run.start() : run.turn({}, std::string(i, 'n'));
      const record_place place{lsn_of(i), i == 0 ? 0 : lsn_of(i - 1), 0};
      std::string bytes_of(encoded_size(record, place), '\0');
      encode_record(record, place, bytes_of.data());
      stored.push_back(std::move(bytes_of));
    }
    for (std::size_t i = 0; i < count; ++i) records.push_back({lsn_of(i), stored[i]});
    key = chunk_key(run.id, 1, count);
    chunk_packer packer;
    bytes = packer.pack(key, records, blobs);
  }
  static lsn_t lsn_of(std::size_t i) { return 4'000 + 50 * i; }
};

}  // namespace

TEST_CASE("a chunk gives back its records as they were, and tells where they stood and what they refer to") {
  const packed made{12};
  const auto read = read_chunk(made.key, made.bytes);
  REQUIRE(read.has_value());
  REQUIRE(read->records.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(read->records[i].lsn == packed::lsn_of(i));
    CHECK(read->records[i].bytes == made.stored[i]);
    CHECK(decode_record(read->records[i].lsn, read->records[i].bytes).has_value());
  }
  CHECK(read->facts.range.run == numbered_run(7));
  CHECK(read->facts.range.first == 1);
  CHECK(read->facts.range.last == 12);
  CHECK(read->facts.buckets == std::vector<std::uint64_t>{0, 1});
  CHECK(read->facts.blobs == made.blobs);
  const auto facts = read_chunk_facts(made.key, made.bytes);
  CHECK(facts->buckets == read->facts.buckets);
}

TEST_CASE("any changed byte of a chunk, and any other length, is found") {
  const packed made{4};
  for (std::size_t at = 0; at < made.bytes.size(); ++at) {
    auto changed = made.bytes;
    changed[at] = static_cast<char>(changed[at] ^ 4);
    CAPTURE(at);
    CHECK(read_chunk(made.key, changed).error().code == errc::corrupt);
    CHECK(read_chunk_facts(made.key, changed).error().code == errc::corrupt);
    CHECK(read_chunk(made.key, made.bytes.substr(0, at)).error().code == errc::corrupt);
  }
  CHECK(read_chunk(made.key, made.bytes + "x").error().code == errc::corrupt);
  CHECK(read_chunk(chunk_key(numbered_run(8), 1, 4), made.bytes).error().code == errc::corrupt);
  CHECK(read_chunk(chunk_key(numbered_run(7), 1, 5), made.bytes).error().code == errc::corrupt);
  CHECK(read_chunk("short", made.bytes).error().code == errc::corrupt);
}

TEST_CASE("a chunk of a later version is not taken for damage") {
  auto made = packed{2};
  made.bytes[4] = 2;
  const auto body = std::string_view{made.bytes}.substr(4);
  const auto check = crc32c(body.data(), body.size(), crc32c(made.key.data(), made.key.size()));
  byte_writer{made.bytes.data()}.number(check);
  CHECK(read_chunk(made.key, made.bytes).error().code == errc::newer_format);
}
