// transport: the bytes of one connection, plain or inside TLS; listener: where connections come from.
//
// Operation: all on the thread of one io_context. A read and a write may be on their way at once; each calls back exactly
// once, never from inside of the call that began it, and with an error when the connection was closed meanwhile. What was
// given to `write` stays where it is until then.
// Limitations: TCP; TLS has no client certificates.
#pragma once

#include <boost/system/error_code.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tools/gateway/tls_keys.hpp"

namespace boost::asio {
class io_context;
}

namespace perdure::tools::gateway {

class transport {
 public:
  using done = std::function<void(const boost::system::error_code& bad, std::size_t bytes)>;
  virtual ~transport() = default;

  /// Address of the other side.
  [[nodiscard]] virtual std::string peer() const = 0;
  /// Whether `begin` has to be called, and to call back, before anything else.
  [[nodiscard]] virtual bool secure() const = 0;
  virtual void begin(done call) = 0;
  virtual void read_some(char* to, std::size_t most, done call) = 0;
  virtual void write(std::string_view head, std::string_view body, done call) = 0;
  /// What is on its way ends with an error.
  virtual void cancel() = 0;
  /// Tells the other side that nothing more comes.
  virtual void end_writing() = 0;
  virtual void close() = 0;
  /// Says this if that is possible without waiting, and ends writing.
  virtual void turn_away(std::string_view text) = 0;
};

class listener {
 public:
  /// io_error: it cannot listen there; invalid_argument: no address, or bad files.
  [[nodiscard]] static result<std::unique_ptr<listener>> open(boost::asio::io_context& io, const std::string& address,
                                                              std::uint16_t port, const tls_files& files);
  virtual ~listener() = default;
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// `call` gets each connection until `close`.
  virtual void accept(std::function<void(std::unique_ptr<transport>)> call) = 0;
  virtual void close() = 0;
  /// As tls_keys::look_again; false without TLS. Any thread.
  [[nodiscard]] virtual result<bool> look_again() = 0;
};

}  // namespace perdure::tools::gateway
