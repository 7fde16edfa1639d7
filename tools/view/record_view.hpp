// Stored records as JSON: what `journal show --json`, exports and the HTTP API give.
#pragma once

#include <string_view>

#include "core/record.hpp"

namespace perdure::tools {

[[nodiscard]] std::string_view kind_name(core::event_kind kind);
/// What a record says.
[[nodiscard]] result<json::value> content_of(const core::record& record, core::blob_port& blobs);
/// A record with its place, its status and its hash. A damaged one is told as such.
[[nodiscard]] json::object record_json(const core::record& record, core::blob_port& blobs);

/// Checks the records of one run, given in order: gapless, each hash following from the one before, each readable.
class chain_check {
 public:
  void add(const core::record& record, core::blob_port& blobs);
  /// {"ok", "runs", "events", "problems"}, as `journal verify` gives it.
  [[nodiscard]] json::object report() const;

 private:
  core::digest hash_{};
  run_seq seq_ = 0;
  json::array problems_;
};

}  // namespace perdure::tools
