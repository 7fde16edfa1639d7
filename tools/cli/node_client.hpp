// node_client: the runs of a directory through a node that this process opens, with the documents that are kept there.
//
// Concurrency: one thread; the node's own threads call back inside.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "cluster/documents.hpp"
#include "perdure/node.hpp"
#include "tools/cli/client.hpp"

namespace perdure::tools::cli {

struct node_client_options {
  std::filesystem::path data;
  std::vector<cluster::document> also;  ///< registered (and kept) beside the documents of the directory
  std::string log_level = "warning";
  bool log_json = false;
  retention_options retention;
  std::vector<std::string> backends;  ///< NAME=FILE, beside those of the directory
};

/// Writes log lines of at least this level to standard error.
[[nodiscard]] std::function<void(const log_record&)> log_writer(const std::string& level, bool as_json);

class node_client : public client {
 public:
  /// Opens the directory (made when absent) and registers the documents in it, so that unfinished runs go on.
  [[nodiscard]] static result<std::unique_ptr<node_client>> open(node_client_options options);
  ~node_client() override;

  result<run_page> list(const list_options& options) override;
  result<run_summary> summary(const run_id& run) override;
  result<void> stored(const run_id& run, run_seq after, const take_event& take) override;
  result<void> follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) override;
  result<done> command(const cluster::run_command& what) override;
  result<json::value> about_jobs(const json::object& question) override;
  result<json::object> stats() override;
  [[nodiscard]] std::string_view kind() const override { return "node"; }

  [[nodiscard]] node& engine() { return node_; }
  void close() { node_.close(); }

 private:
  explicit node_client(node opened) : node_(std::move(opened)) {}
  result<void> take_events(const run_id& run, run_seq after, run_seq until, const take_event& take, const std::stop_token& stop);

  node node_;
};

}  // namespace perdure::tools::cli
