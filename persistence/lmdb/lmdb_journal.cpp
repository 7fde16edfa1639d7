// Opens the LMDB journal of a data directory.
#include "persistence/blobs.hpp"
#include "persistence/lmdb/lmdb_store.hpp"
#include "persistence/stored_journal.hpp"

namespace perdure::persistence {

result<std::unique_ptr<journal>> open_lmdb_journal(const std::filesystem::path& directory, open_mode mode,
                                                   std::size_t max_map_bytes, std::size_t min_free_disk_bytes,
                                                   const upkeep_options& upkeep) {
  auto environment = lmdb_environment::open(directory, mode, max_map_bytes);
  if (!environment) return environment.error();
  journal_options options;
  options.read_only = mode == open_mode::read_only;
  options.upkeep = upkeep;
  options.min_free_disk_bytes = min_free_disk_bytes;
  options.reserved_rows = options.read_only ? 0 : options.overlay_rows;
  auto blobs = std::make_unique<file_blobs>(directory / "blobs", options.read_only);
  auto opened = stored_journal::open(std::make_unique<lmdb_store>(std::move(*environment), directory, min_free_disk_bytes),
                                     std::move(blobs), options);
  if (!opened) return opened.error();
  return std::unique_ptr<journal>{std::move(*opened)};
}

}  // namespace perdure::persistence
