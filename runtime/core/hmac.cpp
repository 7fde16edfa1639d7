#include "core/hmac.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/assert.hpp"
#include "core/record.hpp"

namespace perdure::core {

namespace {

digest mac_of(std::string_view key, std::string_view text) {
  digest out{};
  unsigned size = 0;
  const auto* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  PERDURE_ASSERT(made != nullptr && size == out.size());
  return out;
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  const auto mac = mac_of(key, text);
  return {mac.begin(), mac.end()};
}

std::string hmac_hex(std::string_view key, std::initializer_list<std::string_view> parts) {
  std::string all;
  for (const auto part : parts) {
    for (int shift = 56; shift >= 0; shift -= 8) all.push_back(static_cast<char>(std::uint64_t{part.size()} >> shift & 0xffU));
    all.append(part);
  }
  return to_hex(mac_of(key, all));
}

bool same_secret(std::string_view one, std::string_view other) {
  return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

}  // namespace perdure::core
