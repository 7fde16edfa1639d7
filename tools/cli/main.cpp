// perdure: the command line program.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <exception>
#include <system_error>

#include "tools/cli/command.hpp"
#include "tools/cli/jq_worker.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/cli/usage.hpp"
#include "tools/view/allocator.hpp"

namespace perdure::tools::cli {

namespace {

constexpr const char* version = PERDURE_VERSION;

void add_version_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<common_options>();
  auto* command = app.add_subcommand("version", "The version of this program");
  add_json_option(*command, *how);
  command->callback([&chosen, how] {
    chosen = [how] {
      if (how->json) {
        put_json(json::object{{"name", "perdure"}, {"version", version}});
      } else {
        put_line(std::string{"perdure "} + version);
      }
      return exit_fine;
    };
  });
}

/// The exit code after all was put. A reader that went away did not want it; others did not get what they asked for.
int finished(int code) {
  const auto why = output_problem();
  if (why.empty()) return code;
  note("perdure: cannot write to standard output: " + why);
  return code == exit_fine ? exit_failed : code;
}

/// The journal is mapped into memory: a file that is shorter than it says, or a disk that fails, shows as this signal.
extern "C" void on_bus_error(int) {
  constexpr char text[] =
      "perdure: the journal cannot be read: its file is cut off, or the disk is full or fails. When it is not full, restore the "
      "directory from a copy.\n";
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text, sizeof text - 1);
  ::_exit(exit_failed);
}

/// A file of ours must not become standard output or error because the caller had closed that.
void open_standard_streams() {
  for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
    if (fd <= STDERR_FILENO) continue;
    ::close(fd);
    return;
  }
}

int run(int argc, char** argv) {
  CLI::App app{"Perdure runs durable workflows: long-running work that survives crashes, restarts and slow outside systems.",
               "perdure"};
  app.require_subcommand(1);
  app.footer(
      "Data directory: --data DIR, else $PERDURE_DATA, else ./perdure-data.\n"
      "Exit code: 0 fine, 1 the thing failed, 2 wrong usage. Every command has --json.");
  app.set_version_flag("--version", std::string{"perdure "} + version);
  chosen_command chosen;
  add_run_command(app, chosen);
  add_schedule_command(app, chosen);
  add_emit_command(app, chosen);
  add_runs_commands(app, chosen);
  add_serve_command(app, chosen);
  add_keys_commands(app, chosen);
  add_jobs_commands(app, chosen);
  add_journal_commands(app, chosen);
  add_validate_command(app, chosen);
  add_graph_command(app, chosen);
  add_bench_commands(app, chosen);
  add_version_command(app, chosen);
  refuse_empty_values(app);
  const bool json = wants_json(argc, argv);
  if (const auto wrong = wrong_command(app, argc, argv)) return wrong_usage(*wrong, json);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& wrong) {
    return finished(not_to_run(app, wrong, json));
  }
  give_memory_back_in_time();
  return finished(chosen());
}

}  // namespace
}  // namespace perdure::tools::cli

int main(int argc, char** argv) {
  using namespace perdure::tools;
  cli::open_standard_streams();
  // The isolated worker for expressions: a process of its own, started by the node.
  if (argc >= 2 && std::strcmp(argv[1], "__jq") == 0) return cli::jq_worker_main();
  std::signal(SIGBUS, cli::on_bus_error);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its size limit is a full disk
  try {
    return cli::run(argc, argv);
  } catch (const std::system_error& wrong) {
    const bool threads = wrong.code() == std::errc::resource_unavailable_try_again;
    cli::note(
        "perdure: " +
        (threads
             ? std::string{"a thread cannot be started: the limit of processes (ulimit -u) or of address space (ulimit -v) is "
                           "too low"}
             : cli::printable_lines(wrong.what())));
    return cli::exit_failed;
  } catch (const std::exception& wrong) {
    cli::note("perdure: " + cli::printable_lines(wrong.what()));
    return cli::exit_failed;
  }
}
