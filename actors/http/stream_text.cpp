#include "actors/http/stream_text.hpp"

#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

const json::value& member(const json::value& of, std::string_view name) {
  static const json::value none;
  const auto* found = of.is_object() ? of.get_object().if_contains(name) : nullptr;
  return found == nullptr ? none : *found;
}

std::string text_of(const json::value& of) {
  const auto* text = of.if_string();
  return text == nullptr ? std::string{} : std::string{text->data(), text->size()};
}

/// Of a message or an artifact of A2A.
std::string parts_of(const json::value& of) {
  std::string out;
  const auto& parts = member(of, "parts");
  if (!parts.is_array()) return out;
  for (const auto& each : parts.get_array()) out += text_of(member(each, "text"));
  return out;
}

void add(std::vector<told_text>& to, bool note, std::string text) {
  if (!text.empty()) to.push_back({note, std::move(text)});
}

/// Both ways in which A2A names what comes: by "kind", and by the member that holds it.
void add_result(std::vector<told_text>& to, const json::value& result) {
  const auto kind = text_of(member(result, "kind"));
  if (kind == "message") return add(to, false, parts_of(result));
  if (kind == "artifact-update") return add(to, false, parts_of(member(result, "artifact")));
  if (kind == "status-update") return add(to, true, parts_of(member(member(result, "status"), "message")));
  add(to, false, parts_of(member(result, "message")));
  add(to, false, parts_of(member(member(result, "artifactUpdate"), "artifact")));
  add(to, true, parts_of(member(member(member(result, "statusUpdate"), "status"), "message")));
}

void add_event(std::vector<told_text>& to, const std::string& data) {
  constexpr std::string_view end_of_completions = "[DONE]";
  if (data == end_of_completions) return;
  const auto read = core::read_json_text(data);
  if (!read) return add(to, false, core::valid_utf8(data));
  if (const auto& choices = member(*read, "choices"); choices.is_array() && !choices.get_array().empty())
    return add(to, false, text_of(member(member(choices.get_array().front(), "delta"), "content")));
  const auto method = text_of(member(*read, "method"));
  const auto& params = member(*read, "params");
  if (method == "notifications/progress") return add(to, true, text_of(member(params, "message")));
  if (method == "notifications/message") return add(to, true, text_of(member(params, "data")));
  if (const auto& result = member(*read, "result"); result.is_object()) add_result(to, result);
}

}  // namespace

std::vector<told_text> stream_text::take(std::string_view bytes) {
  std::vector<told_text> out;
  for (const char each : bytes) {
    const bool second = each == '\n' && after_cr_;
    after_cr_ = each == '\r';
    if (second) continue;
    if (each == '\n' || each == '\r') {
      line(line_, out);
      line_.clear();
    } else if (line_.size() + data_.size() < most_event_bytes) {
      line_ += each;
    } else {
      too_long_ = true;
    }
  }
  return out;
}

void stream_text::line(std::string_view text, std::vector<told_text>& out) {
  constexpr std::string_view field = "data:";
  if (text.starts_with(field)) {
    text.remove_prefix(field.size());
    if (text.starts_with(' ')) text.remove_prefix(1);
    if (std::exchange(has_data_, true)) data_ += '\n';
    data_ += text;
  } else if (text.empty()) {
    if (has_data_ && !too_long_) add_event(out, data_);
    data_.clear();
    has_data_ = too_long_ = false;
  }
}

}  // namespace perdure::actors
