#include "tools/view/record_view.hpp"

#include "core/event_json.hpp"
#include "persistence/ledger.hpp"

namespace perdure::tools {

std::string_view kind_name(core::event_kind kind) {
  return persistence::is_ledger(kind) ? persistence::ledger_name(kind) : core::name_of(kind);
}

result<json::value> content_of(const core::record& record, core::blob_port& blobs) {
  if (record.kind == persistence::run_removed_kind) {
    const auto what = persistence::read_removal(record);
    if (!what) return what.error();
    return json::value{{"head_seq", what->head_seq},
                       {"head_lsn", what->head_lsn},
                       {"head_hash", core::to_hex(what->head_hash)},
                       {"ended_at", to_string(what->ended_at)},
                       {"reason", what->why == persistence::removal_reason::age ? "age" : "number"}};
  }
  if (record.kind == persistence::checkpoint_kind) {
    const auto what = persistence::read_checkpoint(record);
    if (!what) return what.error();
    return json::value{{"first_lsn", what->first}, {"through_lsn", what->through}, {"digest", core::to_hex(what->digest)}};
  }
  const auto event = core::decode(record.kind, record.schema, record.bytes, &blobs);
  if (!event) return event.error();
  return json::value(core::event_to_json(*event));
}

json::object record_json(const core::record& record, core::blob_port& blobs) {
  json::object out{{"lsn", record.lsn}};
  if (static_cast<int>(record.kind) == 0) {
    out.emplace("damaged", true);
    return out;
  }
  out.emplace("run_id", record.run.is_nil() ? json::value(nullptr) : json::value(record.run.str()));
  out.emplace("seq", record.seq);
  out.emplace("time", to_string(record.time));
  out.emplace("kind", kind_name(record.kind));
  out.emplace("schema", record.schema);
  out.emplace("status", to_string(record.status));
  out.emplace("active", record.active);
  out.emplace("wakeup", record.wakeup ? json::value(to_string(*record.wakeup)) : json::value(nullptr));
  out.emplace("previous_lsn", record.previous);
  out.emplace("hash", core::to_hex(record.hash));
  out.emplace("bytes", record.bytes.size());
  auto event = content_of(record, blobs);
  if (event) {
    out.emplace("event", std::move(*event));
  } else {
    out.emplace("damaged", true);
    out.emplace("problem", event.error().message);
  }
  return out;
}

void chain_check::add(const core::record& record, core::blob_port& blobs) {
  const auto problem = [&](const std::string& what) {
    problems_.push_back(json::object{{"run_id", record.run.str()}, {"lsn", record.lsn}, {"what", what}});
  };
  if (record.seq != seq_ + 1) problem("seq " + std::to_string(record.seq) + " follows seq " + std::to_string(seq_));
  if (core::chain_hash(hash_, record) != record.hash) problem("its hash does not follow from the record before");
  if (const auto event = core::decode(record.kind, record.schema, record.bytes, &blobs); !event) problem(event.error().message);
  seq_ = record.seq;
  hash_ = record.hash;
}

json::object chain_check::report() const {
  return {{"ok", problems_.empty()}, {"runs", 1}, {"events", seq_}, {"problems", problems_}};
}

}  // namespace perdure::tools
