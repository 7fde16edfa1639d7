// bench history: a run with a million events. How soon is it open, and does it go on as fast as a new one?
//
// The history is made by the state machine that makes it in a node, put to it as fast as it takes it, and appended in large
// batches; the handler that goes on with it then is a real one.
#include <thread>

#include "core/machine.hpp"
#include "persistence/journal.hpp"
#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

namespace {

/// An activation does so many steps, then sends itself the same message.
struct lap {
  std::uint32_t steps = 0;
};
PERDURE_MESSAGE(lap, "bench.lap/v1", steps)

constexpr auto step_name = "step";

class lapper : public executor<lap> {
 public:
  explicit lapper(std::shared_ptr<meter> told) : told_(std::move(told)) {}
  task<> handle(const lap& what, context& ctx) override {
    auto body = [this] { return step(); };
    bool more = true;
    for (std::uint32_t i = 0; i < what.steps && more; ++i) more = co_await ctx.call(step_name, body);
    if (more) ctx.send(what);
  }

 private:
  bool step() {
    const auto now = std::chrono::steady_clock::now();
    if (last_ != std::chrono::steady_clock::time_point{}) told_->step_time.add(now - last_);
    last_ = now;
    told_->steps.fetch_add(1, std::memory_order_relaxed);
    return !told_->wind_up.load(std::memory_order_relaxed);
  }
  std::shared_ptr<meter> told_;
  std::chrono::steady_clock::time_point last_{};
};

workflow laps(const std::shared_ptr<meter>& told) {
  return workflow_builder("bench-history", "1.0.0")
      .add_with("lapper", [told] { return std::make_unique<lapper>(told); }, {.cooperative = true})
      .start_at("lapper")
      .edge("lapper", "lapper")
      .with_max_activations(limits::run_activations)
      .build();
}

/// What decisions need of it.
std::shared_ptr<core::plan> plan_of(const workflow& of) {
  auto plan = std::make_shared<core::plan>();
  plan->name = of.name();
  plan->version = of.version();
  plan->hash = of.hash();
  plan->executors.push_back({.name = "lapper", .cooperative = true, .takes = {std::string{message_name<lap>}}});
  plan->by_name.emplace("lapper", 0);
  auto& edge = plan->groups.emplace_back();
  edge.from.push_back(0);
  edge.to.push_back(0);
  plan->groups_from.push_back(std::vector<std::size_t>{0});
  return plan;
}

/// Puts the reports of an attempt to the machine and its records into the journal.
class history_maker {
 public:
  history_maker(persistence::journal& to, const workflow& of, persistence::epoch_t epoch)
      : to_(to), machine_(run_id::make(), plan_of(of)), epoch_(epoch) {
    machine_.observe([this](const core::event& what, const core::run_state& state) { record(what, state); });
  }

  result<run_id> make(std::uint64_t events, std::uint32_t activations) {
    const auto steps = static_cast<std::uint32_t>(std::max<std::uint64_t>(events / activations, 2) - 1);
    now_ = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) - std::chrono::hours{1};
    const lap message{steps};
    core::start_command start{
        .id = machine_.state().id, .message = std::string{message_name<lap>}, .input = payload{to_json(message)}};
    if (auto begun = machine_.start(start, now_); !begun) return begun.error();
    while (machine_.state().seq < events) {
      const auto& [id, in] = *machine_.state().activations.begin();
      core::attempt_report report{.activation = id, .attempt = 1};
      const auto done = static_cast<step_ordinal>(in.history.size());
      if (done < steps) {
        report.done.push_back(
            {.ordinal = done, .kind = core::step_kind::call, .name = step_name, .result = {payload{json::value(true)}, {}}});
      } else {
        report.outputs.push_back({.name = std::string{message_name<lap>}, .value = payload{to_json(message)}});
        report.finished = true;
      }
      report.fed = in.history.size();
      now_ += std::chrono::microseconds{100};
      if (auto put = machine_.execute(report, now_); !put) return put.error();
      if (records_.size() >= limits::snapshot_events) {
        if (auto appended = append(); !appended) return appended.error();
      }
    }
    if (auto appended = append(); !appended) return appended.error();
    return machine_.state().id;
  }

 private:
  void record(const core::event& what, const core::run_state& state) {
    core::record made{.kind = core::kind_of(what),
                      .status = state.status,
                      .active = core::has_work(state),
                      .run = state.id,
                      .seq = state.seq,
                      .time = state.updated_at,
                      .wakeup = core::next_wakeup(state),
                      .bytes = core::encode(what, nullptr).value()};
    made.hash = head_ = core::chain_hash(head_, made);
    records_.push_back(std::move(made));
  }
  /// With a snapshot, as a live run makes them.
  result<void> append() {
    if (records_.empty()) return {};
    persistence::append_item item{.epoch = epoch_, .run = machine_.state().id, .expected_seq = records_.front().seq - 1};
    item.records = std::exchange(records_, {});
    auto state = core::encode_state(machine_.state(), nullptr);
    if (!state) return state.error();
    item.snapshot.emplace(machine_.state().seq, std::move(*state));
    const auto verdicts = to_.append({&item, 1});
    if (verdicts.front().error) return *verdicts.front().error;
    return {};
  }

