#include "flow/activation_frame.hpp"

#include <algorithm>

#include "core/assert.hpp"
#include "core/jobs.hpp"
#include "perdure/limits.hpp"

namespace perdure::flow {

namespace {

bool has_body(detail::step_kind kind) {
  return kind == detail::step_kind::call || kind == detail::step_kind::poll || kind == detail::step_kind::capability;
}

/// A cancelled run still cleans up: it may do things, but not wait for anybody.
bool refused_after_cancel(const detail::step_request& what) {
  const auto kind = what.kind;
  if (kind == detail::step_kind::job) return core::wish_of(what.args) != core::job_wish::cancel;
  return kind == detail::step_kind::sleep || kind == detail::step_kind::request || kind == detail::step_kind::signal ||
         kind == detail::step_kind::signals || kind == detail::step_kind::poll || kind == detail::step_kind::child ||
         kind == detail::step_kind::child_result;
}

/// What the run keeps whatever becomes of the attempt: said once.
bool said_once(detail::output_kind kind) {
  return kind == detail::output_kind::message || kind == detail::output_kind::output ||
         kind == detail::output_kind::continuation || kind == detail::output_kind::compensation;
}

failure limit_failure(const std::string& what, std::string_view name, std::size_t limit, const std::string& advice = {}) {
  return {.code = std::string{failure_code::limit},
          .message = what + " is over " + std::string{name} + " = " + std::to_string(limit) + advice};
}

failure cancelled_failure() { return {.code = std::string{failure_code::cancelled}, .message = "the run is being cancelled"}; }

constexpr std::size_t output_overhead_bytes = 64;
constexpr std::size_t kept_slots = 64;

}  // namespace

activation_frame::activation_frame(driver_input input)
    : input_(std::move(input)), now_(input_.began), random_(input_.run, input_.activation) {}

activation_frame::~activation_frame() = default;

std::vector<activation_frame::slot>::iterator activation_frame::find(step_ordinal ordinal) {
  // The only waiting step, or the youngest, is by far the most common.
  if (!waiting_.empty() && waiting_.back()->ordinal == ordinal) return waiting_.end() - 1;
  const auto at = std::lower_bound(waiting_.begin(), waiting_.end(), ordinal,
                                   [](const slot& each, step_ordinal wanted) { return each->ordinal < wanted; });
  return at != waiting_.end() && (*at)->ordinal == ordinal ? at : waiting_.end();
}

activation_frame::slot activation_frame::take_slot() {
  if (free_.empty()) return std::make_unique<waiting>();
  auto out = std::move(free_.back());
  free_.pop_back();
  return out;
}

/// Takes the step out of the table; what its request holds is let go now, not when the slot is used again.
void activation_frame::release(std::vector<slot>::iterator at) noexcept {
  auto gone = std::move(*at);
  waiting_.erase(at);
  gone->waiter->ordinal.reset();
  gone->waiter = nullptr;
  gone->request.body = nullptr;
  gone->request.args = {};
  if (free_.size() < kept_slots) free_.push_back(std::move(gone));
}

/// The step is not wanted any more.
void activation_frame::drop(std::vector<slot>::iterator at) noexcept {
  if ((*at)->recorded) dropped_.push_back((*at)->ordinal);
  release(at);
}

std::optional<failure> activation_frame::refusal(const detail::step_request& request) const {
  if (cancelled_ && refused_after_cancel(request)) return cancelled_failure();
  if (request.name.size() > limits::name_bytes) {
    return limit_failure("a step name of " + std::to_string(request.name.size()) + " bytes", "name_bytes", limits::name_bytes);
  }
  if (request.args.size() > limits::payload_bytes) {
    return limit_failure(
        step_text(request.kind, request.name) + ": a payload of " + std::to_string(request.args.size()) + " bytes",
        "payload_bytes", limits::payload_bytes);
  }
  return std::nullopt;
}

/// By use, steps issued so far, and draws since: one more draw changes nothing beyond the next step, and no draw of
/// another use. The top bit is the engine's own.
std::uint64_t activation_frame::random(detail::random_use use) {
  const auto which = static_cast<std::uint64_t>(use);
  return random_.at(which << 62U | std::uint64_t{next_} << 32U | draws_[which]++);
}

bool activation_frame::issue(detail::step_request request, detail::step_waiter& waiter) {
  if (failed_) return true;
  if (next_ >= limits::activation_steps) {
    failed_ = limit_failure(
        "step " + std::to_string(next_ + 1) + " of the activation", "activation_steps", limits::activation_steps,
        ": go on as a new run with continue_as_new, or split the work over several activations (send a message along an edge, to "
        "the same executor if need be); a document over several runs (run: workflow)");
    return true;
  }
  if (waiting_.size() >= limits::pending_steps) {
    failed_ = limit_failure("the number of steps that wait at once", "pending_steps", limits::pending_steps,
                            ": split the work over several activations, or wait for some steps before issuing more");
    return true;
  }
  const auto ordinal = next_++;
  draws_ = {};
  if (auto both = expected_.mismatch(ordinal, request.kind, request.name)) {
    fail(failure_code::nondeterminism, std::move(*both));
    return true;
  }
  if (auto why = refusal(request)) {
    waiter.done.emplace().error = std::move(why);
    return false;
  }
  auto made = take_slot();
  made->ordinal = ordinal;
  made->strand = current_;
  made->recorded = expected_.waits(ordinal);
  made->reported = made->recorded && !has_body(request.kind);
  made->waiter = &waiter;
  made->request = std::move(request);
  waiter.ordinal = ordinal;
  turn_recorded_ = turn_recorded_ || expected_.known(ordinal);
  waiting_.push_back(std::move(made));
  return true;
}

void activation_frame::abandon(detail::step_waiter& waiter) noexcept {
  const auto at = find(*waiter.ordinal);
  PERDURE_ASSERT(at != waiting_.end() && (*at)->waiter == &waiter);
  drop(at);
}

/// Counted, not compared: the first so many are those that the journal has.
bool activation_frame::reported_before(detail::output_kind kind) {
  if (said_once(kind)) return ++messages_ <= input_.messages_emitted;
  return ++others_ <= input_.outputs_recorded;
}

void activation_frame::emit(detail::output what) {
  if (failed_) return;
  if (what.name.size() > limits::name_bytes || what.target.size() > limits::name_bytes) {
    throw step_error(limit_failure("a name of " + std::to_string(std::max(what.name.size(), what.target.size())) + " bytes",
                                   "name_bytes", limits::name_bytes));
  }
  if (what.value.size() > limits::payload_bytes) {
    throw step_error(limit_failure("\"" + what.name + "\" of " + std::to_string(what.value.size()) + " bytes", "payload_bytes",
                                   limits::payload_bytes));
  }
  // Counted for recorded outputs too: a replay has to throw where the first run threw.
  const auto bytes = output_overhead_bytes + what.value.size() + what.name.size() + what.reference.size();
  if (output_bytes_ + bytes > limits::turn_output_bytes) {
    throw step_error(limit_failure("what the handler sends and writes between two steps", "turn_output_bytes",
                                   limits::turn_output_bytes, ": await a step in between, or use several activations"));
  }
  output_bytes_ += bytes;
  if (reported_before(what.kind)) {
    turn_recorded_ = true;
  } else {
    outputs_.push_back(std::move(what));
  }
}

/// The journal has something of this turn, or of one after it.
bool activation_frame::turn_is_recorded() const {
  return expected_.known_from(next_) || next_ < input_.recorded_steps || others_ < input_.outputs_recorded ||
         (input_.attempt == 1 && messages_ < input_.messages_emitted);
}

std::uint32_t activation_frame::version(std::string_view change, std::uint32_t oldest, std::uint32_t newest) {
  if (oldest > newest) {
    throw step_error(std::string{failure_code::nondeterminism},
                     "version \"" + std::string{change} + "\": the oldest is above the newest");
  }
  auto taken = versions_.find(change);
  if (taken == versions_.end()) {
    const auto recorded = input_.versions.find(std::string{change});
    const bool known = recorded != input_.versions.end();
    // Where the journal goes on without a word of the change, the code was the old one.
    const auto version = known ? recorded->second : turn_is_recorded() ? oldest : newest;
    taken = versions_.emplace(change, version).first;
    if (known || !turn_is_recorded())
      emit({.kind = detail::output_kind::version, .name = std::string{change}, .number = version});
  }
  if (taken->second < oldest || taken->second > newest) {
    throw step_error(std::string{failure_code::nondeterminism}, "version \"" + std::string{change} + "\": the journal has " +
                                                                    std::to_string(taken->second) + "; the code now knows " +
                                                                    std::to_string(oldest) + " to " + std::to_string(newest));
  }
  return taken->second;
}

void activation_frame::log_as(log_mode mode) {
  if (log_mode_ == log_mode::unsure && mode == log_mode::live && !turn_recorded_ && input_.log) {
    for (const auto& [level, text] : unsure_logs_) input_.log(level, text);
  }
  unsure_logs_.clear();
  log_mode_ = mode;
}

void activation_frame::begin_turn(timestamp at) {
  now_ = at;
  output_bytes_ = 0;
  turn_recorded_ = false;
}

void activation_frame::log(std::string_view level, std::string_view text) {
  if (log_mode_ == log_mode::live) {
    if (input_.log) input_.log(level, text);
  } else if (log_mode_ == log_mode::unsure) {
    unsure_logs_.emplace_back(level, text);
  }
}

void activation_frame::retire_strand(detail::strand_id strand, std::coroutine_handle<> coroutine) noexcept {
  for (auto at = waiting_.size(); at-- > 0;) {
    if (strands_.descends(waiting_[at]->strand, strand)) drop(waiting_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  strands_.retire(strand, coroutine);
}

void activation_frame::resume(std::vector<slot>::iterator at, const detail::outcome& result) {
  auto& waiter = *(*at)->waiter;
  current_ = (*at)->strand;
  release(at);
  waiter.done = result;
  waiter.handle.resume();  // the waiter may be gone after it
}

bool activation_frame::deliver(step_ordinal ordinal, const detail::outcome& result) {
  const auto at = find(ordinal);
  if (at == waiting_.end()) return ordinal < next_;
  resume(at, result);
  return true;
}

void activation_frame::cancel(std::coroutine_handle<> handler) {
  if (std::exchange(cancelled_, true)) return;
  std::vector<step_ordinal> blocked;
  blocked.reserve(waiting_.size());
  for (const auto& each : waiting_) blocked.push_back(each->ordinal);
  const detail::outcome cancelled{{}, cancelled_failure()};
  for (const auto ordinal : blocked) {
    if (failed_ || handler.done()) return;
    if (const auto at = find(ordinal); at != waiting_.end()) resume(at, cancelled);
  }
}

void activation_frame::fail(std::string_view code, std::string message) {
  if (!failed_) failed_ = failure{.code = std::string{code}, .message = std::move(message)};
}

void activation_frame::collect(progress_report& into) {
  into.outputs = std::exchange(outputs_, {});
  into.cancelled = std::exchange(dropped_, {});
  std::sort(into.cancelled.begin(), into.cancelled.end());
  // The youngest are at the end; only after a replay there are steps among them that were reported before.
  auto first = waiting_.size();
  while (first > 0 && (!expected_.empty() || !waiting_[first - 1]->reported)) --first;
  for (; first < waiting_.size(); ++first) {
    auto& each = *waiting_[first];
    if (each.request.kind == detail::step_kind::request) into.asked.push_back({each.ordinal, each.request.check});
    if (!std::exchange(each.reported, true)) into.issued.push_back({each.ordinal, each.request});
    each.recorded = true;
  }
}

const detail::step_request* activation_frame::request(step_ordinal ordinal) const {
  const auto at = const_cast<activation_frame*>(this)->find(ordinal);
  return at == waiting_.end() ? nullptr : &(*at)->request;
}

void activation_frame::body_started(step_ordinal ordinal) {
  if (const auto at = find(ordinal); at != waiting_.end()) strands_.body_started(ordinal, (*at)->strand);
}

}  // namespace perdure::flow
