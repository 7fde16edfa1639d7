// A journal record as the run makes it: header and stored bytes. docs/journal-format.md gives the layout.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "core/events.hpp"

namespace perdure::core {

using digest = std::array<std::uint8_t, 32>;

/// The header repeats what look-ups need of the state after the event, so that the projections of all kinds but the
/// first of a run are made without decoding anything.
struct record {
  event_kind kind = event_kind::turn;
  std::uint8_t schema = event_schema;
  run_status status = run_status::running;  ///< of the run after the event
  bool active = false;                      ///< the run has an attempt in flight after the event
  run_id run;
  run_seq seq = 0;
  timestamp time{};
  std::optional<timestamp> wakeup;  ///< the run's earliest deadline after the event
  digest hash{};                    ///< chain: see chain_hash
  std::string bytes;                ///< encode()d event

  // Given by the journal:
  lsn_t lsn = 0;
  lsn_t previous = 0;  ///< LSN of the run's record before, 0 = none
};

/// SHA-256(previous hash ‖ run ‖ seq ‖ kind ‖ schema ‖ status ‖ active ‖ time ‖ wakeup ‖ bytes), integers big-endian,
/// times as microseconds in 64 bits, an absent wakeup as the least 64-bit integer. The chain starts with 32 zero bytes.
[[nodiscard]] digest chain_hash(const digest& previous, const record& of);
/// SHA-256 of message name, 0 byte, input text: tells another input under the same key.
[[nodiscard]] digest input_hash(std::string_view message, std::string_view input);
[[nodiscard]] std::string to_hex(const digest& hash);
/// SHA-256 of the parts one after the other. Any thread.
[[nodiscard]] digest sha256(std::initializer_list<std::string_view> parts);

}  // namespace perdure::core
