#include "cluster/testing/engine.hpp"

#include <algorithm>

#include "persistence/projection.hpp"

namespace perdure::testing {

namespace {

constexpr std::size_t kept_trace = 24;
/// A run that is about to go on stays in memory, as in the engine.
constexpr std::chrono::seconds unload_margin{1};

/// Looks like an id made at the time of the first run, and is the same every time.
run_id numbered(timestamp at, std::uint64_t seed, std::uint64_t number) {
  run_id out;
  const auto ms =
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(at.time_since_epoch()).count());
  for (std::size_t i = 0; i < 6; ++i) out.bytes[i] = static_cast<std::uint8_t>(ms >> (40U - 8 * i));
  const auto salt = sim::mixed(seed);
  out.bytes[6] = 0x70;
  out.bytes[7] = static_cast<std::uint8_t>(salt);
  out.bytes[8] = 0x80;
  for (std::size_t i = 9; i < 12; ++i) out.bytes[i] = static_cast<std::uint8_t>(salt >> (8 * (i - 8)));
  for (std::size_t i = 12; i < 16; ++i) out.bytes[i] = static_cast<std::uint8_t>(number >> (8 * (15 - i)));
  return out;
}

std::string short_name(const run_id& id) {
  return "run " + std::to_string(std::uint32_t{id.bytes[14]} << 8U | std::uint32_t{id.bytes[15]});
}

std::string command_id_of(const core::command& what) {
  return std::visit(
      [](const auto& each) -> std::string {
        if constexpr (requires { each.command_id; }) {
          return each.command_id;
        } else {
          return {};
        }
      },
      what);
}

/// The client's node went away; it asks the next one.
bool asks_again(const result<void>& answer) {
  return answer.has_error() && (answer.error().code == errc::shutting_down || answer.error().code == errc::io_error ||
                                answer.error().code == errc::fenced);
}

}  // namespace

engine::engine(const node_options& options)
    : options_(options), random_(options.seed), wall_(options.start), disk_(std::make_shared<persistence::memory_disk>()) {
  open(false);
}
engine::~engine() { lose_memory(); }

void engine::open(bool unclean) {
  auto opened = persistence::open_memory_journal(disk_);
  if (!opened) throw sim::broken("the journal does not open: " + opened.error().message);
  journal_ = std::move(*opened);
  durable_.read(*journal_, journal_->blobs());
  attach(*journal_, unclean);
}

void engine::guarded(const std::function<void()>& drive) {
  try {
    drive();
  } catch (const sim::broken& found) {
    fail(found.what());
  }
}

void engine::fail(const std::string& what) const {
  std::string out = what + "\n  at " + to_string(wall_) + ", after " + std::to_string(operations) + " operations and " +
                    std::to_string(crashes) + " crashes, seed " + std::to_string(options_.seed) +
                    " (node_options::seed gives it again)";
  if (!trace_.empty()) out += "\n  what happened last:";
  for (const auto& line : trace_) out += "\n    " + line;
  throw test_failure(out);
}

// Workflows and clients --------------------------------------------------------------------------------------------------

void engine::add(const workflow& definition) {
  auto& slot = by_version_[{definition.name(), definition.version()}];
  if (slot && slot->plan.hash != definition.hash()) {
    fail("workflow \"" + definition.name() + "\" " + definition.version() +
         " is registered with another graph; give the changed one a new version");
  }
  slot = definition.shared();
  newest_[definition.name()] = slot;
  guarded([&] { workflow_registered(); });
}

sim::definition_ptr engine::find(const core::run_state& of) {
  const auto at = by_version_.find({of.workflow, of.version});
  return at != by_version_.end() && at->second->plan.hash == of.definition_hash ? at->second : nullptr;
}

