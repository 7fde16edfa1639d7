// Records from a damaged disk: whatever the bytes are, decoding ends with a record that says what was stored or with an error.
//
// With PERDURE_LIBFUZZER this file is a libFuzzer target; else a test that changes the seeds in a random but repeatable way.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "core/state.hpp"
#include "persistence/crc32c.hpp"
#include "persistence/projection.hpp"

namespace {

/// Of the seeds: each is the stored form of a record with this LSN.
constexpr perdure::lsn_t seed_lsn = 1'000;

/// Puts the right check on damaged bytes, so that what stands behind it is reached too.
std::string with_check(std::string bytes) {
  if (bytes.size() < 4) return bytes;
  const auto check =
      perdure::persistence::crc32c(bytes.data() + 4, bytes.size() - 4, perdure::persistence::crc32c(&seed_lsn, sizeof seed_lsn));
  for (std::size_t i = 0; i < 4; ++i) bytes[i] = static_cast<char>(check >> (8 * i));
  return bytes;
}

/// What is wrong with the answers to these bytes; empty = nothing.
std::string complaint(std::string_view bytes) {
  using namespace perdure;
  using namespace perdure::persistence;
  (void)guess_run(bytes);
  (void)decode_row({}, bytes);
  (void)core::decode_state(bytes, nullptr);
  const auto view = decode_record(seed_lsn, bytes);
  if (!view) return view.error().message.empty() ? "an error without a message" : "";
  const auto record = view->copy();
  // What decodes is exactly what encoding gives.
  const record_place place{seed_lsn, record.previous, view->skip};
  std::string again(encoded_size(record, place), '\0');
  encode_record(record, place, again.data());
  if (again != bytes) return "a record that is stored otherwise than it was read";
  // The payload has no check of its own once the record's holds.
  const auto event = core::decode(record.kind, record.schema, record.bytes, nullptr);
  if (event && core::kind_of(*event) != record.kind) return "an event of another kind";
  (void)project_first(record, seed_lsn, nullptr);
  return {};
}

}  // namespace

#ifdef PERDURE_LIBFUZZER

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string input{reinterpret_cast<const char*>(bytes), size};
  if (!complaint(input).empty() || !complaint(with_check(input)).empty()) __builtin_trap();
  return 0;
}

#else

#include "support/journal_records.hpp"
#include "support/seed.hpp"

namespace {

const std::filesystem::path seed_folder = std::filesystem::path{PERDURE_SOURCE_DIR} / "tests/fuzz/seeds/records";

std::vector<std::string> seeds() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(seed_folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::vector<std::string> out;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream bytes;
    bytes << in.rdbuf();
    out.push_back(bytes.str());
  }
  return out;
}

std::string changed(std::string bytes, const std::vector<std::string>& all, std::mt19937_64& random) {
  for (auto changes = 1 + random() % 4; changes > 0; --changes) {
    const auto at = bytes.empty() ? 0 : random() % bytes.size();
    switch (random() % 6) {
      case 0:
        if (!bytes.empty()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
        break;
      case 1:
        if (!bytes.empty()) bytes[at] = static_cast<char>(random());
        break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(at, 1 + random() % 9, static_cast<char>(random())); break;
      case 4: bytes.erase(at, 1 + random() % 9); break;
      default: {
        const auto& other = all[random() % all.size()];
        const auto from = random() % other.size();
        bytes.replace(at, std::min(bytes.size() - at, other.size() - from), other, from,
                      std::min(bytes.size() - at, other.size() - from));
      }
    }
  }
  return bytes;
}

}  // namespace

TEST_CASE("the stored records of the seeds are read") {
  const auto all = seeds();
  REQUIRE(all.size() >= 5);
  for (const auto& bytes : all) {
    const auto view = perdure::persistence::decode_record(seed_lsn, bytes);
    REQUIRE(view.has_value());
    CHECK(perdure::core::decode(view->header.kind, view->header.schema, view->payload, nullptr).has_value());
    CHECK(complaint(bytes).empty());
  }
}

TEST_CASE("changed records end as a record or an error, never outside of their bytes") {
  const auto all = seeds();
  std::mt19937_64 random{perdure::test::session_seed()};
  for (int round = 0; round < 60'000; ++round) {
    const auto bytes = changed(all[random() % all.size()], all, random);
    // Of exactly that size, so that the address sanitizer sees a read beyond it.
    const std::vector<char> exact(bytes.begin(), bytes.end());
    const auto plain = complaint({exact.data(), exact.size()});
    const auto checked = complaint(with_check(bytes));
    if (plain.empty() && checked.empty()) continue;
    CAPTURE(round, bytes, plain, checked);
    FAIL("a changed record was taken wrongly");
  }
}

#endif
