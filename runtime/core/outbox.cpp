#include "core/outbox.hpp"

namespace perdure::core {

namespace {

bool may_try_again(errc code) {
  switch (code) {
    case errc::overloaded:
    case errc::disk_full:
    case errc::fenced:
    case errc::io_error:
    case errc::timeout:
    case errc::shutting_down:
    case errc::limit_exceeded: return true;  // a receiver that is full for now
    default: return false;
  }
}

begin_run child_of(const run_state& from, const outgoing& what, const child_record& child) {
  return {.how = {.id = what.to,
                  .message = child.message,
                  .input = child.input,
                  .tenant = from.tenant,
                  .timeout = child.timeout,
                  .start = child.start,
                  .parent = parent_link{.run = from.id, .child = what.child},
                  .trace = from.trace},
          .workflow = child.workflow,
          .version = child.version,
          .definition_hash = child.definition_hash};
}

}  // namespace

result<handed_over> hand_over(const run_state& from, const outgoing& what) {
  switch (what.kind) {
    case outgoing_kind::signal: return handed_over{command{signal_command{what.name, what.value, what.id}}};
    case outgoing_kind::cancel: return handed_over{command{cancel_command{what.name, what.id}}};
    case outgoing_kind::child_end:
      return handed_over{command{child_ended_command{what.child, what.status, what.value, what.error}}};
    case outgoing_kind::start_child: {
      const auto child = from.children.find(what.child);
      if (child == from.children.end()) return error{errc::corrupt, "child " + what.child.str() + " is not known any more"};
      return handed_over{child_of(from, what, child->second)};
    }
    case outgoing_kind::continue_run: {
      auto state = decode_state(what.state, nullptr);
      if (!state) return state.error();
      return handed_over{begin_run{
          .how = {.id = what.to},
          .workflow = state->workflow,
          .version = state->version,
          .definition_hash = state->definition_hash,
          .first = run_restored{.source = from.id, .source_seq = from.seq, .state = what.state, .link = restore_link::continued},
          .newest = what.newest}};
    }
  }
  return error{errc::corrupt, "a message of an unknown kind"};
}

void go_over_to(const plan& newest, begin_run& what) {
  if (!what.first) return;
  auto state = decode_state(what.first->state, nullptr);
  if (!state || newest.find(state->start) == nullptr) return;
  state->version = newest.version;
  state->definition_hash = newest.hash;
  auto bytes = encode_state(*state, nullptr);
  if (!bytes) return;
  what.first->state = std::move(*bytes);
  what.version = newest.version;
  what.definition_hash = newest.hash;
}

delivery_result delivered(const result<void>& answer) {
  if (answer) return {};
  if (may_try_again(answer.error().code)) return {.again = true};
  // Whoever starts a workflow that is not there is told so by that name.
  const auto code =
      answer.error().code == errc::workflow_unknown ? to_string(errc::workflow_unknown) : failure_code::not_delivered;
  return {.refused = failure{.code = std::string{code}, .message = answer.error().message}};
}

delivery_result begun(const result<void>& answer, const run_id& id, const std::optional<run_id>& holder) {
  const bool there = !answer && answer.error().code == errc::already_exists && holder == id;
  return there ? delivery_result{} : delivered(answer);
}

bool goes_to_successor(const command& what) {
  return std::holds_alternative<signal_command>(what) || std::holds_alternative<respond_command>(what) ||
         std::holds_alternative<cancel_command>(what) || std::holds_alternative<pause_command>(what) ||
         std::holds_alternative<resume_command>(what) || std::holds_alternative<child_ended_command>(what) ||
         std::holds_alternative<job_noticed>(what) || std::holds_alternative<cancel_job_command>(what);
}

void address_to_successor(command& what, const run_id& first_asked) {
  if (auto* respond = std::get_if<respond_command>(&what); respond != nullptr && !respond->asked_by)
    respond->asked_by = first_asked;
}

}  // namespace perdure::core
