#include "tools/gateway/private_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/hex_number.hpp"
#include "persistence/durable_file.hpp"
#include "persistence/file_descriptor.hpp"

namespace perdure::tools::gateway {

using persistence::file_descriptor;

error file_error(const std::filesystem::path& where) {
  const auto code = errno == ENOSPC || errno == EDQUOT ? errc::disk_full : errno == ENOENT ? errc::not_found : errc::io_error;
  return {code, where.string() + ": " + std::strerror(errno)};
}

result<std::string> read_private(const std::filesystem::path& path, std::size_t limit_bytes) {
  const file_descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
  if (!file) return file_error(path);
  std::string text(limit_bytes, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const auto got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  text.resize(size);
  return text;
}

result<std::string> random_hex(std::size_t count) {
  const auto bytes = persistence::random_key(count);
  if (!bytes) return bytes.error();
  std::string out;
  for (const auto each : *bytes) out += core::hex_number(static_cast<unsigned char>(each), 2);
  return out;
}

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }

}  // namespace perdure::tools::gateway
