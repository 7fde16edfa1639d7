#include "perdure/caf.hpp"

#include <map>

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

class run_proxy : public caf::event_based_actor {
 public:
  run_proxy(caf::actor_config& config, std::weak_ptr<node::impl> node, run_id run)
      : caf::event_based_actor(config), node_(std::move(node)), run_(run) {}

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
    watches_.clear();
    subscriptions_.clear();
    waiting_.clear();
  }

 private:
  using promise = caf::response_promise;

  promise command(core::command what) {
    auto out = make_response_promise();
    const auto node = node_.lock();
    if (!node) {
      out.deliver(to_caf_error({errc::shutting_down, "the node is closed"}));
      return out;
    }
    const auto number = ++last_;
    waiting_.emplace(number, out);
    const auto self = caf::actor_cast<caf::actor>(this);
    node->post_command(run_, std::move(what), [self, number](result<void> done) {
      caf::anon_send(self, answered{number, std::move(done), {}});
    });
    return out;
  }

  /// Reading a run's state may touch the disk, so it is done by a watch of the hub's thread.
  promise look(bool at_end) {
    auto out = make_response_promise();
    const auto node = node_.lock();
    if (!node) {
      out.deliver(to_caf_error({errc::shutting_down, "the node is closed"}));
      return out;
    }
    const auto number = ++last_;
    waiting_.emplace(number, out);
    const auto self = caf::actor_cast<caf::actor>(this);
    watches_[number] = node->watch(run_, [self, number, at_end, weak = node_, run = run_] {
      const auto held = weak.lock();
      if (!held) return;
      auto info = held->status(run);
      if (!info) return caf::anon_send(self, answered{number, info.error(), {}});
      if (!at_end || is_terminal(info->status)) caf::anon_send(self, answered{number, {}, std::move(*info)});
    });
    return out;
  }

  void deliver(answered& what) {
    const auto at = waiting_.find(what.number);
    if (at == waiting_.end()) return;
    auto out = at->second;
    waiting_.erase(at);
    watches_.erase(what.number);
    if (!what.done) return out.deliver(to_caf_error(what.done.error()));
    if (what.info) return out.deliver(std::move(*what.info));
    out.deliver(command_done{});
  }

  void watch(run_seq after) {
    const auto node = node_.lock();
    const auto to = caf::actor_cast<caf::actor>(current_sender());
    if (!node || !to) return;
    const auto self = caf::actor_cast<caf::actor>(this);
    auto held = node->subscribe(
        run_,
        [self, to](const run_event& each) {
          caf::anon_send(self, event_for{to, each});
        },
        after);
    if (held) subscriptions_.push_back(std::move(*held));
  }

  std::weak_ptr<node::impl> node_;
  run_id run_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, promise> waiting_;
  std::map<std::uint64_t, std::shared_ptr<void>> watches_;
  std::vector<subscription> subscriptions_;
};

}  // namespace

caf::actor attach_run(caf::actor_system& host, const node& through, const run_id& run) {
  return host.spawn<run_proxy>(through.internals().weak_from_this(), run);
}

caf::error to_caf_error(const error& what) {
  return {static_cast<std::uint8_t>(what.code), caf::atom("perdure"), caf::make_message(what.message)};
}

}  // namespace perdure
