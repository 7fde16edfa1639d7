// trace_export: sends the spans of a node to a collector, over OTLP/HTTP in JSON.
//
// Operation: a thread reads the journal behind the commits, makes spans and posts them. Nothing waits for it: when the
// collector is slow or gone, spans are kept up to a limit, then the oldest are dropped and counted in the log.
// What was sent is noted in DATA/trace.position, every few seconds and at the end: the next process goes on there, so that after
// a crash spans of the last seconds may be sent a second time, with the same ids.
// Limitations: http only, as collectors beside a service speak it; of what lies further behind than `most_behind` records no
// spans are made.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "perdure/node.hpp"

namespace perdure::tools::gateway {

struct trace_options {
  std::string endpoint;  ///< "http://127.0.0.1:4318/v1/traces"; empty = no spans
  std::string service = "perdure";
  std::filesystem::path data;  ///< the directory of the node
  std::function<void(std::string_view level, const std::string& text)> log;
};

class trace_export {
 public:
  /// invalid_argument: no endpoint that can be used. `of` outlives it.
  [[nodiscard]] static result<std::unique_ptr<trace_export>> start(node& of, trace_options how);
  /// Sends what there is, if that goes at once.
  ~trace_export();

  class impl;

 private:
  explicit trace_export(std::unique_ptr<impl> held);
  std::unique_ptr<impl> impl_;
};

/// invalid_argument.
[[nodiscard]] result<void> check_trace_endpoint(const std::string& endpoint);

}  // namespace perdure::tools::gateway