result<run_id> engine::start(std::string_view workflow, std::string_view message, payload input, const start_options& options) {
  if (!options.key.empty()) {
    if (const auto holder = journal_->find_key("", options.key)) {
      const auto row = journal_->row(*holder);
      if (row->workflow == workflow && row->input_hash == persistence::input_hash(message, input.text())) return *holder;
      return error{errc::already_exists,
                   "the key \"" + options.key + "\" began run " + holder->str() + " with another workflow or another input"};
    }
  }
  const auto found = newest_.find(workflow);
  if (found == newest_.end()) {
    return error{errc::workflow_unknown, "workflow \"" + std::string{workflow} + "\" is not registered"};
  }
  const auto asked = std::make_shared<request>();
  asked->run = numbered(options_.start, options_.seed, ++runs_made_);
  asked->definition = found->second;
  asked->begins = core::start_command{.id = asked->run,
                                      .message = std::string{message},
                                      .input = std::move(input),
                                      .key = options.key,
                                      .timeout = options.timeout};
  requests_.push_back(asked);
  auto begun = await(asked);
  if (!begun) return begun.error();
  return asked->run;
}

result<run_id> engine::retry(const run_id& of) {
  const auto code = find(stored(of));
  if (code == nullptr) return error{errc::workflow_unknown, "the workflow of run " + of.str() + " is not registered"};
  const auto id = numbered(options_.start, options_.seed, ++runs_made_);
  auto state = core::state_for_retry(recorded(of), id, &code->plan, wall_);
  if (!state) return state.error();
  auto bytes = core::encode_state(*state, nullptr);
  if (!bytes) return bytes.error();
  const auto asked = std::make_shared<request>();
  asked->run = id;
  asked->definition = code;
  asked->begins = core::start_command{.id = asked->run};
  asked->first = core::run_restored{.source = of, .source_seq = state->seq, .state = std::move(*bytes)};
  requests_.push_back(asked);
  auto begun = await(asked);
  if (!begun) return begun.error();
  return asked->run;
}

void engine::begin(const std::shared_ptr<request>& what) {
  if (journal_->row(what->run)) {
    what->answer = result<void>{};  // the answer was lost, the run was not
    return;
  }
  what->under_way = true;
  const auto told = [what](const result<void>& done) {
    what->under_way = false;
    if (!asks_again(done)) what->answer = done;
  };
  node_host::start(what->definition, *what->begins, told, what->first);
}

result<void> engine::command(const run_id& to, core::command what) {
  post(to, std::move(what));
  const auto asked = requests_.back();
  return await(asked);
}

void engine::post(const run_id& to, core::command what) {
  const auto asked = std::make_shared<request>();
  asked->run = to;
  asked->id = command_id_of(what);
  asked->what = std::move(what);
  asked->twice = duplicates && !asked->id.empty();
  requests_.push_back(asked);
}

void engine::deliver(const std::shared_ptr<request>& what) {
  if (what->begins) return begin(what);
  if (std::exchange(what->twice, false)) {
    const auto copy = std::make_shared<request>(*what);
    requests_.push_back(copy);
  }
  what->under_way = true;
  const auto told = [what](const result<void>& done) {
    what->under_way = false;
    if (!asks_again(done)) what->answer = done;
  };
  if (!route(sim::run_host::from_client, what->run, what->what, told)) told(answer_of_ended(*what));
}

/// Nobody takes commands for it any more. One that was carried out, and whose answer was lost, is answered well.
result<void> engine::answer_of_ended(const request& what) {
  const auto row = journal_->row(what.run);
  if (!row) return error{errc::not_found, "no run " + what.run.str()};
  for (auto id = what.run; !what.id.empty();) {
    if (durable_.runs[id].command_ids.contains(what.id)) return {};
    const auto& next = durable_.runs[id].state.successor;
    if (!next || !durable_.runs.contains(*next)) break;
    id = *next;
  }
  return error{errc::conflict, "run " + what.run.str() + " has ended: " + std::string{to_string(row->status)}};
}

result<void> engine::await(const std::shared_ptr<request>& what) {
  guarded([&] {
    while (!what->answer) {
      if (!step()) throw sim::broken("a client gets no answer, and nothing can happen any more");
    }
  });
  return *what->answer;
}

