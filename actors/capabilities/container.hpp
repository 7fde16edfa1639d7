// The capability "container": runs a container with the engine that the machine has, docker or podman.
//
// Operation: the spec is an object: image; name, command, arguments, environment, stdin, ports, volumes when given; pull
// ("missing", "always", "never"), remove (as soon as it has ended). Or drop, a name: that container is removed. The result
// is a process_result. A container carries the step's key as a label: one that an earlier try left behind is removed first,
// and so is one whose step was stopped.
// Failures have the code "process", as those of the capability of that name; "container" when there is no engine, or when
// the engine could not run the container.
#pragma once

#include <memory>

#include "actors/capabilities/process.hpp"

namespace perdure::actors {

class container_capability final : public capability {
 public:
  explicit container_capability(std::shared_ptr<process_capability> processes) : processes_(std::move(processes)) {}

  void start(capability_request request) override;
  /// The processes' own stop_all does it.
  void stop_all() override {}

 private:
  std::shared_ptr<process_capability> processes_;
};

}  // namespace perdure::actors