  persistence::journal& to_;
  core::machine machine_;
  persistence::epoch_t epoch_;
  timestamp now_{};
  core::digest head_{};
  std::vector<core::record> records_;
};

result<run_id> make_history(const std::filesystem::path& data, const workflow& of, const bench_options& how) {
  const node_options defaults;
  auto journal = persistence::open_lmdb_journal(data, persistence::open_mode::read_write, defaults.max_map_bytes, 0);
  if (!journal) return journal.error();
  const auto epoch = (*journal)->acquire(0);
  if (!epoch) return epoch.error();
  auto run = history_maker{**journal, of, *epoch}.make(how.events, how.activations);
  if (!run) return run.error();
  if (auto flushed = (*journal)->flush(); !flushed) return flushed.error();
  (*journal)->mark_closed();
  return run;
}

struct pace {
  double steps_per_s = 0, p50_us = 0;
};
pace measure_pace(meter& told, double seconds) {
  told.step_time.reset();
  const auto before = told.steps.load();
  const auto from = std::chrono::steady_clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  return {static_cast<double>(told.steps.load() - before) / seconds_since(from), told.step_time.quantile(0.5)};
}

void wind_up(node& on, meter& told) {
  told.wind_up = true;
  while (on.stats().open_runs > 0) std::this_thread::sleep_for(std::chrono::milliseconds{1});
  told.wind_up = false;
}

}  // namespace

result<bench_result> bench_history(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "data";
  const auto told = std::make_shared<meter>();
  const auto definition = laps(told);
  const auto began = std::chrono::steady_clock::now();
  const auto run = make_history(data, definition, how);
  if (!run) return run.error();
  const auto made_s = seconds_since(began);

  auto at = std::chrono::steady_clock::now();
  auto opened = node::open({.data_dir = data});
  if (!opened) return opened.error();
  const auto node_open_ms = 1e3 * seconds_since(at);
  // The run's whole state is read, as before its next step.
  at = std::chrono::steady_clock::now();
  const auto state = opened->get(*run)->status();
  if (!state) return state.error();
  const auto open_ms = 1e3 * seconds_since(at);
  at = std::chrono::steady_clock::now();
  if (auto added = opened->add(definition); !added) return added.error();
  while (told->steps.load() == 0) {
    if (seconds_since(at) > 60) return error{errc::timeout, "the run did not go on"};
    std::this_thread::sleep_for(std::chrono::microseconds{50});
  }
  const auto first_step_ms = 1e3 * seconds_since(at);
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds / 5));
  const auto before = opened->stats();
  const auto old_run = measure_pace(*told, how.seconds);
  const auto after = opened->stats();
  wind_up(*opened, *told);
  // A new run of the same workflow in the same directory.
  const lap message{static_cast<std::uint32_t>(std::max<std::uint64_t>(how.events / how.activations, 2) - 1)};
  const auto fresh = opened->start("bench-history", message);
  if (!fresh) return fresh.error();
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds / 5));
  const auto new_run = measure_pace(*told, how.seconds);
  wind_up(*opened, *told);
  opened->close();

  const auto commits = static_cast<double>(std::max<std::uint64_t>(after.commits - before.commits, 1));
  const auto floor = measure_floor(data, static_cast<double>(after.records - before.records) / commits, 2);
  if (!floor) return floor.error();
  bench_result out{.name = "history"};
  out.config = {{"events", how.events}, {"activations", how.activations}, {"seconds", how.seconds}};
  out.figures = {{"events_before", state->seq},
                 {"made_s", rounded(made_s)},
                 {"node_open_ms", rounded(node_open_ms)},
                 {"open_ms", rounded(open_ms)},
                 {"first_step_ms", rounded(first_step_ms)},
                 {"steps_per_s", rounded(old_run.steps_per_s)},
                 {"steps_per_s_new_run", rounded(new_run.steps_per_s)},
                 {"step_p50_us", rounded(old_run.p50_us)},
                 {"disk_bytes", disk_bytes(data)}};
  out.floor = to_json_object(*floor);
  out.ratios = {{"old_to_new_run", rounded(new_run.steps_per_s > 0 ? old_run.steps_per_s / new_run.steps_per_s : 0)},
                {"latency_p50", rounded(floor->commit_p50_us > 0 ? old_run.p50_us / floor->commit_p50_us : 0)}};
  return out;
}

}  // namespace perdure::tools::bench
