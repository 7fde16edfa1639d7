#include "persistence/projection.hpp"

#include <algorithm>

#include "core/state.hpp"
#include "persistence/bytes.hpp"
#include "persistence/crc32c.hpp"

namespace perdure::persistence {

namespace {

constexpr std::size_t check_bytes = sizeof(std::uint32_t);

std::uint32_t check_of(const run_id& id, std::string_view after_check) {
  return crc32c(after_check.data(), after_check.size(), crc32c(id.bytes.data(), id.bytes.size()));
}

/// The members that run_started and run_state have in common.
template <class T>
void take_facts(run_facts& facts, T&& from, bool input_is_known) {
  if (input_is_known) facts.input_hash = input_hash(from.message, from.input.text());
  facts.workflow = std::move(from.workflow);
  facts.version = std::move(from.version);
  facts.definition_hash = std::move(from.definition_hash);
  facts.key = std::move(from.key);
  facts.tenant = std::move(from.tenant);
}

}  // namespace

core::digest input_hash(std::string_view message, std::string_view input) { return core::input_hash(message, input); }

result<run_facts> project_first(const core::record& record, lsn_t lsn, core::blob_port* blobs) {
  run_facts facts;
  facts.id = record.run;
  facts.created_at = record.time;
  facts.first_lsn = lsn;
  if (record.kind != core::event_kind::run_started && record.kind != core::event_kind::run_restored) {
    return error{errc::invalid_argument, "the first record of run " + record.run.str() + " has kind " +
                                             std::to_string(static_cast<int>(record.kind)) + ", which starts no run"};
  }
  auto event = core::decode(record.kind, record.schema, record.bytes, blobs);
  if (!event) return event.error();
  if (auto* started = std::get_if<core::run_started>(&*event)) {
    take_facts(facts, std::move(*started), blobs != nullptr);
  } else if (auto* restored = std::get_if<core::run_restored>(&*event)) {
    auto state = core::decode_state(restored->state, blobs);
    if (!state) return state.error();
    const auto of_key = state->key_input;
    take_facts(facts, std::move(*state), blobs != nullptr);
    if (of_key.size() == facts.input_hash.size()) std::copy(of_key.begin(), of_key.end(), facts.input_hash.begin());
  }
  return facts;
}

run_head project(const core::record& record, lsn_t lsn, const run_head& old) {
  run_head head;
  head.status = record.status;
  head.active = record.active;
  head.updated_at = record.time;
  head.seq = record.seq;
  head.lsn = lsn;
  head.hash = record.hash;
  if (is_terminal(record.status)) {
    head.ended_at = old.ended_at ? old.ended_at : record.time;
  } else {
    head.wakeup = record.wakeup;
  }
  head.short_mark = record.seq % short_skip == 0 ? lsn : old.short_mark;
  head.long_mark = record.seq % long_skip == 0 ? lsn : old.long_mark;
  return head;
}

record_place place_after(const run_head& head, lsn_t lsn) {
  const auto distance = skip_distance(head.seq + 1);
  return {lsn, head.lsn, distance == long_skip ? head.long_mark : distance == short_skip ? head.short_mark : 0};
}

run_row projected_row::to_row() const {
  run_row row;
  row.id = facts.id;
  row.workflow = facts.workflow;
  row.version = facts.version;
  row.definition_hash = facts.definition_hash;
  row.key = facts.key;
  row.tenant = facts.tenant;
  row.status = head.status;
  row.active = head.active;
  row.created_at = facts.created_at;
  row.updated_at = head.updated_at;
  row.ended_at = head.ended_at;
  row.wakeup = head.wakeup;
  row.seq = head.seq;
  row.first_lsn = facts.first_lsn;
  row.head_lsn = head.lsn;
  row.head_hash = head.hash;
  row.input_hash = facts.input_hash;
  return row;
}

std::string encode_row(const projected_row& row) {
  const auto& [facts, head] = row;
  std::string bytes;
  bytes.reserve(192 + facts.workflow.size() + facts.version.size() + facts.definition_hash.size() + facts.key.size() +
                facts.tenant.size());
  byte_appender out{bytes};
  out.number(std::uint32_t{0});
  out.number(row_version);
  out.number(static_cast<std::uint8_t>(head.status));
  out.number(static_cast<std::uint8_t>(head.active ? 1 : 0));
  out.number(stored_time(facts.created_at));
  out.number(stored_time(head.updated_at));
  out.number(stored_time(head.ended_at));
  out.number(stored_time(head.wakeup));
  out.number(head.seq);
  out.number(facts.first_lsn);
  out.number(head.lsn);
  out.number(head.short_mark);
  out.number(head.long_mark);
  out.raw(head.hash.data(), head.hash.size());
  out.raw(facts.input_hash.data(), facts.input_hash.size());
  for (const auto* text : {&facts.workflow, &facts.version, &facts.definition_hash, &facts.key, &facts.tenant}) out.text(*text);
  byte_writer{bytes.data()}.number(check_of(facts.id, std::string_view{bytes}.substr(check_bytes)));
  return bytes;
}

namespace {

error damaged_row(const run_id& id) { return {errc::corrupt, "the stored row of run " + id.str() + " is damaged"}; }

}  // namespace

result<projected_row> decode_row(const run_id& id, std::string_view bytes) {
  byte_reader in{bytes};
  const auto check = in.number<std::uint32_t>();
  if (!in.ok() || check != check_of(id, bytes.substr(check_bytes))) return damaged_row(id);
  return decode_row_unchecked(id, bytes);
}

result<projected_row> decode_row_unchecked(const run_id& id, std::string_view bytes) {
  if (bytes.size() < check_bytes) return damaged_row(id);
  byte_reader in{bytes.substr(check_bytes)};
  if (in.number<std::uint8_t>() != row_version) {
    return error{errc::newer_format, "the stored row of run " + id.str() + " was written by a newer version"};
  }
  projected_row row;
  auto& [facts, head] = row;
  facts.id = id;
  head.status = static_cast<run_status>(in.number<std::uint8_t>());
  head.active = in.number<std::uint8_t>() == 1;
  facts.created_at = timestamp{duration{in.number<std::int64_t>()}};
  head.updated_at = timestamp{duration{in.number<std::int64_t>()}};
  head.ended_at = time_of(in.number<std::int64_t>());
  head.wakeup = time_of(in.number<std::int64_t>());
  head.seq = in.number<run_seq>();
  facts.first_lsn = in.number<lsn_t>();
  head.lsn = in.number<lsn_t>();
  head.short_mark = in.number<lsn_t>();
  head.long_mark = in.number<lsn_t>();
  in.raw(head.hash.data(), head.hash.size());
  in.raw(facts.input_hash.data(), facts.input_hash.size());
  for (auto* text : {&facts.workflow, &facts.version, &facts.definition_hash, &facts.key, &facts.tenant}) *text = in.text();
  if (!in.ok() || !in.at_end() || head.status < run_status::scheduled || head.status > run_status::continued_as_new)
    return damaged_row(id);
  return row;
}

}  // namespace perdure::persistence
