#include "core/trace.hpp"

#include <algorithm>

#include "core/record.hpp"

namespace perdure::core {

namespace {

// 00-<trace id, 32>-<parent id, 16>-<flags, 2>
constexpr std::size_t trace_at = 3, trace_size = 32, parent_at = 36, parent_size = 16, flags_at = 53, whole_size = 55;

bool is_hex(std::string_view text) { return text.find_first_not_of("0123456789abcdef") == std::string_view::npos; }
bool is_nought(std::string_view text) { return text.find_first_not_of('0') == std::string_view::npos; }

}  // namespace

bool is_traceparent(std::string_view text) {
  if (text.size() != whole_size || !text.starts_with("00-") || text[parent_at - 1] != '-' || text[flags_at - 1] != '-')
    return false;
  const auto trace = trace_id_of(text), parent = parent_id_of(text);
  return is_hex(trace) && is_hex(parent) && is_hex(text.substr(flags_at)) && !is_nought(trace) && !is_nought(parent);
}

std::string_view trace_id_of(std::string_view traceparent) { return traceparent.substr(trace_at, trace_size); }
std::string_view parent_id_of(std::string_view traceparent) { return traceparent.substr(parent_at, parent_size); }

std::string span_id_of(std::string_view name) {
  auto out = to_hex(sha256({name})).substr(0, parent_size);
  if (is_nought(out)) out.back() = '1';
  return out;
}

std::string traceparent_of_effect(std::string_view of_run, std::string_view key) {
  if (of_run.size() != whole_size) return {};
  std::string out{of_run};
  out.replace(parent_at, parent_size, span_id_of(key));
  return out;
}

}  // namespace perdure::core
