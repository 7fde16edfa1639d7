// bench steps | submit | timers | recovery | growth
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

std::shared_ptr<bench_command> add(CLI::App& bench, chosen_command& chosen, const std::string& name, const std::string& help,
                                   bench_function measure, std::size_t runs) {
  auto what = std::make_shared<bench_command>();
  what->how.runs = runs;
  auto* command = bench.add_subcommand(name, help);
  add_json_option(*command, what->common);
  command->add_option("--runs,--inflight", what->how.runs, "Runs in flight at once")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", what->how.threads, "Threads that start runs")
      ->capture_default_str()
      ->check(CLI::Range(1, 1024));
  command
      ->add_option("--data", what->how.data,
                   "Where the bench makes its own directory, and removes it (default: the temporary directory)")
      ->type_name("DIR");
  command->callback([&chosen, what, measure] { chosen = [what, measure] { return run_bench(*what, measure); }; });
  return what;
}

void add_steps(CLI::App& bench, const std::string& name, bench_command& to, std::size_t steps) {
  to.how.steps = steps;
  bench.get_subcommand(name)
      ->add_option("--steps", to.how.steps, "Durable steps of a run")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
}
void add_seconds(CLI::App& bench, const std::string& name, bench_command& to) {
  bench.get_subcommand(name)
      ->add_option("--seconds", to.how.seconds, "How long it measures")
      ->capture_default_str()
      ->check(CLI::Range(0.2, 3600.0));
}

}  // namespace

void add_bench_commands(CLI::App& app, chosen_command& chosen) {
  auto* bench =
      app.add_subcommand("bench", "Measures this machine; every figure stands beside the floor measured in the same run");
  bench->require_subcommand(1);
  auto what = add(*bench, chosen, "steps", "Trivial durable steps, every commit synced", bench::bench_steps, 256);
  add_steps(*bench, "steps", *what, 10);
  add_seconds(*bench, "steps", *what);
  what = add(*bench, chosen, "submit", "Starts of one-step runs", bench::bench_submit, 256);
  add_seconds(*bench, "submit", *what);
  add(*bench, chosen, "timers", "Runs that sleep until the same moment", bench::bench_timers, 10'000);
  what = add(*bench, chosen, "recovery", "A process with runs in flight is killed: how soon does every run go on?",
             bench::bench_recovery, 10'000);
  add_steps(*bench, "recovery", *what, 3);
  bench->get_subcommand("recovery")
      ->add_flag("--sleeping", what->how.sleeping, "Runs whose sleep came due while the process was dead");
  what = add(*bench, chosen, "growth", "Speed, memory and disk while finished runs pile up", bench::bench_growth, 256);
  add_steps(*bench, "growth", *what, 10);
  add_seconds(*bench, "growth", *what);

  auto fill = std::make_shared<bench::bench_options>();
  auto* child = bench->add_subcommand("fill", "The process that `bench recovery` kills")->group("");
  child->add_option("--data", fill->data)->required();
  child->add_option("--runs", fill->runs);
  child->add_option("--steps", fill->steps);
  child->add_option("--threads", fill->threads);
  child->add_flag("--sleeping", fill->sleeping);
  child->callback([&chosen, fill] { chosen = [fill] { return bench::fill_for_recovery(*fill); }; });
}

}  // namespace perdure::tools::cli
