#include "persistence/blob_references.hpp"

#include <cstring>

#include "core/state.hpp"

namespace perdure::persistence {

namespace {

/// Notes what is asked for and gives nothing.
class noting_blobs : public core::blob_port {
 public:
  explicit noting_blobs(std::vector<core::digest>& to) : to_(to) {}
  result<core::digest> put(std::string_view) override { return error{errc::unsupported, "only references are looked for"}; }
  result<payload> get(const core::digest& hash) override {
    to_.push_back(hash);
    return payload{};
  }

 private:
  std::vector<core::digest>& to_;
};

constexpr char blob_tag = 2;
constexpr std::size_t hash_bytes = sizeof(core::digest);

/// A reference is its tag, the hash, and the length as LEB128: more than 64 KiB, so three bytes or more.
bool looks_like_reference(std::string_view at) {
  if (at.size() < 1 + hash_bytes + 3) return false;
  const auto* length = reinterpret_cast<const unsigned char*>(at.data()) + 1 + hash_bytes;
  return (length[0] & 0x80U) != 0 && (length[1] & 0x80U) != 0;
}

template <class F>
void each_likely_reference(std::string_view bytes, F&& take) {
  for (auto at = bytes.find(blob_tag); at != std::string_view::npos; at = bytes.find(blob_tag, at + 1)) {
    if (looks_like_reference(bytes.substr(at)) && !take(bytes.substr(at + 1, hash_bytes))) return;
  }
}

}  // namespace

void add_blob_references(const record_view& record, std::vector<core::digest>& to) {
  bool likely = false;
  each_likely_reference(record.payload, [&](std::string_view) {
    likely = true;
    return false;
  });
  if (!likely) return;  // nearly always; decoding takes time
  noting_blobs noting{to};
  auto event = core::decode(record.header.kind, record.header.schema, record.payload, &noting);
  if (event) {
    const auto* restored = std::get_if<core::run_restored>(&*event);
    if (restored == nullptr || core::decode_state(restored->state, &noting)) return;
  }
  each_likely_reference(record.payload, [&](std::string_view hash) {
    std::memcpy(to.emplace_back().data(), hash.data(), hash.size());
    return true;
  });
}

}  // namespace perdure::persistence
