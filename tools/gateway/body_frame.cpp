#include "tools/gateway/body_frame.hpp"

#include <algorithm>

#include "core/hex_number.hpp"
#include "tools/gateway/http_text.hpp"

namespace perdure::tools::gateway {

void body_frame::end_head(std::string& head) const {
  if (left_) put_header(head, "Content-Length", std::to_string(*left_));
  if (chunked_) put_header(head, "Transfer-Encoding", "chunked");
  head += "\r\n";
}

void body_frame::add(std::string& to, std::string_view bytes) {
  if (left_) *left_ -= std::min<std::uint64_t>(*left_, bytes.size());
  if (chunked_) to.append(core::hex_number(bytes.size())).append("\r\n");
  to += bytes;
  if (chunked_) to += "\r\n";
}

bool body_frame::end(std::string& to) const {
  if (chunked_) to += "0\r\n\r\n";
  return left_.value_or(0) == 0;
}

}  // namespace perdure::tools::gateway
