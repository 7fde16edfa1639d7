// What a node is asked about runs: start, look up, command, watch.
#include <condition_variable>

#include "actors/run_actor.hpp"
#include "cluster/answers.hpp"
#include "cluster/node_impl.hpp"
#include "cluster/run_info.hpp"
#include "cluster/stored_events.hpp"
#include "core/event_json.hpp"
#include "core/json_text.hpp"
#include "core/machine.hpp"
#include "core/trace.hpp"
#include "persistence/projection.hpp"

namespace perdure {

namespace {

const error closing{errc::shutting_down, "the node is closed"};

std::string in_quotes(std::string_view text) { return "\"" + std::string{text} + "\""; }

/// It is shown as JSON later, together with other runs: one that cannot be would take all of a listing with it.
result<void> check_text(std::string_view what, std::string_view text) {
  if (core::valid_utf8(text) == text) return {};
  return error{errc::invalid_argument, std::string{what} + " is not UTF-8 text"};
}

result<void> check_name(std::string_view what, std::string_view text, bool may_be_empty) {
  if (text.empty() && !may_be_empty) return error{errc::invalid_argument, std::string{what} + " is empty"};
  if (text.size() > limits::name_bytes) {
    return error{errc::invalid_argument, std::string{what} + " has " + std::to_string(text.size()) +
                                             " bytes; the limit name_bytes is " + std::to_string(limits::name_bytes)};
  }
  return check_text(what, text);
}

/// Sizes of what a caller hands in.
result<void> check(const core::command& what) {
  const auto small = [](const payload& value) -> result<void> {
    if (value.size() <= limits::payload_bytes) return {};
    return error{errc::payload_too_large, "the payload has " + std::to_string(value.size()) +
                                              " bytes; the limit payload_bytes is " + std::to_string(limits::payload_bytes)};
  };
  const auto id = std::visit(
      [](const auto& command) -> std::string_view {
        if constexpr (requires { command.command_id; }) return command.command_id;
        return {};
      },
      what);
  if (auto named = check_name("the command's id", id, true); !named) return named;
  if (const auto* signal = std::get_if<core::signal_command>(&what)) {
    if (auto named = check_name("the signal's name", signal->name, false); !named) return named;
    return small(signal->value);
  }
  if (const auto* cancel = std::get_if<core::cancel_command>(&what)) {
    if (cancel->reason.size() > limits::failure_message_bytes) {
      return error{errc::invalid_argument, "the reason has " + std::to_string(cancel->reason.size()) +
                                               " bytes; the limit failure_message_bytes is " +
                                               std::to_string(limits::failure_message_bytes)};
    }
    return check_text("the reason", cancel->reason);
  }
  if (const auto* respond = std::get_if<core::respond_command>(&what)) return small(respond->answer);
  return {};
}

}  // namespace

result<std::variant<node::impl::begun, actors::start_run>> node::impl::order_for(const start_request& what) {
  if (closed_ || failed_) return closing;
  const auto& key = what.options.key;
  if (auto named = check_name("the key", key, true); !named) return named.error();
  if (what.input.size() > limits::payload_bytes) {
    return error{errc::payload_too_large, "the input has " + std::to_string(what.input.size()) +
                                              " bytes; the limit payload_bytes is " + std::to_string(limits::payload_bytes)};
  }
  if (!what.trace.empty() && !core::is_traceparent(what.trace))
    return error{errc::invalid_argument, "the trace is no traceparent of version 00"};
  std::optional<run_id> lapsed;
  if (!key.empty()) {
    const auto held = enter();
    if (!held) return closing;
    if (const auto holder = shared_->journal->find_key(what.tenant, key)) {
      if (has_lapsed(*holder, what.key_life)) {
        lapsed = holder;
      } else {
        auto there = attach(*holder, what);
        if (!there) return there.error();
        return std::move(*there);
      }
    }
  }
  auto definition =
      what.version.empty() ? shared_->workflows.newest(what.workflow) : shared_->workflows.find(what.workflow, what.version, {});
  if (!definition) {
    std::string known;
    for (const auto& each : shared_->workflows.names()) known += (known.empty() ? "" : ", ") + each;
    return error{errc::workflow_unknown, "workflow " + in_quotes(what.workflow) +
                                             (what.version.empty() ? "" : " " + what.version) +
                                             " is not registered; known: " + (known.empty() ? "none" : known)};
  }
  if (shared_->pool.overloaded()) return error{errc::overloaded, "all threads for user code are busy or stuck; try again later"};
  return actors::start_run{.how = {.id = run_id::make(),
                                   .message = std::string{what.message},
                                   .input = what.input,
                                   .key = key,
                                   .tenant = what.tenant,
                                   .timeout = what.options.timeout,
                                   .trace = what.trace},
                           .definition = std::move(definition),
                           .tenant_runs = what.open_runs,
                           .lapsed_holder = lapsed};
}

/// Of two that came with one key at the same time, one began the run; the other is led to it.
result<node::impl::begun> node::impl::outcome_of(const start_request& what, const result<run_id>& started) {
  if (started) return begun{run_ref{*started, shared_from_this()}, true};
  const auto& key = what.options.key;
  if (started.error().code == errc::already_exists && !key.empty()) {
    const auto held = enter();
    if (!held) return closing;
    if (const auto holder = shared_->journal->find_key(what.tenant, key)) return attach(*holder, what);
  }
  return started.error();
}

result<node::impl::begun> node::impl::start(const start_request& what) {
  auto order = order_for(what);
  if (!order) return order.error();
  if (auto* there = std::get_if<begun>(&*order)) return std::move(*there);
  const auto started = begin(std::move(std::get<actors::start_run>(*order)));
  return outcome_of(what, started ? result<run_id>{started->id()} : result<run_id>{started.error()});
}

void node::impl::start(start_request what, std::function<void(result<begun>)> told) {
  auto order = order_for(what);
  if (!order) return told(order.error());
  if (auto* there = std::get_if<begun>(&*order)) return told(std::move(*there));
  auto& fresh = std::get<actors::start_run>(*order);
  fresh.answer = [weak = weak_from_this(), what = std::move(what),
                  told = std::make_shared<cluster::telling<begun>>(std::move(told))](const result<run_id>& id,
                                                                                     const std::optional<run_id>&) {
    const auto self = weak.lock();
    told->tell(self ? self->outcome_of(what, id) : result<begun>{closing});
  };
  actors::tell(router_, std::move(fresh));
}

bool node::impl::has_lapsed(const run_id& holder, duration life) const {
  if (life <= duration{0}) return false;
  const auto row = shared_->journal->row(holder);
  return row && row->ended_at && shared_->clock.now() - row->created_at >= life;
}

result<run_ref> node::impl::begin(actors::start_run what) {
  auto told = std::make_shared<cluster::answer_slot<run_id>>();
  auto answer = told->future();
  what.answer = [told = std::move(told)](result<run_id> id, const std::optional<run_id>&) { told->set(std::move(id)); };
  const auto id = what.how.id;
  actors::tell(router_, std::move(what));
  if (answer.wait_for(options_.call_timeout) != std::future_status::ready) {
    return error{errc::timeout,
                 "no answer within " + to_human(options_.call_timeout) + "; run " + id.str() + " may have started"};
  }
  auto begun = answer.get();
  if (!begun) return begun.error();
  return run_ref{*begun, shared_from_this()};
}

result<node::impl::begun> node::impl::attach(const run_id& holder, const start_request& what) {
  const auto& key = what.options.key;
  if (const auto damaged = shared_->journal->damage_of(holder)) {
    return error{errc::corrupt, "the key " + in_quotes(key) + " is taken by run " + holder.str() + ", which is blocked: " +
                                    *damaged + "; restore the directory from a copy, or take another key"};
  }
  const auto row = shared_->journal->row(holder);
  if (!row) return error{errc::internal, "the key " + in_quotes(key) + " leads to a run that is not there"};
  if (row->workflow != what.workflow) {
    return error{errc::already_exists, "the key " + in_quotes(key) + " began run " + holder.str() + " of workflow " +
                                           in_quotes(row->workflow) + ", not of " + in_quotes(what.workflow)};
  }
  if (row->input_hash != persistence::input_hash(what.message, what.input.text())) {
    return error{errc::already_exists, "the key " + in_quotes(key) + " began run " + holder.str() +
                                           " with another input; take another key, or the same input"};
  }
  return begun{run_ref{holder, shared_from_this()}, false};
}

result<run_ref> node::impl::get(const run_id& id) {
  const auto held = enter();
  if (!held) return closing;
  if (!shared_->journal->row(id)) return error{errc::not_found, "no run " + id.str()};
  return run_ref{id, shared_from_this()};
}

result<run_ref> node::impl::find(std::string_view key) {
  const auto held = enter();
  if (!held) return closing;
  const auto holder = shared_->journal->find_key("", key);
  if (!holder) return error{errc::not_found, "no run was begun with the key " + in_quotes(key)};
  return run_ref{*holder, shared_from_this()};
}

run_summary node::impl::summary_of(const persistence::run_row& row) const {
  run_summary out{.id = row.id,
                  .workflow = row.workflow,
                  .version = row.version,
                  .status = row.status,
                  .created_at = row.created_at,
                  .updated_at = row.updated_at,
                  .ended_at = row.ended_at,
                  .wakeup = row.wakeup,
                  .seq = row.seq,
                  .key = row.key};
  bool changed = false;
  if (const auto damaged = shared_->journal->damage_of(row.id)) {
    out.blocked = *damaged;
  } else if (!is_terminal(row.status) && !shared_->workflows.find(row.workflow, row.version, row.definition_hash, &changed)) {
    out.blocked = changed ? "another graph is registered under this workflow and version" : "workflow not registered";
  } else if (!is_terminal(row.status) || row.active) {
    out.blocked = shared_->room_waits.of(row.id).value_or("");
  }
  return out;
}

result<run_page> node::impl::list(const list_options& options) {
  const auto held = enter();
  if (!held) return closing;
  persistence::row_query query{
      .status = options.status, .workflow = options.workflow, .limit = options.limit + 1, .newest_first = options.newest_first};
  if (!options.cursor.empty()) {
    query.after = run_id::parse(options.cursor);
    if (!query.after) return error{errc::invalid_argument, in_quotes(options.cursor) + " is not a cursor of a page before"};
  }
  auto rows = shared_->journal->rows(query);
  run_page out;
  if (rows.size() > options.limit) {
    rows.resize(options.limit);
    if (!rows.empty()) out.next_cursor = rows.back().id.str();
  }
  for (const auto& row : rows) out.runs.push_back(summary_of(row));
  return out;
}

result<run_info> node::impl::info_of(const persistence::run_row& row) {
  auto state = actors::load_run(*shared_->journal, &shared_->journal->blobs(), row.id);
  if (!state) return state.error();
  auto out = cluster::info_of(std::move(*state));
  out.blocked = summary_of(row).blocked;
  return out;
}

result<run_info> node::impl::status(const run_id& run) {
  const auto held = enter();
  if (!held) return closing;
  const auto row = shared_->journal->row(run);
  if (!row) return error{errc::not_found, "no run " + run.str()};
  auto info = info_of(*row);
  if (info || info.error().code != errc::corrupt) return info;
  // What look-ups know of it is still to be seen.
  run_info out;
  static_cast<run_summary&>(out) = summary_of(*row);
  if (out.blocked.empty()) out.blocked = info.error().message;
  return out;
}

result<run_info> node::impl::wait(const run_id& first, duration limit) {
  const auto began = std::chrono::steady_clock::now();
  auto run = first;
  while (true) {
    auto left = limit;
    if (limit > duration{0}) {
      left -= std::chrono::duration_cast<duration>(std::chrono::steady_clock::now() - began);
      left = std::max(left, duration{1});
    }
    auto info = wait_for_one(run, left, run != first);
    if (!info || !info->successor) return info;
    run = *info->successor;
  }
}

result<run_info> node::impl::wait_for_one(const run_id& run, duration limit, bool began_elsewhere) {
  if (closed_) return closing;
  struct signal {
    std::mutex mutex;
    std::condition_variable changed;
    std::uint64_t seen = 0;
  };
  const auto news = std::make_shared<signal>();
  const auto watch = shared_->hub.subscribe(run, [news] {
    {
      const std::lock_guard lock{news->mutex};
      ++news->seen;
    }
    news->changed.notify_all();
  });
  const auto end = std::chrono::steady_clock::now() + limit;
  std::uint64_t looked_at = 0;
  auto status = run_status::scheduled;
  while (true) {
    if (closed_ || shared_->closing)
      return error{errc::shutting_down, "the node is closing; run " + run.str() + " goes on at its next start"};
    {
      const auto held = enter();
      if (!held) return closing;
      const auto row = shared_->journal->row(run);
      // The run that goes on from another begins right after that one's end.
      if (!row && !began_elsewhere) return error{errc::not_found, "no run " + run.str()};
      if (const auto damaged = shared_->journal->damage_of(run)) {
        return error{errc::corrupt, "run " + run.str() + " is blocked: " + *damaged + "; restore the directory from a copy"};
      }
      if (row && is_terminal(row->status)) return info_of(*row);
      status = row ? row->status : run_status::scheduled;
    }
    std::unique_lock lock{news->mutex};
    if (limit > duration{0} && std::chrono::steady_clock::now() >= end) {
      return error{errc::timeout, "run " + run.str() + " is " + std::string{to_string(status)} + " after " + to_human(limit)};
    }
    auto pause = std::chrono::steady_clock::now() + std::chrono::milliseconds{500};  // notices a closing node
    if (limit > duration{0}) pause = std::min(pause, end);
    news->changed.wait_until(lock, pause, [&] { return news->seen != looked_at; });
    looked_at = news->seen;
  }
}

void node::impl::post_command(const run_id& run, core::command what, actors::reply answer) {
  if (closed_ || failed_) return answer(closing);
  if (auto fits = check(what); !fits) return answer(fits);
  actors::tell(router_, actors::run_command{run, std::move(what), std::move(answer)});
}

std::shared_ptr<void> node::impl::watch(const run_id& run, std::function<void()> wake) {
  if (closed_) return nullptr;
  return shared_->hub.subscribe(run, std::move(wake));
}

result<void> node::impl::command(const run_id& run, core::command what) {
  auto told = std::make_shared<cluster::answer_slot<void>>();
  auto answer = told->future();
  post_command(run, std::move(what), [told = std::move(told)](result<void> done) { told->set(std::move(done)); });
  if (answer.wait_for(options_.call_timeout) != std::future_status::ready) {
    const auto held = enter();
    if (held && !shared_->journal->space().steps) {
      return error{errc::disk_full, "it waits for room in the journal: " + persistence::to_text(shared_->journal->space()) +
                                        "; it is carried out when there is room"};
    }
    return error{errc::timeout, "no answer within " + to_human(options_.call_timeout) + "; the command may still be carried out"};
  }
  return answer.get();
}

result<run_ref> node::impl::retry(const run_id& run) { return retry(run, {}); }

result<run_ref> node::impl::retry(const run_id& run, std::string_view command_id) {
  return begin_linked(run, command_id, core::restore_link::retried, [&](const auto& history, run_id as, const core::plan* of) {
    return core::state_for_retry(history, as, of, shared_->clock.now());
  });
}

result<run_ref> node::impl::fork(const run_id& run, run_seq from) { return fork(run, from, {}); }

result<run_ref> node::impl::fork(const run_id& run, run_seq from, std::string_view command_id) {
  return begin_linked(run, command_id, core::restore_link::forked, [&](const auto& history, run_id as, const core::plan* of) {
    return core::state_for_fork(history, as, from, of, shared_->clock.now());
  });
}

result<run_ref> node::impl::begin_linked(const run_id& run, std::string_view command_id, core::restore_link link,
                                         const make_state& make) {
  if (closed_ || failed_) return closing;
  auto held = enter();
  if (!held) return closing;
  const auto row = shared_->journal->row(run);
  if (!row) return error{errc::not_found, "no run " + run.str()};
  const auto linked = command_id.empty() ? run_id::make() : cluster::linked_id(run, command_id);
  if (shared_->journal->row(linked)) return run_ref{linked, shared_from_this()};
  auto definition = shared_->workflows.find(row->workflow, row->version, row->definition_hash);
  if (!definition)
    return error{errc::workflow_unknown,
                 "workflow " + in_quotes(row->workflow) + " " + row->version + " of run " + run.str() + " is not registered"};
  std::vector<std::pair<core::event, timestamp>> history;
  while (true) {
    auto records = shared_->journal->read_run(run, history.size(), limits::reader_records);
    if (!records) return records.error();
    for (const auto& record : *records) {
      auto event = cluster::event_of(record, shared_->journal->blobs());
      if (!event) return event.error();
      history.emplace_back(std::move(*event), record.time);
    }
    if (records->size() < limits::reader_records) break;
  }
  auto state = make(history, linked, &definition->plan);
  if (!state) return state.error();
  auto bytes = core::encode_state(*state, nullptr);
  if (!bytes) return bytes.error();
  held.unlock();
  return begin({.how = {.id = linked},
                .definition = std::move(definition),
                .first = core::run_restored{.source = run, .source_seq = state->seq, .state = std::move(*bytes), .link = link}});
}

result<std::vector<run_event>> node::impl::events(const run_id& run, run_seq after, std::size_t limit) {
  const auto held = enter();
  if (!held) return closing;
  auto& journal = *shared_->journal;
  if (!journal.row(run)) return error{errc::not_found, "no run " + run.str()};
  std::vector<run_event> out;
  if (limit == 0) return out;
  cluster::reading_place at;
  const auto read = cluster::read_events(journal, run, at, after, [&](const run_event& shown, const core::event&) {
    out.push_back(shown);
    return out.size() < limit;
  });
  if (!read) return read.error();
  return out;
}

namespace {

/// A subscription's place in the journal: a run and, when that continues as new, the one that goes on.
struct followed_chain : std::enable_shared_from_this<followed_chain> {
  std::shared_ptr<actors::services> shared;
  std::function<void(const run_event&)> take;
  std::function<void(const error&)> broken;  ///< or null
  std::mutex mutex;
  std::vector<std::shared_ptr<void>> tokens;  // of the hub, which outlives them

