// steady_client: a client that looks again for whoever has the directory when that one goes.
//
// Operation: a question or command that meets a node which is closing, or a directory that another node takes at that moment,
// is asked again, for as long as a node may take to close. Each command carries an id, so that one which was carried out and
// whose answer was lost is not carried out again.
// Concurrency: one thread. Limitations: `follow` is not taken up again: what should follow is for the caller to say.
#pragma once

#include "tools/cli/client.hpp"

namespace perdure::tools::cli {

class steady_client final : public client {
 public:
  steady_client(std::filesystem::path data, std::unique_ptr<client> now) : data_(std::move(data)), now_(std::move(now)) {}

  result<run_page> list(const list_options& options) override;
  result<run_summary> summary(const run_id& run) override;
  result<void> stored(const run_id& run, run_seq after, const take_event& take) override;
  result<void> follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) override;
  result<done> command(const cluster::run_command& what) override;
  std::vector<result<done>> commands(const std::vector<cluster::run_command>& what) override;
  [[nodiscard]] std::size_t batch() const override { return now_->batch(); }
  result<void> each_pending(const std::function<void(const cluster::run_command&)>& take) override {
    return now_->each_pending(take);
  }
  result<json::value> about_jobs(const json::object& question) override;
  result<json::object> stats() override;
  [[nodiscard]] std::string_view kind() const override { return now_->kind(); }

 private:
  template <class Ask>
  auto steadily(Ask&& ask);
  /// Whether somebody else was found who may be asked.
  bool reached_anew(std::chrono::steady_clock::time_point until);

  std::filesystem::path data_;
  std::unique_ptr<client> now_;  ///< never null
};

}  // namespace perdure::tools::cli
