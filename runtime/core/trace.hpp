// W3C trace context: which trace a run belongs to, as it comes in and goes out with effects ("traceparent").
//
// A run keeps what its client sent. The ids of its spans follow from what they are of, so every try of a step, also after a
// restart, hands out the same one, and whoever exports spans needs to remember nothing.
#pragma once

#include <string>
#include <string_view>

namespace perdure::core {

/// Whether it is a traceparent of version 00 with ids that are not nought; others are to be passed over.
[[nodiscard]] bool is_traceparent(std::string_view text);
/// 32, 16 and 2 characters of one.
[[nodiscard]] std::string_view trace_id_of(std::string_view traceparent);
[[nodiscard]] std::string_view parent_id_of(std::string_view traceparent);
/// The span of whatever has this name: 16 characters, never nought.
[[nodiscard]] std::string span_id_of(std::string_view name);
/// What an effect with this idempotency key is handed; empty when the run has no trace.
[[nodiscard]] std::string traceparent_of_effect(std::string_view of_run, std::string_view key);

}  // namespace perdure::core
