// What of the context needs no template.
#include "perdure/context.hpp"

namespace perdure {

error detail::misfit(std::string_view type, const error& why) {
  return {errc::invalid_argument, "answer" + (type.empty() ? std::string{} : " \"" + std::string{type} + "\"") + why.message};
}

// Two draws of the repeatable stream in the layout of UUIDv4 (RFC 9562, 5.4).
std::string context::uuid() {
  run_id out;
  for (std::size_t half = 0; half < 2; ++half) {
    const auto word = frame_.random(detail::random_use::id);
    for (std::size_t i = 0; i < 8; ++i) out.bytes[8 * half + i] = static_cast<std::uint8_t>(word >> (56U - 8 * i));
  }
  out.bytes[6] = static_cast<std::uint8_t>((out.bytes[6] & 0x0FU) | 0x40U);
  out.bytes[8] = static_cast<std::uint8_t>((out.bytes[8] & 0x3FU) | 0x80U);
  return out.str();
}

}  // namespace perdure
