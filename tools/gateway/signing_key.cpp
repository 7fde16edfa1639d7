#include "tools/gateway/signing_key.hpp"

#include "core/hmac.hpp"
#include "core/signed_link.hpp"
#include "persistence/durable_file.hpp"

namespace perdure::tools::gateway {

namespace {
constexpr std::size_t secret_bytes = 32;
}

result<signing_key> signing_key::open(const std::filesystem::path& data) {
  auto secret = persistence::key_file(data / "signing.key", secret_bytes);
  if (!secret) return secret.error();
  return signing_key{std::move(*secret)};
}

std::string signing_key::sign(std::initializer_list<std::string_view> parts) const { return core::hmac_hex(secret_, parts); }

bool signing_key::fits(std::initializer_list<std::string_view> parts, std::string_view signature) const {
  return core::same_secret(sign(parts), signature);
}

std::string signing_key::pass_for(std::string_view what, timestamp until) const { return core::sign_link(secret_, what, until); }

bool signing_key::opens(std::string_view what, std::string_view pass, timestamp now) const {
  return core::check_link(secret_, what, pass, now) == core::link_check::good;
}

}  // namespace perdure::tools::gateway
