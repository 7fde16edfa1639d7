#include "core/events.hpp"

#include "core/codec.hpp"

namespace perdure::core {

namespace {

template <std::size_t I = 0>
bool decode_as(event_kind kind, std::uint8_t schema, reader& in, event& out) {
  if constexpr (I < std::variant_size_v<event>) {
    using type = std::variant_alternative_t<I, event>;
    if (type::kind != kind) return decode_as<I + 1>(kind, schema, in, out);
    auto& made = out.emplace<I>();
    if constexpr (requires { type::schema_1_members; }) {
      if (schema == 1) {
        in.get_first(made, type::schema_1_members);
        return true;
      }
    }
    if constexpr (requires { type::schema_2_members; }) {
      if (schema == 2) {
        in.get_first(made, type::schema_2_members);
        return true;
      }
    }
    in.get(made);
    return true;
  } else {
    return false;
  }
}

}  // namespace

event_kind kind_of(const event& what) noexcept {
  return std::visit([](const auto& each) { return std::remove_cvref_t<decltype(each)>::kind; }, what);
}

result<std::string> encode(const event& what, blob_port* blobs) {
  writer out{blobs};
  std::visit([&](const auto& each) { out.put(each); }, what);
  if (out.failed()) return *out.failed();
  return out.take();
}

result<event> decode(event_kind kind, std::uint8_t schema, std::string_view bytes, blob_port* blobs) {
  if (schema == 0 || schema > event_schema) {
    return error{errc::newer_format, "event schema " + std::to_string(schema) + " was written by a newer version"};
  }
  reader in{bytes, blobs};
  event out;
  if (!decode_as(kind, schema, in, out))
    return error{errc::corrupt, "unknown event kind " + std::to_string(static_cast<int>(kind))};
  if (in.blob_error()) return *in.blob_error();
  if (!in.ok() || !in.at_end()) {
    return error{errc::corrupt, std::string{"malformed event "} + boost::describe::enum_to_string(kind, "?")};
  }
  return out;
}

}  // namespace perdure::core
