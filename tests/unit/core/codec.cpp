// Stored bytes of events and states: what is written comes back, and damaged bytes are told from good ones.
#include "core/codec.hpp"

#include "perdure/limits.hpp"
#include "support/catch.hpp"
#include "support/random_value.hpp"
#include "support/seed.hpp"

using namespace perdure;
using namespace perdure::core;
using namespace perdure::test;

namespace {

constexpr auto kinds = std::variant_size_v<event>;

class memory_blobs : public blob_port {
 public:
  result<std::array<std::uint8_t, 32>> put(std::string_view text) override {
    if (full) return error{errc::disk_full, "no room"};
    std::array<std::uint8_t, 32> hash{};
    hash[0] = static_cast<std::uint8_t>(kept.size() + 1);
    kept[hash] = text;
    return hash;
  }
  result<payload> get(const std::array<std::uint8_t, 32>& hash) override {
    const auto found = kept.find(hash);
    if (found == kept.end()) return error{errc::not_found, "no such blob"};
    return payload::trusted(found->second);
  }
  std::map<std::array<std::uint8_t, 32>, std::string> kept;
  bool full = false;
};

std::string encoded(const event& what, blob_port* blobs = nullptr) {
  auto out = encode(what, blobs);
  REQUIRE(out.has_value());
  return std::move(*out);
}

payload of_size(std::size_t bytes) { return payload::trusted('"' + std::string(bytes - 2, 'x') + '"'); }

}  // namespace

TEST_CASE("every kind of event comes back from its stored bytes as it was") {
  random_source random{session_seed()};
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    for (int i = 0; i < 200; ++i) {
      const auto what = random_event(kind, random);
      const auto bytes = encoded(what);
      const auto back = decode(kind_of(what), event_schema, bytes, nullptr);
      REQUIRE(back.has_value());
      REQUIRE(same(what, *back));
      REQUIRE(encoded(*back) == bytes);
    }
  }
}

TEST_CASE("the numbers of the event kinds are the stored format") {
  // A changed number would read old journals wrongly; new kinds are only ever added.
  CHECK(kind_of(run_started{}) == event_kind{1});
  CHECK(kind_of(turn{}) == event_kind{2});
  CHECK(kind_of(step_completed{}) == event_kind{3});
  CHECK(kind_of(step_retrying{}) == event_kind{4});
  CHECK(kind_of(step_resumed{}) == event_kind{5});
  CHECK(kind_of(attempt_started{}) == event_kind{6});
  CHECK(kind_of(attempt_failed{}) == event_kind{7});
  CHECK(kind_of(signal_received{}) == event_kind{8});
  CHECK(kind_of(cancel_requested{}) == event_kind{9});
  CHECK(kind_of(run_paused{}) == event_kind{10});
  CHECK(kind_of(run_resumed{}) == event_kind{11});
  CHECK(kind_of(run_ended{}) == event_kind{12});
  CHECK(kind_of(suspect_marked{}) == event_kind{13});
  CHECK(kind_of(warning{}) == event_kind{14});
  CHECK(kind_of(progress_noted{}) == event_kind{15});
  CHECK(kind_of(run_restored{}) == event_kind{16});
}

TEST_CASE("no truncated event decodes") {
  random_source random{session_seed() + 1};
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    for (int i = 0; i < 20; ++i) {
      const auto what = random_event(kind, random);
      const auto bytes = encoded(what);
      for (std::size_t length = 0; length < bytes.size(); ++length) {
        // A copy of its own, so that the address sanitizer sees a read behind the end.
        const std::vector<char> cut(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
        const auto back = decode(kind_of(what), event_schema, {cut.data(), cut.size()}, nullptr);
        REQUIRE(back.has_error());
        REQUIRE(back.error().code == errc::corrupt);
      }
      const auto longer = decode(kind_of(what), event_schema, bytes + '\0', nullptr);
      REQUIRE(longer.has_error());
      REQUIRE(longer.error().code == errc::corrupt);
    }
  }
}

TEST_CASE("an event with one changed byte decodes to something storable or is corrupt") {
  random_source random{session_seed() + 2};
  for (std::size_t kind = 0; kind < kinds; ++kind) {
    for (int i = 0; i < 10; ++i) {
      const auto what = random_event(kind, random);
      const auto bytes = encoded(what);
      for (std::size_t at = 0; at < bytes.size(); ++at) {
        for (int change = 0; change < 12; ++change) {
          std::vector<char> damaged(bytes.begin(), bytes.end());
          damaged[at] = change < 8 ? static_cast<char>(damaged[at] ^ 1 << change) : static_cast<char>(random.below(256));
          const auto back = decode(kind_of(what), event_schema, {damaged.data(), damaged.size()}, nullptr);
          if (!back) {
            REQUIRE(back.error().code == errc::corrupt);
            continue;
          }
          const auto again = decode(kind_of(*back), event_schema, encoded(*back), nullptr);
          REQUIRE(again.has_value());
          REQUIRE(same(*back, *again));
        }
      }
    }
  }
}

