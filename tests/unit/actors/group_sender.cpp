#include "actors/group_sender.hpp"

#include <atomic>
#include <memory>
#include <vector>

#include "support/catch.hpp"

PERDURE_LOCAL_MESSAGE(std::shared_ptr<std::atomic<int>>)

using perdure::actors::group_sender;
using perdure::actors::hosting;

namespace {

using counter = std::shared_ptr<std::atomic<int>>;

caf::behavior counts(caf::event_based_actor*) {
  return {[](const counter& told) { ++*told; }};
}

}  // namespace

TEST_CASE("every actor that is told at once gets its turn, also those that get more while they have it",
          "[actors][group_sender]") {
  constexpr int many = 100, rounds = 50;
  const auto told = std::make_shared<std::atomic<int>>(0);
  caf::actor_system_config config;
  config.set("scheduler.max-threads", 2u);
  caf::actor_system system{config};
  std::vector<caf::actor> actors;
  for (int i = 0; i < many; ++i) actors.push_back(system.spawn(counts));
  group_sender group{system, hosting::own_thread};
  for (int round = 0; round < rounds; ++round) {
    for (const auto& each : actors) {
      group.tell(each, told);
      caf::anon_send(each, told);
    }
    group.flush();
  }
  for (const auto& each : actors) caf::anon_send_exit(each, caf::exit_reason::user_shutdown);
  system.await_all_actors_done();
  CHECK(*told == 2 * many * rounds);
}

TEST_CASE("a system that shuts down gives the groups that it has their turn first", "[actors][group_sender]") {
  const auto told = std::make_shared<std::atomic<int>>(0);
  {
    caf::actor_system_config config;
    config.set("scheduler.max-threads", 1u);
    caf::actor_system system{config};
    system.await_actors_before_shutdown(false);
    group_sender group{system, hosting::own_thread};
    for (int i = 0; i < 100; ++i) group.tell(system.spawn(counts), told);
  }
  CHECK(*told == 100);
  CHECK(told.use_count() == 1);
}
