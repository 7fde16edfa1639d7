#include "actors/backends/http_answers.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "actors/backends/beneath.hpp"
#include "actors/http/url.hpp"
#include "core/json_text.hpp"
#include "perdure/limits.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t id_bytes = 1'024;
/// Shares of a whole are counted in ten thousandths.
constexpr double whole = 10'000;

/// At a character's border.
std::string bounded(const std::string& text, std::size_t bytes) {
  return text.size() <= bytes ? text : core::valid_utf8(text.substr(0, bytes));
}

const json::array* list_in(const answer_place& at, const json::value& answer) {
  const auto* found = at.in(answer);
  return found == nullptr ? nullptr : found->if_array();
}

/// RFC 3339, or a number of seconds or milliseconds after 1970.
timestamp time_in(const answer_place& at, const json::value& line) {
  constexpr double seconds_until = 1e11;  // larger numbers are milliseconds
  const auto* found = at.in(line);
  if (found == nullptr) return {};
  if (const auto* text = found->if_string()) return parse_timestamp({text->data(), text->size()}).value_or(timestamp{});
  const auto number = at.number_in(line);
  if (!number || *number < 0 || *number > 1e15) return {};
  const auto seconds = *number > seconds_until ? *number / 1e3 : *number;
  return timestamp{std::chrono::duration_cast<duration>(std::chrono::duration<double>(seconds))};
}

}  // namespace

std::string problem_of_id(const std::string& id) {
  if (id.empty()) return "is empty";
  if (id.size() > id_bytes) return "is longer than " + std::to_string(id_bytes) + " bytes";
  if (id == "." || id == "..") return "would lead to another address";
  if (std::any_of(id.begin(), id.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }))
    return "has characters that cannot be written";
  if (core::valid_utf8(id) != id) return "is not UTF-8";
  return {};
}

