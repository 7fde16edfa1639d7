#include "actors/delivery.hpp"

#include "actors/services.hpp"
#include "core/backoff.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr auto redelivery = exponential(std::chrono::milliseconds{50}, std::chrono::seconds{10});

/// `from`, the run that says it, waits as long as there is no room for the other.
void note_room(services& shared, const run_id& from, const result<run_id>& begun) {
  constexpr auto need = room_waits::need::start;
  if (begun || begun.error().code != errc::disk_full) return shared.room_waits.over(from, need);
  if (shared.room_waits.note(from, need, begun.error().message))
    shared.log("warning", std::string{waits_for_room} + ", to start a run: " + begun.error().message, from.str());
}

void begin(services& shared, const caf::actor& router, const run_id& from, core::begin_run what,
           const std::shared_ptr<core::delivery_ticket>& told) {
  if (what.newest) {
    if (const auto newest = shared.workflows.newest(what.workflow)) core::go_over_to(newest->plan, what);
  }
  auto definition = what.version.empty() ? shared.workflows.newest(what.workflow)
                                         : shared.workflows.find(what.workflow, what.version, what.definition_hash);
  const auto id = what.how.id;
  start_run start{.how = std::move(what.how), .definition = std::move(definition)};
  if (what.first) start.first = std::move(*what.first);
  const bool registering = std::chrono::steady_clock::now() - shared.opened_at < limits::registration_grace;
  auto name = "\"" + what.workflow + "\"" + (what.version.empty() ? "" : " " + what.version);
  start.answer = [&shared, from, told, id, registering, name = std::move(name)](const result<run_id>& begun,
                                                                                const std::optional<run_id>& holder) {
    note_room(shared, from, begun);
    const bool unknown = !begun && begun.error().code == errc::workflow_unknown;
    if (unknown && registering) return told->settle({.again = true});
    if (unknown) return told->settle(core::delivered(error{errc::workflow_unknown, "workflow " + name + " is not registered"}));
    told->settle(core::begun(begun ? result<void>{} : result<void>{begun.error()}, id, holder));
  };
  tell(router, std::move(start));
}

}  // namespace

void deliver_message(services& shared, const caf::actor& router, const core::run_state& from, const core::outgoing& what,
                     std::function<void(core::delivery_result)> done) {
  const auto told = std::make_shared<core::delivery_ticket>(std::move(done));
  auto handed = core::hand_over(from, what);
  if (!handed) return told->settle(core::delivered(handed.error()));
  if (auto* begins = std::get_if<core::begin_run>(&*handed)) return begin(shared, router, from.id, std::move(*begins), told);
  tell(router, run_command{what.to, std::get<core::command>(std::move(*handed)),
                           [told](const result<void>& taken) { told->settle(core::delivered(taken)); }});
}

duration pause_before_redelivery(std::uint32_t tries) { return core::delay_before(redelivery, tries + 1, duration{0}, 0); }

}  // namespace perdure::actors
