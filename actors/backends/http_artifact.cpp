#include "actors/backends/http_artifact.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "actors/capabilities/fd.hpp"

namespace perdure::actors {

namespace {

constexpr std::chrono::seconds piece_time{60};
constexpr std::chrono::minutes whole_time{60};
constexpr int redirects = 10;
/// What comes whole, from servers that give no pieces.
constexpr std::uint64_t whole_bytes = std::uint64_t{16} << 30;

/// A file that is gone when it is closed.
result<unique_fd> nameless_file() {
  std::error_code bad;
  auto folder = std::filesystem::temp_directory_path(bad).string();
  if (bad) folder = "/tmp";
  unique_fd out{open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600)};
  if (out) return out;
  auto name = folder + "/perdure-artifact-XXXXXX";
  out = unique_fd{mkostemp(name.data(), O_CLOEXEC)};
  if (!out) return error{errc::io_error, folder + ": " + std::strerror(errno)};
  unlink(name.c_str());
  return out;
}

bool is_redirect(long status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

class reader final : public artifact_reader {
 public:
  reader(std::shared_ptr<http_asker> from, job_artifact what, bool private_urls, std::function<result<std::string>()> address)
      : from_(std::move(from)), what_(std::move(what)), private_urls_(private_urls), address_of_(std::move(address)) {}

  [[nodiscard]] const job_artifact& what() const override { return what_; }

  result<std::size_t> read(std::uint64_t offset, char* into, std::size_t size) override {
    if (size == 0) return std::size_t{0};
    if (!whole_) {
      auto got = read_piece(offset, into, size);
      if (got || !whole_) return got;
    }
    const auto got = pread(whole_.get(), into, size, static_cast<off_t>(offset));
    if (got < 0) return error{errc::io_error, "\"" + what_.name + "\": " + std::strerror(errno)};
    return static_cast<std::size_t>(got);
  }

 private:
  /// A piece; or, where the server gives none, the whole into `whole_`.
  result<std::size_t> read_piece(std::uint64_t offset, char* into, std::size_t size) {
    for (int tries = 0; tries < 2; ++tries) {
      if (address_.empty()) {
        auto found = address_of_();
        if (!found) return found.error();
        address_ = std::move(*found);
      }
      std::string bytes;
      bool is_whole = false, too_much = false;
      const http_headers range{{"Range", "bytes=" + std::to_string(offset) + "-" + std::to_string(offset + size - 1)}};
      const auto end = get(range, piece_time, [&](long status, std::string_view part) {
        is_whole = status != 206;
        too_much = part.size() > size - bytes.size();
        bytes.append(part.substr(0, size - bytes.size()));
        return !is_whole && !too_much;
      });
      if (const auto* why = std::get_if<http_failure>(&end)) return failed(*why);
      const auto& answer = std::get<http_response>(end);
      const auto status = answer.status;
      if (status == 416) return std::size_t{0};
      if (tries == 0 && (status == 401 || status == 403 || status == 404 || status == 410)) {
        address_.clear();
        continue;
      }
      if (status < 200 || status > 299) return refused(status);
      if (status != 206) return take_whole();
      const auto which = header_of(answer.headers, "content-range");
      if (!which || !which->starts_with("bytes " + std::to_string(offset) + "-"))
        return error{errc::io_error,
                     "\"" + what_.name + "\" cannot be downloaded: its server sent another piece than was asked for"};
      std::copy(bytes.begin(), bytes.end(), into);
      return bytes.size();
    }
    return refused(403);
  }

  error take_whole() {
    auto file = nameless_file();
    if (!file) return file.error();
    std::uint64_t bytes = 0;
    std::optional<error> problem;
    const auto end = get({}, whole_time, [&](long, std::string_view part) {
      for (bytes += part.size(); !part.empty() && !problem;) {
        const auto wrote = write(file->get(), part.data(), part.size());
        if (wrote > 0) part.remove_prefix(static_cast<std::size_t>(wrote));
        if (wrote < 0 && errno != EINTR)
          problem = error{errno == ENOSPC ? errc::disk_full : errc::io_error, "\"" + what_.name + "\": " + std::strerror(errno)};
      }
      if (bytes > whole_bytes)
        problem = error{errc::limit_exceeded, "\"" + what_.name + "\" is larger than " + std::to_string(whole_bytes) + " bytes"};
      return !problem;
    });
    if (problem) return *problem;
    if (const auto* why = std::get_if<http_failure>(&end)) return failed(*why);
    const auto status = std::get<http_response>(end).status;
    if (status < 200 || status > 299) return refused(status);
    whole_ = std::move(*file);
    return {errc::internal, {}};
  }

  /// Follows redirects. Another server gets no credentials, and is none of a private network.
  http_end get(const http_headers& headers, std::chrono::milliseconds time,
               const std::function<bool(long, std::string_view)>& take) {
    auto address = address_;
    for (int hop = 0; hop <= redirects; ++hop) {
      auto end =
          from_->fetch_and_wait({.url = address, .headers = headers, .private_urls = private_urls_, .time = time, .take = take});
      const auto* answer = std::get_if<http_response>(&end);
      if (answer == nullptr || !is_redirect(answer->status)) return end;
      const auto next = header_of(answer->headers, "location");
      if (!next) return end;
      address = next->starts_with("/") ? address.substr(0, address.find_first_of("/?#", address.find("://") + 3)) + *next : *next;
      if (!address.starts_with("http://") && !address.starts_with("https://"))
        return http_failure{http_failure::kind::refused, "it was redirected to an address that is none of HTTP"};
    }
    return http_failure{http_failure::kind::refused, "it was redirected more than " + std::to_string(redirects) + " times"};
  }

  error failed(const http_failure& why) const {
    return {why.what == http_failure::kind::too_late ? errc::timeout : errc::io_error,
            "\"" + what_.name + "\" cannot be downloaded: " + why.message};
  }
  error refused(long status) const {
    return {status == 404 || status == 410 ? errc::not_found : errc::io_error,
            "\"" + what_.name + "\" cannot be downloaded: its address was answered with status " + std::to_string(status)};
  }

  std::shared_ptr<http_asker> from_;
  job_artifact what_;
  bool private_urls_;
  std::function<result<std::string>()> address_of_;
  std::string address_;
  unique_fd whole_;
};

}  // namespace

std::shared_ptr<artifact_reader> remote_artifact(std::shared_ptr<http_asker> from, job_artifact what, bool private_urls,
                                                 std::function<result<std::string>()> address) {
  return std::make_shared<reader>(std::move(from), std::move(what), private_urls, std::move(address));
}

}  // namespace perdure::actors