void engine::kill_executor(const run_id& in, std::string_view executor) {
  guarded([&] {
    const auto run = reach(in);
    while (run != nullptr && step()) {
    }
    if (run != nullptr) {
      for (const auto& [id, each] : run->attempts()) {
        if (each->what().executor == executor) return run->executor_dies(id);
      }
    }
    throw sim::broken("executor \"" + std::string{executor} + "\" of run " + in.str() + " works on nothing that could die");
  });
}

/// What was on its way to a run that is gone from memory is sent again.
void engine::lost_by(const sim::run_host& run) {
  for (const auto& each : requests_) {
    if (each->run == run.id() && !each->answer) each->under_way = false;
  }
}
void engine::left(const sim::run_host& run) {
  lost_by(run);
  node_host::left(run);
}
void engine::died(const sim::run_host& run, const error& why) {
  lost_by(run);
  node_host::died(run, why);
}

// Driving ----------------------------------------------------------------------------------------------------------------

bool engine::step() {
  if (operations >= options_.max_operations) {
    throw sim::broken("it goes on without end: over max_operations = " + std::to_string(options_.max_operations));
  }
  if (crash_comes()) crash_now();
  std::vector<operation> all;
  collect(all);
  if (all.empty()) return false;
  auto& chosen = all[options_.seed == 0 ? 0 : random_.below(all.size())];
  ++operations;
  trace([&] { return std::move(chosen.what); });
  chosen.act();
  buried.clear();
  std::erase_if(requests_, [](const auto& each) { return each->answer.has_value(); });
  return true;
}

bool engine::crash_comes() {
  if (crash_at && operations >= *crash_at) {
    crash_at.reset();
    return true;
  }
  if (crash_one_in == 0 || !random_.one_in(crash_one_in)) return false;
  return std::none_of(durable_.runs.begin(), durable_.runs.end(), [](const auto& each) {
    return !is_terminal(each.second.state.status) && each.second.state.suspect_marks + 1 >= limits::suspect_marks;
  });
}

void engine::collect(std::vector<operation>& all) {
  for (const auto& each : requests_) {
    if (each->under_way || each->answer) continue;
    all.push_back({each->begins ? "start " + short_name(each->run) : "a command for " + short_name(each->run),
                   [this, each] { deliver(each); }});
    if (enough(all)) return;
  }
  for (const auto& [id, run] : runs) {
    collect_run(all, id, run);
    if (enough(all)) return;
  }
  if (!queue.empty()) all.push_back({"a commit of " + std::to_string(queue.size()) + " appends", [this] { write(); }});
  if (enough(all)) return;
  for (std::size_t i = 0; i < waiting(); ++i) {
    all.push_back({"a run that was in flight is opened", [this, i] { reopen_one(i); }});
    if (enough(all)) return;
  }
  std::optional<std::pair<timestamp, run_id>> first;
  for (const auto& [id, at] : armed) {
    if (const auto when = due(id, at); when <= wall_ && (!first || std::pair{when, id} < *first)) first = {when, id};
  }
  for (const auto& key : jobs.due(wall_)) {
    all.push_back({"the backend of job " + key + " is asked", [this, key] {
                     for (auto& [run, what] : jobs.ask(key, wall_)) route(sim::run_host::from_others, run, std::move(what));
                   }});
    if (enough(all)) return;
  }
  if (first) all.push_back({"the timer wakes " + short_name(first->second), [this, id = first->second] { fire(id); }});
}

void engine::collect_run(std::vector<operation>& all, const run_id& id, const std::shared_ptr<sim::run_host>& run) {
  for (std::size_t from = 0; from < run->senders(); ++from) {
    all.push_back({short_name(id) + " takes a message", [run = run, from] { run->take_message(from); }});
    if (enough(all)) return;
  }
  const auto add = [&](const std::shared_ptr<sim::attempt>& each) {
    if (each->has_job()) {
      all.push_back({short_name(id) + ": \"" + each->what().executor + "\" goes on", [each] { each->do_job(); }});
    }
    if (!enough(all)) collect_bodies(all, each);
  };
  for (const auto& [activation, each] : run->attempts()) {
    add(each);
    if (enough(all)) return;
  }
  for (const auto& each : run->stopped()) {
    add(each);
    if (enough(all)) return;
  }
}

