// A request and its answer as the gateway's parts see them: plain data, free of the server beneath.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace perdure::tools::gateway {

/// Takes a request's body piece by piece as it comes, on threads that may block, one call at a time.
class body_sink {
 public:
  virtual ~body_sink() = default;
  /// False: what comes after is not wanted; the request is answered as it is.
  virtual bool take(std::string_view piece) = 0;
};

struct field {
  std::string name, value;
};

struct request {
  std::string id;  ///< in every answer and log line
  std::string method;
  std::string target;             ///< as it was sent
  std::vector<std::string> path;  ///< its segments, decoded
  std::vector<field> query;       ///< decoded
  std::vector<field> headers;     ///< names in lower case
  std::string body;
  std::shared_ptr<body_sink> sink;  ///< has the body, which is empty then
  std::string peer;                 ///< address of the client

  /// Null when it is not there.
  [[nodiscard]] const std::string* header(std::string_view lower_case_name) const;
  [[nodiscard]] const std::string* parameter(std::string_view name) const;
};

/// Splits and decodes the target. False: it is malformed (a bad escape, a NUL, text that is not UTF-8).
[[nodiscard]] bool read_target(std::string_view target, request& into);

struct response {
  unsigned status = 200;
  std::string body;
  std::string type = "application/json";
  std::vector<field> headers;
  /// Of a body that goes on: how many bytes will come. Of an answer to HEAD: how many would.
  std::optional<std::uint64_t> length{};
};

/// A body that goes on. All calls on the server's thread: inside of what `post` runs, or of a callback.
class stream {
 public:
  virtual ~stream() = default;
  /// Queues bytes; nothing happens once the client is gone.
  virtual void write(std::string_view bytes) = 0;
  /// The last byte was written. Nothing may be written after.
  virtual void end() = 0;
  /// Bytes that the client has not taken.
  [[nodiscard]] virtual std::size_t pending() const = 0;
  /// Called when all that was written has been taken.
  virtual void on_room(std::function<void()> call) = 0;
  /// Called once when the stream is over, whoever ended it.
  virtual void on_gone(std::function<void()> call) = 0;
};

/// One request and the way back. Answered exactly once; one that is destroyed unanswered answers 500. Any thread.
class exchange {
 public:
  explicit exchange(request in) : in(std::move(in)) {}
  virtual ~exchange() = default;
  const request in;
  std::string caller;  ///< id of the key, for the access log; set before the answer

  virtual void answer(response what) = 0;
  /// Answers with a body that goes on; `ready` gets it on the server's thread. `ping` is what a silent stream says.
  virtual void answer_with_stream(response head, std::string ping, std::function<void(std::shared_ptr<stream>)> ready) = 0;
  /// Runs it on the server's thread.
  virtual void post(std::function<void()> call) = 0;
  /// Runs it on a thread that may block.
  virtual void work(std::function<void()> call) = 0;
  /// Called on the server's thread when the server takes no new work any more; at once when that is so already.
  virtual void on_drain(std::function<void()> call) = 0;
  /// Called on the server's thread when this is a stream and its caller may not have it any more; the call before is forgotten.
  virtual void on_revoked(std::function<void()> call) = 0;
};

/// Makes a text of at least so many bytes smaller for a client that takes gzip.
void compress(const request& in, std::size_t least_bytes, response& what);
/// Status line and headers, without those that say how long the body is, and without the empty line. `version`: 10 or 11.
[[nodiscard]] std::string head_text(const request& in, const response& what, const std::vector<field>& more, unsigned version,
                                    bool keep_alive);

}  // namespace perdure::tools::gateway
