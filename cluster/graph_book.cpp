#include "cluster/graph_book.hpp"

#include <fstream>
#include <iterator>
#include <map>
#include <optional>

#include "core/percent.hpp"
#include "flow/graph_text.hpp"
#include "flow/plan_difference.hpp"
#include "flow/plan_hash.hpp"
#include "persistence/durable_file.hpp"

namespace perdure::cluster {

namespace {

constexpr std::size_t hash_digits = 16;
constexpr std::string_view extension = ".json";

/// A name as one component of a path.
std::string file_name(std::string_view name) {
  auto out = core::percent_encoded(name);
  if (out.starts_with('.')) out.replace(0, 1, "%2E");
  return out;
}

/// Kept graphs of the version other than this one, by the beginning of their hash.
std::map<std::string, std::filesystem::path> others(const std::filesystem::path& folder, const core::plan& plan) {
  std::map<std::string, std::filesystem::path> out;
  const auto before = file_name(plan.version) + "-";
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(folder, bad)) {
    const auto name = each.path().filename().string();
    if (name.size() != before.size() + hash_digits + extension.size() || !name.starts_with(before) || !name.ends_with(extension))
      continue;
    auto hash = name.substr(before.size(), hash_digits);
    if (!plan.hash.starts_with(hash)) out.emplace(std::move(hash), each.path());
  }
  return out;
}

/// A run of the version that has not ended and has one of these graphs.
std::optional<persistence::run_row> going_on(const persistence::journal& journal, const core::plan& plan,
                                             const std::map<std::string, std::filesystem::path>& graphs) {
  persistence::row_query query{.workflow = plan.name, .open_only = true, .limit = 1000};
  while (true) {
    auto rows = journal.rows(query);
    for (auto& row : rows) {
      if (row.version == plan.version && graphs.contains(row.definition_hash.substr(0, hash_digits))) return std::move(row);
    }
    if (rows.size() < query.limit) return std::nullopt;
    query.after = rows.back().id;
  }
}

std::string what_changed(const std::filesystem::path& kept, const core::plan& now) {
  std::ifstream in{kept, std::ios::binary};
  const std::string text{std::istreambuf_iterator<char>{in}, {}};
  const auto before = flow::read_graph(text);
  return before ? " (" + flow::difference(*before, now) + ")" : std::string{};
}

}  // namespace

result<void> admit_graph(const std::filesystem::path& data, const persistence::journal& journal, const core::plan& plan) {
  // The hash of a document's definition is that of its text.
  if (plan.hash != flow::hash_of(plan)) return {};
  const auto folder = data / "graphs" / file_name(plan.name);
  const auto earlier = others(folder, plan);
  if (!earlier.empty()) {
    if (const auto run = going_on(journal, plan, earlier)) {
      return error{errc::already_exists, "workflow \"" + plan.name + "\" " + plan.version + " had another graph when run " +
                                             run->id.str() +
                                             " was started, which has not ended; give the changed one a new version" +
                                             what_changed(earlier.at(run->definition_hash.substr(0, hash_digits)), plan)};
    }
    std::error_code ignored;
    for (const auto& [hash, path] : earlier) std::filesystem::remove(path, ignored);
  }
  const auto path = folder / (file_name(plan.version) + "-" + plan.hash.substr(0, hash_digits) + std::string{extension});
  std::error_code bad;
  if (std::filesystem::exists(path, bad)) return {};
  if (auto made = persistence::make_folder(folder); !made) return made;
  return persistence::put_file(path, flow::graph_text(plan));
}

}  // namespace perdure::cluster
