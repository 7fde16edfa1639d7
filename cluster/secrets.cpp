#include "cluster/secrets.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

namespace perdure::cluster {

namespace {

constexpr std::size_t key_bytes = 32;

error system_error(const std::filesystem::path& where) { return {errc::io_error, where.string() + ": " + std::strerror(errno)}; }

result<std::string> fresh_key() {
  std::string out(key_bytes, '\0');
  if (::getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size()))
    return error{errc::io_error, std::string{"no random bytes: "} + std::strerror(errno)};
  return out;
}

/// Of two that make it at once one wins, and both read the same: it appears whole.
result<std::string> key_of(const std::filesystem::path& data) {
  const auto path = data / "secrets.key";
  for (int tries = 0; tries < 2; ++tries) {
    std::ifstream in{path, std::ios::binary};
    if (in) {
      std::string key{std::istreambuf_iterator<char>{in}, {}};
      if (key.size() == key_bytes) return key;
      return error{errc::corrupt, path.string() + ": is no key of " + std::to_string(key_bytes) + " bytes"};
    }
    auto key = fresh_key();
    if (!key) return key;
    std::error_code bad;
    std::filesystem::create_directories(data, bad);
    auto part = path.string() + "." + std::to_string(::getpid()) + ".new";
    const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return system_error(part);
    const bool good = ::write(fd, key->data(), key->size()) == static_cast<ssize_t>(key->size()) && ::fsync(fd) == 0;
    const auto why = system_error(part);
    ::close(fd);
    const bool linked = good && (::link(part.c_str(), path.c_str()) == 0 || errno == EEXIST);
    ::unlink(part.c_str());
    if (!good) return why;
    if (!linked) return system_error(path);
  }
  return error{errc::io_error, path.string() + ": cannot be read"};
}

}  // namespace

std::shared_ptr<actors::secret_book> open_secrets(const std::filesystem::path& data) {
  if (data.empty()) {
    static const auto own = fresh_key();
    return std::make_shared<actors::secret_book>(actors::secret_of_environment, [] { return own; });
  }
  return std::make_shared<actors::secret_book>(actors::secret_of_environment, [data] { return key_of(data); });
}

}  // namespace perdure::cluster
