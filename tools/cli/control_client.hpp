// control_client: reaches a running node through DATA/control.sock.
//
// Operation: one request at a time. Events that are no longer wanted are not taken back: the connection is made anew.
// Concurrency: one thread.
#pragma once

#include <filesystem>
#include <string>

#include "tools/cli/client.hpp"

namespace perdure::tools::cli {

class control_client : public client {
 public:
  /// not_found: nobody listens there.
  [[nodiscard]] static result<std::unique_ptr<control_client>> connect(const std::filesystem::path& data);
  ~control_client() override;
  control_client(const control_client&) = delete;
  control_client& operator=(const control_client&) = delete;

  result<run_page> list(const list_options& options) override;
  result<run_summary> summary(const run_id& run) override;
  result<void> stored(const run_id& run, run_seq after, const take_event& take) override;
  result<void> follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) override;
  result<done> command(const cluster::run_command& what) override;
  std::vector<result<done>> commands(const std::vector<cluster::run_command>& what) override;
  result<json::value> about_jobs(const json::object& question) override;
  result<json::object> stats() override;
  [[nodiscard]] std::string_view kind() const override { return "socket"; }

 private:
  control_client(std::filesystem::path data, int fd) : data_(std::move(data)), fd_(fd) {}
  result<void> send(const json::object& request);
  /// The next line; `shutting_down` when the node closed the connection, `timeout` when `stop` was asked for.
  result<json::object> receive(const std::stop_token& stop = {});
  result<json::value> ask(const json::object& request);
  result<json::value> answer();
  result<void> take_events(const json::object& request, const take_event& take, const std::stop_token& stop);

  std::filesystem::path data_;
  int fd_;
  std::string in_;
};

}  // namespace perdure::tools::cli
