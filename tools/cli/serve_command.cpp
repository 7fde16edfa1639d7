// serve: the service over HTTP.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "tools/cli/backend_option.hpp"
#include "tools/cli/command.hpp"
#include "tools/cli/interrupt.hpp"
#include "tools/cli/lifecycle_arguments.hpp"
#include "tools/cli/node_client.hpp"
#include "tools/cli/serve_config.hpp"
#include "tools/cli/terminal.hpp"
#include "tools/gateway/service.hpp"
#include "tools/gateway/trace_export.hpp"

namespace perdure::tools::cli {

namespace {

volatile std::sig_atomic_t read_again = 0;
extern "C" void on_hangup(int) { read_again = 1; }

struct serve_command {
  common_options common;
  std::string listen = "127.0.0.1:7400";
  std::string workflows, keep_for, log_level = "warning", shutdown = "10s";
  std::string header_time, body_time, reap_scheduled, reap_idle;
  std::string trace_endpoint;
  gateway::tls_files tls;
  std::vector<std::string> backends;
  std::uint64_t keep_runs = 0;
  std::filesystem::path config_file;
  gateway::tenant_policy everybody;
  serve_config config;
  std::uint64_t connections = gateway::http_limits{}.connections;
  bool log_json = false, access_log = false, plain_http = false;
  lifecycle_options lifecycle;
};

void watch_hangups() {
  struct sigaction how {};
  how.sa_handler = on_hangup;
  how.sa_flags = SA_RESTART;
  ::sigaction(SIGHUP, &how, nullptr);
}

/// A node that does not get done, a dead disk say, must not keep the process: what is durable stays so.
void exit_after(std::chrono::milliseconds limit) {
  std::thread([limit] {
    std::this_thread::sleep_for(limit);
    note("perdure: not stopped in time; unfinished runs go on at the next start");
    ::_exit(exit_failed);
  }).detach();
}

result<void> read_times(const serve_command& how, gateway::service_options& into) {
  const auto read = [](const std::string& text, std::string_view option, std::chrono::milliseconds& to) -> result<void> {
    if (text.empty()) return {};
    const auto length = read_duration(text, option);
    if (!length) return length.error();
    to = std::chrono::duration_cast<std::chrono::milliseconds>(*length);
    return {};
  };
  if (auto good = read(how.shutdown, "--shutdown-time", into.shutdown_time); !good) return good;
  if (auto good = read(how.header_time, "--header-time", into.limits.header_time); !good) return good;
  if (auto good = read(how.body_time, "--body-time", into.limits.body_time); !good) return good;
  if (auto good = read(how.reap_scheduled, "--reap-scheduled", into.reap_scheduled); !good) return good;
  if (auto good = read(how.reap_idle, "--reap-idle", into.reap_idle); !good) return good;
  if (how.keep_for.empty()) return {};
  const auto age = read_duration(how.keep_for, "--keep-for");
  if (!age) return age.error();
  into.retention.age = *age;
  return {};
}

int serve(const serve_command& how) {
  const auto where = gateway::read_listen_address(how.listen);
  if (!where) return fail(how.common, where.error(), exit_usage);
  const bool tls = !how.tls.empty();
  if (how.tls.certificate.empty() != how.tls.key.empty())
    return fail_usage(how.common, "--tls-cert and --tls-key belong together");
  if (!where->loopback && !tls && !how.plain_http) {
    return fail_usage(how.common, "--listen: " + how.listen +
                                      " is reached from other machines, and keys and data would cross the network "
                                      "unencrypted; give --tls-cert and --tls-key, or force it with --plain-http");
  }
  gateway::service_options options;
  options.data = how.common.data;
  options.workflows = how.workflows;
  options.backends = how.backends;
  options.address = where->host;
  options.port = where->port;
  options.tls = how.tls;
  options.trace_endpoint = how.trace_endpoint;
  if (!how.trace_endpoint.empty()) {
    if (auto good = gateway::check_trace_endpoint(how.trace_endpoint); !good)
      return fail_usage(how.common, "--otlp-endpoint: " + good.error().message);
  }
  options.limits = how.config.limits;
  options.limits.connections = how.connections;
  auto policies = policies_of(how.config, how.everybody);
  if (!policies) return fail(how.common, policies.error(), exit_usage);
  options.policies = std::move(*policies);
  options.allowed_pages = {how.config.cors_origins, how.config.cors_max_age_s};
  options.retention.ended_runs = how.keep_runs;
  const auto lifecycle = lifecycle_of(how.lifecycle);
  if (!lifecycle) return fail(how.common, lifecycle.error(), exit_usage);
  options.lifecycle = *lifecycle;
  if (auto good = read_times(how, options); !good) return fail(how.common, good.error(), exit_usage);
  std::error_code ignored;
  options.helper_program = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
  options.log = log_writer(how.log_level, how.log_json);
  if (how.access_log) options.access = [](const std::string& line) { note(line); };
  const auto bound = options.shutdown_time + std::chrono::seconds{5};
  if (auto kept = keep_secrets(how.config.secrets); !kept) return fail(how.common, kept.error(), exit_usage);

  watch_interrupts();
  watch_hangups();
  auto started = gateway::service::start(std::move(options));
  if (!started) return fail(how.common, with_way_out(started.error()));
  auto& service = **started;
  const auto url = where->url(service.port(), tls);
  const auto& admin = service.new_admin_key();
  if (how.common.json) {
    put_json(json::object{{"listening", url},
                          {"data", how.common.data.string()},
                          {"admin_key_file", admin ? json::value(admin->string()) : json::value(nullptr)}});
  } else {
    if (admin) put_line("first admin key: " + admin->string());
    put_line("listening on " + url);
  }
  const auto stop = interrupted();
  for (int ticks = 0; !stop.stop_requested(); ++ticks) {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    if (read_again == 0 && ticks % 20 != 0) continue;
    read_again = 0;
    service.look_again();
  }
  note("stopping; unfinished runs go on at the next start");
  exit_after(bound);
  service.stop();
  return exit_fine;
}

}  // namespace

void add_serve_command(CLI::App& app, chosen_command& chosen) {
  auto how = std::make_shared<serve_command>();
  auto* command = app.add_subcommand("serve", "Serves workflows over HTTP");
  command->footer(
      "The first start writes a key with all rights to DATA/admin.key; `perdure keys` makes others. See docs/http-api.md.\n"
      "SIGTERM stops: new work is refused, streams are told, what is done is committed. A second one exits at once.\n"
      "SIGHUP reads the folder of workflows and the certificate again, as does a change in them.");
  add_common_options(*command, how->common);
  command->add_option("--listen", how->listen, "Address and port; port 0 takes a free one")
      ->type_name("ADDRESS:PORT")
      ->capture_default_str();
  command->add_option("--workflows", how->workflows, "Folder of Serverless Workflow documents")->type_name("DIR");
  command->add_option("--config", how->config_file, "Options under their names, secrets, limits, tenants; YAML")
      ->type_name("FILE");
  auto* certificate =
      command->add_option("--tls-cert", how->tls.certificate, "Serves HTTPS: the certificate and those that signed it, PEM");
  auto* key = command->add_option("--tls-key", how->tls.key, "The certificate's private key, PEM");
  certificate->type_name("FILE");
  key->type_name("FILE");
  add_backend_option(*command, how->backends);
  command->add_flag("--plain-http", how->plain_http, "Listen unencrypted at an address that other machines reach");
  command->add_flag("--allow-processes", how->everybody.put_may_run_processes,
                    "Documents put over HTTP may run shells, scripts and containers");
  command->add_flag("--allow-public-calls", how->everybody.put_may_call_public,
                    "They may call services (HTTP), at public addresses: no loopback, link-local, private or other special ones");
  command->add_flag("--allow-calls", how->everybody.put_may_call, "They may call services (HTTP), at any address");
  command->add_option("--tenant-runs", how->everybody.open_runs, "Runs of a tenant that have not ended, at most; 0 = any number")
      ->transform(to_whole_number())
      ->capture_default_str();
  command->add_option("--tenant-files", how->everybody.file_bytes, "Bytes of a tenant's uploaded files, at most (10gb, 500mb)")
      ->transform(CLI::AsSizeValue(false));
  command->add_option("--key-rate", how->everybody.rate_per_key, "Requests a second with one key, at most; 0 = any number")
      ->transform(to_whole_number())
      ->capture_default_str();
  command->add_option("--max-connections", how->connections, "Connections at once")
      ->transform(to_whole_number(1))
      ->capture_default_str();
  command->add_option("--header-time", how->header_time, "Time for the headers of a request (10s)")->type_name("DURATION");
  command->add_option("--body-time", how->body_time, "Time for its body (60s)")->type_name("DURATION");
  command->add_option("--shutdown-time", how->shutdown, "Time that running work has to end in when it is stopped")
      ->type_name("DURATION")
      ->capture_default_str();
  command->add_option("--reap-scheduled", how->reap_scheduled, "Fails runs that nobody took up for so long (5m); 0s = never")
      ->type_name("DURATION");
  command->add_option("--reap-idle", how->reap_idle, "Fails runs without any activity for so long (30m); 0s = never")
      ->type_name("DURATION");
  command->add_option("--keep-for", how->keep_for, "Removes runs that ended so long ago (30d, 12h)")->type_name("DURATION");
  command->add_option("--keep-runs", how->keep_runs, "Removes ended runs beyond so many, the oldest first; 0 = none is removed")
      ->type_name("N")
      ->transform(to_whole_number());
  add_lifecycle_arguments(*command, how->lifecycle);
  command->add_option("--log-level", how->log_level, "Least level of the log on standard error")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->capture_default_str();
  command->add_flag("--log-json", how->log_json, "Log lines as JSON");
  command->add_option("--otlp-endpoint", how->trace_endpoint, "Spans of runs go there (http://127.0.0.1:4318/v1/traces)")
      ->type_name("URL");
  command->add_flag("--access-log", how->access_log, "A line of JSON on standard error for each request");
  command->callback([&chosen, how, command] {
    chosen = [how, command] {
      if (!how->config_file.empty()) {
        if (auto read = read_serve_config(how->config_file, *command, how->config); !read)
          return fail(how->common, read.error(), exit_usage);
      }
      return serve(*how);
    };
  });
}

}  // namespace perdure::tools::cli
