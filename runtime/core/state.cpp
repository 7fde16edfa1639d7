#include "core/state.hpp"

#include "core/codec.hpp"
#include "core/links.hpp"
#include "core/signals.hpp"

namespace perdure::core {

namespace {
/// First byte of an encoded state; a changed layout gets a new one and an upcast here.
constexpr std::uint8_t state_format = 4;
/// Members that earlier formats had.
constexpr std::size_t format_1_members = 31;
constexpr std::size_t format_2_members = 45;
constexpr std::size_t format_3_members = 47;

/// An attempt is going on, or wants a thread.
bool in_flight(const run_state& state) {
  for (const auto& [id, in] : state.activations) {
    if (in.status == activation_status::pending || (in.status == activation_status::running && !in.waiting)) return true;
  }
  return false;
}
}  // namespace

void derive(run_state& state) {
  for (const auto& [number, message] : state.outbox) state.outbox_to[message.to].insert(number);
  if (is_terminal(state.status)) return derive_jobs(state);
  const auto add = [&](std::optional<timestamp> at, deadline of) {
    if (!at) return;
    of.at = *at;
    state.deadlines.insert(of);
  };
  add(state.deadline_at, {.kind = deadline_kind::run});
  add(state.grace_until, {.kind = deadline_kind::grace});
  for (const auto& [id, each] : state.children) {
    if (each.live() && each.close == parent_close::wait) ++state.awaited_children;
  }
  for (auto& [id, in] : state.activations) {
    if (const auto taken = state.versions.find(id); taken != state.versions.end()) in.versions = taken->second;
    add(in.start_by, {.activation = id, .kind = deadline_kind::start_by});
    add(in.close_by, {.activation = id, .kind = deadline_kind::close_by});
    add(in.attempt_close_by, {.activation = id, .kind = deadline_kind::attempt_close_by});
    add(in.beat_by, {.activation = id, .kind = deadline_kind::heartbeat});
    add(in.retry_at, {.activation = id, .kind = deadline_kind::attempt_retry});
    for (const auto& [ordinal, step] : in.pending) {
      add(step.due, {.activation = id, .ordinal = ordinal, .kind = deadline_kind::step_due});
      add(step.retry_at, {.activation = id, .ordinal = ordinal, .kind = deadline_kind::step_retry});
      watch_step(state, id, step);
    }
  }
  derive_jobs(state);
}

run_status status_of(const run_state& state) {
  if (is_terminal(state.status)) return state.status;
  if (state.ending_as) return state.compensating ? run_status::compensating : run_status::cancelling;
  if (state.paused) return run_status::paused;
  if (in_flight(state)) return run_status::running;
  return state.activations.empty() && state.awaited_children + state.awaited_jobs == 0 ? run_status::running
                                                                                       : run_status::waiting;
}

bool has_work(const run_state& state) {
  if (owes(state) || unsettled(state)) return true;
  return !is_terminal(state.status) && !state.paused && in_flight(state);
}

bool may_park(const run_state& state) {
  if (is_terminal(state.status) || has_work(state)) return false;
  for (const auto& [id, in] : state.activations) {
    const bool waits =
        in.status == activation_status::retrying || in.waiting || (state.paused && in.status == activation_status::pending);
    if (!waits) return false;  // paused while a body runs
  }
  return true;
}

ending next_ending(const run_state& state) {
  if (is_terminal(state.status)) return ending::none;
  const bool bad = state.error || state.ending_as;
  const bool others =
      !state.activations.empty() || !state.compensations.empty() || state.awaited_children + state.awaited_jobs > 0;
  if (state.error && !state.ending_as && others) return ending::cancel;
  if (state.continuation && !bad && !state.activations.contains(state.continuation->activation)) return ending::continue_as_new;
  if (!state.activations.empty()) return ending::none;
  if (bad && !state.compensations.empty()) return ending::compensate;
  if (state.awaited_children + state.awaited_jobs > 0) return ending::none;
  return !bad && !state.fan_ins.empty() ? ending::warn : ending::end;
}

bool unsettled(const run_state& state) {
  if (is_terminal(state.status)) return false;
  if (!state.state_readers.empty() || !state.ready_waiters.empty() || next_ending(state) != ending::none) return true;
  return signal_for_somebody(state);
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
  if (format == 1) {
    in.get_first(state, format_1_members);
  } else if (format == 2) {
    in.get_first(state, format_2_members);
  } else if (format == 3) {
    in.get_first(state, format_3_members);
  } else {
    in.get(state);
  }
  if (in.blob_error()) return *in.blob_error();
  if (!in.ok() || !in.at_end() || format == 0) return error{errc::corrupt, "malformed state"};
  derive(state);
  return state;
}

}  // namespace perdure::core
