#include "persistence/salvage.hpp"

#include <algorithm>

#include "core/json_text.hpp"
#include "core/state.hpp"
#include "perdure/limits.hpp"
#include "persistence/bytes.hpp"
#include "persistence/ledger.hpp"

namespace perdure::persistence {

namespace {

constexpr std::size_t kind_offset = 5, seq_offset = 25;

/// Of a text that may stand in a record more than once the last ones are looked at: the key comes after the input.
constexpr int most_places = 200;

bool starts_a_run(core::event_kind kind) {
  return kind == core::event_kind::run_started || kind == core::event_kind::run_restored;
}

/// The time in a UUIDv7.
timestamp time_in(const run_id& run) {
  std::int64_t milliseconds = 0;
  for (std::size_t i = 0; i < 6; ++i) milliseconds = milliseconds << 8 | run.bytes[i];
  return timestamp{std::chrono::milliseconds{milliseconds}};
}

bool near(timestamp a, timestamp b) {
  constexpr auto year = std::chrono::hours{24 * 365};
  return a > b - year && a < b + year;
}

/// Open: what has ended may be removed, and lets its key go.
run_status open_status(run_status status) {
  if (status < run_status::scheduled || status > run_status::continued_as_new || is_terminal(status)) return run_status::running;
  return status;
}

void make_printable(run_facts& facts) {
  for (auto* text : {&facts.workflow, &facts.version, &facts.definition_hash, &facts.tenant}) {
    *text = core::valid_utf8(*text);
    if (text->size() > limits::name_bytes) text->resize(0);
  }
}

std::string leb128(std::size_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80U);
  return out += static_cast<char>(value);
}

/// As an event has a string.
std::string as_stored(std::string_view text) { return leb128(text.size()).append(text); }

result<run_facts> facts_of(const core::record& header, std::string_view payload, lsn_t lsn) {
  auto record = header;
  record.bytes = payload;
  auto facts = project_first(record, lsn, nullptr);
  if (facts || !starts_a_run(record.kind)) return facts;
  for (record.schema = core::event_schema; record.schema > 0 && !facts; --record.schema)
    facts = project_first(record, lsn, nullptr);
  return facts;
}

}  // namespace

std::optional<salvaged_record> salvage_record(lsn_t lsn, std::string_view bytes) {
  const auto run = guess_run(bytes);
  if (!run || bytes.size() < record_header_bytes) return std::nullopt;
  salvaged_record out;
  auto& header = out.header;
  byte_reader in{bytes.substr(kind_offset)};
  header.kind = static_cast<core::event_kind>(in.number<std::uint8_t>());
  header.schema = in.number<std::uint8_t>();
  header.status = open_status(static_cast<run_status>(in.number<std::uint8_t>()));
  header.run = *run;
  header.lsn = lsn;
  in = byte_reader{bytes.substr(seq_offset)};
  const auto seq = in.number<run_seq>();
  header.seq = seq == 0 || seq > lsn ? 1 : seq;
  header.previous = in.number<lsn_t>();
  if (header.previous >= lsn) header.previous = 0;
  header.time = timestamp{duration{in.number<std::int64_t>()}};
  if (!near(header.time, time_in(*run))) header.time = time_in(*run);
  (void)in.number<std::int64_t>();
  in.raw(header.hash.data(), header.hash.size());
  out.payload = in.rest();
  const bool of_ledger = is_ledger(header.kind);
  const int votes = (starts_a_run(header.kind) ? 1 : 0) + (seq == 1 ? 1 : 0) + (header.previous == 0 ? 1 : 0);
  out.may_be_first = !of_ledger && votes >= 2;
  if (!out.may_be_first) return out;
  if (!starts_a_run(header.kind)) header.kind = core::event_kind::run_started;
  if (auto facts = facts_of(header, out.payload, lsn)) {
    facts->key.clear();
    facts->created_at = header.time;
    make_printable(*facts);
    out.of = std::move(*facts);
  }
  return out;
}

projected_row salvage_row(const run_id& run, lsn_t lsn, const std::optional<salvaged_record>& record) {
  projected_row row;
  auto& [facts, head] = row;
  if (record && record->of) facts = *record->of;
  facts.id = run;
  facts.first_lsn = lsn;
  if (!near(facts.created_at, time_in(run))) facts.created_at = time_in(run);
  head.status = record ? record->header.status : run_status::running;
  head.updated_at = record && near(record->header.time, facts.created_at) ? record->header.time : facts.created_at;
  head.seq = record ? record->header.seq : 1;
  head.lsn = lsn;
  return row;
}

projected_row salvage_row(const run_id& run, std::string_view stored) {
  auto row = decode_row_unchecked(run, stored);
  if (!row) return salvage_row(run, 1, std::nullopt);
  auto& [facts, head] = *row;
  make_printable(facts);
  facts.key = core::valid_utf8(facts.key);
  if (!near(facts.created_at, time_in(run))) facts.created_at = time_in(run);
  if (!near(head.updated_at, facts.created_at)) head.updated_at = facts.created_at;
  head.status = open_status(head.status);
  head.active = false;
  head.ended_at.reset();
  head.wakeup.reset();
  return std::move(*row);
}

bool may_have_key(lsn_t lsn, std::string_view bytes, std::string_view scope, std::string_view key) {
  const auto record = salvage_record(lsn, bytes);
  if (!record) return bytes.find(key) != std::string_view::npos;
  if (!record->may_be_first) return false;
  const auto facts = facts_of(record->header, record->payload, lsn);
  if (facts && facts->key == key && facts->tenant == scope) return true;
  // The tenant follows the key. A record that has both is damaged elsewhere; no JSON text looks like them.
  const auto stored_key = as_stored(key);
  const auto fields = stored_key + as_stored(scope);
  if (record->payload.find(fields) != std::string_view::npos) return true;
  // Else the damage may be in their text, or in its length: then the record is whole with both in their place.
  const auto is_whole_with_fields = [&](std::string_view place, std::size_t before) {
    auto at = bytes.rfind(place);
    for (int tries = 0; tries < most_places && at != std::string_view::npos && at >= record_header_bytes + before; ++tries) {
      std::string whole{bytes};
      if (at - before + fields.size() <= whole.size() && decode_record(lsn, whole.replace(at - before, fields.size(), fields)))
        return true;
      at = bytes.rfind(place, at - 1);
    }
    return false;
  };
  return (facts && facts->key.size() == key.size() && is_whole_with_fields(as_stored(facts->key), 0)) ||
         is_whole_with_fields(stored_key, 0) || is_whole_with_fields(key, stored_key.size() - key.size());
}

}  // namespace perdure::persistence
