// Decides what an attempt's report becomes: the turn with its routed messages, retried steps, a failure.
#include <algorithm>

#include "core/backoff.hpp"
#include "core/counter_random.hpp"
#include "core/decide_parts.hpp"
#include "core/later.hpp"
#include "core/links.hpp"
#include "core/routing.hpp"
#include "perdure/limits.hpp"

namespace perdure::core {

namespace {

/// More than the codec adds to an item's own bytes.
constexpr std::size_t stored_overhead_bytes = 64;

std::size_t stored_bytes(const payload& value) {
  return std::min(value.size(), limits::inline_payload_bytes) + stored_overhead_bytes;
}
std::size_t stored_bytes(const failure& what) {
  std::size_t out = stored_overhead_bytes;
  for (const auto* text : {&what.code, &what.message, &what.type, &what.title, &what.instance, &what.executor})
    out += text->size();
  for (const auto& each : what.causes) out += stored_bytes(each);
  return out;
}
template <detail::optional_like T>
std::size_t stored_bytes(const T& what) {
  return what ? stored_bytes(*what) : 0;
}
std::size_t stored_bytes(const turn& what) {
  std::size_t out = 0;
  for (const auto& each : what.outputs)
    out += stored_bytes(each.value) + stored_bytes(each.error) + each.name.size() + each.reference.size();
  for (const auto& each : what.done) out += stored_bytes(each.result.value) + stored_bytes(each.result.error) + each.name.size();
  for (const auto& each : what.issued) out += stored_bytes(each.args) + each.name.size();
  for (const auto& each : what.activations) out += stored_bytes(each.value) + each.executor.size() + each.message.size();
  return out;
}

class report_decider {
 public:
  report_decider(const plan& of, const run_state& state, const activation& in, const attempt_report& what, timestamp now)
      : plan_(of), state_(state), in_(in), what_(what), now_(now), out_{.activation = in.id, .attempt = in.attempt} {}

  std::vector<event> decide() {
    if (says_nothing()) return {};
    take_steps();
    take_outputs();
    out_.cancelled = what_.cancelled;
    // An inline body ends in the turn that issues it; then its outcome is all there is to record.
    for (const auto& each : what_.issued) {
      if (!has(out_.done, each.ordinal)) issue(each);
    }
    out_.finished = what_.finished;
    out_.waits = waits();
    for (auto& each : retrying_) each.waits = out_.waits;
    check_wishes();
    if (!state_.ending_as) route_messages();
    check_size();
    if (failed_) out_.finished = false;

    std::vector<event> events;
    for (auto& each : warnings_) events.emplace_back(std::move(each));
    const bool turned =
        !out_.done.empty() || !out_.issued.empty() || !out_.cancelled.empty() || !out_.outputs.empty() || out_.finished;
    if (turned || (retrying_.empty() && !failed_ && out_.waits != in_.waiting)) events.emplace_back(std::move(out_));
    if (failed_) {
      events.emplace_back(decide_failure(&plan_, state_, in_, std::move(*failed_), now_, final_));
    } else if (!what_.finished) {
      for (auto& each : retrying_) events.emplace_back(std::move(each));
    }
    return events;
  }

 private:
  /// It only tells what its requests take: nothing of that is recorded, nor that bodies run beside them.
  bool says_nothing() const {
    return what_.outputs.empty() && what_.done.empty() && what_.issued.empty() && what_.cancelled.empty() && !what_.finished &&
           !what_.failed && !what_.waits;
  }
  static bool has(const auto& steps, step_ordinal ordinal) {
    return std::any_of(steps.begin(), steps.end(), [&](const auto& each) { return each.ordinal == ordinal; });
  }

