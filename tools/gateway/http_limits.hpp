// Every limit of the HTTP side, with its name and default; what is over one gets the status in the comment.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "perdure/limits.hpp"

namespace perdure::tools::gateway {

struct http_limits {
  std::size_t header_bytes = 16U << 10;                                   ///< request line and headers: 431
  std::size_t body_bytes = perdure::limits::payload_bytes + (64U << 10);  ///< 413
  std::size_t upload_bytes = (100U << 20) + (1U << 20);                   ///< a body with a file in it: 413
  std::size_t target_bytes = 8U << 10;                                    ///< of the request line: 414
  std::size_t connections = 16'384;                                       ///< 503, then closed; less when files run out
  std::size_t requests = 4'096;                                           ///< being answered at once: 503
  std::size_t streams = 8'192;                                            ///< event streams at once: 503
  std::chrono::milliseconds header_time{10'000};       ///< from a request's first byte to the end of its headers: 408
  std::chrono::milliseconds body_time{60'000};         ///< for the body after that: 408
  std::chrono::milliseconds idle_time{75'000};         ///< between two requests; then closed
  std::chrono::milliseconds write_time{30'000};        ///< for a piece of an answer; then closed
  std::chrono::milliseconds linger_time{2'000};        ///< after a refusal, for the client to read it
  std::chrono::milliseconds ping_time{10'000};         ///< a silent stream says that it is there
  std::chrono::milliseconds key_time{24 * 3'600'000};  ///< an idempotency key holds its run so long, and until its end
  std::size_t gzip_bytes = 1'024;                      ///< answers from here on are compressed for who takes it
  std::size_t stream_piece_bytes = 256U << 10;         ///< what one write of a stream takes
  std::size_t stream_backlog_bytes = 1U << 20;         ///< events kept for one stream; more are read again later
};

/// An Idempotency-Key header: 400. Of the service API, and of the native one.
inline constexpr std::size_t service_key_chars = 64;
inline constexpr std::size_t native_key_bytes = perdure::limits::name_bytes;
/// Runs on one page: 400.
inline constexpr std::size_t page_runs = 1'000;
/// Events on one page.
inline constexpr std::size_t page_events = 1'000;
/// Rows that a page looks at, at most: beyond, the page is short and its cursor goes on from there.
inline constexpr std::size_t page_scan = 20'000;
/// How long an address with a signature is good.
inline constexpr std::chrono::seconds signed_address_time{3'600};
/// Seconds that `Retry-After` asks for.
inline constexpr unsigned retry_after_s = 1;

static_assert(http_limits{}.stream_piece_bytes <= http_limits{}.stream_backlog_bytes);
static_assert(http_limits{}.target_bytes <= http_limits{}.header_bytes);
static_assert(service_key_chars <= native_key_bytes);

}  // namespace perdure::tools::gateway
