// payload: JSON values in their stored form.
#include "perdure/payload.hpp"

#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure {

payload::payload(const json::value& value) {
  if (value.is_null()) return;
  std::string text;
  core::write_json_text(text, value);
  text_ = std::make_shared<const std::string>(std::move(text));
}

result<payload> payload::parse_text(std::string_view text) {
  if (text.size() > limits::payload_bytes) {
    return error{errc::payload_too_large, "a payload of " + std::to_string(text.size()) +
                                              " bytes is over payload_bytes = " + std::to_string(limits::payload_bytes)};
  }
  auto value = core::read_json_text(text);
  if (!value) return value.error();
  return payload{*value};
}

payload payload::trusted(std::string text) {
  payload out;
  if (text != "null") out.text_ = std::make_shared<const std::string>(std::move(text));
  return out;
}

json::value payload::value() const {
  if (!text_) return nullptr;
  auto read = core::read_json_text(*text_);
  if (!read) throw step_error(std::string{failure_code::corrupt}, "a stored payload is " + read.error().message);
  return std::move(*read);
}

}  // namespace perdure
