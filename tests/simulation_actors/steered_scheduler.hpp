// CAF under a schedule: every message of every actor waits until somebody says that it is handled now, and delayed messages
// until somebody says that time has passed. The tests' twin of actors/caf_support.hpp: what depends on CAF's version is here.
//
// Operation: ready() actors have messages; run(i) lets the ith handle one. Each actor belongs to a process (a number): that of
// whoever started it. end_process() kills all of one, as a crash does: none handles another message.
// Concurrency: one thread.
// Limitations: a handler is never interrupted by another; what it sends is in the mailboxes at once.
#pragma once

#include <cxxabi.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <typeinfo>
#include <vector>

#include <caf/scheduler/test_coordinator.hpp>

#include "actors/caf_support.hpp"

namespace perdure::sim {

class steered_scheduler {
 public:
  using process_id = std::uint64_t;
  struct known_actor {
    caf::actor_addr address;
    process_id process = 0;
    std::string kind;  ///< its class: "run_actor", "router", …
  };

  steered_scheduler() {
    config_.set("scheduler.policy", caf::atom("testing"));
    config_.module_factories.emplace_back(
        [this](caf::actor_system& system) { return coordinator_ = new coordinator(system, *this); });
    system_ = std::make_unique<caf::actor_system>(config_);
    while (coordinator_->try_run_once()) {
    }
    known_.clear();
  }
  /// CAF waits for every actor to end, and here it would wait for ever.
  ~steered_scheduler() {
    coordinator_->clock().cancel_all();
    if (running() > 0) {
      std::fprintf(stderr, "still there:%s\n", who_goes_on().c_str());
      std::abort();
    }
    system_.reset();
  }
  steered_scheduler(const steered_scheduler&) = delete;
  steered_scheduler& operator=(const steered_scheduler&) = delete;

  [[nodiscard]] caf::actor_system& system() { return *system_; }
  /// Whose are the actors that are spawned from now on, outside of actors.
  void enter_process(process_id which) { process_ = which; }
  [[nodiscard]] process_id process() const { return process_; }

  [[nodiscard]] std::size_t ready() const { return coordinator_->jobs.size(); }
  [[nodiscard]] const known_actor& actor_of(std::size_t index) const { return known_.at(id_of(*coordinator_->jobs[index])); }
  /// The type of the message that comes next.
  [[nodiscard]] std::string next_message(std::size_t index) const {
    auto* actor = dynamic_cast<caf::scheduled_actor*>(coordinator_->jobs[index]);
    const auto* next = actor == nullptr ? nullptr : actor->mailbox().peek();
    if (next == nullptr || next->content().empty()) return "start";
    const auto type = next->content().type(0);
    return type.second == nullptr ? "message " + std::to_string(type.first) : short_name(type.second->name());
  }
  void run(std::size_t index) {
    auto& jobs = coordinator_->jobs;
    const auto at = jobs.begin() + static_cast<std::ptrdiff_t>(index);
    const auto outside = std::exchange(process_, actor_of(index).process);
    std::rotate(jobs.begin(), at, at + 1);
    coordinator_->try_run_once();
    for (auto* each : jobs) note(*each);  // what an actor started went past enqueue()
    process_ = outside;
  }

  [[nodiscard]] std::chrono::steady_clock::time_point steady_now() const { return coordinator_->clock().current_time; }
  /// Until the next delayed message is due.
  [[nodiscard]] std::optional<duration> next_delay() const {
    const auto& waiting = coordinator_->clock().schedule();
    if (waiting.empty()) return std::nullopt;
    const auto left = waiting.begin()->first - steady_now();
    return std::max(std::chrono::ceil<duration>(left), duration{0});
  }
  /// What is due then is in its mailbox.
  void pass(duration length) { coordinator_->clock().advance_time(length); }

  /// Actors that live, in the order of their ids.
  [[nodiscard]] std::vector<caf::actor> living(process_id process, std::string_view kind) {
    std::vector<caf::actor> out;
    for (auto at = known_.begin(); at != known_.end();) {
      auto held = caf::actor_cast<caf::actor>(at->second.address);
      if (!held) {
        at = known_.erase(at);
        continue;
      }
      if (at->second.process == process && at->second.kind == kind) out.push_back(std::move(held));
      ++at;
    }
    return out;
  }
  /// False once it has ended, though somebody may still hold it.
  [[nodiscard]] static bool goes_on(const caf::actor& who) {
    return !caf::actor_cast<caf::abstract_actor*>(who)->getf(caf::abstract_actor::is_terminated_flag);
  }
  /// Actors of this kind that were ever started.
  [[nodiscard]] std::uint64_t started(const std::string& kind) const {
    const auto at = started_.find(kind);
    return at == started_.end() ? 0 : at->second;
  }
  /// Actors of all processes that have not ended.
  [[nodiscard]] std::size_t running() const { return system_->registry().running(); }

  [[nodiscard]] std::string who_goes_on() const {
    std::string out;
    for (const auto& [id, known] : known_) {
      const auto held = caf::actor_cast<caf::actor>(known.address);
      if (held && goes_on(held))
        out += " " + known.kind + " " + std::to_string(id) + " of process " + std::to_string(known.process);
    }
    return out;
  }

  void end_process(process_id which) {
    for (bool more = true; more;) {  // one may start another before its own end reaches it
      more = false;
      for (auto& [id, known] : known_) {
        const auto held = known.process == which ? caf::actor_cast<caf::actor>(known.address) : caf::actor{};
        if (!held || !goes_on(held)) continue;
        more = true;
        caf::anon_send_exit(held, caf::exit_reason::kill);
      }
      for (std::size_t i = 0; i < ready();) {
        if (actor_of(i).process == which) {
          run(i);
          i = 0;
        } else {
          ++i;
        }
      }
    }
  }

 private:
  class coordinator final : public caf::scheduler::test_coordinator {
   public:
    coordinator(caf::actor_system& system, steered_scheduler& owner) : test_coordinator(system), owner_(owner) {}

   protected:
    void enqueue(caf::resumable* what) override {
      owner_.note(*what);
      test_coordinator::enqueue(what);
    }

   private:
    steered_scheduler& owner_;
  };

  static caf::actor_id id_of(caf::resumable& what) {
    const auto* actor = dynamic_cast<caf::abstract_actor*>(&what);
    return actor == nullptr ? 0 : actor->id();
  }
  static std::string short_name(const char* mangled) {
    int status = 0;
    char* full = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string out = status == 0 ? full : mangled;
    std::free(full);
    return out.substr(out.rfind(':') == std::string::npos ? 0 : out.rfind(':') + 1);
  }
  void note(caf::resumable& what) {
    const auto id = id_of(what);
    if (known_.contains(id)) return;
    auto* actor = dynamic_cast<caf::abstract_actor*>(&what);
    known_actor made{.process = process_, .kind = short_name(typeid(what).name())};
    if (actor != nullptr) made.address = caf::actor_cast<caf::actor_addr>(actor);
    ++started_[made.kind];
    known_.emplace(id, std::move(made));
  }

  caf::actor_system_config config_;
  coordinator* coordinator_ = nullptr;  // the system's
  std::map<caf::actor_id, known_actor> known_;
  std::map<std::string, std::uint64_t> started_;
  process_id process_ = 0;
  std::unique_ptr<caf::actor_system> system_;
};

}  // namespace perdure::sim
