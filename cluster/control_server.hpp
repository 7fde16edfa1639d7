// control_server: the unix socket DATA/control.sock through which `perdure` commands reach a running node.
//
// Operation: a thread polls the listening socket, its clients and an event descriptor. Requests of one client are
// answered in order; `follow` and `wait` hold that client's next request until they ended. A follower that reads
// slowly is unsubscribed when its outbox is full and subscribed again, from where it is, when that is drained: it
// loses nothing and holds up nobody.
// Concurrency: construct and destroy on one thread; the node's threads call back through subscriptions.
// A command has a thread of its own until it is answered: one that waits for room in the journal holds up nobody else.
// Limitations: look-ups are made on the server's thread. The socket is for the directory's owner only (0600).
#pragma once

#include <filesystem>
#include <memory>

#include "cluster/control_protocol.hpp"

namespace perdure::cluster {

/// Clients at once; one more is told so and closed.
inline constexpr std::size_t control_clients = 256;
/// Commands that wait for their answers at once.
inline constexpr std::size_t control_commands = 64;
/// One request line.
inline constexpr std::size_t control_request_bytes = limits::payload_bytes + (64U << 10);
/// Answers that wait for a slow client before its subscription pauses.
inline constexpr std::size_t control_outbox_bytes = 4U << 20;

/// Subscribes to a run as run_ref does, and tells `broken` why when an event of it cannot be read.
using watch_run = std::function<result<subscription>(const run_ref&, std::function<void(const run_event&)> on_event,
                                                     run_seq after, std::function<void(const error&)> broken)>;

class control_server {
 public:
  /// Listens at `directory`/control.sock; a socket left there by a killed process is removed (the caller holds the
  /// directory's lock). io_error names the system's reason.
  /// Without `watch` nobody who follows a run hears that it cannot be read.
  [[nodiscard]] static result<std::unique_ptr<control_server>> start(const std::filesystem::path& directory, control_target node,
                                                                     watch_run watch = nullptr);
  /// stop, then waits for the commands that are on their way (the node has to answer them) and for their clients to take the
  /// answers, a second at most. No callback of a subscription runs afterwards.
  ~control_server();
  /// Takes no more clients and requests, and removes the socket; clients that wait for no command's answer are closed. Again:
  /// nothing.
  void stop();
  control_server(const control_server&) = delete;
  control_server& operator=(const control_server&) = delete;

 private:
  class impl;
  explicit control_server(std::unique_ptr<impl> held);
  std::unique_ptr<impl> impl_;
};

/// Address of DATA/control.sock that fits sockaddr_un however long the path is: by way of an open descriptor of the
/// directory, which the caller closes after bind or connect.
struct control_address {
  int directory = -1;
  std::string path;
};
[[nodiscard]] result<control_address> open_control_address(const std::filesystem::path& directory);

}  // namespace perdure::cluster
