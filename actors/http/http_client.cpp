#include "actors/http/http_client.hpp"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

namespace perdure::actors {

namespace {

struct range {
  std::uint32_t from;
  unsigned bits;
};
/// IPv4 that is not the internet's: this host, private, shared, loopback, link-local, protocols, documentation, benchmarks,
/// multicast, reserved.
constexpr std::array<range, 15> special4{{{0x00000000, 8},
                                          {0x0A000000, 8},
                                          {0x64400000, 10},
                                          {0x7F000000, 8},
                                          {0xA9FE0000, 16},
                                          {0xAC100000, 12},
                                          {0xC0000000, 24},
                                          {0xC0000200, 24},
                                          {0xC0586300, 24},
                                          {0xC0A80000, 16},
                                          {0xC6120000, 15},
                                          {0xC6336400, 24},
                                          {0xCB007100, 24},
                                          {0xE0000000, 4},
                                          {0xF0000000, 4}}};

bool is_public4(std::uint32_t address) {
  return std::none_of(special4.begin(), special4.end(),
                      [&](const range& each) { return (address >> (32 - each.bits)) == (each.from >> (32 - each.bits)); });
}

bool is_public6(const std::array<std::uint8_t, 16>& a) {
  const auto four = [&](std::size_t at) {
    return static_cast<std::uint32_t>(a[at]) << 24U | static_cast<std::uint32_t>(a[at + 1]) << 16U |
           static_cast<std::uint32_t>(a[at + 2]) << 8U | a[at + 3];
  };
  const bool begins_with_zeros = std::all_of(a.begin(), a.begin() + 10, [](auto byte) { return byte == 0; });
  if (begins_with_zeros && a[10] == 0xFF && a[11] == 0xFF) return is_public4(four(12));    // mapped IPv4
  if (four(0) == 0x0064FF9B) return four(4) == 0 && four(8) == 0 && is_public4(four(12));  // NAT64
  if (a[0] == 0x20 && a[1] == 0x02) return is_public4(four(2));                            // 6to4
  if (four(0) == 0x20010000 || four(0) == 0x20010DB8) return false;                        // Teredo, documentation
  return (a[0] & 0xE0U) == 0x20;  // global unicast; all else is loopback, local, multicast or reserved
}

bool is_public(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    return is_public4(ntohl(in.sin_addr.s_addr));
  }
  if (address->sa_family != AF_INET6) return false;
  sockaddr_in6 in{};
  std::memcpy(&in, address, sizeof in);
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), &in.sin6_addr, bytes.size());
  return is_public6(bytes);
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.back() == '\r' || text.back() == '\n' || text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return text;
}

/// One request: what libcurl is given stays at its place.
struct exchange {
  http_request request;
  std::function<void(http_end)> done;
  CURL* easy = nullptr;
  curl_slist* headers = nullptr;
  http_response answer;
  std::size_t header_bytes = 0;
  bool too_large = false, forbidden = false, stopped = false, enough = false;
  std::array<char, CURL_ERROR_SIZE> why{};
  std::optional<std::stop_callback<std::function<void()>>> on_stop;  ///< wakes the thread

  exchange() = default;
  exchange(const exchange&) = delete;
  exchange& operator=(const exchange&) = delete;
  ~exchange() {
    if (easy != nullptr) curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
  }
};

std::size_t take_body(char* data, std::size_t size, std::size_t count, void* to) {
  auto& mine = *static_cast<exchange*>(to);
  const auto bytes = size * count;
  long status = 0;
  curl_easy_getinfo(mine.easy, CURLINFO_RESPONSE_CODE, &status);
  const bool good = status >= 200 && status < 300;
  if (mine.request.take && good) {
    if (mine.request.take(status, {data, bytes})) return bytes;
    mine.enough = true;
    return 0;
  }
  if (mine.answer.body.size() + bytes > limits::http_body_bytes) {
    mine.too_large = true;
    return 0;
  }
  mine.answer.body.append(data, bytes);
  if (mine.request.see && good) mine.request.see(mine.answer.headers, {data, bytes});
  return bytes;
}

