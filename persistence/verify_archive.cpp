#include "persistence/verify_archive.hpp"

#include <algorithm>

namespace perdure::persistence {

namespace {

/// A checkpoint's record, wherever it is.
result<core::record> find_checkpoint(read_view& view, lsn_t lsn) {
  auto bytes = view.log(lsn);
  if (!bytes) bytes = view.get(table::checkpoints, ordered(lsn));
  if (!bytes) return error{errc::corrupt, "the checkpoint is missing"};
  auto record = decode_record(lsn, *bytes);
  if (!record) return record.error();
  return std::move(*record).copy();
}

}  // namespace

void checkpoint_check::load(read_view& view, const archive_head& archive, lsn_t last, const tell& problem) {
  auto number = archive.checkpoint;
  auto hash = archive.checkpoint_hash;
  for (auto lsn = archive.checkpoint_lsn; number > 0; --number) {
    const auto record = find_checkpoint(view, lsn);
    const auto what = record ? read_checkpoint(*record) : result<checkpoint>{record.error()};
    if (!what) {
      problem(lsn, what.error().message);
      break;
    }
    if (record->seq != number || record->hash != hash) {
      problem(lsn, "the checkpoint is not the one that the next one follows");
      break;
    }
    places_.push_back({lsn, what->through, record->time, record->hash});
    what_.push_back(*what);
    // The hash of the one before is not in this record, but has to lead to this one's.
    core::digest before{};
    if (number > 1) {
      const auto earlier = find_checkpoint(view, record->previous);
      if (earlier) before = earlier->hash;
    }
    if (core::chain_hash(before, *record) != record->hash) {
      problem(lsn, "the checkpoint's hash does not follow from the one before");
      break;
    }
    hash = before;
    lsn = record->previous;
  }
  std::reverse(places_.begin(), places_.end());
  std::reverse(what_.begin(), what_.end());
  while (!places_.empty() && places_.back().lsn > last) {
    places_.pop_back();
    what_.pop_back();
  }
}

void checkpoint_check::see(lsn_t lsn, std::string_view stored, const tell& problem) {
  while (at_ < what_.size() && lsn > what_[at_].through) close_range(problem);
  if (at_ < what_.size() && lsn >= what_[at_].first) digest_.add(lsn, stored);
}

void checkpoint_check::end(const tell& problem) {
  while (at_ < what_.size()) close_range(problem);
}

void checkpoint_check::close_range(const tell& problem) {
  const auto& what = what_[at_];
  if (digest_.records() == what.through - what.first + 1 && digest_.finish() != what.digest) {
    problem(places_[at_].lsn, "records " + std::to_string(what.first) + " to " + std::to_string(what.through) +
                                  " are not those that the checkpoint covers");
  }
  digest_ = {};
  ++at_;
}

void check_archive(read_view& view, verify_report& report) {
  const auto head = read_archive_head(view);
  archive_head found;
  std::uint64_t order_entries = 0;
  std::uint64_t damaged = 0;
  const auto problem = [&](const run_id& run, lsn_t lsn, std::string what) {
    report.problems.push_back({run, lsn, std::move(what)});
  };
  const auto chunks = view.walk(table::archive);
  run_id run;
  run_seq through = 0;
  for (bool more = chunks->seek({}); more; more = chunks->next()) {
    ++found.chunks;
    found.bytes += chunks->value().size();
    const auto unpacked = read_chunk(chunks->key(), chunks->value());
    if (!unpacked) {
      ++damaged;  // told in its place in the log
      continue;
    }
    const auto& facts = unpacked->facts;
    found.records += unpacked->records.size();
    found.raw_bytes += facts.raw_bytes;
    if (facts.range.run == run && facts.range.first <= through) problem(run, 0, "two chunks of the run overlap");
    run = facts.range.run;
    through = facts.range.last;
    for (std::size_t i = 0; i < unpacked->records.size(); ++i) {
      const auto& [lsn, bytes] = unpacked->records[i];
      const auto record = decode_record(lsn, bytes);
      if (!record) continue;  // told in its place in the log
      if (record->header.run != run || record->header.seq != facts.range.first + i)
        problem(run, lsn, "the record does not belong into its chunk");
      if (lsn < head.first_lsn) continue;
      const auto original = view.log(lsn);
      if (!original || *original != bytes) problem(run, lsn, "the record in the archive is not the one in the log");
    }
    for (const auto bucket : facts.buckets) {
      ++order_entries;
      if (!view.get(table::archive_order, archive_order_key(bucket, run, facts.range.first)))
        problem(run, bucket * archive_bucket, "the archive's index by LSN lacks a chunk of the run");
    }
    for (const auto& blob : facts.blobs) {
      if (!view.get(table::blob_refs, blob_ref_key(blob, run)))
        problem(run, 0, "the run's reference to blob " + core::to_hex(blob) + " is not counted");
    }
  }
  const auto ends = view.walk(table::archive_ends);
  for (bool more = ends->seek({}); more; more = ends->next()) {
    ++found.ended_runs;
    const auto ended = run_at_end(ends->key()).value_or(run_id{});
    const auto bytes = view.get(table::rows, run_key(ended));
    const auto row = bytes ? decode_row(ended, *bytes) : result<projected_row>{error{errc::not_found, {}}};
    if (!row || row->head.open() || row->head.seq != archived_through(view, ended) || row->head.ended_at != due_of(ends->key()))
      problem(ended, 0, "an entry of the index of archived ends agrees with no row");
  }
  if (damaged > 0) return;
  const auto order = view.walk(table::archive_order);
  for (bool more = order->seek({}); more; more = order->next()) --order_entries;
  if (order_entries != 0) problem({}, 0, "the archive's index by LSN has entries without a chunk");
  if (found.chunks != head.chunks || found.bytes != head.bytes || found.records != head.records ||
      found.raw_bytes != head.raw_bytes || found.ended_runs != head.ended_runs) {
    problem({}, 0,
            "the archive has " + std::to_string(found.records) + " records in " + std::to_string(found.chunks) +
                " chunks, its head says " + std::to_string(head.records) + " in " + std::to_string(head.chunks));
  }
}

}  // namespace perdure::persistence
