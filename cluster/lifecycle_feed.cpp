// The thread that hands lifecycle events to the run that passes them on, and what is public of it.
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "cluster/lifecycle.hpp"
#include "cluster/node_impl.hpp"
#include "perdure/json.hpp"

namespace perdure {

namespace {

using namespace std::chrono_literals;

constexpr auto look_pause = 20ms;  // while nothing happens
constexpr auto trouble_pause = 500ms;

}  // namespace

namespace cluster {

lifecycle_feed::lifecycle_feed(std::shared_ptr<node::impl> of, std::shared_ptr<lifecycle_settings> settings, duration patience)
    : node_(of), settings_(std::move(settings)), patience_(patience) {
  if (of->options().engine == journal_engine::lmdb) file_ = of->options().data_dir / "lifecycle";
  const auto found = read();
  const auto last = of->shared().journal->last_lsn();
  kept_ = found ? *found : place{last, last};
  settings_->passed_on = kept_.passed_on;
  last_batch_ = kept_.handed_over;
  if (!found) keep(*of, kept_);
  thread_ = std::thread{[this] { work(); }};
}

lifecycle_feed::~lifecycle_feed() {
  const auto end = std::chrono::steady_clock::now() + patience_;
  const auto seen = idle_rounds_.load();  // one of them may have looked before
  while (!ended_ && idle_rounds_ < seen + 2 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(look_pause);
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

bool lifecycle_feed::rest(std::chrono::milliseconds length) {
  std::unique_lock lock{mutex_};
  return !changed_.wait_for(lock, length, [this] { return stopping_; });
}

std::optional<lifecycle_feed::place> lifecycle_feed::read() const {
  place out;
  std::ifstream in{file_};
  if (file_.empty() || !(in >> out.handed_over >> out.passed_on)) return std::nullopt;
  return out;
}

/// Whole or not at all. An older place does no harm, so only the first one has to reach the disk.
void lifecycle_feed::keep(node::impl& node, place at) {
  if (!file_.empty()) {
    const auto fresh = file_.string() + ".new";
    auto* out = std::fopen(fresh.c_str(), "we");
    const bool first = !std::filesystem::exists(file_);
    bool well = out != nullptr && std::fprintf(out, "%llu %llu\n", static_cast<unsigned long long>(at.handed_over),
                                               static_cast<unsigned long long>(at.passed_on)) > 0;
    well = well && std::fflush(out) == 0 && (!first || ::fsync(::fileno(out)) == 0);
    if (out != nullptr) well = std::fclose(out) == 0 && well;
    if (!well || std::rename(fresh.c_str(), file_.c_str()) != 0) {
      node.shared().log("warning", file_.string() + " cannot be written; lifecycle events may come twice after a restart");
      return;
    }
  }
  kept_ = at;
}

/// The run that goes on; true when it is a new one, which knows nothing of what was handed over to the one before.
result<bool> lifecycle_feed::begin(node::impl& node, lsn_t passed_on) {
  const payload input{json::value(json::object{{"through", passed_on}})};
  for (int number = 1; number <= 1'000; ++number) {
    auto key = std::string{lifecycle_workflow} + (number == 1 ? "" : "." + std::to_string(number));
    auto begun = node.start(
        {.workflow = std::string{lifecycle_workflow}, .message = lifecycle_message, .input = input, .options = {.key = key}});
    if (!begun && begun.error().code != errc::already_exists) return begun.error();
    // The input was another one then: the key leads to the run all the same.
    const auto run = begun ? result<run_ref>{begun->run} : node.find(key);
    if (!run) return run.error();
    auto now = run->status();
    while (now && now->successor) {
      const auto next = node.get(*now->successor);
      now = next ? next->status() : result<run_info>{next.error()};
    }
    if (!now) return now.error();
    if (is_terminal(now->status)) continue;
    run_ = now->id;
    return begun && begun->fresh;
  }
  return error{errc::limit_exceeded, "it was cancelled too often"};
}

result<void> lifecycle_feed::hand_over(node::impl& node, const json::value& batch, lsn_t through) {
  struct slot {
    std::mutex mutex;
    std::condition_variable changed;
    std::optional<result<void>> done;
  };
  const auto answer = std::make_shared<slot>();
  core::signal_command what{
      .name = std::string{lifecycle_signal}, .value = payload{batch}, .command_id = "lifecycle/" + std::to_string(through)};
  node.post_command(run_, std::move(what), [answer](result<void> done) {
    {
      const std::lock_guard lock{answer->mutex};
      answer->done = std::move(done);
    }
    answer->changed.notify_all();
  });
  while (true) {
    {
      std::unique_lock lock{answer->mutex};
      if (answer->changed.wait_for(lock, look_pause, [&] { return answer->done.has_value(); })) return *answer->done;
    }
    if (!rest(0ms)) return error{errc::shutting_down, "the node is closing"};
  }
}

bool lifecycle_feed::round(node::impl& node) {
  const auto trouble = [&](const error& why) {
    tail_.reset();
    if (why.code == errc::shutting_down) return false;
    node.shared().log("warning", "lifecycle events are not passed on for now: " + why.message);
    return rest(trouble_pause);
  };
  if (!tail_) {
    const auto fresh = begin(node, kept_.passed_on);
    if (!fresh) return trouble(fresh.error());
    tail_.emplace(*fresh ? kept_.passed_on : kept_.handed_over);
    if (*fresh) last_batch_ = kept_.passed_on;
  }
  while (true) {
    result<told_batch> batch = error{errc::shutting_down, {}};
    {
      const auto held = node.enter();
      if (!held || node.shared().closing) return false;
      auto& journal = *node.shared().journal;
      if (journal.last_lsn() <= tail_->place()) break;
      batch = tail_->next(journal, journal.blobs());
    }
    if (!batch) return trouble(batch.error());
    if (batch->skipped > 0) {
      node.shared().log(
          "warning", "lifecycle events of " + std::to_string(batch->skipped) + " records are left out: they have left the log");
    }
    if (batch->events.empty()) continue;
    json::array events;
    for (auto& each : batch->events) {
      events.push_back(json::object{{"lsn", each.lsn}, {"tenant", each.tenant}, {"event", std::move(each.event)}});
    }
    const json::value whole(json::object{{"through", batch->through}, {"events", std::move(events)}});
    if (const auto done = hand_over(node, whole, batch->through); !done) return trouble(done.error());
    last_batch_ = batch->through;
    keep(node, {batch->through, settings_->passed_on});
  }
  if (settings_->passed_on >= last_batch_) ++idle_rounds_;
  if (settings_->passed_on != kept_.passed_on) keep(node, {std::max(tail_->place(), kept_.handed_over), settings_->passed_on});
  return true;
}

void lifecycle_feed::work() {
  while (rest(look_pause)) {
    const auto node = node_.lock();
    if (!node || !round(*node)) break;
  }
  ended_ = true;
}

}  // namespace cluster

result<subscription> pass_on_lifecycle(node& of, lifecycle_options how, duration patience) {
  if (!how.any()) return error{errc::invalid_argument, "lifecycle events are to go nowhere: name an endpoint, or listeners"};
  auto& inside = of.internals();
  const auto settings = std::make_shared<cluster::lifecycle_settings>();
  settings->options = std::move(how);
  auto& shared = inside.shared();
  const auto warn = [sink = shared.sink, clock = &shared.clock](const std::string& text) {
    sink({clock->now(), "warning", text, {}, {}});
  };
  if (!shared.capabilities.add("lifecycle", cluster::make_lifecycle_capability(settings, shared.capabilities.find("http"), warn)))
    return error{errc::already_exists, "lifecycle events of this node are passed on already"};
  if (auto added = inside.add(cluster::make_lifecycle_workflow(settings)); !added) return added.error();
  return subscription{std::make_shared<cluster::lifecycle_feed>(inside.shared_from_this(), settings, patience)};
}

subscription subscribe_lifecycle(node& of, std::function<void(lsn_t, const json::value&)> on_event, lsn_t after) {
  const std::weak_ptr<node::impl> to = of.internals().weak_from_this();
  return subscription{std::make_shared<std::jthread>([to, on_event = std::move(on_event), after](const std::stop_token& stop) {
    cluster::lifecycle_tail tail{after};
    while (!stop.stop_requested()) {
      std::vector<cluster::told_event> events;
      bool more = false;
      {
        const auto node = to.lock();
        if (!node) return;
        const auto held = node->enter();
        if (!held || node->shared().closing) return;
        auto& journal = *node->shared().journal;
        more = journal.last_lsn() > tail.place();
        auto batch = more ? tail.next(journal, journal.blobs()) : result<cluster::told_batch>{cluster::told_batch{}};
        if (batch) events = std::move(batch->events);
        more = more && batch.has_value();
      }
      for (auto& each : events) {
        if (stop.stop_requested()) return;
        on_event(each.lsn, json::value(std::move(each.event)));
      }
      if (!more) std::this_thread::sleep_for(look_pause);
    }
  })};
}

lsn_t last_place(const node& of) {
  const auto held = of.internals().enter();
  return held ? of.internals().shared().journal->last_lsn() : 0;
}

}  // namespace perdure
