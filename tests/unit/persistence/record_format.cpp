// The stored form of records: everything comes back, every damage is found, nothing is read outside.
#include "persistence/record_format.hpp"

#include "persistence/crc32c.hpp"
#include "support/journal_records.hpp"

using namespace perdure;
using namespace perdure::test;
using namespace perdure::persistence;

namespace {

std::string stored(const core::record& record, const record_place& place) {
  std::string bytes(encoded_size(record, place), '\0');
  encode_record(record, place, bytes.data());
  return bytes;
}

core::record some_record() {
  scripted_run run{7};
  (void)run.start();
  return run.turn({run_status::waiting, true, at_second(9)});
}

}  // namespace

TEST_CASE("CRC-32C has its well-known check value, by either way, whole or in parts") {
  const std::string_view digits = "123456789";
  CHECK(crc32c(digits.data(), digits.size()) == 0xE3069283);
  CHECK(persistence::detail::crc32c_portable(digits.data(), digits.size(), 0) == 0xE3069283);
  for (std::size_t cut = 0; cut <= digits.size(); ++cut) {
    CHECK(crc32c(digits.data() + cut, digits.size() - cut, crc32c(digits.data(), cut)) == 0xE3069283);
    CHECK(persistence::detail::crc32c_portable(digits.data() + cut, digits.size() - cut,
                                               persistence::detail::crc32c_portable(digits.data(), cut, 0)) == 0xE3069283);
  }
  CHECK(crc32c("", 0) == 0);
}

TEST_CASE("a record comes back as it was stored") {
  auto record = some_record();
  const auto wakeup = GENERATE(std::optional<timestamp>{}, std::optional<timestamp>{at_second(5)},
                               std::optional<timestamp>{timestamp{duration{-1}}});
  record.wakeup = wakeup;
  record.active = GENERATE(true, false);
  const record_place place{42, 41, GENERATE(lsn_t{0}, lsn_t{3})};
  const auto bytes = stored(record, place);
  CHECK(bytes.size() == record_header_bytes + (place.skip != 0 ? 8 : 0) + record.bytes.size());
  const auto view = decode_record(42, bytes);
  REQUIRE(view.has_value());
  CHECK(view->skip == place.skip);
  const auto back = view->copy();
  CHECK(back.kind == record.kind);
  CHECK(back.schema == record.schema);
  CHECK(back.status == record.status);
  CHECK(back.active == record.active);
  CHECK(back.run == record.run);
  CHECK(back.seq == record.seq);
  CHECK(back.time == record.time);
  CHECK(back.wakeup == record.wakeup);
  CHECK(back.hash == record.hash);
  CHECK(back.bytes == record.bytes);
  CHECK(back.lsn == 42);
  CHECK(back.previous == 41);
}

TEST_CASE("the bytes of a record do not change from version to version") {
  core::record record;
  record.schema = 1;
  record.kind = core::event_kind::turn;
  record.status = run_status::waiting;
  record.active = true;
  record.run = numbered_run(0x0102);
  record.seq = 0x40;
  record.time = timestamp{duration{0x0506}};
  record.hash.fill(0xaa);
  record.bytes = "payload";
  const auto bytes = stored(record, {9, 8, 7});
  std::string hex;
  for (const unsigned char byte : bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    hex.push_back(digits[byte >> 4]);
    hex.push_back(digits[byte & 15]);
  }
  CHECK(hex ==
        "eb0852ad"
        "01"
        "02"
        "01"
        "03"
        "03"
        "00000000000070000000000000000102"
        "4000000000000000"
        "0800000000000000"
        "0605000000000000"
        "0000000000000080"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "0700000000000000"
        "7061796c6f6164");
}

TEST_CASE("every flipped bit, every cut and every strange place of a record is found") {
  const auto bytes = stored(some_record(), {42, 41, 0});
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    auto damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto decoded = decode_record(42, damaged);
    REQUIRE(decoded.has_error());
    CHECK(decoded.error().code == errc::corrupt);
    CHECK(decoded.error().message.find("42") != std::string::npos);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    // A copy of exactly that size lets the address sanitizer see a read beyond it.
    const std::string cut{bytes.data(), size};
    CHECK(decode_record(42, cut).has_error());
    (void)guess_run(cut);
  }
  CHECK(decode_record(42, bytes + '\0').has_error());
  CHECK(decode_record(43, bytes).has_error());
  CHECK(decode_record(42, bytes).has_value());
}

TEST_CASE("a sound record of a later version is told from damage") {
  auto bytes = stored(some_record(), {42, 41, 0});
  bytes[4] = 2;
  const lsn_t lsn = 42;
  const auto check = crc32c(bytes.data() + 4, bytes.size() - 4, crc32c(&lsn, sizeof lsn));
  std::memcpy(bytes.data(), &check, sizeof check);
  CHECK(decode_record(42, bytes).error().code == errc::newer_format);
}

TEST_CASE("skip links reach back over all of a run in large steps") {
  CHECK(skip_distance(1) == 0);
  CHECK(skip_distance(63) == 0);
  CHECK(skip_distance(64) == 0);
  CHECK(skip_distance(128) == 64);
  CHECK(skip_distance(4096) == 0);
  CHECK(skip_distance(8192) == 4096);
  CHECK(skip_distance(4160) == 64);
}

TEST_CASE("the chain covers everything that a record says") {
  const auto record = some_record();
  core::digest previous{};
  const auto hash = core::chain_hash(previous, record);
  const auto differs = [&](auto&& change) {
    auto other = record;
    change(other);
    return core::chain_hash(previous, other) != hash;
  };
  CHECK(core::chain_hash(previous, record) == hash);
  CHECK(differs([](auto& r) { r.run.bytes[3] ^= 1; }));
  CHECK(differs([](auto& r) { ++r.seq; }));
  CHECK(differs([](auto& r) { r.kind = core::event_kind::warning; }));
  CHECK(differs([](auto& r) { ++r.schema; }));
  CHECK(differs([](auto& r) { r.status = run_status::failed; }));
  CHECK(differs([](auto& r) { r.active = !r.active; }));
  CHECK(differs([](auto& r) { r.time += duration{1}; }));
  CHECK(differs([](auto& r) { r.wakeup.reset(); }));
  CHECK(differs([](auto& r) { r.bytes.push_back('x'); }));
  previous[31] = 1;
  CHECK(core::chain_hash(previous, record) != hash);
}

TEST_CASE("hashes are SHA-256") {
  CHECK(core::to_hex(core::sha256({"abc"})) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(core::sha256({"a", "", "bc"}) == core::sha256({"abc"}));
  core::record empty;
  empty.schema = 1;
  empty.seq = 1;
  empty.wakeup = timestamp{duration{2}};
  empty.bytes = "abc";
  // previous ‖ run ‖ seq ‖ kind ‖ schema ‖ status ‖ active ‖ time ‖ wakeup ‖ bytes, integers big-endian
  std::string by_hand(32 + 16, '\0');
  by_hand += std::string("\0\0\0\0\0\0\0\1", 8) + std::string("\2\1\2\0", 4) + std::string(8, '\0') +
             std::string("\0\0\0\0\0\0\0\2", 8) + "abc";
  CHECK(core::chain_hash({}, empty) == core::sha256({by_hand}));
  empty.wakeup.reset();
  by_hand.replace(by_hand.size() - 11, 8, std::string("\x80\0\0\0\0\0\0\0", 8));
  CHECK(core::chain_hash({}, empty) == core::sha256({by_hand}));
}