  void take_steps() {
    failed_ = what_.failed;
    for (const auto& each : what_.done) {
      const auto waits = in_.pending.find(each.ordinal);
      const bool gone = waits == in_.pending.end() && !has(what_.issued, each.ordinal);
      if (each.recorded && gone) continue;  // timed out or cancelled meanwhile
      if (each.complete && !each.result.error) {
        out_.done.push_back({each.ordinal, each.kind, each.name, each.result});
        continue;
      }
      if (fenced_end() && !each.result.error) continue;  // a poll: its step is cancelled
      const auto* before = waits == in_.pending.end() ? nullptr : &waits->second;
      const auto tries = (before == nullptr ? 0 : before->tries) + 1;
      const auto first_at = before != nullptr && before->first_at ? *before->first_at : now_;
      const bool again = each.kind == step_kind::poll ? !each.result.error
                                                      : may_retry(each.retry, tries, each.result.error->code, now_ - first_at);
      if (!again || fenced_end()) {
        out_.done.push_back({each.ordinal, each.kind, each.name, named(each)});
        continue;
      }
      auto wait =
          delay_before(each.retry.backoff, tries + 1, duration{0},
                       counter_random(state_.id, in_.id, std::uint64_t{3} << 62 | state_.seq << 16 | (each.ordinal & 0xffff)));
      if (each.result.error && each.result.error->retry_after) wait = std::max(wait, *each.result.error->retry_after);
      retrying_.push_back({.activation = in_.id,
                           .attempt = in_.attempt,
                           .ordinal = each.ordinal,
                           .step = each.kind,
                           .name = each.name,
                           .tries = tries,
                           .error = named(each).error,
                           .retry_at = later(now_, wait),
                           .first_at = first_at});
    }
  }

  outcome named(const step_report& step) const {
    auto out = step.result;
    if (!out.error) return out;
    if (out.error->executor.empty()) out.error->executor = in_.executor;
    out.error = bounded(std::move(*out.error));
    return out;
  }

  void take_outputs() {
    out_.outputs = what_.outputs;
    for (auto& each : out_.outputs) {
      if (each.error) each.error = bounded(std::move(*each.error));
    }
  }

  /// The attempt said that it waits before it saw what was fed to it meanwhile. Then something is on its way that makes it
  /// go on, and the run must not count as waiting: nobody would bring it in after a crash.
  bool waits() const {
    if (!what_.waits || what_.finished || !out_.done.empty() || what_.fed != in_.history.size()) return false;
    // The run itself may answer these before the retry is recorded, and that would say again that nothing is on its way.
    const auto answered_at_once = [&](const auto& each) {
      return each.kind == step_kind::state || each.kind == step_kind::signal || each.kind == step_kind::signals ||
             each.kind == step_kind::child || each.kind == step_kind::child_result || each.kind == step_kind::job ||
             (each.kind == step_kind::request && !state_.carried.empty());
    };
    if (!retrying_.empty() && std::any_of(out_.issued.begin(), out_.issued.end(), answered_at_once)) return false;
    bool something = !out_.issued.empty() || !retrying_.empty();
    for (const auto& [ordinal, step] : in_.pending) {
      if (std::find(what_.cancelled.begin(), what_.cancelled.end(), ordinal) != what_.cancelled.end()) continue;
      if (has(retrying_, ordinal)) continue;
      if (step.tries > 0 && !step.retry_at) return false;
      something = true;
    }
    return something;
  }

  /// The run is ending, and this is not work that undoes what it did.
  bool fenced_end() const { return state_.ending_as && state_.compensating != in_.id; }

  void issue(const wait_request& what) {
    step_issued out{.ordinal = what.ordinal, .kind = what.kind, .name = what.name, .args = what.args};
    if (what.until) {
      out.due = *what.until;
    } else if (what.delay) {
      out.due = later(now_, *what.delay);
    } else if (what.timeout > duration{0}) {
      out.due = later(now_, what.timeout);
    }
    if (what.kind == step_kind::child) {
      auto placed = place_child(state_, in_.id, what.ordinal, what.args, now_);
      if (!placed) {
        out_.done.push_back({what.ordinal, what.kind, what.name, outcome{{}, placed.error()}});
        return;
      }
      out.args = std::move(*placed);
    }
    if (what.kind == step_kind::job) {
      auto placed = place_job(state_, in_, what.ordinal, what.args, new_jobs_);
      if (!placed) {
        out_.done.push_back({what.ordinal, what.kind, what.name, outcome{{}, placed.error()}});
        return;
      }
      out.args = std::move(*placed);
    }
    out_.issued.push_back(std::move(out));
  }

