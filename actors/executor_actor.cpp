#include "actors/executor_actor.hpp"

namespace perdure::actors {

namespace {

class executor_actor : public caf::event_based_actor {
 public:
  executor_actor(caf::actor_config& config, std::shared_ptr<services> shared, definition_ptr definition, run_id run,
                 caf::actor to)
      : caf::event_based_actor(config), shared_(std::move(shared)), definition_(std::move(definition)), run_(run),
        to_(std::move(to)) {}

  caf::behavior make_behavior() override {
    return {
        [this](const begin_attempt& what) {
          const auto self = caf::actor_cast<caf::actor>(this);
          const auto report = [to = to_](core::command what) { tell(to, command_for_run{std::move(what), nullptr}); };
          host_ = std::make_shared<attempt_host>(shared_, definition_, run_, what.what, ports_of(self, report, what.trace));
          host_->begin();
        },
        [this](feed_attempt& what) {
          if (host_) host_->feed(std::move(what.item));
        },
        [this](run_body what) {
          if (host_) host_->run_body(what.ordinal);
        },
        [](run_later& what) { what.what(); },
        [this](stop_attempt) { quit(); },
    };
  }

  void on_exit() override {
    if (host_) host_->stop();
    host_.reset();
    to_ = nullptr;
  }

 private:
  std::shared_ptr<services> shared_;
  definition_ptr definition_;
  run_id run_;
  caf::actor to_;
  std::shared_ptr<attempt_host> host_;
};

}  // namespace

attempt_host::ports ports_of(const caf::actor& self, std::function<void(core::command)> report, std::string trace) {
  return {.report = std::move(report),
          .later =
              [self](duration wait, std::function<void()> what) {
                caf::delayed_anon_send(self, std::chrono::duration_cast<std::chrono::nanoseconds>(wait),
                                       run_later{std::move(what)});
              },
          .post = [self](std::function<void()> what) { tell(self, run_later{std::move(what)}); },
          .trace = std::move(trace)};
}

caf::actor spawn_executor(caf::event_based_actor* parent, std::shared_ptr<services> shared, definition_ptr definition, run_id run,
                          const caf::actor& run_actor) {
  return parent->spawn<executor_actor, caf::monitored>(std::move(shared), std::move(definition), run, run_actor);
}

}  // namespace perdure::actors
