// Opening and closing a node. Calls about runs are in node_runs.cpp.
#include "cluster/node_impl.hpp"

#include <condition_variable>
#include <iostream>

#include "actors/backends/ask.hpp"
#include "actors/backends/job_capability.hpp"
#include "actors/backends/leftover_steps.hpp"
#include "actors/backends/process_backend.hpp"
#include "actors/backends/process_steps.hpp"
#include "actors/capabilities/container.hpp"
#include "actors/capabilities/process.hpp"
#ifdef PERDURE_GRPC
#include "actors/grpc/grpc_capability.hpp"
#endif
#include "actors/http/http_capability.hpp"
#include "actors/http/websocket.hpp"
#include "actors/journal_keeper.hpp"
#include "actors/journal_writer.hpp"
#include "actors/router.hpp"
#include "actors/timer.hpp"
#include "cluster/event_broker.hpp"
#include "cluster/file_marks.hpp"
#include "cluster/grant_file.hpp"
#include "cluster/graph_book.hpp"
#include "cluster/run_capability.hpp"
#include "cluster/secrets.hpp"

namespace perdure {

namespace {

void log_to_standard_error(const log_record& what) {
  if (what.level != "warning" && what.level != "error") return;
  std::string line = to_string(what.time) + " " + std::string{what.level} + " " + std::string{what.message};
  if (!what.run.empty()) line += " run=" + std::string{what.run};
  if (!what.executor.empty()) line += " executor=" + std::string{what.executor};
  std::cerr << line + "\n";
}

timestamp system_time() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

bool may_come_again(errc code) {
  return code == errc::disk_full || code == errc::overloaded || code == errc::timeout || code == errc::shutting_down ||
         code == errc::io_error;
}

/// Something that other threads bring about and one waits for.
class latch {
 public:
  void set() {
    {
      const std::lock_guard lock{mutex_};
      set_ = true;
    }
    ready_.notify_all();
  }
  bool wait_until(std::chrono::steady_clock::time_point end) {
    std::unique_lock lock{mutex_};
    return ready_.wait_until(lock, end, [this] { return set_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  bool set_ = false;
};

}  // namespace

result<std::shared_ptr<node::impl>> node::impl::open(node_options options) {
  std::shared_ptr<impl> made{new impl{std::move(options)}};
  if (auto up = made->bring_up(); !up) return up.error();
  return made;
}

node::impl::~impl() { close(); }

result<void> node::impl::bring_up() {
  const auto began = std::chrono::steady_clock::now();
  std::unique_ptr<persistence::journal> journal;
  persistence::upkeep_options upkeep;
  upkeep.archive = options_.archive;
  upkeep.retention = options_.retention;
  if (options_.engine == journal_engine::memory) {
    journal = persistence::make_memory_journal(upkeep);
  } else {
    if (options_.data_dir.empty())
      return error{errc::invalid_argument, "node_options.data_dir is empty: name the directory for the journal"};
    auto opened = persistence::open_lmdb_journal(options_.data_dir, persistence::open_mode::read_write, options_.max_map_bytes,
                                                 options_.min_free_disk_bytes, upkeep);
    if (!opened) return opened.error();
    journal = std::move(*opened);
  }
  const auto cores = std::max(1U, std::thread::hardware_concurrency());
  auto sink = options_.log ? options_.log : log_to_standard_error;
  actors::user_pool::options pool;
  pool.threads = options_.user_threads != 0 ? options_.user_threads : std::max(4U, 2 * cores);
  pool.log = [sink](std::string_view text) { sink({system_time(), "warning", text, {}, {}}); };
  shared_ = std::make_shared<actors::services>(std::move(pool), options_.clock ? options_.clock : system_time);
  shared_->journal = std::move(journal);
  shared_->sink = std::move(sink);
  const auto epoch = shared_->journal->acquire(0);
  if (!epoch) return epoch.error();
  shared_->epoch = *epoch;
  shared_->clock.start_at(shared_->journal->last_time());
  if (const auto ahead = shared_->clock.ahead(); ahead > std::chrono::seconds{1}) {
    shared_->log("warning",
                 "the system's clock is " + to_human(ahead) +
                     " behind the journal; time goes on from the journal's at half its pace until the clock has caught up");
  }
  const auto children = std::make_shared<actors::spawner>(actors::spawner::options{});
  auto processes = std::make_shared<actors::process_capability>(children);
  std::shared_ptr<actors::file_marks> files;  // without a directory nobody hands any in
  if (!options_.data_dir.empty()) {
    files = cluster::open_file_marks(options_.data_dir);
    // Weak: the services hold what is made here.
    const auto shared = std::weak_ptr{shared_};
    process_jobs_ = std::make_shared<actors::process_backend>(options_.data_dir / "jobs", [shared](std::string_view text) {
      if (const auto held = shared.lock()) held->log("warning", text);
    });
    // Asked until capabilities stop, which is before the journal is closed.
    const auto ended = [journal = shared_->journal.get()](const run_id& run) {
      const auto row = journal->row(run);
      return row && is_terminal(row->status);
    };
    const auto end = [jobs = process_jobs_](const std::string& id, std::function<void()> done) {
      jobs->cancel(id, {}, [done = std::move(done)](const result<void>&) { done(); });
    };
    const auto left = std::make_shared<actors::leftover_steps>(options_.data_dir / "jobs",
                                                               actors::leftover_steps::ports{.ended = ended, .end = end});
    if (left->any()) shared_->capabilities.add(std::string{actors::leftover_capability}, left);
    processes = std::make_shared<actors::process_steps>(children, process_jobs_, left, [shared] {
      const auto held = shared.lock();
      return held == nullptr || held->closing;
    });
  }
  const auto own_folder = options_.engine == journal_engine::lmdb ? options_.data_dir : std::filesystem::path{};
  const auto secrets = cluster::open_secrets(own_folder);
  const auto offer = [&](std::string name, std::shared_ptr<actors::capability> what) {
    shared_->capabilities.add(std::move(name), actors::with_secrets(secrets, std::move(what)));
  };
  const auto on_this_machine = [&](std::string name, std::shared_ptr<actors::capability> what) {
    if (files) what = actors::with_files(files, std::move(what));
    offer(std::move(name), std::move(what));
  };
  on_this_machine("process", processes);
  on_this_machine("container", std::make_shared<actors::container_capability>(processes));
  shared_->capabilities.add("events", cluster::make_event_capability(weak_from_this()));
  shared_->capabilities.add("runs", cluster::make_run_capability(weak_from_this()));
  if (auto added = shared_->workflows.add(cluster::make_event_workflow().shared()); !added) return added.error();
  const auto http =
      std::make_shared<actors::http_capability>(std::make_shared<actors::http_client>(), cluster::open_grants(own_folder));
  offer("http", http);
  offer("websocket", actors::make_websocket_capability(http->tokens()));
#ifdef PERDURE_GRPC
  offer("grpc", actors::make_grpc_capability(http));
#endif

  const bool unclean = shared_->journal->last_lsn() > 0 && !shared_->journal->was_closed();
  config_ = std::make_unique<caf::actor_system_config>();
  config_->set("scheduler.max-threads",
               static_cast<std::size_t>(options_.scheduler_threads != 0 ? options_.scheduler_threads : cores));
  config_->set("scheduler.policy", caf::atom("sharing"));  // idle workers sleep on a condition instead of polling
  system_ = std::make_unique<caf::actor_system>(*config_);
  writer_ = actors::spawn_journal_writer(*system_, shared_, [this] { fail_stop(); });
  keeper_ = actors::spawn_journal_keeper(*system_, shared_, writer_);
  timer_ = actors::spawn_timer(*system_, shared_);
  router_ = actors::spawn_router(*system_, shared_, writer_, timer_);
  start_jobs();
  actors::tell(router_, actors::reopen_active{unclean});
  actors::tell(timer_, actors::timer_start{router_, true});
  recovery_time_ = std::chrono::duration_cast<duration>(std::chrono::steady_clock::now() - began);
  shared_->log("info", "opened " + options_.data_dir.string() + (unclean ? " after an unclean stop" : "") + " in " +
                           to_human(recovery_time_) + ": " + std::to_string(shared_->journal->open_runs()) + " open runs");

  tell_damage();
  if (options_.control_socket && options_.engine == journal_engine::lmdb) {
    const std::weak_ptr<impl> self = weak_from_this();
    const auto closing = error{errc::shutting_down, "the node is closing"};
    auto started = cluster::control_server::start(
        options_.data_dir,
        {.get = [self, closing](const run_id& id) -> result<run_ref> {
           auto held = self.lock();
           return held ? held->get(id) : closing;
         },
         .list = [self, closing](const list_options& how) -> result<run_page> {
           auto held = self.lock();
           return held ? held->list(how) : closing;
         },
         .stats =
             [self] {
               auto held = self.lock();
               return held ? held->stats() : node_stats{};
             },
         .retry = [self, closing](const run_id& id, std::string_view command_id) -> result<run_ref> {
           auto held = self.lock();
           return held ? held->retry(id, command_id) : closing;
         },
         .fork = [self, closing](const run_id& id, run_seq from, std::string_view command_id) -> result<run_ref> {
           auto held = self.lock();
           return held ? held->fork(id, from, command_id) : closing;
         },
         .find_backend = [jobs = jobs_](std::string_view name) { return jobs->find(name); },
         .backends = [jobs = jobs_] { return jobs->names(); },
         .health_of = [jobs = jobs_](std::string_view name) { return jobs->health(name); },
         .open_artifact = [self, closing](const run_id& run, std::uint32_t job,
                                          const std::string& name) -> result<std::shared_ptr<artifact_reader>> {
           auto held = self.lock();
           return held ? held->open_artifact(run, job, name) : closing;
         }},
        [self, closing](const run_ref& run, std::function<void(const run_event&)> on_event, run_seq after,
                        std::function<void(const error&)> broken) -> result<subscription> {
          auto held = self.lock();
          return held ? held->subscribe(run.id(), std::move(on_event), after, std::move(broken)) : closing;
        });
    if (!started) return started.error();
    control_ = std::move(*started);
  }
  take_inbox_in();
  return {};
}

void node::impl::tell_damage() const {
  constexpr std::size_t told_one_by_one = 20;
  const auto damaged = shared_->journal->damaged_runs();
  for (std::size_t i = 0; i < std::min(damaged.size(), told_one_by_one); ++i) {
    const auto& [run, what] = damaged[i];
    if (run.is_nil()) {
      shared_->log("error", "the journal is damaged: " + what + ", and it is not known of what run it is");
    } else {
      shared_->log("error", "blocked: " + what + "; the run keeps its key. Restore the directory from a copy", run.str());
    }
  }
  if (damaged.size() > told_one_by_one) {
    shared_->log("error", std::to_string(damaged.size() - told_one_by_one) +
                              " more runs are blocked: records of theirs are damaged; `perdure journal verify` names them");
  }
}

/// Before the first run is in memory; what the process backend finds of an earlier node goes through the router.
void node::impl::start_jobs() {
  const auto log = [shared = std::weak_ptr{shared_}](std::string_view level, std::string_view text) {
    if (const auto held = shared.lock()) held->log(level, text);
  };
  // Weak: the router holds the services, and those hold the jobs.
  const auto router = caf::actor_cast<caf::weak_actor_ptr>(router_);
  const auto tell = [router](const run_id& run, core::job_noticed what) {
    if (const auto held = router.lock())
      actors::tell(caf::actor_cast<caf::actor>(held), actors::run_command{run, std::move(what), nullptr});
  };
  std::function<result<payload>(const payload&)> spec_of;
  if (!options_.data_dir.empty()) {
    spec_of = [files = cluster::open_file_marks(options_.data_dir)](const payload& spec) {
      return actors::with_paths(*files, spec);
    };
  }
  jobs_ = std::make_shared<actors::job_service>(
      actors::job_service::options{.tell = tell, .log = log, .spec_of = spec_of, .patience = limits::registration_grace});
  shared_->jobs = jobs_;
  if (options_.data_dir.empty()) {
    shared_->capabilities.add("job", actors::make_job_capability(jobs_));
    return;
  }
  // Asked on threads that end before the journal is closed.
  const auto there = [journal = shared_->journal.get()](const run_id& run) { return journal->row(run).has_value(); };
  artifacts_ = std::make_shared<actors::artifact_store>(
      actors::artifact_store::options{.root = options_.data_dir / "artifacts", .all_bytes = options_.max_artifact_bytes});
  shared_->capabilities.add("job", actors::make_job_capability(jobs_, artifacts_, there));
  if (auto added = jobs_->add("process", process_jobs_, {}); !added) log("error", added.error().message);
  process_jobs_->remove_orphans(there, limits::blob_grace);
}

result<std::shared_ptr<artifact_reader>> node::impl::open_artifact(const run_id& run, std::uint32_t job,
                                                                   const std::string& name) {
  if (artifacts_) {
    auto kept = artifacts_->open(run, job, name);
    if (kept || kept.error().code != errc::not_found) return kept;
  }
  const auto info = status(run);
  if (!info) return info.error();
  for (const auto& each : info->jobs) {
    if (each.number != job || each.id.empty()) continue;
    const auto at = jobs_->find(each.backend);
    if (at == nullptr) return error{errc::not_found, "there is no backend \"" + each.backend + "\" here"};
    return actors::ask<std::shared_ptr<artifact_reader>>(
        std::chrono::duration_cast<std::chrono::milliseconds>(options_.call_timeout),
        [&](const backend_call& how, auto done) { at->open_artifact(each.id, name, how, std::move(done)); });
  }
  return error{errc::not_found, "run " + run.str() + " has no job " + std::to_string(job) + " that was accepted"};
}

/// Commands that were left while no node ran. Each is carried out before it is dropped, so a crash between the two does it
/// again, which its id makes harmless. A retry needs its workflow: it stays in the inbox until that is added.
void node::impl::take_inbox_in() {
  const std::lock_guard one{inbox_mutex_};
  inbox_waits_ = false;
  std::vector<std::uint64_t> over;
  for (const auto& entry : shared_->journal->inbox()) {
    const auto done = carry_out_left(entry.command);
    if (!done && done.error().code == errc::workflow_unknown) {
      inbox_waits_ = true;
      continue;
    }
    const bool later = !done && may_come_again(done.error().code);
    if (!done) {
      shared_->log("warning", std::string{later ? "a command of the inbox has to wait for the next open: "
                                                : "a command of the inbox was refused: "} +
                                  done.error().message);
    }
    if (!later) over.push_back(entry.number);
  }
  if (over.empty()) return;
  if (const auto dropped = shared_->journal->drop_from_inbox(over); !dropped)
    shared_->log("warning", "the inbox cannot be emptied, its commands come again at the next open: " + dropped.error().message);
}

result<void> node::impl::carry_out_left(std::string_view entry) {
  const auto command = cluster::command_of_inbox(entry);
  if (!command) return command.error();
  const cluster::control_target self{
      .get = [this](const run_id& id) { return get(id); },
      .list = [this](const list_options& how) { return list(how); },
      .stats = [this] { return stats(); },
      .retry = [this](const run_id& id, std::string_view command_id) { return retry(id, command_id); },
      .fork = [this](const run_id& id, run_seq from, std::string_view command_id) { return fork(id, from, command_id); }};
  const auto done = cluster::carry_out(self, *command);
  return done ? result<void>{} : done.error();
}

/// The journal cannot go on: nothing more is durable, so nothing more may be let out. Called by the writer.
void node::impl::fail_stop() {
  failed_ = true;
  shared_->closing = true;
  shared_->log("error", "the journal cannot be written any more; the node stops. Runs go on at the next open");
}

void node::impl::close() {
  const std::lock_guard lock{close_mutex_};
  if (closed_.exchange(true) || !shared_) return;
  const auto end = std::chrono::steady_clock::now() + options_.shutdown_timeout;
  shared_->closing = true;
  if (control_) control_->stop();
  if (system_) {
    actors::tell(router_, actors::close_runs{});
    // What runs may end and be recorded; nothing new begins.
    while (shared_->pool.now().running > 0 && std::chrono::steady_clock::now() + options_.shutdown_timeout / 4 < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
    shared_->capabilities.stop_all();
    if (jobs_) jobs_->stop();
    const auto gone = std::make_shared<latch>();
    actors::tell(router_, actors::close_runs{.leave = true, .done = [gone] { gone->set(); }});
    if (!gone->wait_until(end)) shared_->log("warning", "closed with runs still in memory; they go on at the next open");
  }
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
  if (!shared_->pool.stop(std::max(left, std::chrono::milliseconds{50}))) {
    shared_->log("warning", "closed while user code still runs; its steps are done again at the next open");
  }
  if (jobs_) jobs_->stop();
  for (auto* each : {&router_, &timer_, &keeper_, &writer_}) {
    if (*each) caf::anon_send_exit(*each, caf::exit_reason::user_shutdown);
    *each = nullptr;
  }
  if (system_) {
    system_->await_all_actors_done();
    system_.reset();
  }
  control_.reset();  // its commands have been answered: whoever held them has left
  shared_->hub.stop();
  const std::unique_lock last{gate_};
  if (!failed_ && shared_->journal->flush()) shared_->journal->mark_closed();
  shared_->journal.reset();
}

node::impl::visit node::impl::enter() const {
  visit held{gate_};
  if (closed_ && !shared_->journal) held.unlock();
  return held;
}

result<void> node::impl::add(const workflow& definition) {
  const auto& plan = definition.definition().plan;
  bool changed = false;
  const bool known = shared_->workflows.find(plan.name, plan.version, plan.hash, &changed) != nullptr;
  if (!known && !changed && options_.engine == journal_engine::lmdb && !cluster::is_own_workflow(plan.name)) {
    // Of a change in this process the registry tells.
    const auto held = enter();
    const auto kept = held ? cluster::admit_graph(options_.data_dir, *shared_->journal, plan) : result<void>{};
    if (!kept && kept.error().code == errc::already_exists) return kept;
    if (!kept) shared_->log("warning", "a later change of a workflow's graph may not be noticed: " + kept.error().message);
  }
  if (auto added = shared_->workflows.add(definition.shared()); !added) return added.error();
  actors::tell(router_, actors::workflow_added{definition.name(), definition.version()});
  if (inbox_waits_) take_inbox_in();
  return {};
}

node_stats node::impl::stats() const {
  const auto held = enter();
  node_stats out;
  out.commits = shared_->count.commits;
  out.records = shared_->count.records;
  out.live_runs = shared_->count.live_runs;
  out.open_runs = shared_->journal ? shared_->journal->open_runs() : 0;
  out.recovered_runs = shared_->count.recovered_runs;
  out.replayed_events = shared_->count.replayed_events;
  out.stale_results = shared_->count.stale_results;
  out.clock_jumps = shared_->count.clock_jumps;
  out.recovery_time = recovery_time_;
  if (shared_->journal) {
    const auto archive = shared_->journal->archive();
    out.log_records = archive.log_records;
    out.archived_records = archive.archived_records;
    out.removed_runs = archive.removed_runs;
  }
  return out;
}

}  // namespace perdure
