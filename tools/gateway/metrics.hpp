// Figures of a service in the text form that Prometheus reads.
//
// Operation: requests are counted as they are answered; what node and server count themselves is taken when somebody asks. What
// takes a look at every open run is taken anew after a few seconds only.
// Concurrency: any thread.
#pragma once

#include <memory>
#include <string>

#include "perdure/node.hpp"
#include "tools/gateway/http_server.hpp"

namespace perdure::tools::gateway {

class metrics {
 public:
  metrics();
  ~metrics();
  void count(const access_record& what);
  /// Version 0.0.4 of the text format.
  [[nodiscard]] std::string text(const node& of, const server_figures& server);

 private:
  class impl;
  std::unique_ptr<impl> impl_;
};

}  // namespace perdure::tools::gateway
