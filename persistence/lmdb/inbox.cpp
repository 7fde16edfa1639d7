#include "persistence/inbox.hpp"

#include "persistence/lmdb/lmdb_store.hpp"

namespace perdure::persistence {

result<void> each_inbox(const std::filesystem::path& directory, const std::function<void(std::string_view)>& take) {
  // Who reads needs no larger map than the file is.
  auto environment = lmdb_environment::open(directory, open_mode::read_only, 0);
  if (!environment) return environment.error();
  try {
    const lmdb_store store{std::move(*environment), directory, 0};
    const auto view = store.view();
    const auto at = view->walk(table::inbox);
    for (bool more = at->seek({}); more; more = at->next()) take(at->value());
    return {};
  } catch (const store_failure& failure) {
    return failure.why();
  }
}

}  // namespace perdure::persistence
