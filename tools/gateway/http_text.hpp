// Small texts of HTTP: dates, ids, header lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace perdure::tools::gateway {

[[nodiscard]] std::string lower(std::string_view text);
[[nodiscard]] std::uint64_t random_number();
/// A client may name its request; only what is harmless in logs and headers.
[[nodiscard]] bool fit_for_id(std::string_view text);
/// "Sun, 06 Nov 1994 08:49:37 GMT" of now.
[[nodiscard]] std::string http_date();
/// Whether an Accept-Encoding header takes gzip.
[[nodiscard]] bool takes_gzip(std::string_view accepted);
/// Whether compressing a body of this type makes it smaller: text, not what is compressed already.
[[nodiscard]] bool worth_gzip(std::string_view type);
/// Empty when it fails.
[[nodiscard]] std::string gzip(std::string_view text);
/// Appends a header line. No line end gets into it, whatever a caller put there.
void put_header(std::string& head, std::string_view name, std::string_view value);

}  // namespace perdure::tools::gateway
