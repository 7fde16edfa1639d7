// SHA-256 of what comes piece by piece.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace perdure::core {

class hash_stream {
 public:
  hash_stream();
  ~hash_stream();
  hash_stream(const hash_stream&) = delete;
  hash_stream& operator=(const hash_stream&) = delete;

  void add(std::string_view bytes);
  /// Of all that was added, in lower-case hex; the stream is over then.
  [[nodiscard]] std::string hex();

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace perdure::core
