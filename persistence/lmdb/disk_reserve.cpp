#include "persistence/lmdb/disk_reserve.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "persistence/file_descriptor.hpp"

namespace perdure::persistence {

void disk_reserve::keep(std::size_t stays_free) {
  if (bytes_ == 0) return;
  std::error_code failed;
  if (const auto size = std::filesystem::file_size(file_, failed); !failed && size >= bytes_) return;
  const auto room = std::filesystem::space(file_.parent_path(), failed);
  if (failed || room.available < stays_free + bytes_) return;
  const file_descriptor file{::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)};
  if (!file) return;
  if (::posix_fallocate(file.get(), 0, static_cast<off_t>(bytes_)) != 0) (void)::ftruncate(file.get(), 0);
}

bool disk_reserve::release() {
  const file_descriptor file{::open(file_.c_str(), O_WRONLY | O_CLOEXEC)};
  struct stat now {};
  if (!file || ::fstat(file.get(), &now) != 0 || now.st_blocks == 0) return false;
  return ::ftruncate(file.get(), 0) == 0 && ::fsync(file.get()) == 0;
}

}  // namespace perdure::persistence
