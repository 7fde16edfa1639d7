#include "core/codec.hpp"

#include "perdure/limits.hpp"

namespace perdure::core {

namespace {
enum payload_tag : std::uint8_t { null_payload = 0, inline_payload = 1, blob_payload = 2 };
}

void writer::put_payload(const payload& value) {
  const auto content = value.text();
  if (value.is_null()) {
    out_.push_back(null_payload);
  } else if (blobs_ == nullptr || content.size() <= limits::inline_payload_bytes) {
    out_.push_back(inline_payload);
    text(content);
  } else {
    auto hash = blobs_->put(content);
    if (!hash) {
      if (!error_) error_ = hash.error();
      return;
    }
    out_.push_back(blob_payload);
    out_.append(reinterpret_cast<const char*>(hash->data()), hash->size());
    number(content.size());
  }
}

payload reader::get_payload() {
  switch (byte()) {
    case null_payload: return {};
    case inline_payload: return payload::trusted(text());
    case blob_payload: {
      std::array<std::uint8_t, 32> hash{};
      const auto raw = take(hash.size());
      const auto size = number();
      if (!ok_) return {};
      std::memcpy(hash.data(), raw.data(), raw.size());
      if (blobs_ == nullptr) return payload{json::value{{"perdure_blob_bytes", size}}};
      auto found = blobs_->get(hash);
      if (!found) {
        // One that is gone is damage: whoever reads the record would take "not found" for the run.
        const auto code = found.error().code == errc::not_found ? errc::corrupt : found.error().code;
        if (!blob_error_) blob_error_ = error{code, found.error().message};
        fail();
        return {};
      }
      return std::move(*found);
    }
    default: fail(); return {};
  }
}

}  // namespace perdure::core