std::size_t take_header(char* data, std::size_t size, std::size_t count, void* to) {
  auto& mine = *static_cast<exchange*>(to);
  const auto bytes = size * count;
  const std::string_view line{data, bytes};
  mine.header_bytes += bytes;
  if (mine.header_bytes > limits::http_header_bytes) {
    mine.too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) {  // another answer: after a redirect, a challenge, or "100 Continue"
    mine.answer.headers.clear();
    mine.answer.body.clear();
    const auto first = line.find(' ');
    const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    mine.answer.reason = second == std::string_view::npos ? std::string{} : std::string{trimmed(line.substr(second + 1))};
    return bytes;
  }
  const auto colon = line.find(':');
  if (colon != std::string_view::npos && colon > 0)
    mine.answer.headers.emplace_back(std::string{line.substr(0, colon)}, std::string{trimmed(line.substr(colon + 1))});
  return bytes;
}

curl_socket_t open_socket(void* of, curlsocktype, curl_sockaddr* address) {
  auto& mine = *static_cast<exchange*>(of);
  if (mine.request.only_public && !is_public(&address->addr)) {
    mine.forbidden = true;
    return CURL_SOCKET_BAD;
  }
  return ::socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

int look_for_stop(void* of, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& mine = *static_cast<exchange*>(of);
  if (!mine.request.stop.stop_requested()) return 0;
  mine.stopped = true;
  return 1;
}

bool is_clean(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x20 || c == '\t'; });
}

/// What libcurl would send as something else than it was meant.
std::string problem_of(const http_request& request) {
  const auto is_token = [](std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
             std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
    });
  };
  if (!is_token(request.method)) return "\"" + request.method + "\" is no HTTP method";
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name) || !is_clean(value)) return "the header \"" + name + "\" has a bad name, or a line break in its value";
  }
  return {};
}

/// PEM file of the authorities that servers are trusted by, instead of the system's; null = the system's.
const char* authorities_file() {
  static const auto* found = std::getenv("PERDURE_CA_FILE");
  return found != nullptr && *found != '\0' ? found : nullptr;
}

bool prepare(exchange& mine) {
  mine.easy = curl_easy_init();
  if (mine.easy == nullptr) return false;
  auto* easy = mine.easy;
  const auto& request = mine.request;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, &mine);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, mine.why.data());
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.follow ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(limits::http_redirects));
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(1, request.time.count())));
  // Pieces of a file are pieces of what is stored, not of what it was packed into for the way.
  if (!request.take) curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &mine);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, &mine);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &mine);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, look_for_stop);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &mine);
  if (request.once) {
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
  }
  if (request.only_public) {
    // A proxy of the environment, or a connection that another request left open, would go past the rule of addresses.
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
  }
  for (const auto& [name, value] : request.headers) {
    const auto line = value.empty() ? name + ";" : name + ": " + value;
    auto* longer = curl_slist_append(mine.headers, line.c_str());
    if (longer == nullptr) return false;
    mine.headers = longer;
  }
  if (request.body) {
    auto* longer = curl_slist_append(mine.headers, "Expect:");  // small bodies gain nothing by asking first
    if (longer == nullptr) return false;
    mine.headers = longer;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body->data());
  } else if (request.method == "POST") {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
  }
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, mine.headers);
  if (request.method == "HEAD" && !request.body) {
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  } else if (request.method != "POST" && (request.method != "GET" || request.body)) {
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  }
  if (request.http2) {
    curl_easy_setopt(
        easy, CURLOPT_HTTP_VERSION,
        static_cast<long>(request.url.starts_with("https:") ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE));
  }
  if (request.certificate) {
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // libcurl would show it to every server on the way
    const auto give = [easy](CURLoption option, const std::string& text) {
      curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};
      return curl_easy_setopt(easy, option, &blob) == CURLE_OK;
    };
    if (!give(CURLOPT_SSLCERT_BLOB, request.certificate->certificate)) return false;
    if (!give(CURLOPT_SSLKEY_BLOB, request.certificate->key)) return false;
    if (!request.certificate->password.empty()) curl_easy_setopt(easy, CURLOPT_KEYPASSWD, request.certificate->password.c_str());
  }
  if (const auto* file = authorities_file()) curl_easy_setopt(easy, CURLOPT_CAINFO, file);
  if (request.digest) {
    curl_easy_setopt(easy, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_DIGEST));
    curl_easy_setopt(easy, CURLOPT_USERNAME, request.digest->first.c_str());
    curl_easy_setopt(easy, CURLOPT_PASSWORD, request.digest->second.c_str());
  }
  return true;
}

