#include "core/signed_link.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "core/hmac.hpp"

namespace perdure::core {

namespace {

constexpr std::size_t mac_digits = 64;
constexpr std::string_view purpose = "perdure.signed_link/1";

std::string mac_of(std::string_view key, std::string_view what, std::string_view expires) {
  return hmac_hex(key, {purpose, what, expires});
}

}  // namespace

std::string sign_link(std::string_view key, std::string_view what, timestamp expires) {
  const auto at = std::chrono::duration_cast<std::chrono::seconds>(expires.time_since_epoch()).count();
  const auto text = std::to_string(at);
  return text + "." + mac_of(key, what, text);
}

link_check check_link(std::string_view key, std::string_view what, std::string_view pass, timestamp now) {
  const auto dot = pass.find('.');
  if (dot == std::string_view::npos || pass.size() - dot - 1 != mac_digits) return link_check::altered;
  const auto text = pass.substr(0, dot);
  // First the MAC: whoever has none learns nothing of the rest.
  if (!same_secret(mac_of(key, what, text), pass.substr(dot + 1))) return link_check::altered;
  std::int64_t at = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), at);
  if (read.ec != std::errc{} || read.ptr != text.data() + text.size()) return link_check::altered;
  const auto today = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  return today < at ? link_check::good : link_check::expired;
}

std::string masked(std::string_view address, std::string_view name) {
  std::string out{address};
  for (auto at = out.find('?'); at != std::string::npos; at = out.find('&', at + 1)) {
    if (out.compare(at + 1, name.size(), name) != 0 || at + 1 + name.size() >= out.size() || out[at + 1 + name.size()] != '=')
      continue;
    const auto begin = at + name.size() + 2;
    const auto end = std::min(out.find_first_of("&#", begin), out.size());
    out.replace(begin, end - begin, "***");
  }
  return out;
}

}  // namespace perdure::core