TEST_CASE("random bytes decode to something or are corrupt") {
  random_source random{session_seed() + 3};
  for (int i = 0; i < 20'000; ++i) {
    std::vector<char> bytes(random.below(60));
    for (auto& byte : bytes) byte = static_cast<char>(random.one_in(2) ? random.below(4) : random.below(256));
    const auto kind = static_cast<event_kind>(random.below(kinds + 3));
    const auto back = decode(kind, event_schema, {bytes.data(), bytes.size()}, nullptr);
    if (!back) REQUIRE(back.error().code == errc::corrupt);
    const auto state = decode_state({bytes.data(), bytes.size()}, nullptr);
    if (!state) REQUIRE((state.error().code == errc::corrupt || state.error().code == errc::newer_format));
  }
}

TEST_CASE("a flag that is neither 0 nor 1 is corrupt") {
  const auto bytes = encoded(run_started{});
  auto damaged = bytes;
  REQUIRE(damaged.back() == 0);  // explicit_start
  damaged.back() = 2;
  CHECK(decode(event_kind::run_started, event_schema, damaged, nullptr).error().code == errc::corrupt);
}

TEST_CASE("an event of a newer schema says so, and an unknown kind is corrupt") {
  const auto bytes = encoded(run_paused{});
  CHECK(decode(event_kind::run_paused, event_schema + 1, bytes, nullptr).error().code == errc::newer_format);
  CHECK(decode(event_kind::run_paused, 0, bytes, nullptr).error().code == errc::newer_format);
  CHECK(decode(event_kind{0}, event_schema, bytes, nullptr).error().code == errc::corrupt);
  CHECK(decode(event_kind{200}, event_schema, bytes, nullptr).error().code == errc::corrupt);
}

TEST_CASE("a count beyond what is left does not reserve memory") {
  // turn: activation 1, attempt 1, and then 2^60 steps.
  const std::string bytes{"\x01\x01\x80\x80\x80\x80\x80\x80\x80\x80\x10", 11};
  CHECK(decode(event_kind::turn, event_schema, bytes, nullptr).error().code == errc::corrupt);
}

TEST_CASE("causes nested without end are corrupt, not a stack overflow") {
  // attempt_failed: activation, attempt, then a failure whose every cause has one cause.
  std::string bytes{"\x01\x01", 2};
  const std::string level{"\0\0\0\0\0\0\0\0\0\x01", 10};
  for (int i = 0; i < 200'000; ++i) bytes += level;
  CHECK(decode(event_kind::attempt_failed, event_schema, bytes, nullptr).error().code == errc::corrupt);
}

TEST_CASE("large payloads go to the blob store, small ones stay in the record") {
  memory_blobs blobs;
  const auto small = of_size(limits::inline_payload_bytes), large = of_size(limits::inline_payload_bytes + 1);
  const event what =
      turn{.activation = 1, .attempt = 1, .done = {{.result = {small, {}}}, {.ordinal = 1, .result = {large, {}}}}};
  const auto bytes = encoded(what, &blobs);
  CHECK(blobs.kept.size() == 1);
  CHECK(bytes.size() < limits::inline_payload_bytes + 200);
  CHECK(encoded(what).size() > 2 * limits::inline_payload_bytes);

  const auto back = decode(event_kind::turn, event_schema, bytes, &blobs);
  REQUIRE(back.has_value());
  CHECK(same(what, *back));

  // Without the store the record can still be shown: how large the payload is.
  const auto shown = decode(event_kind::turn, event_schema, bytes, nullptr);
  REQUIRE(shown.has_value());
  CHECK(std::get<turn>(*shown).done[1].result.value.text() == "{\"perdure_blob_bytes\":" + std::to_string(large.size()) + "}");

  blobs.kept.clear();
  CHECK(decode(event_kind::turn, event_schema, bytes, &blobs).error().code == errc::corrupt);
  blobs.full = true;
  CHECK(encode(what, &blobs).error().code == errc::disk_full);
}

TEST_CASE("a state of another format is refused") {
  auto bytes = encode_state(run_state{}, nullptr);
  REQUIRE(bytes.has_value());
  auto newer = *bytes, broken = *bytes;
  newer[0] = 99;
  broken[0] = 0;
  CHECK(decode_state(newer, nullptr).error().code == errc::newer_format);
  CHECK(decode_state(broken, nullptr).error().code == errc::corrupt);
  CHECK(decode_state("", nullptr).error().code == errc::corrupt);
  CHECK(decode_state(*bytes + "x", nullptr).error().code == errc::corrupt);
}

TEST_CASE("random states come back from their stored bytes") {
  random_source random{session_seed() + 4};
  for (int i = 0; i < 300; ++i) {
    run_state state;
    randomize(state, random);
    const auto bytes = encode_state(state, nullptr);
    REQUIRE(bytes.has_value());
    const auto back = decode_state(*bytes, nullptr);
    REQUIRE(back.has_value());
    REQUIRE(same(state, *back));
    const auto again = encode_state(*back, nullptr);
    REQUIRE(*again == *bytes);
  }
}