/// Only now, so that libcurl is not set up in programs that make no request.
bool set_up() {
  static const bool done = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return done;
}

}  // namespace

bool is_public_address(const std::string& text) {
  in_addr four{};
  if (inet_pton(AF_INET, text.c_str(), &four) == 1) return is_public4(ntohl(four.s_addr));
  std::array<std::uint8_t, 16> six{};
  return inet_pton(AF_INET6, text.c_str(), six.data()) == 1 && is_public6(six);
}

struct http_client::state {
  explicit state(options how) : chosen(how) {}

  options chosen;
  std::mutex mutex;
  std::deque<std::unique_ptr<exchange>> fresh;  ///< not seen by the thread yet
  bool closing = false;
  bool works = false;  ///< libcurl is set up; never changes later
  std::size_t waiting = 0;
  std::mutex multi_mutex;  ///< for those who wake the thread
  CURLM* multi = nullptr;  ///< until the thread ends
  std::thread thread;

  // The thread's own.
  std::deque<std::unique_ptr<exchange>> queued;
  std::map<CURL*, std::unique_ptr<exchange>> running;

  void wake() {
    const std::lock_guard lock{multi_mutex};
    if (multi != nullptr) curl_multi_wakeup(multi);
  }
  void clean_up() {
    const std::lock_guard lock{multi_mutex};
    curl_multi_cleanup(multi);
    multi = nullptr;
  }
  void finish(std::unique_ptr<exchange> mine, http_end end) {
    {
      const std::lock_guard lock{mutex};
      --waiting;
    }
    mine->done(std::move(end));
  }
  void begin(std::unique_ptr<exchange> mine) {
    if (!prepare(*mine))
      return finish(std::move(mine), http_failure{http_failure::kind::refused, "no memory for the request", false});
    auto* easy = mine->easy;
    if (curl_multi_add_handle(multi, easy) != CURLM_OK)
      return finish(std::move(mine), http_failure{http_failure::kind::refused, "the request cannot be begun", false});
    running.emplace(easy, std::move(mine));
  }
  http_end end_of(exchange& mine, CURLcode code) const;
  void loop();
};

http_end http_client::state::end_of(exchange& mine, CURLcode code) const {
  using kind = http_failure::kind;
  if (mine.stopped || mine.request.stop.stop_requested()) return http_failure{kind::stopped, "the request was stopped"};
  if (code == CURLE_OK || mine.enough) {
    curl_easy_getinfo(mine.easy, CURLINFO_RESPONSE_CODE, &mine.answer.status);
    const char* url = nullptr;
    curl_easy_getinfo(mine.easy, CURLINFO_EFFECTIVE_URL, &url);
    mine.answer.url = url != nullptr ? url : mine.request.url;
    return std::move(mine.answer);
  }
  if (mine.forbidden)
    return http_failure{kind::refused, "the address leads to this machine or to a private network, which is not allowed", false};
  if (mine.too_large) {
    return http_failure{kind::too_large,
                        "the answer is larger than http_body_bytes = " + std::to_string(limits::http_body_bytes) +
                            ", or its headers than http_header_bytes = " + std::to_string(limits::http_header_bytes)};
  }
  const auto detail = mine.why[0] != '\0' ? std::string{mine.why.data()} : std::string{curl_easy_strerror(code)};
  long bytes = 0;
  const bool sent = curl_easy_getinfo(mine.easy, CURLINFO_REQUEST_SIZE, &bytes) != CURLE_OK || bytes > 0;
  switch (code) {
    case CURLE_OPERATION_TIMEDOUT: return http_failure{kind::too_late, detail, sent};
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL: return http_failure{kind::refused, detail, false};
    default: return http_failure{kind::unreachable, detail, sent};
  }
}

