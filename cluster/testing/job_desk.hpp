// job_desk: what actors/backends/job_service.cpp is in the engine, in virtual time and with backends that answer at once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/command.hpp"
#include "perdure/backend.hpp"

namespace perdure::testing {

class job_desk {
 public:
  void add(std::string name, std::shared_ptr<backend> what) { backends_[std::move(name)] = std::move(what); }
  void carry_on(const run_id& run, core::job_order what, timestamp now);
  void leave(const run_id& run, const core::job_effect& what);
  /// A crash: the backends go on.
  void lose_memory() { entries_.clear(); }

  /// Jobs whose backend is to be asked now, in the order of their keys.
  [[nodiscard]] std::vector<std::string> due(timestamp now) const;
  /// When the next one is.
  [[nodiscard]] std::optional<timestamp> next() const;
  /// Asks; what it says is for that run.
  [[nodiscard]] std::vector<std::pair<run_id, core::job_noticed>> ask(const std::string& key, timestamp now);

 private:
  struct entry {
    core::job_order order;
    timestamp at{};
    std::uint32_t looks = 0;
  };
  core::job_noticed submit(const core::job_order& order);
  std::map<std::string, std::shared_ptr<backend>> backends_;
  std::map<std::string, entry> entries_;  ///< by submit key
};

}  // namespace perdure::testing
