#include "persistence/ledger.hpp"

#include "persistence/keys.hpp"

namespace perdure::persistence {

namespace {

constexpr std::uint8_t ledger_schema = 1;

result<byte_reader> open_payload(const core::record& record, core::event_kind kind) {
  if (record.kind != kind) return error{errc::corrupt, "record " + std::to_string(record.lsn) + " has another kind"};
  if (record.schema > ledger_schema) {
    return error{errc::newer_format, "record " + std::to_string(record.lsn) + " was written by a newer version"};
  }
  return byte_reader{record.bytes};
}

error malformed(const core::record& record) {
  return {errc::corrupt,
          "record " + std::to_string(record.lsn) + " of kind " + std::string{ledger_name(record.kind)} + " cannot be read"};
}

}  // namespace

std::string_view ledger_name(core::event_kind kind) {
  return kind == run_removed_kind ? "run_removed" : kind == checkpoint_kind ? "checkpoint" : "";
}

core::record removal_record(const projected_row& row, removal_reason why, timestamp now) {
  core::record record;
  record.kind = run_removed_kind;
  record.schema = ledger_schema;
  record.status = row.head.status;
  record.active = false;
  record.run = row.facts.id;
  record.seq = row.head.seq + 1;
  record.previous = row.head.lsn;
  record.time = now;
  byte_appender out{record.bytes};
  out.number(row.head.seq);
  out.number(row.head.lsn);
  out.raw(row.head.hash.data(), row.head.hash.size());
  out.number(stored_time(row.head.ended_at));
  out.number(static_cast<std::uint8_t>(why));
  record.hash = core::chain_hash(row.head.hash, record);
  return record;
}

core::record checkpoint_record(std::uint64_t number, lsn_t previous, const core::digest& previous_hash, const checkpoint& what,
                               timestamp now) {
  core::record record;
  record.kind = checkpoint_kind;
  record.schema = ledger_schema;
  record.status = run_status::running;
  record.active = false;
  record.seq = number;
  record.previous = previous;
  record.time = now;
  byte_appender out{record.bytes};
  out.number(what.first);
  out.number(what.through);
  out.raw(what.digest.data(), what.digest.size());
  record.hash = core::chain_hash(previous_hash, record);
  return record;
}

result<run_removed> read_removal(const core::record& record) {
  auto in = open_payload(record, run_removed_kind);
  if (!in) return in.error();
  run_removed out;
  out.head_seq = in->number<run_seq>();
  out.head_lsn = in->number<lsn_t>();
  in->raw(out.head_hash.data(), out.head_hash.size());
  out.ended_at = time_of(in->number<std::int64_t>()).value_or(timestamp{});
  out.why = static_cast<removal_reason>(in->number<std::uint8_t>());
  if (!in->ok() || !in->at_end()) return malformed(record);
  return out;
}

result<checkpoint> read_checkpoint(const core::record& record) {
  auto in = open_payload(record, checkpoint_kind);
  if (!in) return in.error();
  checkpoint out;
  out.first = in->number<lsn_t>();
  out.through = in->number<lsn_t>();
  in->raw(out.digest.data(), out.digest.size());
  if (!in->ok() || !in->at_end()) return malformed(record);
  return out;
}

void checkpoint_digest::add(lsn_t lsn, std::string_view stored) {
  const auto record = decode_record(lsn, stored);
  const auto hash = record ? record->header.hash : core::sha256({stored});
  byte_appender out{text_};
  out.number(lsn);
  out.raw(hash.data(), hash.size());
}

}  // namespace perdure::persistence
