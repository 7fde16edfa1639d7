// client: the runs of one data directory, however they are reached: through the node of this process, the control
// socket of a running node, or the journal of a directory that no node holds.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <vector>

#include "cluster/control_protocol.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::tools::cli {

class client {
 public:
  virtual ~client() = default;

  [[nodiscard]] virtual result<run_page> list(const list_options& options) = 0;
  /// not_found: no such run.
  [[nodiscard]] virtual result<run_summary> summary(const run_id& run) = 0;
  using take_event = std::function<bool(const run_event&)>;
  /// Gives `take` each stored event with seq > `after`, in order, until it says false.
  virtual result<void> stored(const run_id& run, run_seq after, const take_event& take) = 0;
  /// Gives `take` stored and coming events, until the run has ended, `take` says false or `stop` is asked for.
  /// unsupported: no node executes the run, so nothing more comes.
  virtual result<void> follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) = 0;

  struct done {
    run_id run;            ///< for retry the new run; nil while that is pending
    bool pending = false;  ///< put into the inbox, taken in when a node opens the directory
  };
  [[nodiscard]] virtual result<done> command(const cluster::run_command& what) = 0;
  /// Several, an answer for each; best in batches of `batch()`.
  [[nodiscard]] virtual std::vector<result<done>> commands(const std::vector<cluster::run_command>& what);
  [[nodiscard]] virtual std::size_t batch() const { return 100; }
  /// Shows the commands that wait until a node opens the directory, in order.
  virtual result<void> each_pending(const std::function<void(const cluster::run_command&)>& take);
  /// The questions of cluster/job_verbs.hpp.
  [[nodiscard]] virtual result<json::value> about_jobs(const json::object& question) = 0;
  /// Commits, records, runs …
  [[nodiscard]] virtual result<json::object> stats() = 0;
  /// "node", "socket", "offline"
  [[nodiscard]] virtual std::string_view kind() const = 0;
};

/// The control socket of the node that holds the directory, else the directory's journal, read-only.
/// not_found: no such directory, or no journal in it. locked: a process without a control socket holds it. When a node closes,
/// and perhaps another one opens, what is asked then is asked again (steady_client).
[[nodiscard]] result<std::unique_ptr<client>> reach(const std::filesystem::path& data);
/// The same for those who want to know when the node goes.
[[nodiscard]] result<std::unique_ptr<client>> reach_once(const std::filesystem::path& data);

/// Events of the whole run folded together; not_found.
[[nodiscard]] result<run_view> view_of(client& from, const run_id& run);
/// The same into `seen`, which has what could be read when not all could.
[[nodiscard]] result<void> look_at(client& from, const run_id& run, run_view& seen);
/// A run by its id or a unique beginning of it; not_found, or invalid_argument that names the candidates.
[[nodiscard]] result<run_id> resolve(client& from, const std::string& text);

}  // namespace perdure::tools::cli
