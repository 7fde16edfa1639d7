// The phases of a schedule: its runs, the actions one after the other, its end; and what is told of it.
#include "simulation/world.hpp"

#include <algorithm>
#include <cstdio>

#include "simulation/families.hpp"
#include "simulation/workflows.hpp"
#include "simulation/world_node.hpp"

namespace perdure::sim {

namespace {
constexpr std::size_t kept_trace = 120;
constexpr int actions_to_end = 20'000;  ///< without faults every run ends within so many
constexpr timestamp first_day{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};
}  // namespace

world::world(std::uint64_t seed, profile how, bool verbose)
    : seed_(seed), how_(how), verbose_(verbose), random_(seed), outside_(seed),
      disk_(std::make_shared<persistence::memory_disk>()), wall_(first_day) {
  durable_.forbidden.insert({"wrong_state", "bad_join"});
  workflows_["steady"] = steady_workflow(random_).shared();
  workflows_["program"] = program_workflow(random_).shared();
  for (const auto& each : family_workflows(random_)) workflows_[each.name()] = each.shared();
}

world::~world() {
  node_.reset();
  zombie_.reset();
}

void world::run() {
  open_node(false);
  start_runs();
  for (int i = 0; i < how_.actions && !all_ended(); ++i) step(true);
  finish();
  check_end();
}

run_id world::next_run_id() const {
  run_id out;
  for (std::size_t i = 0; i < 8; ++i) out.bytes[i] = static_cast<std::uint8_t>(seed_ >> (8 * i));
  out.bytes[15] = static_cast<std::uint8_t>(planned_.size() + 1);
  return out;
}

void world::start_runs() {
  for (std::uint64_t i = 1, count = 1 + random_.below(4); i <= count; ++i) {
    const bool is_steady = random_.one_in(4), is_family = !is_steady && random_.one_in(4);
    const bool is_sender = is_family && random_.one_in(3);
    core::start_command how{.id = next_run_id()};
    if (is_family) {
      how.message = message_name<generation>;
      how.input = payload{to_json(generation{static_cast<std::int64_t>(random_.below(100)), 0})};
    } else if (is_steady) {
      how.message = message_name<order>;
      how.input = payload{to_json(order{1 + static_cast<int>(random_.below(6))})};
      steady_.insert(how.id.str());
    } else {
      how.message = message_name<program>;
      how.input = payload{to_json(program{random_.bits() >> 12U, 2 + static_cast<int>(random_.below(2))})};
      if (random_.one_in(6)) how.timeout = std::chrono::seconds{50 + random_.below(2'000)};
    }
    if (random_.one_in(2)) how.key = "key " + std::to_string(i);
    planned_.push_back({.how = std::move(how),
                        .workflow = is_steady   ? "steady"
                                    : is_sender ? "sender"
                                    : is_family ? "family"
                                                : "program"});
  }
}

void world::step(bool faults) {
  std::vector<action> all;
  collect(all, faults);
  if (all.empty() && (!faults || random_.one_in(2))) {
    if (!help_along() && !faults)
      throw broken("nothing can happen any more, and there are runs that have not ended: " + open_runs());
    return;
  }
  if (all.empty()) return;
  unsigned sum = 0;
  for (const auto& each : all) sum += each.weight;
  auto chosen = random_.below(sum);
  ++count_.actions;
  for (const auto& each : all) {
    if (chosen < each.weight) {
      each.what();
      break;
    }
    chosen -= each.weight;
  }
  buried_.clear();
  for (const auto& each : {node_, zombie_}) {
    if (each) each->buried.clear();
  }
  if (!outside_.problem.empty()) throw broken(outside_.problem);
  for (const auto& [id, run] : durable_.runs) check_run(id);
  if (random_.one_in(25)) check_waits();
}

std::string world::open_runs() const {
  std::string out;
  for (const auto& [id, run] : durable_.runs) {
    const auto& state = run.state;
    if (state.seq == 0 || (is_terminal(state.status) && !core::owes(state))) continue;
    out += (out.empty() ? "" : ", ") + id.str() + " of " + state.workflow + " is " + std::string{to_string(state.status)} +
           " with " + std::to_string(state.activations.size()) + " activations, " + std::to_string(state.awaited_children) +
           " awaited children, " + std::to_string(state.outbox.size()) + " messages owed, " +
           std::to_string(state.jobs_at_work.size()) + " jobs at work" + (node_->runs.contains(id) ? ", in memory" : "");
  }
  return out;
}

void world::finish() {
  trace([] { return "--- no more faults"; });
  if (zombie_) buried_.push_back(std::exchange(zombie_, nullptr));
  disk_->set_capacity(std::size_t{1} << 50);
  for (int i = 0; !all_ended(); ++i) {
    if (i > actions_to_end) throw broken("runs do not end within " + std::to_string(actions_to_end) + " actions without faults");
    step(false);
  }
}

bool world::all_ended() const {
  for (const auto& each : planned_) {
    if (!each.answered) return false;
    const auto at = durable_.runs.find(each.how.id);
    if (at == durable_.runs.end() || !is_terminal(at->second.state.status)) return false;
  }
  // Runs that these began, and what they owe each other.
  return std::all_of(durable_.runs.begin(), durable_.runs.end(), [](const auto& each) {
    const auto& state = each.second.state;
    return state.seq == 0 || (is_terminal(state.status) && !core::owes(state));
  });
}

void world::trace(const std::function<std::string()>& text) {
  auto line = text();
  if (verbose_) std::printf("%6llu %s\n", static_cast<unsigned long long>(count_.actions), line.c_str());
  trace_.push_back(std::move(line));
  if (trace_.size() > kept_trace) trace_.pop_front();
}

std::string world::last_events() const {
  std::string out;
  for (const auto& each : trace_) out += "  " + each + "\n";
  return out;
}

void world::add_to(statistics& all) const {
  ++all.schedules;
  all.actions += count_.actions;
  all.events += durable_.events;
  all.crashes += count_.crashes;
  all.takeovers += count_.takeovers;
  all.parked += count_.parked;
  all.snapshots += count_.snapshots;
  all.questions += count_.questions;
  all.looks_at_files += count_.looks_at_files;
  for (const auto& [key, entry] : outside_.executed) all.bodies += entry.tries;
  for (const auto& [kind, many] : durable_.kinds) all.kinds[kind] += many;
  for (const auto& [end, many] : durable_.ends) all.ends[end] += many;
}

}  // namespace perdure::sim
