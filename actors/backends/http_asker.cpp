#include "actors/backends/http_asker.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <condition_variable>

#include "actors/http/url.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t shown_bytes = 300;
/// Longer than this nobody is waited for, whatever they ask.
constexpr std::chrono::seconds longest_patience{900};
/// A secret that is shorter is not looked for in answers: it may be any word.
constexpr std::size_t least_noticed = 6;

std::string lower(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

void mask(std::string& text, const std::string& secret) {
  if (secret.size() < least_noticed) return;
  for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
    text.replace(at, secret.size(), "***");
}

std::optional<std::chrono::sys_seconds> date_of(const std::string& text) {
  const auto seconds = curl_getdate(text.c_str(), nullptr);
  if (seconds < 0) return std::nullopt;
  return std::chrono::sys_seconds{std::chrono::seconds{seconds}};
}

std::chrono::sys_seconds our_time() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

/// "http://host:1" of "http://host:1/path".
std::string_view origin_of(std::string_view address) {
  const auto scheme = address.find("://");
  if (scheme == std::string_view::npos) return {};
  return address.substr(0, address.find_first_of("/?#", scheme + 3));
}

/// Where an answer comes to that somebody waits for.
template <class T>
class box {
 public:
  void put(T what) {
    const std::lock_guard lock{mutex_};
    what_.emplace(std::move(what));
    came_.notify_all();
  }
  T wait() {
    std::unique_lock lock{mutex_};
    came_.wait(lock, [&] { return what_.has_value(); });
    return std::move(*what_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable came_;
  std::optional<T> what_;
};

service_answer taken(http_response& from, const std::string& secret) {
  service_answer out;
  out.status = from.status;
  out.headers = std::move(from.headers);
  auto text = core::valid_utf8(from.body);
  mask(text, secret);
  const auto type = header_of(out.headers, "content-type");
  const auto begin = text.find_first_not_of(" \t\r\n");
  out.is_page = (type && lower(*type).starts_with("text/html")) || (begin != std::string::npos && text[begin] == '<');
  if (!out.is_page) {
    if (auto read = core::read_json_text(text)) out.content = std::move(*read);
  }
  out.shown = core::valid_utf8(text.substr(0, shown_bytes));
  return out;
}

}  // namespace

std::optional<std::string> header_of(const http_headers& all, std::string_view lower_case_name) {
  for (const auto& [name, value] : all) {
    if (lower(name) == lower_case_name) return value;
  }
  return std::nullopt;
}

std::optional<std::chrono::seconds> retry_after_of(const http_headers& headers) {
  const auto text = header_of(headers, "retry-after");
  if (!text || text->empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto* end = text->data() + text->size();
  const auto read = std::from_chars(text->data(), end, seconds);
  if (read.ec == std::errc::result_out_of_range) return longest_patience;
  if (read.ec != std::errc{} || read.ptr != end) {
    const auto until = date_of(*text);
    if (!until) return std::nullopt;
    const auto date = header_of(headers, "date");
    const auto theirs = date ? date_of(*date) : std::nullopt;
    seconds = (*until - theirs.value_or(our_time())).count();
  }
  return std::clamp(std::chrono::seconds{seconds}, std::chrono::seconds{0}, longest_patience);
}

std::optional<std::chrono::seconds> clock_ahead(const http_headers& headers) {
  const auto date = header_of(headers, "date");
  const auto theirs = date ? date_of(*date) : std::nullopt;
  if (!theirs) return std::nullopt;
  return *theirs - our_time();
}

void http_asker::patience::take(const http_response& answer) {
  if (answer.status != 429 && answer.status != 503) return;
  const auto wait = retry_after_of(answer.headers);
  if (!wait) return;
  const std::lock_guard lock{mutex};
  until = std::max(until, std::chrono::steady_clock::now() + *wait);
}

std::chrono::milliseconds http_asker::patience::left() {
  const std::lock_guard lock{mutex};
  return std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
}

http_asker::http_asker(std::string url, std::vector<std::pair<std::string, std::string>> headers, http_service::credentials auth,
                       std::chrono::milliseconds timeout, find_secret secrets)
    : url_(std::move(url)), headers_(std::move(headers)), auth_(std::move(auth)), timeout_(timeout),
      secrets_(std::move(secrets)) {
  while (url_.ends_with('/')) url_.pop_back();
}

result<std::string> http_asker::secret(const std::string& name) const {
  auto found = secrets_ ? secrets_(name) : std::nullopt;
  if (!found || found->empty())
    return error{errc::io_error, "there is no secret \"" + name + "\" here (PERDURE_SECRET_" + name + ")"};
  return std::move(*found);
}

/// Gives the secret that was put in, or nothing.
result<std::string> http_asker::authenticate(http_request& request) const {
  using kind = http_service::credentials::kind;
  if (auth_.what == kind::none) return std::string{};
  auto text = secret(auth_.secret);
  if (!text) return text;
  // What is read from a file often has a line break at its end.
  while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
  if (auth_.what == kind::basic) {
    request.headers.emplace_back("Authorization", "Basic " + core::to_base64(auth_.user + ":" + *text));
  } else {
    request.headers.emplace_back(auth_.name, auth_.prefix + *text);
  }
  return text;
}

std::chrono::milliseconds http_asker::time_of(const backend_call& how) const {
  if (how.deadline == std::chrono::steady_clock::time_point{}) return timeout_;
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(how.deadline - std::chrono::steady_clock::now());
  return std::clamp(left, std::chrono::milliseconds{1}, timeout_);
}

std::string http_asker::address_of(const http_operation& what, const template_values& values) const {
  auto out = url_ + expand(what.path, values, template_use::url);
  bool has = out.find('?') != std::string::npos;
  for (const auto& [name, value] : what.query) {
    const auto text = expand(value, values, template_use::url);
    if (text.empty()) continue;
    out += (std::exchange(has, true) ? "&" : "?") + url_escaped(name) + "=" + text;
  }
  return out;
}

std::string http_asker::absolute(const std::string& address) const {
  const auto low = lower(address.substr(0, 8));
  if (low.starts_with("http://") || low.starts_with("https://")) return address;
  return address.starts_with('/') ? std::string{origin_of(url_)} + address : url_ + "/" + address;
}

bool http_asker::is_ours(const std::string& address) const { return lower(origin_of(address)) == lower(origin_of(url_)); }

void http_asker::ask(const question& of, const backend_call& how, std::function<void(service_end)> done) {
  if (const auto left = patience_->left(); left.count() > 0) {
    return done(
        service_silence{"the service asked to be left alone for another " + std::to_string(left.count() / 1000 + 1) + " s", false,
                        errc::overloaded});
  }
  http_request request;
  request.method = of.what->method;
  request.url = address_of(*of.what, of.values);
  for (const auto* each : {static_cast<const decltype(headers_)*>(&headers_), &of.what->headers}) {
    for (const auto& [name, value] : *each) request.headers.emplace_back(name, expand(value, of.values, template_use::header));
  }
  request.headers.emplace_back("Accept", "application/json");
  const auto secret = authenticate(request);
  if (!secret) return done(service_silence{secret.error().message, false, errc::io_error});
  if (of.body) {
    request.body.emplace();
    core::write_json_text(*request.body, *of.body, limits::json_depth + core::envelope_depth);
    request.headers.emplace_back("Content-Type", "application/json");
  }
  request.time = time_of(how);
  request.once = of.once;
  request.stop = how.stop;
  auto where = request.method + " " + request.url;
  client_.start(std::move(request),
                [secret = *secret, patience = patience_, where = std::move(where), done = std::move(done)](http_end end) {
                  if (const auto* why = std::get_if<http_failure>(&end)) {
                    using kind = http_failure::kind;
                    const auto code = why->what == kind::stopped    ? errc::shutting_down
                                      : why->what == kind::too_late ? errc::timeout
                                                                    : errc::io_error;
                    return done(service_silence{where + ": " + why->message, why->sent, code});
                  }
                  auto& answer = std::get<http_response>(end);
                  patience->take(answer);
                  done(taken(answer, secret));
                });
}

service_end http_asker::ask_and_wait(const question& of, const backend_call& how) {
  const auto held = std::make_shared<box<service_end>>();
  ask(of, how, [held](service_end end) { held->put(std::move(end)); });
  return held->wait();
}

http_end http_asker::fetch_and_wait(const download& what) {
  http_request request;
  request.url = what.url;
  request.headers = what.headers;
  if (is_ours(what.url)) {
    for (const auto& [name, value] : headers_) request.headers.emplace_back(name, value);
    if (const auto secret = authenticate(request); !secret)
      return http_failure{http_failure::kind::refused, secret.error().message, false};
  } else {
    request.only_public = !what.private_urls;
  }
  // What takes the bytes lives as long as this call: the client ends every request before that.
  request.take = what.take;
  request.time = what.time;
  const auto held = std::make_shared<box<http_end>>();
  client_.start(std::move(request), [held](http_end end) { held->put(std::move(end)); });
  return held->wait();
}

}  // namespace perdure::actors