void engine::collect_bodies(std::vector<operation>& all, const std::shared_ptr<sim::attempt>& of) {
  for (std::size_t i = 0; i < of->running().size(); ++i) {
    const auto& body = *of->running()[i];
    const auto ends = rules.due(body);
    if (ends && *ends <= wall_) {
      all.push_back(
          {"the body of \"" + body.request.name + "\" ends, try " + std::to_string(body.tries), [of, i] { of->end_of(i); }});
    } else if (body.limited && body.began + body.limit <= wall_) {
      all.push_back({"the body of \"" + body.request.name + "\" is over its limit", [of, i] { of->limit_of(i); }});
    }
    if (enough(all)) return;
  }
}

void engine::write() {
  const auto verdicts = commit();
  durable_.read(*journal_, journal_->blobs());
  for (const auto& [run, verdict] : verdicts) {
    check(run->id());
    run->tell(sim::run_host::from_writer, [run = run.get(), verdict = verdict] { run->on_appended(verdict); });
  }
}

void engine::settle() {
  guarded([&] {
    while (step()) {
    }
    check_all();
  });
}

/// When the wake-up comes.
timestamp engine::due(const run_id& id, timestamp at) const {
  if (late <= duration{0}) return at;
  if (options_.seed == 0) return at + late;
  const auto bits = sim::hashed(id.str(), options_.seed ^ static_cast<std::uint64_t>(at.time_since_epoch().count()));
  return at + duration{static_cast<duration::rep>(bits % (static_cast<std::uint64_t>(late.count()) + 1))};
}

/// The next thing that time brings.
std::optional<timestamp> engine::next_due() const {
  std::optional<timestamp> out;
  const auto comes = [&](timestamp at) {
    if (at > wall_ && (!out || at < *out)) out = at;
  };
  for (const auto& [id, at] : armed) comes(due(id, at));
  if (const auto at = jobs.next()) comes(*at);
  const auto look_at = [&](const sim::attempt& of) {
    for (const auto& body : of.running()) {
      if (const auto ends = rules.due(*body)) comes(*ends);
      if (body->limited) comes(body->began + body->limit);
    }
  };
  for (const auto& [id, run] : runs) {
    for (const auto& [activation, each] : run->attempts()) look_at(*each);
    for (const auto& each : run->stopped()) look_at(*each);
  }
  return out;
}

void engine::unload() {
  if (!options_.unload_waiting_runs) return;
  std::vector<run_id> leave;
  for (const auto& [id, run] : runs) {
    if (!run->may_park()) continue;
    const auto wakeup = core::next_wakeup(run->state());
    if (wakeup && *wakeup < wall_ + unload_margin) continue;
    if (options_.seed == 0 || random_.one_in(2)) leave.push_back(id);
  }
  for (const auto& id : leave) park(id);
  buried.clear();
}

void engine::skip(duration length) {
  const auto until = wall_ + length;
  while (true) {
    settle();
    unload();
    const auto next = next_due();
    if (!next || *next > until) break;
    wall_ = *next;
  }
  wall_ = std::max(wall_, until);
  settle();
}

void engine::run_until(const std::function<bool()>& condition, duration limit, std::string_view what) {
  const auto until = wall_ + limit;
  while (!condition()) {
    bool went_on = false;
    guarded([&] { went_on = step(); });
    if (went_on) continue;
    guarded([&] {
      check_all();
      unload();
    });
    const auto next = next_due();
    const auto waited = "waited for " + std::string{what} + ", and ";
    if (!next) fail(waited + "nothing can happen any more" + all_runs());
    if (*next > until) {
      fail(waited + "it did not come within " + to_human(limit) + "; the next thing comes at " + to_string(*next) + all_runs());
    }
    wall_ = *next;
    trace([&] { return "time is " + to_string(wall_); });
  }
}

