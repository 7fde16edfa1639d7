#include "perdure/caf.hpp"

#include <map>
#include <memory>
#include <utility>

#include "cluster/node_impl.hpp"

namespace perdure {

namespace {

/// What a call of the node brought, back on the actor's thread.
struct answered {
  std::uint64_t number = 0;
  result<void> done;
  std::optional<run_info> info;
};
struct event_for {
  caf::actor to;
  run_event what;
};

}  // namespace
}  // namespace perdure

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::answered)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(perdure::event_for)

namespace perdure {

namespace {

/// Owes the proxy an answer: where nothing answers (the node closed), the destructor says so. An answer that
/// comes after the first is not looked at.
class owed_answer {
 public:
  owed_answer(caf::actor to, std::uint64_t number) : to_(std::move(to)), number_(number) {}
  owed_answer(const owed_answer&) = delete;
  owed_answer& operator=(const owed_answer&) = delete;
  ~owed_answer() { settle({errc::shutting_down, "the node is closed"}, {}); }

  void settle(result<void> done, std::optional<run_info> info) {
    if (!to_) return;
    caf::anon_send(std::exchange(to_, caf::actor{}), answered{number_, std::move(done), std::move(info)});
  }

 private:
  caf::actor to_;
  std::uint64_t number_;
};

/// Who waits or watches keeps the proxy alive, so each of them is monitored: with the last of them the proxy goes.
class run_proxy : public caf::event_based_actor {
 public:
  run_proxy(caf::actor_config& config, std::weak_ptr<node::impl> node, run_id run)
      : caf::event_based_actor(config), node_(std::move(node)), run_(run) {
    set_down_handler([this](const caf::down_msg& gone) { forget(gone.source); });
  }

  caf::behavior make_behavior() override {
    return {
        [this](get_run_status) { return look(false); },
        [this](await_run_end) { return look(true); },
        [this](signal_run& what) {
          return command(core::signal_command{std::move(what.name), std::move(what.value), std::move(what.command_id)});
        },
        [this](respond_to_run& what) {
          return command(core::respond_command{std::move(what.request_id), std::move(what.answer), std::move(what.command_id)});
        },
        [this](cancel_run& what) {
          return command(core::cancel_command{std::move(what.reason), {}});
        },
        [this](pause_run) { return command(core::pause_command{}); },
        [this](resume_run) { return command(core::resume_command{}); },
        [this](const watch_run& what) { watch(what.after); },
        [this](answered& what) { deliver(what); },
        [this](event_for& what) { send(what.to, std::move(what.what)); },
    };
  }

  void on_exit() override {
    held_.clear();
    waiting_.clear();
  }

 private:
  using promise = caf::response_promise;

  /// What is held for another actor: an answer it waits for, or a subscription.
  struct held {
    caf::actor_addr by;
    std::shared_ptr<void> token;
  };

  /// The answer to the message at hand comes as `answered`, from whoever holds what is returned.
  std::pair<promise, std::shared_ptr<owed_answer>> owe() {
    auto out = make_response_promise();
    waiting_.emplace(++last_, out);
    return {std::move(out), std::make_shared<owed_answer>(caf::actor_cast<caf::actor>(this), last_)};
  }

  promise command(core::command what) {
    auto [out, owed] = owe();
    if (const auto node = node_.lock()) {
      node->post_command(run_, std::move(what),
                         [owed = std::move(owed)](result<void> done) { owed->settle(std::move(done), {}); });
    }
    return out;
  }

  /// Reading a run's state may touch the disk, so it is done by a watch of the hub's thread. A run that continued as new
  /// ends where the one that goes on from it does.
  struct looking : std::enable_shared_from_this<looking> {
    std::shared_ptr<owed_answer> owed;
    std::weak_ptr<node::impl> through;
    run_id run;
    bool at_end = false, went_on = false;
    std::vector<std::shared_ptr<void>> tokens;

    void watch() {
      const auto node = through.lock();
      auto token = node ? node->watch(run,
                                      [self = weak_from_this()] {
                                        if (const auto still = self.lock()) still->look();
                                      })
                        : nullptr;
      if (!token) return owed.reset();  // answers that the node is closed
      tokens.push_back(std::move(token));
    }
    void look() {
      const auto node = through.lock();
      if (!node || !owed) return;
      auto info = node->status(run);
      if (!info && went_on && info.error().code == errc::not_found) return;  // its first commit tells
      if (!info) return owed->settle(info.error(), {});
      if (!at_end) return owed->settle({}, std::move(*info));
      if (!is_terminal(info->status)) return;
      if (!info->successor) return owed->settle({}, std::move(*info));
      run = *info->successor;
      went_on = true;
      watch();
    }
  };
  promise look(bool at_end) {
    auto [out, owed] = owe();
    const auto how = std::make_shared<looking>();
    how->owed = std::move(owed);
    how->through = node_;
    how->run = run_;
    how->at_end = at_end;
    how->watch();
    hold(last_, how);
    return out;
  }

  void watch(run_seq after) {
    const auto node = node_.lock();
    const auto to = caf::actor_cast<caf::actor>(current_sender());
    if (!node || !to) return;
    auto news = node->subscribe(
        run_,
        [self = caf::actor_cast<caf::actor>(this), to](const run_event& each) {
          caf::anon_send(self, event_for{to, each});
        },
        after);
    if (news) hold(++last_, std::make_shared<subscription>(std::move(*news)));
  }

  void hold(std::uint64_t number, std::shared_ptr<void> token) {
    const auto by = caf::actor_cast<caf::actor_addr>(current_sender());
    if (by) monitor(by);
    held_.emplace(number, held{by, std::move(token)});
  }

  void deliver(answered& what) {
    if (const auto at = held_.find(what.number); at != held_.end()) {
      if (at->second.by) demonitor(at->second.by);
      held_.erase(at);
    }
    const auto at = waiting_.find(what.number);
    if (at == waiting_.end()) return;
    auto out = at->second;
    waiting_.erase(at);
    if (!what.done) return out.deliver(to_caf_error(what.done.error()));
    if (what.info) return out.deliver(std::move(*what.info));
    out.deliver(command_done{});
  }

  void forget(const caf::actor_addr& gone) {
    std::erase_if(held_, [&](const auto& each) { return each.second.by == gone; });
  }

  std::weak_ptr<node::impl> node_;
  run_id run_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, promise> waiting_;
  std::map<std::uint64_t, held> held_;
};

}  // namespace

caf::actor attach_run(caf::actor_system& host, const node& through, const run_id& run) {
  return host.spawn<run_proxy>(through.internals().weak_from_this(), run);
}

caf::error to_caf_error(const error& what) {
  return {static_cast<std::uint8_t>(what.code), caf::atom("perdure"), caf::make_message(what.message)};
}

}  // namespace perdure
