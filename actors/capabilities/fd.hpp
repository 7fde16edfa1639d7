// An owned file descriptor.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <utility>

namespace perdure::actors {

class unique_fd {
 public:
  unique_fd() = default;
  explicit unique_fd(int fd) noexcept : fd_(fd) {}
  unique_fd(unique_fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  unique_fd& operator=(unique_fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  ~unique_fd() { reset(); }

  [[nodiscard]] int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

  /// The same file under a number above the standard streams: in a process that closed those, a fresh descriptor may
  /// be one of them, and would be overwritten when a child's streams are laid out. Empty when there is no number left.
  [[nodiscard]] unique_fd above_streams() && noexcept {
    if (fd_ < 0 || fd_ > 2) return std::move(*this);
    return unique_fd{::fcntl(fd_, F_DUPFD_CLOEXEC, 3)};
  }

 private:
  int fd_ = -1;
};

}  // namespace perdure::actors