void http_client::state::loop() {
  while (true) {
    bool over = false;
    {
      const std::lock_guard lock{mutex};
      for (auto& each : fresh) queued.push_back(std::move(each));
      fresh.clear();
      over = closing;
    }
    // Those that are not wanted any more go first, and all of them at the end.
    for (auto at = queued.begin(); at != queued.end();) {
      if (!over && !(*at)->request.stop.stop_requested()) {
        ++at;
        continue;
      }
      auto mine = std::move(*at);
      at = queued.erase(at);
      finish(std::move(mine), http_failure{http_failure::kind::stopped, "the request was stopped before it began", false});
    }
    for (auto at = running.begin(); at != running.end();) {
      if (!over && !at->second->request.stop.stop_requested()) {
        ++at;
        continue;
      }
      auto mine = std::move(at->second);
      at = running.erase(at);
      curl_multi_remove_handle(multi, mine->easy);
      finish(std::move(mine), http_failure{http_failure::kind::stopped, "the request was stopped"});
    }
    if (over) return;
    while (!queued.empty() && running.size() < chosen.running) {
      auto next = std::move(queued.front());
      queued.pop_front();
      begin(std::move(next));
    }
    int active = 0;
    curl_multi_perform(multi, &active);
    int left = 0;
    while (const auto* message = curl_multi_info_read(multi, &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      const auto code = message->data.result;
      const auto at = running.find(message->easy_handle);
      auto mine = std::move(at->second);
      running.erase(at);
      auto end = end_of(*mine, code);
      curl_multi_remove_handle(multi, mine->easy);
      finish(std::move(mine), std::move(end));
    }
    if (!queued.empty() && running.size() < chosen.running) continue;
    curl_multi_poll(multi, nullptr, 0, 1'000, nullptr);
  }
}

http_client::http_client(options chosen) : state_(std::make_shared<state>(chosen)) {
  if (!set_up()) return;
  state_->multi = curl_multi_init();
  if (state_->multi == nullptr) return;
  state_->works = true;
  state_->thread = std::thread{[held = state_] {
    held->loop();
    held->clean_up();
  }};
}

http_client::~http_client() {
  stop_all();
  if (!state_->thread.joinable()) return;
  // Whoever had it last may be told of its request's end, on the thread itself.
  if (state_->thread.get_id() == std::this_thread::get_id()) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

void http_client::start(http_request what, std::function<void(http_end)> done) {
  using kind = http_failure::kind;
  if (auto problem = problem_of(what); !problem.empty()) return done(http_failure{kind::refused, std::move(problem), false});
  if (!state_->works) return done(http_failure{kind::refused, "libcurl cannot be set up", false});
  auto mine = std::make_unique<exchange>();
  mine->request = std::move(what);
  mine->done = std::move(done);
  std::optional<http_failure> refused;
  {
    const std::lock_guard lock{state_->mutex};
    if (state_->closing) {
      refused = http_failure{kind::stopped, "the node is closing", false};
    } else if (state_->waiting >= state_->chosen.waiting) {
      refused =
          http_failure{kind::refused, std::to_string(state_->waiting) + " requests wait already (waiting_http_calls)", false};
    } else {
      ++state_->waiting;
      mine->on_stop.emplace(mine->request.stop, [held = state_.get()] { held->wake(); });
      state_->fresh.push_back(std::move(mine));
    }
  }
  if (refused) return mine->done(std::move(*refused));
  state_->wake();
}

void http_client::stop_all() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->closing = true;
  }
  state_->wake();
}

}  // namespace perdure::actors
