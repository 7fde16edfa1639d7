// bench steps | documents | submit | timers | signals | recovery | growth | archive | history | jobs
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "tools/bench/bench.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/table.hpp"

namespace perdure::tools::cli {

namespace {

struct bench_command {
  common_options common;
  bench::bench_options how;
};

using bench_function = result<bench::bench_result> (*)(const bench::bench_options&);

std::string shown(const json::value& value) { return value.is_string() ? std::string{value.get_string()} : json_text(value); }

int run_bench(const bench_command& what, bench_function measure) {
  const auto done = measure(what.how);
  if (!done) return fail(what.common, done.error());
  if (what.common.json) {
    put_json(json::object{{"name", done->name},
                          {"config", done->config},
                          {"figures", done->figures},
                          {"floor", done->floor},
                          {"ratios", done->ratios}});
    return exit_fine;
  }
  put_line(paint(colour::bold, "bench " + done->name) + "  " + json_text(done->config));
  table out{{{"", 0}, {"FIGURE", 12}, {"VALUE", 8, true}}};
  for (const auto& [group, figures] :
       {std::pair{"measured", &done->figures}, std::pair{"floor", &done->floor}, std::pair{"ratio", &done->ratios}}) {
    for (const auto& [name, value] : *figures) {
      if (!value.is_array()) out.add({{group, colour::dim}, {std::string{name}}, {shown(value)}});
    }
  }
  put(out.text(terminal_width()));
  for (const auto& [name, value] : done->figures) {
    if (!value.is_array()) continue;
    for (const auto& each : value.get_array()) put_line("  " + std::string{name} + " " + json_text(each));
  }
  return exit_fine;
}

/// `runs` 0: it does not hold the number of runs down.
std::shared_ptr<bench_command> add(CLI::App& bench, chosen_command& chosen, const std::string& name, const std::string& help,
                                   bench_function measure, std::size_t runs) {
  auto what = std::make_shared<bench_command>();
  what->how.runs = runs;
  auto* command = bench.add_subcommand(name, help);
  add_json_option(*command, what->common);
  if (runs > 0) {
    command->add_option("--runs,--inflight", what->how.runs, "Runs in flight at once")
        ->capture_default_str()
        ->transform(to_whole_number(1, 10'000'000));
    command->add_option("--threads", what->how.threads, "Threads that start runs")
        ->capture_default_str()
        ->transform(to_whole_number(1, 1024));
  }
  command
      ->add_option("--data", what->how.data,
                   "A directory in which the bench makes one of its own, and removes it (default: the temporary directory)")
      ->type_name("DIR");
  command->callback([&chosen, what, measure] { chosen = [what, measure] { return run_bench(*what, measure); }; });
  return what;
}

void add_steps(CLI::App& bench, const std::string& name, bench_command& to, std::size_t steps) {
  to.how.steps = steps;
  bench.get_subcommand(name)
      ->add_option("--steps", to.how.steps, "Durable steps of a run")
      ->capture_default_str()
      ->transform(to_whole_number(1, 10'000'000));
}
void add_seconds(CLI::App& bench, const std::string& name, bench_command& to) {
  bench.get_subcommand(name)
      ->add_option("--seconds", to.how.seconds, "How long it measures")
      ->capture_default_str()
      ->check([](const std::string& text) {  // a range would let NaN pass
        const auto seconds = read_duration(text, "--seconds");
        const bool fits = seconds && *seconds >= std::chrono::milliseconds{200} && *seconds <= std::chrono::hours{1};
        return fits ? std::string{} : "\"" + text + "\" is no number of seconds from 0.2 to 3600";
      });
}

void add_connections(CLI::App& bench, bench_command& to) {
  auto* command = bench.get_subcommand("submit");
  command->add_option("--connections", to.how.connections, "Connections, each with one start on its way")
      ->capture_default_str()
      ->transform(to_whole_number(1, 10'000));
  command->add_option("--streams", to.how.streams, "Measures the memory of so many silent event streams, too")
      ->capture_default_str()
      ->transform(to_whole_number(0, 100'000));
}

void add_archive(CLI::App& bench, const std::string& name, bench_command& to) {
  auto* command = bench.get_subcommand(name);
  command->add_option("--retention", to.how.retention, "Ended runs that are kept; 0 = all")
      ->capture_default_str()
      ->transform(to_whole_number());
  command->add_option("--log-records", to.how.log_records, "Records of the log before it is archived")
      ->capture_default_str()
      ->transform(to_whole_number());
}

}  // namespace

void add_bench_commands(CLI::App& app, chosen_command& chosen) {
  auto* bench =
      app.add_subcommand("bench", "Measures this machine; every figure stands beside the floor measured in the same run");
  bench->require_subcommand(1);
  // Those of a bench are its own and gone when it ends, so the program's word about data directories is not for it.
  bench->footer("Exit code: 0 fine, 1 the thing failed, 2 wrong usage.");
  auto what = add(*bench, chosen, "steps", "Trivial durable steps, every commit synced", bench::bench_steps, 256);
  add_steps(*bench, "steps", *what, 10);
  add_seconds(*bench, "steps", *what);
  what = add(*bench, chosen, "documents", "Documents of `set` tasks, reading large ones, and loops", bench::bench_documents, 256);
  add_steps(*bench, "documents", *what, 10);
  add_seconds(*bench, "documents", *what);
  what = add(*bench, chosen, "submit", "Starts of one-step runs over HTTP, and inside of this process", bench::bench_submit, 0);
  add_seconds(*bench, "submit", *what);
  add_connections(*bench, *what);
  what = add(*bench, chosen, "timers", "Runs that sleep; so many a second come due", bench::bench_timers, 10'000);
  add_seconds(*bench, "timers", *what);
  bench->get_subcommand("timers")
      ->add_option("--rate", what->how.rate, "Timers that come due a second; 0 = all at the same moment")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
  what = add(*bench, chosen, "signals", "Signals into one run", bench::bench_signals, 1);
  add_seconds(*bench, "signals", *what);
  what = add(*bench, chosen, "recovery", "A process with runs in flight is killed: how soon does every run go on?",
             bench::bench_recovery, 10'000);
  add_steps(*bench, "recovery", *what, 3);
  bench->get_subcommand("recovery")
      ->add_flag("--sleeping", what->how.sleeping, "Runs whose sleep came due while the process was dead");
  bench->get_subcommand("recovery")
      ->add_option("--parked", what->how.parked, "So many more runs that sleep on, in no memory")
      ->capture_default_str()
      ->transform(to_whole_number());
  what = add(*bench, chosen, "growth", "Speed, memory and disk while finished runs pile up", bench::bench_growth, 256);
  add_steps(*bench, "growth", *what, 10);
  add_seconds(*bench, "growth", *what);
  add_archive(*bench, "growth", *what);
  what = add(*bench, chosen, "archive", "Steps with archiving and retention at work, and without", bench::bench_archive, 256);
  what->how.retention = 1'000;
  what->how.log_records = 50'000;
  add_steps(*bench, "archive", *what, 10);
  add_seconds(*bench, "archive", *what);
  add_archive(*bench, "archive", *what);
  what = add(*bench, chosen, "history", "One run with a long history: how soon is it open, how fast does it go on?",
             bench::bench_history, 1);
  bench->get_subcommand("history")
      ->add_option("--events", what->how.events, "Events of the run")
      ->capture_default_str()
      ->transform(to_whole_number(1'000, 100'000'000));
  bench->get_subcommand("history")
      ->add_option("--activations", what->how.activations, "Activations that have them")
      ->capture_default_str()
      ->transform(to_whole_number(1, 99'000));
  add_seconds(*bench, "history", *what);

  what = add(*bench, chosen, "jobs", "Many jobs that are only looked at, short processes, and a long log", bench::bench_jobs,
             10'000);
  what->how.seconds = 20;
  add_seconds(*bench, "jobs", *what);
  bench->get_subcommand("jobs")
      ->add_option("--jobs", what->how.jobs, "Short processes")
      ->capture_default_str()
      ->transform(to_whole_number(1, 1'000'000));
  bench->get_subcommand("jobs")
      ->add_option("--megabytes", what->how.megabytes, "What the job writes whose log is followed")
      ->capture_default_str()
      ->transform(to_whole_number(1, 200));

  auto fill = std::make_shared<bench::bench_options>();
  auto* child = bench->add_subcommand("fill", "The process that `bench recovery` kills")->group("");
  child->add_option("--data", fill->data)->required();
  child->add_option("--runs", fill->runs);
  child->add_option("--steps", fill->steps);
  child->add_option("--threads", fill->threads);
  child->add_flag("--sleeping", fill->sleeping);
  child->add_option("--parked", fill->parked);
  child->callback([&chosen, fill] { chosen = [fill] { return bench::fill_for_recovery(*fill); }; });
}

}  // namespace perdure::tools::cli
