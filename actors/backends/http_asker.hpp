// http_asker: requests to one job service, and how their answers are taken.
//
// Operation: makes a request of an operation and its values, adds the credentials, reads the answer's JSON. A service that asks
// for patience (429, or 503 with Retry-After) is left alone until then: calls are answered at once meanwhile. Times are
// differences of the service's own clock, so that a clock that is wrong there does no harm. Redirects are not followed.
// Concurrency: any thread; answers come on the client's.
// Limitations: an answer is in memory, at most limits::http_body_bytes of it.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <variant>

#include "actors/backends/http_service.hpp"
#include "actors/http/http_client.hpp"
#include "perdure/backend.hpp"

namespace perdure::actors {

/// A secret's text by its name; empty when there is none.
using find_secret = std::function<std::optional<std::string>(const std::string& name)>;

struct service_answer {
  long status = 0;
  http_headers headers;
  std::optional<json::value> content;  ///< empty when it is not JSON
  bool is_page = false;                ///< HTML: somebody else than the service answered, most likely
  std::string shown;                   ///< the beginning of it, for messages
  [[nodiscard]] bool good() const { return status >= 200 && status < 300; }
};
struct service_silence {
  std::string message;
  bool sent = true;  ///< the service may have seen the request
  errc code = errc::io_error;
};
using service_end = std::variant<service_answer, service_silence>;

[[nodiscard]] std::optional<std::string> header_of(const http_headers& all, std::string_view lower_case_name);

class http_asker {
 public:
  http_asker(std::string url, std::vector<std::pair<std::string, std::string>> headers, http_service::credentials auth,
             std::chrono::milliseconds timeout, find_secret secrets);

  struct question {
    const http_operation* what = nullptr;  ///< until the call returns
    template_values values;
    std::optional<json::value> body;
    bool once = false;  ///< it must not be sent twice, not even when the connection breaks before an answer
  };
  /// `done` exactly once.
  void ask(const question& of, const backend_call& how, std::function<void(service_end)> done);
  /// Waits; never on the client's own thread.
  [[nodiscard]] service_end ask_and_wait(const question& of, const backend_call& how);

  /// A request for bytes, at an address of the service or elsewhere; credentials go to the service's own server only.
  struct download {
    std::string url;
    http_headers headers;
    bool private_urls = false;
    std::chrono::milliseconds time{60'000};
    std::function<bool(long status, std::string_view bytes)> take;  ///< the body; false = enough
  };
  [[nodiscard]] http_end fetch_and_wait(const download& what);

  /// Of an operation, or of an address in an answer, which may be relative.
  [[nodiscard]] std::string address_of(const http_operation& what, const template_values& values) const;
  [[nodiscard]] std::string absolute(const std::string& address) const;
  [[nodiscard]] bool is_ours(const std::string& address) const;
  [[nodiscard]] const std::string& url() const noexcept { return url_; }
  /// The secret of that name, or why there is none.
  [[nodiscard]] result<std::string> secret(const std::string& name) const;
  void stop() { client_.stop_all(); }

 private:
  struct patience {
    std::mutex mutex;
    std::chrono::steady_clock::time_point until{};
    void take(const http_response& answer);
    [[nodiscard]] std::chrono::milliseconds left();
  };
  [[nodiscard]] result<std::string> authenticate(http_request& request) const;
  [[nodiscard]] std::chrono::milliseconds time_of(const backend_call& how) const;

  std::string url_;
  std::vector<std::pair<std::string, std::string>> headers_;
  http_service::credentials auth_;
  std::chrono::milliseconds timeout_;
  find_secret secrets_;
  std::shared_ptr<patience> patience_ = std::make_shared<patience>();
  http_client client_;
};

/// How long an answer asks to wait: seconds, or a date, which is compared with the answer's own date.
[[nodiscard]] std::optional<std::chrono::seconds> retry_after_of(const http_headers& headers);
/// How far ahead of ours the clock is that wrote the answer's date.
[[nodiscard]] std::optional<std::chrono::seconds> clock_ahead(const http_headers& headers);

}  // namespace perdure::actors
