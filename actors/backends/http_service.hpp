// How a remote job service is spoken to over HTTP: where its requests go, what stands in its answers, and where. Made by whoever
// reads a configuration; docs/jobs.md has what each part means.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "perdure/job.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

/// A place in an answer: JSON pointers, of which the first that leads to something other than null counts. "" is all of it.
struct answer_place {
  std::vector<std::string> pointers;
  [[nodiscard]] bool is_set() const noexcept { return !pointers.empty(); }
  /// Null when there is nothing.
  [[nodiscard]] const json::value* in(const json::value& answer) const;
  /// Strings as they are, numbers and booleans as JSON text; empty when there is nothing, or an object or array.
  [[nodiscard]] std::string text_in(const json::value& answer) const;
  [[nodiscard]] std::optional<double> number_in(const json::value& answer) const;
  /// Whole numbers that are not negative; fractions are cut off.
  [[nodiscard]] std::optional<std::uint64_t> count_in(const json::value& answer) const;
  [[nodiscard]] bool flag_in(const json::value& answer, bool otherwise = false) const;
};

/// Puts a value where a JSON pointer leads; objects on the way are made. False: something else than an object is on the way.
[[nodiscard]] bool put_at(json::value& into, std::string_view pointer, json::value what);

/// Texts with {names} in them that are replaced by values.
using template_values = std::map<std::string, std::string, std::less<>>;
enum class template_use : std::uint8_t {
  plain,   ///< as it is
  url,     ///< percent-encoded
  header,  ///< what a header cannot hold percent-encoded
};
[[nodiscard]] std::string expand(std::string_view text, const template_values& values, template_use use);
/// The first name in it that is not one of `known`; none = all are known.
[[nodiscard]] std::optional<std::string> unknown_name(std::string_view text, const std::set<std::string, std::less<>>& known);

/// A request; path, query and headers are templates. Parts of the query that come out empty are left out.
struct http_operation {
  std::string method = "GET";
  std::string path;
  std::vector<std::pair<std::string, std::string>> query, headers;
};

struct http_service {
  std::string url;  ///< what paths are put after
  std::vector<std::pair<std::string, std::string>> headers;
  struct credentials {
    enum class kind : std::uint8_t { none, header, basic } what = kind::none;
    std::string name = "Authorization", prefix;  ///< of a header
    std::string user;
    std::string secret;  ///< its name
  } auth;
  std::chrono::milliseconds timeout{30'000};  ///< of one request

  struct submit_call : http_operation {
    std::string spec_at;                                      ///< JSON pointer in the body; "" = the spec is the body
    std::vector<std::pair<std::string, std::string>> insert;  ///< pointer in the body, template
    answer_place id;
    bool idempotent = false;                                    ///< a repeated key gives the job that is there
    std::set<long> not_accepted{401, 402, 403, 407, 425, 429};  ///< statuses with which a job was surely not accepted
  } submit;
  struct find_call : http_operation {
    answer_place items, key, id, next;
  };
  std::optional<find_call> find;
  struct status_call : http_operation {
    answer_place state, done, total, fraction, percent, text, exit_code, result, message, timed_out;
    std::map<std::string, job_status, std::less<>> states;
    std::set<long> gone{404, 410};
    std::chrono::milliseconds settle{10'000};  ///< so long after its submit an unknown job is one that is not known yet
  } status;
  std::optional<http_operation> cancel;
  struct logs_call : http_operation {
    answer_place items, text, time, stream, next, more;
  };
  std::optional<logs_call> logs;
  struct artifacts_call : http_operation {
    answer_place items, name, id, size, media_type, sha256, ready, next;
    http_operation download;
    answer_place url;           ///< in the answer to `download`; not set = the answer is the file
    bool private_urls = false;  ///< addresses of another server may be of a private network
  };
  std::optional<artifacts_call> artifacts;
  struct estimate_call : http_operation {
    answer_place can_submit, reason, cost_min, cost_max, minutes_min, minutes_max;
  };
  std::optional<estimate_call> estimate;
  std::optional<http_operation> check;

  struct webhook_rule {
    std::string url;  ///< the value of {webhook}: where this node is reached; a template
    std::string header, prefix, secret, timestamp_header;
    std::string signs = "{body}";  ///< what is signed: {body}, {timestamp}
    bool base64 = false;           ///< else hex
    answer_place key, id;          ///< in the callback's body
  };
  std::optional<webhook_rule> webhook;
};

}  // namespace perdure::actors
