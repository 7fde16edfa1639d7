// leftover_steps: programs of steps (process_steps) that an earlier process of the node left running, until it is known of each
// whether it is still wanted. A step that goes on asks for its program again, by its key. One that came to nothing meanwhile
// (its time limit passed, its run was cancelled or ended) never does: its program would go on for ever, and nobody would know.
//
// Operation: finds what is left when it is made. A program is off the list when its step asks for it, and it is asked to end
// when its run has ended, which is looked at each second, or when the attempt that it belonged to has asked again for all that
// it wants: the node tells that by starting this as a capability, with the attempt's place "run/executor/activation/" as key.
// Programs of runs that are paused, or whose workflow is not registered yet, stay.
// Concurrency: any thread; a thread of its own as long as there is something on the list.
// Limitations: knows what was submitted by process_backend::submit_step; programs of a removed run are left alone.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "actors/capabilities/capability.hpp"
#include "perdure/ids.hpp"

namespace perdure::actors {

/// The name that this has among a node's capabilities, where there was something left.
inline constexpr std::string_view leftover_capability = "process.leftovers";

class leftover_steps final : public capability {
 public:
  struct ports {
    std::function<bool(const run_id&)> ended;  ///< whether the run's end is durable; any thread, until stop_all()
    /// Asks a program to end; `done` is called when that is on the disk.
    std::function<void(const std::string& id, std::function<void()> done)> end;
  };
  leftover_steps(const std::filesystem::path& root, ports out);
  ~leftover_steps() override;

  [[nodiscard]] bool any() const;
  /// A step wants its program.
  void asked_for(const std::string& key);
  /// The node closes, and these go on: keys and ids. One of a run that has ended is asked to end, now or never.
  void close(const std::map<std::string, std::string>& running);

  /// An attempt has asked again for all that it wants.
  void start(capability_request request) override;
  void stop_all() override { close({}); }

 private:
  void watch();
  /// Takes off the list, and asks to end, what `unwanted` says.
  void end_those(const std::function<bool(const std::string& key)>& unwanted);

  /// Programs that were asked to end, and it is not on the disk yet.
  struct wishes {
    std::mutex mutex;
    std::condition_variable over;
    std::size_t left = 0;
  };

  const ports out_;
  const std::shared_ptr<wishes> count_ = std::make_shared<wishes>();
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::map<std::string, std::string> left_;  ///< keys and ids
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace perdure::actors
