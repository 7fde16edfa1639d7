#include "actors/definitions.hpp"

#include <mutex>

#include "flow/plan_difference.hpp"

namespace perdure::actors {

result<void> definitions::add(definition_ptr what) {
  const std::unique_lock lock{mutex_};
  auto& slot = by_version_[{what->plan.name, what->plan.version}];
  if (slot && slot->plan.hash != what->plan.hash) {
    return error{errc::already_exists, "workflow \"" + what->plan.name + "\" " + what->plan.version +
                                           " is registered with another graph; give the changed one a new version (" +
                                           flow::difference(slot->plan, what->plan) + ")"};
  }
  if (!slot) slot = what;
  newest_[what->plan.name] = slot;
  return {};
}

definition_ptr definitions::find(std::string_view name, std::string_view version, std::string_view hash, bool* changed) const {
  const std::shared_lock lock{mutex_};
  const auto at = by_version_.find(std::pair{std::string{name}, std::string{version}});
  if (at == by_version_.end()) return nullptr;
  if (hash.empty() || at->second->plan.hash == hash) return at->second;
  if (changed != nullptr) *changed = true;
  return nullptr;
}

definition_ptr definitions::newest(std::string_view name) const {
  const std::shared_lock lock{mutex_};
  const auto at = newest_.find(name);
  return at == newest_.end() ? nullptr : at->second;
}

std::vector<std::string> definitions::names() const {
  const std::shared_lock lock{mutex_};
  std::vector<std::string> out;
  for (const auto& [name, what] : newest_) out.push_back(name);
  return out;
}

std::vector<definition_ptr> definitions::all() const {
  const std::shared_lock lock{mutex_};
  std::vector<definition_ptr> out;
  for (const auto& [place, what] : by_version_) out.push_back(what);
  return out;
}

}  // namespace perdure::actors
