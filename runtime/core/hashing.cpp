#include "core/hashing.hpp"

#include <openssl/evp.h>

#include <array>

#include "core/assert.hpp"
#include "core/record.hpp"

namespace perdure::core {

struct hash_stream::state {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~state() { EVP_MD_CTX_free(context); }
};

hash_stream::hash_stream() : state_(std::make_unique<state>()) {
  PERDURE_ASSERT(state_->context != nullptr && EVP_DigestInit_ex(state_->context, EVP_sha256(), nullptr) == 1);
}
hash_stream::~hash_stream() = default;

void hash_stream::add(std::string_view bytes) {
  PERDURE_ASSERT(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) == 1);
}

std::string hash_stream::hex() {
  digest out{};
  PERDURE_ASSERT(EVP_DigestFinal_ex(state_->context, out.data(), nullptr) == 1);
  return to_hex(out);
}

}  // namespace perdure::core
