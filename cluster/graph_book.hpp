// graph_book: what the graphs looked like that runs of a data directory were started with, so that a changed one is refused with
// what has changed, also in a later process.
#pragma once

#include <filesystem>

#include "core/plan.hpp"
#include "persistence/journal.hpp"

namespace perdure::cluster {

/// Keeps the graph in DATA/graphs/NAME/VERSION-HASH.json, before a run of it can begin. already_exists: a run of the same name
/// and version with another graph has not ended. A kept graph of which no run goes on any more is removed. Graphs of documents
/// are not kept, their text is (documents.hpp).
[[nodiscard]] result<void> admit_graph(const std::filesystem::path& data, const persistence::journal& journal,
                                       const core::plan& plan);

}  // namespace perdure::cluster
