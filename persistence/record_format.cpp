#include "persistence/record_format.hpp"

#include "core/assert.hpp"
#include "persistence/bytes.hpp"
#include "persistence/crc32c.hpp"

namespace perdure::persistence {

namespace {

enum record_flag : std::uint8_t { active_flag = 1, skip_flag = 2 };
constexpr std::size_t check_bytes = sizeof(std::uint32_t);
constexpr std::size_t run_offset = check_bytes + 5;

/// The LSN is part of the check, so that a sound record in another's place is found too.
std::uint32_t check_of(lsn_t lsn, std::string_view after_check) {
  return crc32c(after_check.data(), after_check.size(), crc32c(&lsn, sizeof lsn));
}

error corrupt_at(lsn_t lsn, std::string_view why) {
  return {errc::corrupt, "record " + std::to_string(lsn) + " is damaged: " + std::string{why}};
}

}  // namespace

core::record record_view::copy() const& {
  auto record = header;
  record.bytes = payload;
  return record;
}

core::record record_view::copy() && {
  header.bytes = payload;
  return std::move(header);
}

std::size_t encoded_size(const core::record& record, const record_place& place) {
  return record_header_bytes + (place.skip != 0 ? sizeof(lsn_t) : 0) + record.bytes.size();
}

void encode_record(const core::record& record, const record_place& place, char* to) {
  byte_writer out{to + check_bytes};
  out.number(record_version);
  out.number(static_cast<std::uint8_t>(record.kind));
  out.number(record.schema);
  out.number(static_cast<std::uint8_t>(record.status));
  out.number(static_cast<std::uint8_t>((record.active ? active_flag : 0) | (place.skip != 0 ? skip_flag : 0)));
  out.raw(record.run.bytes.data(), record.run.bytes.size());
  out.number(record.seq);
  out.number(place.previous);
  out.number(static_cast<std::int64_t>(record.time.time_since_epoch().count()));
  out.number(stored_time(record.wakeup));
  out.raw(record.hash.data(), record.hash.size());
  PERDURE_ASSERT(out.at() == to + record_header_bytes);
  if (place.skip != 0) out.number(place.skip);
  out.raw(record.bytes.data(), record.bytes.size());
  const char* after_check = to + check_bytes;
  byte_writer{to}.number(check_of(place.lsn, {after_check, static_cast<std::size_t>(out.at() - after_check)}));
}

result<record_view> decode_record(lsn_t lsn, std::string_view bytes) {
  if (bytes.size() < record_header_bytes) return corrupt_at(lsn, "too short");
  byte_reader in{bytes};
  if (in.number<std::uint32_t>() != check_of(lsn, bytes.substr(check_bytes))) return corrupt_at(lsn, "wrong check");
  // From here on the bytes are as they were written. What does not fit was written by something else than this version.
  if (const auto version = in.number<std::uint8_t>(); version != record_version) {
    if (version == 0) return corrupt_at(lsn, "no version");
    return error{errc::newer_format, "record " + std::to_string(lsn) + " was written by a newer version (record format " +
                                         std::to_string(version) + ")"};
  }
  record_view view;
  auto& header = view.header;
  header.kind = static_cast<core::event_kind>(in.number<std::uint8_t>());
  header.schema = in.number<std::uint8_t>();
  header.status = static_cast<run_status>(in.number<std::uint8_t>());
  const auto flags = in.number<std::uint8_t>();
  header.active = (flags & active_flag) != 0;
  in.raw(header.run.bytes.data(), header.run.bytes.size());
  header.seq = in.number<run_seq>();
  header.previous = in.number<lsn_t>();
  header.time = timestamp{duration{in.number<std::int64_t>()}};
  header.wakeup = time_of(in.number<std::int64_t>());
  in.raw(header.hash.data(), header.hash.size());
  if ((flags & skip_flag) != 0) view.skip = in.number<lsn_t>();
  header.lsn = lsn;
  view.payload = in.rest();
  if (!in.ok()) return corrupt_at(lsn, "too short");
  if ((flags & ~(active_flag | skip_flag)) != 0) return corrupt_at(lsn, "unknown flags");
  if (static_cast<std::uint8_t>(header.kind) == 0) return corrupt_at(lsn, "no kind");
  if (header.status < run_status::scheduled || header.status > run_status::continued_as_new)
    return corrupt_at(lsn, "unknown status");
  if (header.seq == 0 || header.previous >= lsn || (header.seq == 1) != (header.previous == 0))
    return corrupt_at(lsn, "wrong place");
  if ((flags & skip_flag) != 0 && (view.skip == 0 || view.skip >= lsn)) return corrupt_at(lsn, "wrong skip link");
  return view;
}

std::optional<run_id> guess_run(std::string_view bytes) {
  run_id run;
  if (bytes.size() < run_offset + run.bytes.size()) return std::nullopt;
  std::memcpy(run.bytes.data(), bytes.data() + run_offset, run.bytes.size());
  return run;
}

}  // namespace perdure::persistence
