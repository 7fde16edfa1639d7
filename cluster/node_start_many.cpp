// Many starts at once.
//
// Operation: groups of starts go to the router with one message each; of all of them a window is under way, so that a caller
// with a million does not fill the memory. Their commits are those of the writer, which takes all that waits for it.
#include <condition_variable>
#include <mutex>

#include "cluster/answers.hpp"
#include "cluster/node_impl.hpp"

namespace perdure {

namespace {

constexpr std::size_t group_size = 64, window = 1024;

/// The outcomes, filled in by the runs' actors.
struct outcomes {
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::optional<result<run_ref>>> all;
  std::size_t under_way = 0;  ///< those of a group that is not sent yet too

  void set(std::size_t which, result<run_ref> what) {
    const std::lock_guard lock{mutex};
    all[which] = std::move(what);
    // The caller sleeps until there is room for a group, not for each.
    if (--under_way == 0 || under_way == window) changed.notify_one();
  }
  /// Waits until at most so many are under way. False: no answer came for `limit`.
  bool wait_for(std::size_t most, duration limit) {
    std::unique_lock lock{mutex};
    while (under_way > most) {
      const auto before = under_way;
      if (!changed.wait_for(lock, limit, [&] { return under_way <= most; }) && under_way == before) return false;
    }
    return true;
  }
};

}  // namespace

std::vector<result<run_ref>> node::impl::start_many(std::vector<start_request> what) {
  const auto told = std::make_shared<outcomes>();
  told->all.resize(what.size());
  const auto requests = std::make_shared<const std::vector<start_request>>(std::move(what));
  std::vector<actors::start_run> group;
  const auto send = [&] {
    if (group.empty()) return true;
    if (!told->wait_for(window, options_.call_timeout)) return false;
    actors::tell(router_, actors::start_runs{std::exchange(group, {})});
    return true;
  };
  bool answered = true;
  for (std::size_t i = 0; answered && i < requests->size(); ++i) {
    auto order = order_for((*requests)[i]);
    auto* fresh = order ? std::get_if<actors::start_run>(&*order) : nullptr;
    if (fresh == nullptr) {
      const std::lock_guard lock{told->mutex};
      told->all[i] = order ? result<run_ref>{std::get<begun>(*order).run} : result<run_ref>{order.error()};
      continue;
    }
    {
      const std::lock_guard lock{told->mutex};
      ++told->under_way;
    }
    const auto slot =
        std::make_shared<cluster::telling<run_id>>([told, requests, i, weak = weak_from_this()](const result<run_id>& id) {
          const auto self = weak.lock();
          auto ended = self ? self->outcome_of((*requests)[i], id) : result<begun>{cluster::unheard()};
          told->set(i, ended ? result<run_ref>{std::move(ended->run)} : result<run_ref>{ended.error()});
        });
    fresh->answer = [slot](const result<run_id>& id, const std::optional<run_id>&) { slot->tell(id); };
    group.push_back(std::move(*fresh));
    if (group.size() == group_size) answered = send();
  }
  answered = answered && send() && told->wait_for(0, options_.call_timeout);
  std::vector<result<run_ref>> out;
  out.reserve(requests->size());
  const std::lock_guard lock{told->mutex};
  for (auto& each : told->all) {
    out.push_back(
        each ? std::move(*each)
             : error{errc::timeout, "no answer within " + to_human(options_.call_timeout) + "; the run may have started"});
  }
  return out;
}

}  // namespace perdure
