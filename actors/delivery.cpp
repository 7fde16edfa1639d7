#include "actors/delivery.hpp"

#include "actors/services.hpp"
#include "core/backoff.hpp"

namespace perdure::actors {

namespace {

constexpr auto redelivery = exponential(std::chrono::milliseconds{50}, std::chrono::seconds{10});

/// Called once with what is known; a message that is lost on the way is tried again.
class once {
 public:
  explicit once(std::function<void(delivery_result)> done) : done_(std::move(done)) {}
  once(const once&) = delete;
  once& operator=(const once&) = delete;
  ~once() { (*this)({.again = true}); }
  void operator()(delivery_result how) {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(how));
  }

 private:
  std::function<void(delivery_result)> done_;
};

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

delivery_result result_of(const error& why) {
  if (may_try_again(why.code)) return {.again = true};
  // Whoever starts a workflow that is not there is told so by that name.
  const auto code = why.code == errc::workflow_unknown ? to_string(why.code) : failure_code::not_delivered;
  return {.refused = failure{.code = std::string{code}, .message = why.message}};
}

void command(const caf::actor& router, const run_id& to, core::command what, std::function<void(delivery_result)> done) {
  auto told = std::make_shared<once>(std::move(done));
  tell(router, run_command{to, std::move(what), [told = std::move(told)](const result<void>& taken) {
                             (*told)(taken ? delivery_result{} : result_of(taken.error()));
                           }});
}

void start(const caf::actor& router, start_run what, std::function<void(delivery_result)> done) {
  auto told = std::make_shared<once>(std::move(done));
  const auto id = what.how.id;
  what.answer = [told = std::move(told), id](const result<run_id>& begun, const std::optional<run_id>& holder) {
    const bool there = begun || (begun.error().code == errc::already_exists && holder == id);
    (*told)(there ? delivery_result{} : result_of(begun.error()));
  };
  tell(router, std::move(what));
}

void start_child(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                 std::function<void(delivery_result)> done) {
  const auto found = from.children.find(what.child);
  if (found == from.children.end())
    return done(
        {.refused = failure{.code = std::string{failure_code::not_delivered}, .message = "the child is not known any more"}});
  const auto& child = found->second;
  auto definition = child.version.empty() ? shared.workflows.newest(child.workflow)
                                          : shared.workflows.find(child.workflow, child.version, child.definition_hash);
  if (definition == nullptr) {
    return done(result_of({errc::workflow_unknown, "workflow \"" + child.workflow + "\" is not registered"}));
  }
  start(router,
        {.how = {.id = what.to,
                 .message = child.message,
                 .input = child.input,
                 .tenant = from.tenant,
                 .timeout = child.timeout,
                 .start = child.start,
                 .parent = core::parent_link{.run = from.id, .child = what.child}},
         .definition = std::move(definition)},
        std::move(done));
}

void continue_run(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                  std::function<void(delivery_result)> done) {
  auto state = core::decode_state(what.state, nullptr);
  if (!state) return done(result_of(state.error()));
  auto bytes = what.state;
  if (what.newest) {
    const auto newest = shared.workflows.newest(from.workflow);
    if (newest != nullptr && newest->plan.find(state->start) != nullptr) {
      state->version = newest->plan.version;
      state->definition_hash = newest->plan.hash;
      if (auto again = core::encode_state(*state, nullptr)) bytes = std::move(*again);
    }
  }
  // A workflow that is not registered now holds up nothing: the run waits for it.
  auto definition = shared.workflows.find(state->workflow, state->version, state->definition_hash);
  start(router,
        {.how = {.id = what.to},
         .definition = std::move(definition),
         .first =
             core::run_restored{
                 .source = from.id, .source_seq = from.seq, .state = std::move(bytes), .link = core::restore_link::continued}},
        std::move(done));
}

}  // namespace

void deliver_message(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                     std::function<void(delivery_result)> done) {
  switch (what.kind) {
    case core::outgoing_kind::start_child: return start_child(shared, router, from, what, std::move(done));
    case core::outgoing_kind::continue_run: return continue_run(shared, router, from, what, std::move(done));
    case core::outgoing_kind::signal:
      return command(router, what.to, core::signal_command{what.name, what.value, what.id}, std::move(done));
    case core::outgoing_kind::cancel: return command(router, what.to, core::cancel_command{what.name, what.id}, std::move(done));
    case core::outgoing_kind::child_end:
      return command(router, what.to, core::child_ended_command{what.child, what.status, what.value, what.error},
                     std::move(done));
  }
}

duration pause_before_redelivery(std::uint32_t tries) { return core::delay_before(redelivery, tries + 1, duration{0}, 0); }

}  // namespace perdure::actors
