#include "tools/cli/node_client.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "cluster/backend_set.hpp"
#include "cluster/job_verbs.hpp"
#include "cluster/stored_events.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/times.hpp"

namespace perdure::tools::cli {

namespace {

int severity(std::string_view level) {
  if (level == "debug") return 0;
  if (level == "info") return 1;
  return level == "warning" ? 2 : 3;
}

void write_log(const log_record& what, bool as_json) {
  if (as_json) {
    json::object line{{"time", to_string(what.time)}, {"level", what.level}, {"message", what.message}};
    if (!what.run.empty()) line.emplace("run_id", what.run);
    if (!what.executor.empty()) line.emplace("executor", what.executor);
    return note(json_text(line));
  }
  auto line = to_string(what.time) + " " + std::string{what.level} + ": " + printable(what.message);
  if (!what.run.empty()) line += " run=" + std::string{what.run};
  if (!what.executor.empty()) line += " executor=" + printable(what.executor);
  note(line);
}

/// From the node's threads to ours. The node waits for nobody: a follower that is slow keeps events in memory.
struct event_queue {
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<run_event> events;
  std::optional<error> problem;  ///< why nothing comes after them

  void put(const run_event& event) {
    {
      const std::lock_guard lock(mutex);
      events.push_back(event);
    }
    ready.notify_one();
  }
  void end(const error& why) {
    {
      const std::lock_guard lock(mutex);
      problem = why;
    }
    ready.notify_one();
  }
  /// The problem once there are no events before it.
  result<std::deque<run_event>> take(const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    for (int i = 0; i < 10 && events.empty() && !problem && !stop.stop_requested(); ++i)
      ready.wait_for(lock, std::chrono::milliseconds{100});
    if (events.empty() && problem) return *problem;
    return std::exchange(events, {});
  }
};

}  // namespace

std::function<void(const log_record&)> log_writer(const std::string& level, bool as_json) {
  return [least = severity(level), as_json](const log_record& what) {
    if (severity(what.level) >= least) write_log(what, as_json);
  };
}

result<std::unique_ptr<node_client>> node_client::open(node_client_options options) {
  cluster::document_reader reader{options.data};
  std::vector<error> unread;
  auto documents = cluster::documents_to_register(options.data, reader, options.also, &unread);
  if (!documents) return documents.error();
  node_options how;
  how.data_dir = options.data;
  how.control_socket = true;
  how.retention = options.retention;
  std::error_code ignored;
  how.helper_program = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  how.log = log_writer(options.log_level, options.log_json);
  for (const auto& each : unread) {
    const auto what = cluster::unread_document(each) + "; its runs wait";
    how.log({wall_clock(), "warning", what, {}, {}});
  }
  auto backends = cluster::read_backends(options.data, options.backends, [log = how.log](std::string_view what) {
    log({wall_clock(), "warning", what, {}, {}});
  });
  if (!backends) return backends.error();
  auto opened = node::open(std::move(how));
  if (!opened) return opened.error();
  // Before its run goes on, a job needs its backend.
  if (auto added = cluster::add_backends(*opened, options.data, std::move(*backends)); !added) return added.error();
  // Before a run of it can start, a document is kept: else a run that outlives this process would not find it.
  for (const auto& each : options.also) {
    if (auto kept = cluster::keep_document(options.data, each); !kept) return kept.error();
  }
  for (const auto& each : *documents) {
    if (auto added = opened->add(each.definition); !added) return added.error();
  }
  return std::unique_ptr<node_client>(new node_client(std::move(*opened)));
}

node_client::~node_client() = default;

result<run_page> node_client::list(const list_options& options) { return node_.list(options); }

result<run_summary> node_client::summary(const run_id& run) {
  const auto found = node_.get(run);
  if (!found) return found.error();
  auto info = found->status();
  if (!info) return info.error();
  return static_cast<const run_summary&>(*info);
}

result<void> node_client::take_events(const run_id& run, run_seq after, run_seq until, const take_event& take,
                                      const std::stop_token& stop) {
  const auto found = node_.get(run);
  if (!found) return found.error();
  const auto queue = std::make_shared<event_queue>();
  const auto held = cluster::subscribe_to(
      node_, run, [queue](const run_event& event) { queue->put(event); }, after, [queue](const error& why) { queue->end(why); });
  if (!held) return held.error();
  while (!stop.stop_requested()) {
    const auto events = queue->take(stop);
    if (!events) return events.error();
    for (const auto& event : *events) {
      if (!take(event) || event.kind == "run_ended" || event.seq >= until) return {};
    }
    if (!events->empty()) continue;
    // Silence: a node that had to stop (a full disk, say) tells nobody.
    const auto alive = found->wait(std::chrono::microseconds{1});
    if (!alive && (alive.error().code == errc::shutting_down || alive.error().code == errc::corrupt)) return alive.error();
  }
  return {};
}

result<void> node_client::stored(const run_id& run, run_seq after, const take_event& take) {
  const auto now = summary(run);
  if (!now) return now.error();
  if (now->seq <= after) return {};
  return take_events(run, after, now->seq, take, {});
}

result<void> node_client::follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) {
  const auto now = summary(run);
  if (!now) return now.error();
  if (is_terminal(now->status) && now->seq <= after) return {};
  return take_events(run, after, ~run_seq{0}, take, stop);
}

result<client::done> node_client::command(const cluster::run_command& what) {
  const cluster::control_target self{.get = [this](const run_id& id) { return node_.get(id); },
                                     .list = [this](const list_options& options) { return node_.list(options); },
                                     .stats = [this] { return node_.stats(); }};
  const auto answer = cluster::carry_out(self, what);
  if (!answer) return answer.error();
  const auto run = run_id::parse(answer->at("run_id").get_string());
  return done{run.value_or(what.run), false};
}

result<json::value> node_client::about_jobs(const json::object& question) {
  const cluster::control_target self{
      .get = [this](const run_id& id) { return node_.get(id); },
      .list = [this](const list_options& options) { return node_.list(options); },
      .stats = [this] { return node_.stats(); },
      .find_backend = [this](std::string_view name) { return node_.find_backend(name); },
      .backends = [this] { return node_.backends(); },
      .health_of = [this](std::string_view name) { return node_.health_of(name); },
      .open_artifact = [this](const run_id& run, std::uint32_t job,
                              const std::string& name) { return node_.open_artifact(run, job, name); }};
  return cluster::answer_about_jobs(self, question);
}

result<json::object> node_client::stats() { return cluster::to_wire(node_.stats()); }

}  // namespace perdure::tools::cli
