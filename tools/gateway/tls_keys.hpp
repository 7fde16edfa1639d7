// tls_keys: the certificate chain and private key that a server shows, read again when their files change.
//
// Operation: `current` gives the context that new connections begin with; those that are there keep theirs. TLS 1.2 and 1.3,
// with forward secrecy only. A key that wants a passphrase is refused, because nobody could be asked for one.
// Concurrency: any thread.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>

#include "perdure/error.hpp"

struct ssl_ctx_st;

namespace perdure::tools::gateway {

/// PEM files; both empty = no TLS.
struct tls_files {
  std::filesystem::path certificate;  ///< the server's own first, then those that signed it
  std::filesystem::path key;
  [[nodiscard]] bool empty() const { return certificate.empty() && key.empty(); }
};

class tls_keys {
 public:
  /// invalid_argument: they cannot be read, or do not belong together.
  [[nodiscard]] static result<std::unique_ptr<tls_keys>> load(tls_files files);

  [[nodiscard]] std::shared_ptr<ssl_ctx_st> current() const;
  /// Whether changed files were taken. The error of files that changed and are not good is told once; the old ones stay.
  [[nodiscard]] result<bool> look_again();

 private:
  struct state {
    std::filesystem::file_time_type changed;
    std::uintmax_t size = 0;
    bool operator==(const state&) const = default;
  };
  struct seen {
    state certificate, key;
    bool operator==(const seen&) const = default;
  };
  explicit tls_keys(tls_files files) : files_(std::move(files)) {}
  [[nodiscard]] seen look() const;
  [[nodiscard]] result<std::shared_ptr<ssl_ctx_st>> read() const;

  const tls_files files_;
  mutable std::mutex mutex_;
  seen seen_;
  std::shared_ptr<ssl_ctx_st> current_;
};

}  // namespace perdure::tools::gateway
