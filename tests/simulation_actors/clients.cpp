// What clients do: they start runs and command them, ask again when they were not answered, and check what they are told.
#include "simulation_actors/process.hpp"
#include "simulation_actors/world.hpp"

namespace perdure::sim {

namespace {
run_id numbered(std::uint64_t seed, std::uint64_t number) {
  run_id out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<std::uint8_t>(seed >> (8 * i));
  out.bytes[15] = static_cast<std::uint8_t>(number);
  return out;
}
/// A client asks again after these.
bool ask_again(const error& why) {
  return why.code == errc::shutting_down || why.code == errc::io_error || why.code == errc::fenced || why.code == errc::disk_full;
}
}  // namespace

/// One question to a process. It ends with an answer, or with its being destroyed, which its asker notices (as in
/// cluster/node_runs.cpp, answer_slot).
class world::question {
 public:
  using answer = std::function<void(result<run_id>, std::optional<run_id>)>;
  question(world& of, std::uint64_t asked, answer to) : world_(of), asked_(asked), to_(std::move(to)) {}
  question(const question&) = delete;
  question& operator=(const question&) = delete;
  ~question() {
    if (world_.losing_ != asked_ && world_.how_.loses_actors() == false && to_ && world_.losing_ == 0) {
      world_.fail("a question was dropped without an answer");
    }
    set(error{errc::shutting_down, "dropped without an answer"}, std::nullopt);
  }
  void set(result<run_id> what, std::optional<run_id> holder) {
    if (!to_) return;
    const auto to = std::exchange(to_, nullptr);
    // Who asked a process that is lost, or is not the present one any more, has hung up.
    if (world_.losing_ != 0 || !world_.process_ || world_.process_->number() != asked_) return;
    to(std::move(what), holder);
  }

 private:
  world& world_;
  std::uint64_t asked_;
  answer to_;
};

// Runs -----------------------------------------------------------------------------------------------------------------

std::vector<std::size_t> world::unstarted() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < planned_.size(); ++i) {
    const auto& each = planned_[i];
    if (!each.answered && each.asked == 0 && !unregistered_.contains(each.workflow)) out.push_back(i);
  }
  return out;
}

/// As node::impl::start: a key that is taken leads to its run.
void world::start(std::size_t index) {
  auto& what = planned_[index];
  if (process_->shared().closing) return;
  if (!what.key.empty() && !fatal_) {
    if (const auto holder = journal_->find_key("", what.key)) return started(index, process_->number(), *holder, std::nullopt);
  }
  what.how.id = numbered(seed_, next_run_++);
  what.how.key = what.key;
  trace("a client starts " + what.workflow + " as run " + std::to_string(what.how.id.bytes[15]));
  ++what.asked;
  const auto by = process_->number();
  const auto asked = std::make_shared<question>(
      *this, by,
      [this, index, by](const result<run_id>& id, const std::optional<run_id>& holder) { started(index, by, id, holder); });
  actors::tell(process_->router(), actors::start_run{.how = what.how,
                                                     .definition = workflows_.at(what.workflow),
                                                     .first = {},
                                                     .answer = [asked](result<run_id> id, std::optional<run_id> holder) {
                                                       asked->set(std::move(id), holder);
                                                     }});
}

void world::started(std::size_t index, std::uint64_t, const result<run_id>& answer, const std::optional<run_id>& holder) {
  auto& what = planned_[index];
  what.asked = 0;
  ++count_.answers;
  trace("  start of " + what.workflow + ": " + (answer ? "run " + std::to_string(answer->bytes[15]) : answer.error().message));
  if (!answer && answer.error().code == errc::already_exists && holder) {
    what.run = *holder;
  } else if (answer) {
    what.run = *answer;
  } else {
    if (!ask_again(answer.error())) fail("a start was refused: " + answer.error().message);
    return;
  }
  what.answered = true;
  if (fatal_) return;
  const auto at = durable_.runs.find(*what.run);
  if (at == durable_.runs.end() || at->second.state.seq == 0) return fail("a start was acknowledged, and there is no run");
  if (at->second.state.key != what.key || at->second.state.workflow != what.workflow) fail("a key led to another's run");
}

