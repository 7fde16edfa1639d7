// service: everything that `perdure serve` puts together: listener, keys, node, documents, APIs.
//
// Operation: the listener comes first, so that whoever looks sees a node that starts; then the node recovers, the documents
// are registered, and the APIs open. Stopping goes the other way: new work is refused, streams are told, the node commits
// and closes, and only then the listener.
// Concurrency: one thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "perdure/lifecycle.hpp"
#include "perdure/node.hpp"
#include "tools/gateway/cors.hpp"
#include "tools/gateway/http_limits.hpp"
#include "tools/gateway/reaper.hpp"
#include "tools/gateway/tenant_policies.hpp"
#include "tools/gateway/tls_keys.hpp"

namespace perdure::tools::gateway {

struct service_options {
  std::filesystem::path data;
  std::filesystem::path workflows;    ///< folder of documents; empty = none
  std::vector<std::string> backends;  ///< NAME=FILE, beside those of the directory
  std::string address = "127.0.0.1";
  std::uint16_t port = 7400;
  tls_files tls;  ///< empty = plain HTTP
  http_limits limits;
  tenant_policies policies;
  cors allowed_pages;
  std::chrono::milliseconds shutdown_time{10'000};
  retention_options retention;
  lifecycle_options lifecycle;
  std::string trace_endpoint;  ///< where spans go (trace_export.hpp); empty = nowhere
  std::chrono::milliseconds reap_scheduled = reaper_options{}.scheduled, reap_idle = reaper_options{}.idle;
  std::string helper_program;
  std::function<void(const log_record&)> log;           ///< any thread
  std::function<void(const std::string& line)> access;  ///< one JSON object a line; empty = no access log
};

class service {
 public:
  /// Serves when it returns. Errors as those of node::open; io_error: it cannot listen there, or there is no such folder.
  [[nodiscard]] static result<std::unique_ptr<service>> start(service_options how);
  ~service();

  [[nodiscard]] std::uint16_t port() const;
  /// Where the first key was written, when this start made it.
  [[nodiscard]] const std::optional<std::filesystem::path>& new_admin_key() const;
  /// Reads what changed in the folder of documents, a changed certificate, and which keys are still good for their streams.
  void look_again();
  /// Within `shutdown_time` and two seconds, unless the disk hangs.
  void stop();

  class impl;

 private:
  explicit service(std::unique_ptr<impl> held);
  std::unique_ptr<impl> impl_;
};

struct listen_address {
  std::string host;  ///< an IP address
  std::uint16_t port = 0;
  bool loopback = false;
  [[nodiscard]] std::string url(std::uint16_t real_port, bool tls) const;
};
/// "127.0.0.1:7400", "[::1]:0", "localhost:7400". invalid_argument.
[[nodiscard]] result<listen_address> read_listen_address(const std::string& text);

}  // namespace perdure::tools::gateway
