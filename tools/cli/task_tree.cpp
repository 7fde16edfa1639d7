#include "tools/cli/task_tree.hpp"

#include <map>
#include <optional>
#include <string>

namespace perdure::tools::cli {

namespace {

using latest_by_reference = std::map<std::pair<activation_id, std::string>, std::size_t>;

std::optional<std::size_t> parent_of(const executor_view& what, const latest_by_reference& latest) {
  auto around = what.reference;
  for (auto slash = around.rfind('/'); slash != std::string::npos && slash > 0; slash = around.rfind('/')) {
    around.resize(slash);
    if (const auto found = latest.find({what.activation, around}); found != latest.end()) return found->second;
  }
  return std::nullopt;
}

}  // namespace

std::vector<placed_task> tree_of(const std::vector<executor_view>& all) {
  latest_by_reference latest;
  std::vector<std::vector<std::size_t>> inside(all.size());
  std::vector<std::size_t> open;  // to be placed, the next one last
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto parent = all[i].reference.empty() ? std::nullopt : parent_of(all[i], latest);
    (parent ? inside[*parent] : open).push_back(i);
    if (!all[i].reference.empty()) latest.insert_or_assign({all[i].activation, all[i].reference}, i);
  }
  std::vector<placed_task> out;
  std::vector<std::size_t> depths(all.size(), 0);
  open = {open.rbegin(), open.rend()};
  while (!open.empty()) {
    const auto at = open.back();
    open.pop_back();
    out.push_back({&all[at], depths[at]});
    for (auto each = inside[at].rbegin(); each != inside[at].rend(); ++each) {
      depths[*each] = depths[at] + 1;
      open.push_back(*each);
    }
  }
  return out;
}

}  // namespace perdure::tools::cli
