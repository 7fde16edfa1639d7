// signing_key: the secret of a data directory that signs what is good without a key: addresses of files, tokens of forms.
//
// Operation: DATA/signing.key, 0600, made by the first node that serves the directory. Signatures and passes are those of
// core/hmac.hpp and core/signed_link.hpp. Whoever removes the file makes all of them void at the next start.
// Concurrency: any thread.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>

#include "perdure/error.hpp"
#include "perdure/time.hpp"

namespace perdure::tools::gateway {

class signing_key {
 public:
  /// Whoever calls it holds the directory.
  [[nodiscard]] static result<signing_key> open(const std::filesystem::path& data);

  /// In hex. The first part says what the signature is for.
  [[nodiscard]] std::string sign(std::initializer_list<std::string_view> parts) const;
  /// Takes as long for a wrong signature as for the right one.
  [[nodiscard]] bool fits(std::initializer_list<std::string_view> parts, std::string_view signature) const;

  /// A pass that opens this one thing until then; seconds count.
  [[nodiscard]] std::string pass_for(std::string_view what, timestamp until) const;
  [[nodiscard]] bool opens(std::string_view what, std::string_view pass, timestamp now) const;

 private:
  explicit signing_key(std::string secret) : secret_(std::move(secret)) {}
  std::string secret_;
};

}  // namespace perdure::tools::gateway
