#include "persistence/archive_reader.hpp"

#include <algorithm>

#include "perdure/limits.hpp"

namespace perdure::persistence {

namespace {

constexpr std::size_t run_bytes = run_id{}.bytes.size();
/// After every seq of a run.
const std::string past_all(2 * sizeof(run_seq) + 1, '\xff');

/// Tables of single records that were cut off the log, by LSN.
constexpr table single_records[] = {table::removals, table::checkpoints, table::remains};

error missing(const run_id& run, lsn_t lsn) {
  return {errc::corrupt, "record " + std::to_string(lsn) + " of run " + run.str() + " is missing or damaged"};
}

/// The chunk behind an entry of archive_order.
std::optional<std::pair<std::string, std::string_view>> chunk_at(read_view& view, const run_id& run, run_seq first) {
  const auto prefix = std::string{run_key(run)}.append(ordered(first));
  const auto at = view.walk(table::archive);
  if (!at->seek(prefix) || !at->key().starts_with(prefix)) return std::nullopt;
  return std::pair{std::string{at->key()}, at->value()};
}

void take_chunk(read_view& view, std::string_view order_key, lsn_t first_here, lsn_t from, lsn_t before,
                std::vector<archived_entry>& to) {
  const auto run = *run_at_end(order_key.substr(sizeof(std::uint64_t), run_bytes));
  const auto first = number_of(order_key.substr(sizeof(std::uint64_t) + run_bytes));
  const auto stored = chunk_at(view, run, first);
  auto unpacked = stored ? read_chunk(stored->first, stored->second)
                         : result<chunk>{error{errc::corrupt, "a chunk of run " + run.str() + " is missing"}};
  if (!unpacked) {
    if (first_here >= from && first_here < before) to.push_back({first_here, run, {}, unpacked.error().message});
    return;
  }
  for (const auto& record : unpacked->records) {
    if (record.lsn >= from && record.lsn < before) to.push_back({record.lsn, run, std::string{record.bytes}, {}});
  }
}

}  // namespace

archive_head read_archive_head(read_view& view) {
  const auto bytes = view.get(table::meta, archive_key);
  if (!bytes) return {};
  const auto head = decode_archive_head(*bytes);
  if (!head) throw store_failure{{errc::corrupt, "the head of the archive is damaged"}};
  return *head;
}

run_seq archived_through(read_view& view, const run_id& run) {
  const auto at = view.walk(table::archive);
  if (!at->seek_before(std::string{run_key(run)} + past_all) || !at->key().starts_with(run_key(run))) return 0;
  const auto range = read_chunk_key(at->key());
  return range ? range->last : 0;
}

result<void> read_archived(read_view& view, const run_id& run, run_seq first, run_seq last, std::vector<core::record>& to) {
  const auto begin = to.size();
  const auto at = view.walk(table::archive);
  auto next = first;
  bool there =
      at->seek_before(std::string{run_key(run)}.append(ordered(first)) + past_all) && at->key().starts_with(run_key(run));
  if (there) {
    const auto range = read_chunk_key(at->key());
    if (!range || range->last < first) there = at->next();
  } else {
    there = at->seek(run_key(run));
  }
  for (; next <= last && to.size() - begin < limits::reader_records; there = at->next()) {
    const auto range = there && at->key().starts_with(run_key(run)) ? read_chunk_key(at->key()) : std::nullopt;
    if (!range) return error{errc::corrupt, "record with seq " + std::to_string(next) + " of run " + run.str() + " is missing"};
    const auto unpacked = read_chunk(at->key(), at->value());
    if (!unpacked) return unpacked.error();
    for (std::size_t i = 0; i < unpacked->records.size() && next <= last; ++i) {
      if (range->first + i < next) continue;
      const auto& [lsn, bytes] = unpacked->records[i];
      auto record = decode_record(lsn, bytes);
      if (!record) return record.error();
      // A gap: a damaged record was cut off the log, so that no chunk has it.
      if (record->header.run != run || record->header.seq != range->first + i) return missing(run, lsn);
      if (record->header.seq != next) return missing(run, record->header.previous);
      to.push_back(std::move(*record).copy());
      ++next;
    }
  }
  return {};
}

std::vector<archived_entry> read_archived_page(read_view& view, lsn_t& from, lsn_t before) {
  std::vector<archived_entry> found;
  const auto order = view.walk(table::archive_order);
  auto bucket = before / archive_bucket + 1;
  const bool ordered_here = order->seek(ordered(from / archive_bucket));
  if (ordered_here) bucket = std::min(bucket, number_of(order->key()));
  for (const auto in : single_records) {
    const auto at = view.walk(in);
    if (at->seek(ordered(from))) bucket = std::min(bucket, number_of(at->key()) / archive_bucket);
  }
  const auto begin = std::max(from, bucket * archive_bucket);
  const auto end = std::min(before, (bucket + 1) * archive_bucket);
  for (bool more = ordered_here; more && number_of(order->key()) == bucket; more = order->next()) {
    take_chunk(view, order->key(), value_number(order->value()), begin, end, found);
  }
  for (const auto in : single_records) {
    const auto at = view.walk(in);
    for (bool more = at->seek(ordered(begin)); more && number_of(at->key()) < end; more = at->next()) {
      found.push_back({number_of(at->key()), {}, std::string{at->value()}, {}});
    }
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.lsn < b.lsn; });
  from = std::max(from, end);
  return found;
}

}  // namespace perdure::persistence
