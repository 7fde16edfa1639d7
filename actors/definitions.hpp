// The registered workflows of a node. Any thread.
#pragma once

#include <map>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

#include "flow/definition.hpp"

namespace perdure::actors {

using definition_ptr = std::shared_ptr<const detail::definition>;

class definitions {
 public:
  /// already_exists: the same name and version with another graph.
  result<void> add(definition_ptr what);
  /// The one that a run was started with; null when it is not registered. `changed` tells that its name and version
  /// are, with another graph.
  [[nodiscard]] definition_ptr find(std::string_view name, std::string_view version, std::string_view hash,
                                    bool* changed = nullptr) const;
  /// The one registered last under the name.
  [[nodiscard]] definition_ptr newest(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// In the order of their names and versions.
  [[nodiscard]] std::vector<definition_ptr> all() const;

 private:
  mutable std::shared_mutex mutex_;
  std::map<std::pair<std::string, std::string>, definition_ptr, std::less<>> by_version_;
  std::map<std::string, definition_ptr, std::less<>> newest_;
};

}  // namespace perdure::actors
