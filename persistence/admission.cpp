#include "persistence/admission.hpp"

#include <algorithm>

#include "core/assert.hpp"
#include "perdure/limits.hpp"
#include "persistence/keys.hpp"

namespace perdure::persistence {

namespace {

verdict refused(errc code, std::string message, std::optional<run_id> holder = std::nullopt) {
  return {error{code, std::move(message)}, 0, holder};
}

}  // namespace

void admission::begin(lsn_t next_lsn, space room) {
  drop();
  next_lsn_ = next_lsn;
  room_ = room;
  last_time_ = timestamp::min();
}

void admission::drop() {
  for (const auto& each : touched_) {
    if (each.entry != nullptr) each.entry->staged = nullptr;
  }
  touched_.clear();
  fresh_.clear();
  staged_keys_.clear();
  staged_open_.clear();
  planned_.clear();
  places_.clear();
  view_.reset();
}

void admission::publish() {
  for (const auto& each : touched_) {
    auto* entry = each.entry;
    if (entry == nullptr) entry = &rows_.adopt(fresh_.extract(each.run));
    entry->staged = nullptr;
    rows_.publish(each.run, *entry, each.head, each.first_lsn);
  }
  touched_.clear();
}

verdict admission::admit(append_item& item, epoch_t epoch) {
  if (item.epoch != epoch) {
    return refused(errc::fenced, "shard " + std::to_string(item.shard) + " is at epoch " + std::to_string(epoch) +
                                     ", the append has " + std::to_string(item.epoch));
  }
  if (auto wrong = check_shape(item)) return {std::move(wrong)};
  if (auto short_of = check_room(item)) return {std::move(short_of)};
  for (const auto& each : item.preconditions) {
    if (auto broken = check(each)) return std::move(*broken);
  }
  if (!damage_.noted().empty() && !item.essential && damage_.is_noted(item.run))
    return refused(errc::corrupt, "run " + item.run.str() + " takes no more records: " + *damage_.of(item.run));
  auto found = find(item.run);
  if (!found) return {found.error()};
  auto* entry = *found;
  if (entry == nullptr) {
    if (item.expected_seq != 0) return refused(errc::not_found, "there is no run " + item.run.str());
    auto facts = project_first(item.records.front(), next_lsn_, &blobs_);
    if (!facts) return {facts.error()};
    entry = &fresh_[item.run];
    entry->row = kept_row{{std::move(*facts), {}}};
  }
  if (const auto seq = newest(*entry).seq; seq != item.expected_seq) {
    return refused(errc::conflict, "run " + item.run.str() + " is at seq " + std::to_string(seq) + ", the append expects " +
                                       std::to_string(item.expected_seq));
  }
  stage(item, *entry);
  return {};
}

std::optional<error> admission::check_shape(const append_item& item) const {
  if (item.records.empty()) return error{errc::invalid_argument, "an append without records"};
  if (item.records.size() > limits::commit_records) {
    return error{errc::limit_exceeded, "an append of " + std::to_string(item.records.size()) +
                                           " records; the limit commit_records is " + std::to_string(limits::commit_records)};
  }
  auto seq = item.expected_seq;
  std::size_t bytes = 0;
  for (const auto& record : item.records) {
    if (record.run != item.run || record.seq != ++seq || static_cast<int>(record.kind) == 0 || record.schema == 0 ||
        record.status < run_status::scheduled || record.status > run_status::continued_as_new) {
      return error{errc::invalid_argument, "a malformed record in an append to run " + item.run.str() + " after seq " +
                                               std::to_string(item.expected_seq)};
    }
    if (record.bytes.size() > limits::record_bytes) {
      return error{errc::limit_exceeded, "a record of " + std::to_string(record.bytes.size()) +
                                             " bytes; the limit record_bytes is " + std::to_string(limits::record_bytes)};
    }
    bytes += record.bytes.size();
  }
  if (bytes > limits::commit_bytes) {
    return error{errc::limit_exceeded, "an append of " + std::to_string(bytes) + " bytes; the limit commit_bytes is " +
                                           std::to_string(limits::commit_bytes)};
  }
  if (item.snapshot && (item.snapshot->first == 0 || item.snapshot->first > seq)) {
    return error{errc::invalid_argument, "a snapshot of run " + item.run.str() + " at seq " +
                                             std::to_string(item.snapshot->first) + ", beyond its last record"};
  }
  return std::nullopt;
}

std::optional<error> admission::check_room(const append_item& item) const {
  if (item.essential) return std::nullopt;
  if (item.expected_seq == 0 && !room_.new_runs)
    return error{errc::disk_full, "the journal takes no new runs: " + to_text(room_)};
  if (!room_.steps) return error{errc::disk_full, "the journal is nearly full, and running work waits: " + to_text(room_)};
  return std::nullopt;
}

std::optional<verdict> admission::check(const precondition& what) {
  if (const auto* absent = std::get_if<run_absent>(&what)) {
    const auto entry = find(absent->id);
    if (!entry) return verdict{entry.error()};
    if (*entry == nullptr) return std::nullopt;
    return refused(errc::already_exists, "run " + absent->id.str() + " exists", absent->id);
  }
  if (const auto* absent = std::get_if<key_absent>(&what)) {
    const auto holder = holder_of(absent->scope, absent->key);
    if (!holder || holder == absent->but_for) return std::nullopt;
    return refused(errc::already_exists, "run " + holder->str() + " has the key \"" + absent->key + "\"", holder);
  }
  const auto& below = std::get<counter_below>(what);
  const auto& stored = rows_.counts().open_of_tenant;
  const auto before = stored.find(below.tenant);
  const auto staged = staged_open_.find(below.tenant);
  const auto open = (before == stored.end() ? 0 : static_cast<std::int64_t>(before->second)) +
                    (staged == staged_open_.end() ? 0 : staged->second);
  if (open < 0 || static_cast<std::uint64_t>(open) < below.limit) return std::nullopt;
  return refused(errc::limit_exceeded, "tenant \"" + below.tenant + "\" has " + std::to_string(open) +
                                           " open runs; the limit is " + std::to_string(below.limit));
}

std::optional<run_id> admission::holder_of(std::string_view scope, std::string_view key) {
  const auto scoped = scoped_key(scope, key);
  if (const auto staged = staged_keys_.find(scoped); staged != staged_keys_.end()) return staged->second;
  if (const auto holder = rows_.key(scoped)) return holder->run;
  const auto stored = view().get(table::keys, scoped);
  if (!stored || stored->size() < run_id{}.bytes.size()) return damage_.holder_of(scope, key);
  return run_at_end(stored->substr(0, run_id{}.bytes.size()));
}

result<overlay_entry*> admission::find(const run_id& run) {
  if (auto* entry = rows_.find(run)) return entry;
  if (const auto at = fresh_.find(run); at != fresh_.end()) return &at->second;
  const auto stored = view().get(table::rows, run_key(run));
  if (!stored) return nullptr;
  auto row = decode_row(run, *stored);
  if (!row) return row.error();
  auto& entry = fresh_[run];
  entry.stored = stored_form::of(row->head);
  entry.row = kept_row{std::move(*row)};
  return &entry;
}

void admission::stage(append_item& item, overlay_entry& entry) {
  const bool is_new = newest(entry).seq == 0;
  const bool was_open = !is_new && newest(entry).open();
  if (entry.staged == nullptr) {
    entry.staged = &touched_.emplace_back(touched{rows_.find(item.run), item.run, next_lsn_, entry.row.head}).head;
  }
  auto& head = *entry.staged;
  planned_.push_back({&item, places_.size()});
  for (const auto& record : item.records) {
    const auto& place = places_.emplace_back(place_after(head, next_lsn_));
    head = project(record, place.lsn, head);
    last_time_ = std::max(last_time_, record.time);
    ++next_lsn_;
  }
  const auto& tenant = entry.row.of->tenant;
  if (is_new && entry.row.key != nullptr) staged_keys_[scoped_key(tenant, *entry.row.key)] = item.run;
  if (was_open != head.open()) staged_open_[tenant] += head.open() ? 1 : -1;
}

read_view& admission::view() {
  if (!view_) view_ = store_.view();
  return *view_;
}

}  // namespace perdure::persistence
