#include "tools/gateway/http_exchange.hpp"

#include <atomic>

namespace perdure::tools::gateway {

namespace {

/// Ends with the last owner.
class stream_of_connection : public stream {
 public:
  stream_of_connection(std::shared_ptr<server_port> server, std::shared_ptr<connection_port> of)
      : server_(std::move(server)), connection_(std::move(of)) {}
  ~stream_of_connection() override {
    server_->post([of = std::move(connection_)] { of->stream_end(); });
  }
  void write(std::string_view bytes) override { connection_->stream_write(bytes); }
  void end() override { connection_->stream_end(); }
  [[nodiscard]] std::size_t pending() const override { return connection_->stream_pending(); }
  void on_room(std::function<void()> call) override { connection_->stream_calls(std::move(call), nullptr); }
  void on_gone(std::function<void()> call) override { connection_->stream_calls(nullptr, std::move(call)); }

 private:
  std::shared_ptr<server_port> server_;
  std::shared_ptr<connection_port> connection_;
};

class exchange_of_connection : public exchange, public std::enable_shared_from_this<exchange_of_connection> {
 public:
  exchange_of_connection(request in, std::shared_ptr<server_port> server, std::shared_ptr<connection_port> of,
                         std::uint64_t number)
      : exchange(std::move(in)), server_(std::move(server)), connection_(std::move(of)), number_(number) {}
  ~exchange_of_connection() override {
    if (answered_) return;
    server_->post([of = connection_, number = number_, in = in, what = server_->options().refuse(500, "nobody answered", in)] {
      if (of->expects(number)) of->send(in, {}, what);
    });
  }

  void answer(response what) override {
    if (answered_.exchange(true)) return;
    // On the caller's thread, so that the server's does nothing but move bytes.
    compress(in, server_->options().limits.gzip_bytes, what);
    server_->post([self = shared_from_this(), what = std::move(what)] {
      if (self->connection_->expects(self->number_)) self->connection_->send(self->in, self->caller, what);
    });
  }
  void answer_with_stream(response head, std::string ping, std::function<void(std::shared_ptr<stream>)> ready) override {
    if (answered_.exchange(true)) return;
    server_->post([self = shared_from_this(), head = std::move(head), ping = std::move(ping), ready = std::move(ready)] {
      auto& of = *self->connection_;
      if (!of.expects(self->number_)) return;
      if (!self->server_->has_room_for_stream())
        return of.send(self->in, self->caller,
                       self->server_->options().refuse(503, "too many event streams; try again later", self->in));
      if (self->in.method == "HEAD") return of.send(self->in, self->caller, head);
      of.begin_stream(self->in, self->caller, head, ping);
      ready(std::make_shared<stream_of_connection>(self->server_, self->connection_));
    });
  }
  void post(std::function<void()> call) override { server_->post(std::move(call)); }
  void work(std::function<void()> call) override { server_->work(std::move(call)); }
  void on_drain(std::function<void()> call) override {
    server_->post([self = shared_from_this(), call = std::move(call)] {
      if (self->connection_->expects(self->number_)) self->connection_->on_drain(call);
    });
  }
  void on_revoked(std::function<void()> call) override {
    server_->post([self = shared_from_this(), call = std::move(call)] {
      if (self->connection_->expects(self->number_)) self->connection_->on_revoked(call);
    });
  }

 private:
  std::shared_ptr<server_port> server_;
  std::shared_ptr<connection_port> connection_;
  const std::uint64_t number_;
  std::atomic<bool> answered_{false};
};

}  // namespace

std::shared_ptr<exchange> make_exchange(request in, std::shared_ptr<server_port> server, std::shared_ptr<connection_port> of,
                                        std::uint64_t number) {
  return std::make_shared<exchange_of_connection>(std::move(in), std::move(server), std::move(of), number);
}

}  // namespace perdure::tools::gateway