  /// What the handler asked for beyond messages has to be possible; else the attempt fails at that point.
  void check_wishes() {
    for (std::size_t i = 0; i < what_.outputs.size() && !failed_; ++i) {
      const auto& each = what_.outputs[i];
      const bool continues = each.kind == output_kind::continuation;
      if (!continues && each.kind != output_kind::compensation) continue;
      const auto& name = continues ? state_.start : each.target;
      const auto* to = plan_.find(name);
      const auto* what = continues ? "continue_as_new: " : "on_compensate: ";
      if (to == nullptr) {
        failed_ = failure{.code = std::string{failure_code::bad_message},
                          .message = what + std::string{"the workflow has no executor \""} + name + "\""};
      } else if (!to->takes.empty() && std::find(to->takes.begin(), to->takes.end(), each.name) == to->takes.end()) {
        failed_ = failure{.code = std::string{failure_code::bad_message},
                          .message = what + std::string{"executor \""} + name + "\" takes no message \"" + each.name + "\""};
      } else if (!continues && state_.compensations.size() + i >= limits::run_compensations) {
        failed_ = failure{.code = std::string{failure_code::limit},
                          .message = "the run keeps " + std::to_string(limits::run_compensations) +
                                     " compensations (limit run_compensations): continue_as_new, or use children"};
      } else {
        continue;
      }
      final_ = true;
      out_.outputs.resize(i);
    }
  }

  void route_messages() {
    const auto from = plan_.by_name.find(in_.executor);
    if (from == plan_.by_name.end()) return;
    for (std::uint32_t i = 0; i < out_.outputs.size(); ++i) {
      const auto& each = what_.outputs[i];
      if (each.kind != output_kind::message) continue;
      auto routes = routes_of(plan_, from->second, each);
      if (!routes) {
        // Not recorded from here on: the next attempt says it again.
        failed_ = routes.error();
        out_.outputs.resize(i);
        return;
      }
      if (routes->empty()) {
        warnings_.push_back(
            {"undeliverable", "no edge of \"" + in_.executor + "\" takes a message \"" + each.name + "\"", in_.executor});
      }
      for (const auto& to : *routes) {
        if (plan_.groups[to.group].kind == edge_kind::fan_in) {
          join(to, i);
        } else {
          schedule(to.target, {.message = each.name, .output = i});
        }
        if (failed_) return;
      }
    }
  }

  void schedule(std::size_t target, scheduled next) {
    auto made =
        schedule_at(plan_.executors[target], state_.next_activation + static_cast<std::uint32_t>(out_.activations.size()), now_);
    made.message = std::move(next.message);
    made.output = next.output;
    made.value = std::move(next.value);
    next = std::move(made);
    if (next.id > plan_.max_activations) {
      limit("the run needs more than " + std::to_string(plan_.max_activations) +
            " activations (with_max_activations): it did not converge");
    } else if (state_.activations.size() + out_.activations.size() >= limits::live_activations) {
      limit("more than " + std::to_string(limits::live_activations) + " activations at once (limit live_activations)");
    } else {
      out_.activations.push_back(std::move(next));
    }
  }

  using buffer_map = std::map<std::string, std::vector<joined_message>>;

  void limit(std::string why) {
    failed_ = failure{.code = std::string{failure_code::limit}, .message = std::move(why)};
    final_ = true;
    out_.activations.clear();
    out_.joins.clear();
  }

