// The hash chain of a run's records, and SHA-256 for whoever else needs it.
#include "core/record.hpp"

#include <openssl/evp.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "core/assert.hpp"

namespace perdure::core {

namespace {

// Fetching the algorithm and making a context cost more than hashing a small record, so both are kept. The algorithm is
// never freed: threads may hash until the very end of the process.
class hasher {
 public:
  hasher() : context_(EVP_MD_CTX_new()) {
    static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    PERDURE_ASSERT(context_ && algorithm != nullptr);
    PERDURE_ASSERT(EVP_DigestInit_ex2(context_.get(), algorithm, nullptr) == 1);
  }
  static hasher& of_this_thread() {
    thread_local hasher one;
    return one;
  }

  void add(const void* bytes, std::size_t size) { PERDURE_ASSERT(EVP_DigestUpdate(context_.get(), bytes, size) == 1); }
  digest finish() {
    digest hash;
    PERDURE_ASSERT(EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr) == 1);
    PERDURE_ASSERT(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr) == 1);
    return hash;
  }

 private:
  struct free_context {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, free_context> context_;
};

std::uint8_t* put_big_endian(std::uint8_t* to, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) *to++ = static_cast<std::uint8_t>(value >> shift);
  return to;
}

}  // namespace

digest chain_hash(const digest& previous, const record& of) {
  std::array<std::uint8_t, 32 + 16 + 8 + 4 + 8 + 8> head;
  auto* at = head.data();
  at = std::copy(previous.begin(), previous.end(), at);
  at = std::copy(of.run.bytes.begin(), of.run.bytes.end(), at);
  at = put_big_endian(at, of.seq);
  *at++ = static_cast<std::uint8_t>(of.kind);
  *at++ = of.schema;
  *at++ = static_cast<std::uint8_t>(of.status);
  *at++ = of.active ? 1 : 0;
  at = put_big_endian(at, static_cast<std::uint64_t>(of.time.time_since_epoch().count()));
  const auto wakeup = of.wakeup ? of.wakeup->time_since_epoch().count() : std::numeric_limits<std::int64_t>::min();
  at = put_big_endian(at, static_cast<std::uint64_t>(wakeup));
  PERDURE_ASSERT(at == head.data() + head.size());
  auto& hash = hasher::of_this_thread();
  hash.add(head.data(), head.size());
  hash.add(of.bytes.data(), of.bytes.size());
  return hash.finish();
}

digest sha256(std::initializer_list<std::string_view> parts) {
  auto& hash = hasher::of_this_thread();
  for (const auto part : parts) hash.add(part.data(), part.size());
  return hash.finish();
}

digest input_hash(std::string_view message, std::string_view input) {
  return sha256({message, std::string_view{"\0", 1}, input});
}

std::string to_hex(const digest& hash) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text;
  text.reserve(hash.size() * 2);
  for (const auto byte : hash) {
    text.push_back(digits[byte >> 4]);
    text.push_back(digits[byte & 15]);
  }
  return text;
}

}  // namespace perdure::core
