// jq_workers: evaluates jq programs in processes of their own, which may hang, run out of memory or die without harm.
//
// Operation: a small number of `perdure __jq` processes, started when needed and kept. One request at a time each; a
// worker that is over its time is killed, and so answered for.
// Concurrency: any thread; a call blocks until a worker is free and has answered, at most twice the time limit.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

class jq_workers {
 public:
  struct options {
    std::string program;  ///< path of the perdure binary
    std::size_t workers = 2;
    std::chrono::milliseconds time{2'000};  ///< for one request, compilation included
  };
  explicit jq_workers(options chosen);
  /// Ends the processes.
  ~jq_workers();
  jq_workers(const jq_workers&) = delete;
  jq_workers& operator=(const jq_workers&) = delete;

  /// One request line of `perdure __jq`, its answer. invalid_argument: jq's own message. limit_exceeded: too slow, too
  /// large, or it took the process down. io_error: no process could be started.
  [[nodiscard]] result<json::object> ask(const json::object& request);

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace perdure::actors