  /// Puts the message into the group's buffer; when every source has sent, the buffer becomes one message. `any`
  /// fires with the first of a round; the round ends when every source has sent.
  void join(const route& to, std::uint32_t output) {
    const auto& group = plan_.groups[to.group];
    auto& buffer = buffer_of(group, to.group);
    const bool first_of_round = buffer.empty();
    buffer[in_.executor].push_back({in_.executor, what_.outputs[output].value});
    const bool full = std::all_of(group.from.begin(), group.from.end(),
                                  [&](auto source) { return buffer.contains(plan_.executors[source].name); });
    out_.joins.push_back({static_cast<std::uint32_t>(to.group), output, group.mode == fan_in_mode::any, full});
    if (group.mode == fan_in_mode::all ? full : first_of_round) {
      if (auto all = join_all(group, buffer))
        schedule(to.target, {.message = std::string{message_name<joined>}, .value = std::move(*all)});
    }
    if (full) buffer.clear();
  }

  /// The buffered messages as one. Each is within the limits of payloads, together they may be over them.
  std::optional<payload> join_all(const edge_group& group, const buffer_map& buffer) {
    try {
      joined all;
      for (const auto source : group.from) {
        const auto sent = buffer.find(plan_.executors[source].name);
        if (sent == buffer.end()) continue;
        for (const auto& each : sent->second) {
          all.messages.push_back(each.value.value());
          all.from.push_back(each.from);
        }
      }
      payload out{to_json(all)};
      if (out.size() <= limits::payload_bytes) return out;
      limit(describe(plan_, group) + ": the joined messages are " + std::to_string(out.size()) +
            " bytes; the limit payload_bytes is " + std::to_string(limits::payload_bytes));
    } catch (const step_error& thrown) {
      limit(describe(plan_, group) + ": the joined messages are " + thrown.what());
    }
    return std::nullopt;
  }

  /// A record that no journal takes would be refused, decided again after the reload, refused again, without end.
  void check_size() {
    const auto bytes = stored_bytes(out_);
    if (bytes <= limits::record_bytes) return;
    out_.outputs.clear();
    out_.done.clear();
    out_.issued.clear();
    limit("what the handler did in one turn takes " + std::to_string(bytes) + " bytes; the limit record_bytes is " +
          std::to_string(limits::record_bytes) + ": issue fewer steps at once, or let each return less");
  }

  /// The buffer as it will be after the outputs routed so far.
  buffer_map& buffer_of(const edge_group& group, std::size_t index) {
    const auto number = static_cast<std::uint32_t>(index);
    if (const auto found = buffers_.find(number); found != buffers_.end()) return found->second;
    auto& made = buffers_[number];
    if (const auto stored = state_.fan_ins.find(number); stored != state_.fan_ins.end()) made = stored->second;
    if (const auto round = state_.rounds.find(number); group.mode == fan_in_mode::any && round != state_.rounds.end()) {
      for (const auto& source : round->second) made[source];
    }
    return made;
  }

  const plan& plan_;
  const run_state& state_;
  const activation& in_;
  const attempt_report& what_;
  timestamp now_;
  turn out_;
  std::vector<step_retrying> retrying_;
  std::vector<warning> warnings_;
  std::map<std::uint32_t, buffer_map> buffers_;
  job_number new_jobs_ = 0;
  std::optional<failure> failed_;
  bool final_ = false;
};

}  // namespace

result<std::vector<event>> decide_report(const plan* of, const run_state& state, const attempt_report& what, timestamp now) {
  const auto at = state.activations.find(what.activation);
  if (is_terminal(state.status) || at == state.activations.end() || at->second.attempt != what.attempt ||
      at->second.status != activation_status::running) {
    return error{errc::fenced, "attempt " + std::to_string(what.attempt) + " of activation " + std::to_string(what.activation) +
                                   " of run " + state.id.str() + " is not in flight any more"};
  }
  if (of == nullptr) return error{errc::workflow_unknown, "workflow \"" + state.workflow + "\" is not registered"};
  return report_decider{*of, state, at->second, what, now}.decide();
}

}  // namespace perdure::core
