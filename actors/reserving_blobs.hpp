// reserving_blobs: the journal's blobs for one record. A large payload must not eat the room that is kept for cancels and
// for the ends of runs, so it is refused (disk_full) where its record would be.
#pragma once

#include "persistence/journal.hpp"

namespace perdure::actors {

class reserving_blobs : public core::blob_port {
 public:
  enum class use : std::uint8_t { start, step, essential };
  reserving_blobs(persistence::journal& of, use what_for) : journal_(of), use_(what_for) {}

  result<core::digest> put(std::string_view text) override {
    if (use_ != use::essential) {
      const auto space = journal_.space();
      if (!(use_ == use::start ? space.new_runs : space.steps)) {
        return error{errc::disk_full,
                     "no room for a payload of " + std::to_string(text.size()) + " bytes: make room, or raise max_map_bytes"};
      }
    }
    return journal_.blobs().put(text);
  }
  result<payload> get(const core::digest& hash) override { return journal_.blobs().get(hash); }

 private:
  persistence::journal& journal_;
  use use_;
};

}  // namespace perdure::actors
