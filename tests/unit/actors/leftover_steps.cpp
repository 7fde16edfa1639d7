// Programs of steps that an earlier process left running.
#include "actors/backends/leftover_steps.hpp"

#include <condition_variable>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "actors/backends/process_backend.hpp"
#include "perdure/json.hpp"
#include "support/catch.hpp"
#include "support/temp_directory.hpp"

using namespace perdure;
using namespace perdure::actors;
using namespace std::chrono_literals;

namespace {

const std::string first_run = "01a22700-0000-7000-8000-000000000001", second_run = "01a22700-0000-7000-8000-000000000002";

/// A folder with programs of an earlier node, and what is done with them now.
struct place {
  test::temp_directory directory;
  std::filesystem::path root = directory.path() / "jobs";
  std::mutex mutex;
  std::condition_variable changed;
  std::set<std::string> ended_runs, asked_to_end;
  std::map<std::string, std::string> ids;  // by key

  /// Begins a program that sleeps, under the key.
  void begin(process_backend& backend, const std::string& key, bool of_step = true) {
    process_job sleeper{"sleep"};
    sleeper.arguments = {"30"};
    const auto told = [&](const result<std::string>& id) {
      const std::lock_guard lock{mutex};
      ids[key] = id ? *id : id.error().message;
      changed.notify_all();
    };
    job_submission what{.key = key, .spec = payload{to_json(sleeper)}};
    if (of_step) {
      backend.submit_step(std::move(what), told);
    } else {
      backend.submit(std::move(what), {}, told);
    }
    std::unique_lock lock{mutex};
    REQUIRE(changed.wait_for(lock, 10s, [&] { return ids.contains(key); }));
    REQUIRE(ids[key].size() == 32);
  }
  leftover_steps::ports ports() {
    return {.ended =
                [this](const run_id& run) {
                  const std::lock_guard lock{mutex};
                  return ended_runs.contains(run.str());
                },
            .end =
                [this](const std::string& id, const std::function<void()>& done) {
                  {
                    const std::lock_guard lock{mutex};
                    for (const auto& [key, known] : ids) {
                      if (known == id) asked_to_end.insert(key);
                    }
                    changed.notify_all();
                  }
                  done();
                }};
  }
  bool is_asked_to_end(const std::string& key, std::chrono::milliseconds within = 0ms) {
    std::unique_lock lock{mutex};
    return changed.wait_for(lock, within, [&] { return asked_to_end.contains(key); });
  }
  /// The programs themselves.
  void end_all(process_backend& backend) {
    for (const auto& [key, id] : ids) {
      bool over = false;
      backend.cancel(id, {}, [&](const result<void>&) {
        const std::lock_guard lock{mutex};
        over = true;
        changed.notify_all();
      });
      std::unique_lock lock{mutex};
      changed.wait_for(lock, 10s, [&] { return over; });
    }
  }
};

}  // namespace

TEST_CASE("a program that no step asks for again is asked to end when its attempt has asked for all it wants") {
  // A task's time limit had passed while no node ran: the next one went on with the document, and the program, which nobody
  // would ever ask for again, ran on for ever.
  place at;
  process_backend backend{at.root, {}, std::filesystem::path{}};
  const auto wanted = first_run + "/doc/1/0", unwanted = first_run + "/doc/1/2", other = second_run + "/doc/1/0";
  for (const auto& key : {wanted, unwanted, other}) at.begin(backend, key);
  leftover_steps left{at.root, at.ports()};
  REQUIRE(left.any());
  left.asked_for(wanted);
  bool told = false;
  left.start({.key = first_run + "/doc/1/", .done = [&](const core::outcome&) { told = true; }});
  CHECK(told);
  CHECK(at.is_asked_to_end(unwanted));
  CHECK_FALSE(at.is_asked_to_end(wanted));
  left.stop_all();
  CHECK_FALSE(at.is_asked_to_end(other));  // its run has not said anything yet
  CHECK_FALSE(at.is_asked_to_end(wanted));
  at.end_all(backend);
}

TEST_CASE("a program whose run has ended is asked to end: at the start, while the node runs, or when it closes") {
  place at;
  process_backend backend{at.root, {}, std::filesystem::path{}};
  const auto early = first_run + "/doc/1/0", late = second_run + "/doc/1/0";
  for (const auto& key : {early, late}) at.begin(backend, key);
  at.ended_runs.insert(first_run);
  leftover_steps left{at.root, at.ports()};
  CHECK(at.is_asked_to_end(early, 5s));
  CHECK_FALSE(at.is_asked_to_end(late));
  const auto end_second = [&] {
    const std::lock_guard lock{at.mutex};
    at.ended_runs.insert(second_run);
  };
  SECTION("while the node runs") {
    end_second();
    CHECK(at.is_asked_to_end(late, 5s));
  }
  SECTION("when it closes") {
    end_second();
    left.stop_all();
    CHECK(at.is_asked_to_end(late));
  }
  SECTION("one that the closing node began itself") {
    left.asked_for(late);
    end_second();
    left.close({{late, at.ids[late]}});
    CHECK(at.is_asked_to_end(late));
  }
  at.end_all(backend);
}

TEST_CASE("jobs, which their runs look after, are none of it") {
  place at;
  process_backend backend{at.root, {}, std::filesystem::path{}};
  at.begin(backend, first_run + "/doc/1/0", false);
  at.ended_runs.insert(first_run);
  const leftover_steps left{at.root, at.ports()};
  CHECK_FALSE(left.any());
  at.end_all(backend);
}