/// What each run is, and what it waits for.
std::string engine::all_runs() {
  std::string out;
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    out += "\n  run " + id.str() + " of workflow \"" + state.workflow + "\" is " + std::string{to_string(state.status)};
    if (state.error) out += ": " + state.error->code + ": " + state.error->message;
    if (is_terminal(state.status)) continue;
    if (find(state) == nullptr) out += "; its workflow is not registered";
    for (const auto& [number, in] : state.activations) {
      for (const auto& [ordinal, step] : in.pending) {
        out +=
            "\n    executor \"" + in.executor + "\" waits for " + boost::describe::enum_to_string(step.kind, "?") + " \"" +
            step.name + "\"" +
            (step.kind == core::step_kind::request ? ", request " + std::to_string(number) + "." + std::to_string(ordinal) : "");
      }
    }
    const auto here = runs.find(id);
    if (here == runs.end()) continue;
    for (const auto& [number, each] : here->second->attempts()) {
      for (const auto& body : each->running()) {
        out += "\n    the body of step \"" + body->request.name + "\" of executor \"" + body->executor + "\" has not returned";
      }
    }
  }
  return out;
}

// Faults -----------------------------------------------------------------------------------------------------------------

void engine::crash() {
  guarded([&] { crash_now(); });
}

void engine::crash_now() {
  trace([] { return std::string{"--- the node is killed, and starts again"}; });
  ++crashes;
  for (const auto& [id, run] : durable_.runs) {
    if (is_terminal(run.state.status) || run.state.paused || core::has_work(run.state)) continue;
    if (const auto* code = code_of(run.state)) sim::check_that_it_waits(*code, run.state);
  }
  lose_memory();
  jobs.lose_memory();
  journal_.reset();
  disk_->crash();
  for (const auto& each : requests_) each->under_way = false;
  open(true);
}

void engine::restart() {
  settle();
  guarded([&] {
    trace([] { return std::string{"--- the node stops, and starts again"}; });
    lose_memory();
    jobs.lose_memory();
    journal_->mark_closed();
    journal_.reset();
    disk_->crash();
    for (const auto& each : requests_) each->under_way = false;
    open(false);
  });
}

// Checkers and looks -----------------------------------------------------------------------------------------------------

void engine::check(const run_id& id) {
  const auto found = durable_.runs.find(id);
  if (found == durable_.runs.end() || found->second.state.seq == 0) return;
  const auto& state = found->second.state;
  sim::check_row(*journal_, state);
  sim::check_waker(state);
  if (!is_terminal(state.status) && core::has_work(state) && !knows(id)) {
    throw sim::broken("run " + id.str() + " has work in flight, and the node has forgotten it");
  }
}
void engine::check_all() {
  for (const auto& [id, run] : durable_.runs) check(id);
}

const core::run_state& engine::stored(const run_id& id) const {
  const auto found = durable_.runs.find(id);
  if (found == durable_.runs.end() || found->second.state.seq == 0) fail("there is no run " + id.str());
  return found->second.state;
}

run_id engine::last_of(run_id id) const {
  while (true) {
    const auto found = durable_.runs.find(id);
    if (found == durable_.runs.end() || !found->second.state.successor) return id;
    const auto next = durable_.runs.find(*found->second.state.successor);
    if (next == durable_.runs.end() || next->second.state.seq == 0) return id;
    id = next->first;
  }
}

std::vector<core::record> engine::records(const run_id& id) const {
  auto read = journal_->read_run(id, 0, static_cast<std::size_t>(-1));
  if (!read) fail(read.error().message);
  return std::move(*read);
}

std::vector<std::pair<core::event, timestamp>> engine::recorded(const run_id& id) const {
  std::vector<std::pair<core::event, timestamp>> out;
  for (const auto& each : records(id)) {
    auto event = core::decode(each.kind, each.schema, each.bytes, &journal_->blobs());
    if (!event) fail(event.error().message);
    out.emplace_back(std::move(*event), each.time);
  }
  return out;
}

const perdure::detail::definition* engine::code_of(const core::run_state& state) const {
  return const_cast<engine*>(this)->find(state).get();
}

void engine::trace(const std::function<std::string()>& text) {
  trace_.push_back(text());
  if (trace_.size() > kept_trace) trace_.pop_front();
}

}  // namespace perdure::testing