  ~followed_chain() { tokens.clear(); }

  void follow(const run_id& run, run_seq after) {
    struct reader {
      std::weak_ptr<followed_chain> chain;
      run_id run;
      run_seq after;
      cluster::reading_place place;
    };
    auto reading = std::make_shared<reader>(reader{weak_from_this(), run, after, {}});
    auto token = shared->hub.subscribe(run, [reading] {
      if (const auto chain = reading->chain.lock()) chain->read_on(*reading);
    });
    const std::lock_guard lock{mutex};
    tokens.push_back(std::move(token));
  }

  template <class Reader>
  void read_on(Reader& at) {
    if (shared->closing) return;
    const auto read =
        cluster::read_events(*shared->journal, at.run, at.place, 0, [&](const run_event& shown, const core::event& event) {
          if (shown.seq > at.after) take(shown);
          const auto* end = std::get_if<core::run_ended>(&event);
          if (end != nullptr && end->successor) follow(*end->successor, 0);
          return !shared->closing;
        });
    // The run that goes on is not there yet: its first commit tells.
    if (read || read.error().code == errc::not_found) return;
    shared->log("error", "a subscription cannot read on: " + read.error().message, at.run.str());
    if (broken) broken(read.error());
  }
};

}  // namespace

result<subscription> node::impl::subscribe(const run_id& run, std::function<void(const run_event&)> on_event, run_seq after) {
  return subscribe(run, std::move(on_event), after, nullptr);
}

result<subscription> node::impl::subscribe(const run_id& run, std::function<void(const run_event&)> on_event, run_seq after,
                                           std::function<void(const error&)> broken) {
  const auto held = enter();
  if (!held) return closing;
  if (!shared_->journal->row(run)) return error{errc::not_found, "no run " + run.str()};
  auto chain = std::make_shared<followed_chain>();
  chain->shared = shared_;
  chain->take = std::move(on_event);
  chain->broken = std::move(broken);
  chain->follow(run, after);
  return subscription{std::move(chain)};
}

}  // namespace perdure