result<job_report> report_in(const json::value& answer, const http_service::status_call& how) {
  job_report out;
  const auto raw = how.state.text_in(answer);
  if (raw.empty()) return error{errc::io_error, "the service's answer has no status where one was expected"};
  if (const auto known = how.states.find(raw); known != how.states.end()) out.status = known->second;
  out.raw = bounded(raw, limits::failure_text_bytes);
  out.done = how.done.count_in(answer);
  out.total = how.total.count_in(answer);
  auto share = how.fraction.number_in(answer);
  if (const auto percent = how.percent.number_in(answer); percent) share = *percent / 100;
  if (share && *share >= 0) {
    out.done = static_cast<std::uint64_t>(std::lround(std::min(*share, 1.0) * whole));
    out.total = static_cast<std::uint64_t>(whole);
  }
  if (out.done && out.total && *out.total > 0) out.done = std::min(*out.done, *out.total);
  out.text = bounded(how.text.text_in(answer), limits::failure_text_bytes);
  if (!out.status || !is_terminal(*out.status)) return out;
  if (const auto code = how.exit_code.number_in(answer); code && std::abs(*code) <= 2'147'483'647.0)
    out.exit_code = static_cast<std::int32_t>(*code);
  if (const auto* result = how.result.in(answer)) out.result = payload{*result};
  if (*out.status == job_status::succeeded) return out;
  if (how.timed_out.flag_in(answer) && *out.status == job_status::failed) out.status = job_status::timed_out;
  if (const auto* why = how.message.in(answer); why != nullptr) {
    std::string text = how.message.text_in(answer);
    if (text.empty()) core::write_json_text(text, *why);
    out.message = bounded(text, limits::failure_message_bytes);
  }
  return out;
}

result<std::optional<std::string>> job_in(const json::value& answer, const http_service::find_call& how, const std::string& key) {
  const auto look_at = [&](const json::value& job) -> result<std::optional<std::string>> {
    // Services that know no such filter give all their jobs: a job counts by what it says of itself only.
    if (how.key.text_in(job) != key) return std::optional<std::string>{};
    auto id = how.id.text_in(job);
    if (const auto problem = problem_of_id(id); !problem.empty())
      return error{errc::io_error, "the service found the job, and its id " + problem};
    return std::optional{std::move(id)};
  };
  if (!how.items.is_set()) return look_at(answer);
  const auto* items = list_in(how.items, answer);
  if (items == nullptr) return error{errc::io_error, "the service's answer has no list of jobs where one was expected"};
  for (const auto& each : *items) {
    auto found = look_at(each);
    if (!found || *found) return found;
  }
  return std::optional<std::string>{};
}

std::string to_cursor(const log_place& of) { return "h" + std::to_string(of.skip) + "." + url_escaped(of.cursor); }

result<log_place> read_cursor(const std::string& text) {
  log_place out;
  if (text.empty()) return out;
  const error bad{errc::invalid_argument, "\"" + bounded(text, 100) + "\" is not a cursor of this log"};
  const auto* end = text.data() + text.size();
  if (text.front() != 'h') return bad;
  const auto read = std::from_chars(text.data() + 1, end, out.skip);
  if (read.ec != std::errc{} || read.ptr == end || *read.ptr != '.') return bad;
  for (const auto* at = read.ptr + 1; at < end; ++at) {
    if (*at != '%') {
      out.cursor += *at;
      continue;
    }
    unsigned byte = 0;
    if (end - at < 3 || std::from_chars(at + 1, at + 3, byte, 16).ptr != at + 3) return bad;
    out.cursor += static_cast<char>(byte);
    at += 2;
  }
  return to_cursor(out) == text ? result<log_place>{out} : bad;
}

job_log_page lines_in(const json::value& answer, const http_service::logs_call& how, const log_place& at, std::size_t limit) {
  job_log_page out;
  const auto* items = list_in(how.items, answer);
  const std::size_t count = items == nullptr ? 0 : items->size();
  std::size_t next = std::min(at.skip, count), bytes = 0;
  for (; next < count && out.lines.size() < limit; ++next) {
    const auto& item = (*items)[next];
    auto text = item.is_string() ? std::string{item.get_string()} : how.text.text_in(item);
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();
    bytes += text.size();
    if (bytes > limits::job_log_page_bytes && !out.lines.empty()) break;
    auto stream = how.stream.text_in(item);
    out.lines.push_back({.time = item.is_object() ? time_in(how.time, item) : timestamp{},
                         .stream = stream.empty() ? "log" : bounded(stream, limits::name_bytes),
                         .text = std::move(text)});
  }
  const auto following = how.next.text_in(answer);
  if (next < count) {
    out.next_cursor = to_cursor({at.cursor, next});
    out.has_more = true;
  } else if (following.empty() || following == at.cursor) {
    out.next_cursor = to_cursor({at.cursor, std::max(at.skip, count)});
  } else {
    out.next_cursor = to_cursor({following, 0});
    // A page without lines ends a reading for now, whatever it promises: it could be the first of endlessly many.
    out.has_more = count > 0 && (!how.more.is_set() || how.more.flag_in(answer));
  }
  return out;
}

std::vector<remote_file> files_in(const json::value& answer, const http_service::artifacts_call& how, std::size_t& refused) {
  std::vector<remote_file> out;
  const auto* items = list_in(how.items, answer);
  if (items == nullptr) return out;
  for (const auto& each : *items) {
    remote_file file;
    file.what.name = how.name.text_in(each);
    file.id = how.id.is_set() ? how.id.text_in(each) : file.what.name;
    if (!how.ready.flag_in(each, true)) continue;
    if (!is_plain_name(file.what.name) || file.id.empty() || file.id == "." || file.id == "..") {
      ++refused;
      continue;
    }
    file.what.media_type = bounded(how.media_type.text_in(each), limits::name_bytes);
    file.what.size_bytes = how.size.count_in(each).value_or(0);
    const auto hash = how.sha256.text_in(each);
    if (hash.size() == 64 && hash.find_first_not_of("0123456789abcdef") == std::string::npos) file.what.sha256 = hash;
    out.push_back(std::move(file));
  }
  return out;
}

job_estimate estimate_in(const json::value& answer, const http_service::estimate_call& how) {
  return {.can_submit = how.can_submit.flag_in(answer, true),
          .reason = bounded(how.reason.text_in(answer), limits::failure_text_bytes),
          .cost_min_usd = how.cost_min.number_in(answer),
          .cost_max_usd = how.cost_max.number_in(answer),
          .minutes_min = how.minutes_min.number_in(answer),
          .minutes_max = how.minutes_max.number_in(answer)};
}

}  // namespace perdure::actors
