#include "core/state.hpp"

#include "core/codec.hpp"

namespace perdure::core {

namespace {
/// First byte of an encoded state; a changed layout gets a new one and an upcast here.
constexpr std::uint8_t state_format = 1;

void derive(run_state& state) {
  if (is_terminal(state.status)) return;
  const auto add = [&](std::optional<timestamp> at, deadline of) {
    if (!at) return;
    of.at = *at;
    state.deadlines.insert(of);
  };
  add(state.deadline_at, {.kind = deadline_kind::run});
  add(state.grace_until, {.kind = deadline_kind::grace});
  for (const auto& [id, in] : state.activations) {
    add(in.start_by, {.activation = id, .kind = deadline_kind::start_by});
    add(in.close_by, {.activation = id, .kind = deadline_kind::close_by});
    add(in.attempt_close_by, {.activation = id, .kind = deadline_kind::attempt_close_by});
    add(in.beat_by, {.activation = id, .kind = deadline_kind::heartbeat});
    add(in.retry_at, {.activation = id, .kind = deadline_kind::attempt_retry});
    for (const auto& [ordinal, step] : in.pending) {
      add(step.due, {.activation = id, .ordinal = ordinal, .kind = deadline_kind::step_due});
      add(step.retry_at, {.activation = id, .ordinal = ordinal, .kind = deadline_kind::step_retry});
      if (step.kind == step_kind::signal) state.signal_waiters[step.name].insert({step.since, {id, ordinal}});
      if (step.kind == step_kind::state) state.state_readers.insert({id, ordinal});
    }
  }
}
}  // namespace

run_status status_of(const run_state& state) {
  if (is_terminal(state.status)) return state.status;
  if (state.ending_as) return run_status::cancelling;
  if (state.paused) return run_status::paused;
  for (const auto& [id, in] : state.activations) {
    if (in.status == activation_status::running && !in.waiting) return run_status::running;
    if (in.status == activation_status::pending) return run_status::running;
  }
  return state.activations.empty() ? run_status::running : run_status::waiting;
}

bool has_work(const run_state& state) {
  return state.status == run_status::running || state.status == run_status::cancelling || unsettled(state);
}

bool may_park(const run_state& state) {
  if (is_terminal(state.status) || has_work(state)) return false;
  for (const auto& [id, in] : state.activations) {
    const bool waits = in.status == activation_status::retrying || in.waiting || (state.paused && in.status == activation_status::pending);
    if (!waits) return false;   // paused while a body runs
  }
  return true;
}

bool unsettled(const run_state& state) {
  if (is_terminal(state.status)) return false;
  if (!state.state_readers.empty() || state.activations.empty() || (state.error && !state.ending_as)) return true;
  if (state.signal_waiters.empty()) return false;
  for (const auto& signal : state.signals) {
    if (state.signal_waiters.contains(signal.name)) return true;
  }
  return false;
}

std::optional<timestamp> next_wakeup(const run_state& state) {
  if (is_terminal(state.status) || state.paused || state.deadlines.empty()) return std::nullopt;
  return state.deadlines.begin()->at;
}

result<std::string> encode_state(const run_state& state, blob_port* blobs) {
  writer out{blobs};
  out.put(state_format);
  out.put(state);
  if (out.failed()) return *out.failed();
  return out.take();
}

result<run_state> decode_state(std::string_view bytes, blob_port* blobs) {
  reader in{bytes, blobs};
  std::uint8_t format = 0;
  in.get(format);
  if (in.ok() && format > state_format) return error{errc::newer_format, "the state was written by a newer version"};
  run_state state;
  in.get(state);
  if (in.blob_error()) return *in.blob_error();
  if (!in.ok() || !in.at_end() || format != state_format) return error{errc::corrupt, "malformed state"};
  derive(state);
  return state;
}

}  // namespace perdure::core
