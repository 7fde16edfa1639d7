// Signed links: who holds one may have one thing until a time, without a key of his own. For downloads of artifacts.
//
// Operation: a pass is "SECONDS.MAC": when it expires (Unix time), and the HMAC-SHA-256 of that and of what it is for. Nothing
// is kept of it. The key stays in a file of the server (persistence::key_file); a new key ends all passes.
// Limitations: a pass cannot be taken back before it expires, so give it a short life, and keep it out of logs (`masked`).
#pragma once

#include <string>
#include <string_view>

#include "perdure/time.hpp"

namespace perdure::core {

/// `what` names the one thing that it opens: the run, the job and the artifact's name, say.
[[nodiscard]] std::string sign_link(std::string_view key, std::string_view what, timestamp expires);

enum class link_check {
  good,
  expired,
  altered,  ///< not made with this key, for this thing, with this time; or no pass at all
};
/// Compares in constant time. `now` past its time is `expired` only when the pass is otherwise good.
[[nodiscard]] link_check check_link(std::string_view key, std::string_view what, std::string_view pass, timestamp now);

/// An address as logs may show it: the value of its query parameter `name` is "***".
[[nodiscard]] std::string masked(std::string_view address, std::string_view name);

}  // namespace perdure::core
