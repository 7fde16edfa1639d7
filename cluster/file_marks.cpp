#include "cluster/file_marks.hpp"

#include "core/client_files.hpp"
#include "persistence/durable_file.hpp"

namespace perdure::cluster {

std::shared_ptr<actors::file_marks> open_file_marks(const std::filesystem::path& data) {
  std::error_code bad;
  return std::make_shared<actors::file_marks>(std::filesystem::absolute(data, bad) / core::client_files_folder,
                                              [data] { return persistence::key_file(data / "secrets.key"); });
}

}  // namespace perdure::cluster
