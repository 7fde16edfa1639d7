// relations_view: what ties a run to others, folded from its events: where it came from, its children, where it goes on.
// Concurrency: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "perdure/run.hpp"

namespace perdure::tools {

struct child_view {
  std::string id;  ///< as the parent's handles name it
  std::string workflow;
  std::string executor;  ///< of background work: where it starts; else empty
  std::string close;     ///< cancel, wait, abandon
  bool background = false;
  std::string status;  ///< starting, running, refused, or how it ended
  std::string started_at, ended_at;
  json::value error;
};

class relations_view {
 public:
  void add(const run_event& event);

  [[nodiscard]] const std::vector<child_view>& children() const { return children_; }
  [[nodiscard]] const std::string& successor() const { return successor_; }
  /// Adds "parent", "source", "link", "retry_of", "successor" and "children", those that say something.
  void put(json::object& out) const;

 private:
  [[nodiscard]] child_view* find(const std::string& id);

  std::string parent_, source_, link_, successor_;
  std::vector<child_view> children_;
};

}  // namespace perdure::tools
