// caf_messages: a host that uses the C++ Actor Framework itself talks to a run with plain messages.
#include "caf_messages.hpp"

#include "example.hpp"
#include "perdure/caf.hpp"

using namespace caf_messages;

/// The host's own actor: watches the run, decides, and stops when the run has ended.
caf::behavior desk(caf::event_based_actor* self, const caf::actor& run) {
  self->send(run, watch_run{});
  self->request(run, caf::infinite, signal_run{"decision", payload{json::value("granted")}})
      .then([](command_done) { std::printf("desk: the decision is in the journal\n"); },
            [self](const caf::error& wrong) {
              std::printf("desk: %s\n", self->system().render(wrong).c_str());
              self->quit();
            });
  self->request(run, caf::infinite, await_run_end{}).then([self](const run_info& ended) {
    std::printf("desk: the run %s\n", std::string{to_string(ended.status)}.c_str());
    self->quit();
  });
  return {[](const run_event& event) {
    std::printf("desk: event %llu is %s\n", static_cast<unsigned long long>(event.seq), event.kind.c_str());
  }};
}

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(insure())) return 1;
  const auto run = opened->start("insure", claim{"Bo", 40});
  if (!run) return 1;
  {
    // The host's actor system, with a configuration of its own.
    caf::actor_system_config config;
    caf::actor_system host{config};
    host.spawn(desk, attach_run(host, *opened, run->id()));
    host.await_all_actors_done();
  }
  return example::told(run->wait(), run_status::succeeded);
}
