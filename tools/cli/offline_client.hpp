// offline_client: the journal of a directory that no node holds. Reads it; commands go into its inbox.
//
// Concurrency: one thread. Limitations: nothing is executed, so nothing can be followed or waited for.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>

#include "persistence/journal.hpp"
#include "tools/cli/client.hpp"

namespace perdure::tools::cli {

class offline_client : public client {
 public:
  /// not_found: no journal there. locked: a process holds it.
  [[nodiscard]] static result<std::unique_ptr<offline_client>> open(const std::filesystem::path& data);
  ~offline_client() override;

  result<run_page> list(const list_options& options) override;
  result<run_summary> summary(const run_id& run) override;
  result<void> stored(const run_id& run, run_seq after, const take_event& take) override;
  result<void> follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) override;
  result<done> command(const cluster::run_command& what) override;
  std::vector<result<done>> commands(const std::vector<cluster::run_command>& what) override;
  /// The directory is opened to write, and again to read, for each batch.
  [[nodiscard]] std::size_t batch() const override { return 1'000; }
  result<void> each_pending(const std::function<void(const cluster::run_command&)>& take) override;
  result<json::value> about_jobs(const json::object& question) override;
  result<json::object> stats() override;
  [[nodiscard]] std::string_view kind() const override { return "offline"; }

  [[nodiscard]] persistence::journal& journal() { return *journal_; }

 private:
  offline_client(std::filesystem::path data, std::unique_ptr<persistence::journal> journal);
  [[nodiscard]] result<void> check(const cluster::run_command& what);

  std::filesystem::path data_;
  std::unique_ptr<persistence::journal> journal_;
};

[[nodiscard]] run_summary summary_of(const persistence::journal& journal, const persistence::run_row& row);

/// Opens the journal for reading; the error of a locked directory says what to do.
[[nodiscard]] result<std::unique_ptr<persistence::journal>> open_to_read(const std::filesystem::path& data);

}  // namespace perdure::tools::cli