// Commands -------------------------------------------------------------------------------------------------------------

void world::make_command() {
  std::vector<run_id> known;
  for (const auto& [id, run] : durable_.runs) {
    if (run.state.seq > 0 && (!is_terminal(run.state.status) || random_.one_in(10))) known.push_back(id);
  }
  if (known.empty()) return;
  const auto run = known[random_.below(known.size())];
  const auto& state = durable_.runs[run].state;
  const auto id = random_.one_in(8) ? std::string{} : "c" + std::to_string(next_command_);
  const auto kind = random_.below(how_.commands ? 24 : 8);
  if (kind < 6) {
    const auto name = !state.signal_waiters.empty() && random_.one_in(2) ? state.signal_waiters.begin()->first
                      : state.workflow == "parker"                       ? std::string{"go"}
                                                                         : "s" + std::to_string(random_.below(3));
    return command(run, core::signal_command{name, payload{json::value(random_.below(1'000))}, id}, id);
  }
  if (kind < 8 || kind > 18) {
    for (const auto& [activation, in] : state.activations) {
      for (const auto& [ordinal, step] : in.pending) {
        if (step.kind != core::step_kind::request || random_.one_in(3)) continue;
        const auto request = std::to_string(activation) + "." + std::to_string(ordinal);
        return command(run, core::respond_command{request, payload{json::value(3)}, id}, id);
      }
    }
    return;
  }
  if (kind < 12) return command(run, core::pause_command{id}, id);
  if (kind < 18) return command(run, core::resume_command{id}, id);
  if (random_.one_in(4)) command(run, core::cancel_command{"a client wants it", id}, id);
}

void world::command(run_id run, core::command what, std::string id) {
  ++next_command_;
  commands_.push_back({.run = run, .what = std::move(what), .id = std::move(id)});
}

/// Clients with an id ask again until they are answered, sometimes before; the others ask once.
std::vector<std::size_t> world::undelivered() const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < commands_.size(); ++i) {
    const auto& each = commands_[i];
    if (!each.answered && each.asked < (faults_ && !each.id.empty() ? 2 : 1)) out.push_back(i);
  }
  return out;
}

void world::deliver(std::size_t index) {
  auto& what = commands_[index];
  if (process_->shared().closing && fatal_) return;
  trace("a client asks run " + std::to_string(what.run.bytes[15]) + ": command " + std::to_string(what.what.index()) + " " +
        what.id);
  if (what.id.empty()) what.answered = true;
  ++what.asked;
  const auto by = process_->number();
  const auto asked =
      std::make_shared<question>(*this, by, [this, index, by](const result<run_id>& done, const std::optional<run_id>&) {
        answered(index, by, done ? result<void>{} : result<void>{done.error()});
      });
  actors::tell(process_->router(),
               actors::run_command{what.run, what.what, [asked](const result<void>& done) {
                                     asked->set(done ? result<run_id>{run_id{}} : result<run_id>{done.error()}, std::nullopt);
                                   }});
}

void world::answered(std::size_t index, std::uint64_t, const result<void>& answer) {
  auto& what = commands_[index];
  --what.asked;
  ++count_.answers;
  trace("  answer to " + what.id + " for run " + std::to_string(what.run.bytes[15]) + ": " +
        (answer ? "done" : answer.error().message));
  if (answer || !ask_again(answer.error())) what.answered = true;
  if (!answer && ask_again(answer.error()) && !how_.loses_actors() && closing_ == closing::no) {
    fail("a command was refused without a cause: " + answer.error().message);
  }
  check_answer(what, answer);
}

}  // namespace perdure::sim
