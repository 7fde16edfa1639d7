// A Slurm cluster of one machine on loopback: munged, slurmctld and slurmd of the distribution's packages, with ports, keys and
// state of the test's own. Only root can start one.
//
// Limitations: no accounting. `problem` says why there is none here; then tests say that they are skipped.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "support/program.hpp"
#include "support/temp_directory.hpp"

namespace perdure::test {

class slurm_cluster {
 public:
  slurm_cluster() { problem_ = start(); }
  ~slurm_cluster() {
    for (auto* each : {&node_, &controller_, &munge_}) end(*each, SIGKILL);
  }
  slurm_cluster(const slurm_cluster&) = delete;
  slurm_cluster& operator=(const slurm_cluster&) = delete;

  /// Empty: it runs.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  /// Says that a test is skipped, when there is no cluster.
  [[nodiscard]] bool missing() const {
    if (!problem_.empty()) std::cout << "\nskipped: no Slurm cluster here: " << problem_ << "\n";
    return !problem_.empty();
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] std::string conf() const { return path("slurm.conf").string(); }
  /// How the cluster is described to the program.
  [[nodiscard]] std::string file() const {
    return "kind: slurm\ndirectory: " + path("jobs").string() + "\nconf: " + conf() + "\nrefresh_ms: 100\n";
  }
  void kill_controller() { end(controller_, SIGKILL); }
  void start_controller() { controller_ = run({"/usr/sbin/slurmctld", "-D", "-f", conf()}, "slurmctld.out"); }
  /// Waits until the controller has stored what it knows of a job now: it does so every few seconds, when there is news.
  [[nodiscard]] bool stored(const std::string& job) const {
    std::error_code bad;
    const auto newest = [&] { return std::filesystem::last_write_time(path("state") / "job_state", bad); };
    const auto before = newest();
    static_cast<void>(ask("scontrol update JobId=" + job + " AdminComment=stored"));
    return workplace::eventually([&] { return newest() > before; });
  }
  /// What a command of Slurm prints; empty when it fails.
  [[nodiscard]] std::string ask(const std::string& command) const {
    const auto out = path("answer");
    const auto line =
        "SLURM_CONF=" + conf() + " timeout 10 " + command + " > " + out.string() + " 2>" + path("answer.err").string();
    return std::system(line.c_str()) == 0 ? slurp(out) : std::string{};
  }
  [[nodiscard]] bool answers() const { return ask("scontrol ping").find("is UP") != std::string::npos; }

 private:
  static int free_port() {
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    const bool good = ::bind(probe, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                      ::getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    ::close(probe);
    return good ? ntohs(address.sin_port) : 0;
  }
  pid_t run(std::vector<std::string> words, const std::string& output) const {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, path(output).c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, 1, 2);
    std::vector<char*> pointers;
    for (auto& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    std::vector<std::string> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "SLURM_CONF=" + conf()};
    std::vector<char*> variables;
    for (auto& each : environment) variables.push_back(each.data());
    variables.push_back(nullptr);
    pid_t out = -1;
    if (::posix_spawn(&out, words[0].c_str(), &actions, nullptr, pointers.data(), variables.data()) != 0) out = -1;
    posix_spawn_file_actions_destroy(&actions);
    return out;
  }
  static void end(pid_t& which, int signal) {
    if (which <= 0) return;
    ::kill(which, signal);
    ::waitpid(which, nullptr, 0);
    which = -1;
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream{path(name), std::ios::binary} << text; }

  std::string start() {
    if (::geteuid() != 0) return "only root can start one";
    for (const auto* each : {"/usr/sbin/munged", "/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/bin/sbatch"}) {
      if (::access(each, X_OK) != 0)
        return std::string{each} + " is not installed (packages munge, slurmctld, slurmd, slurm-client)";
    }
    ::chmod(directory_.path().c_str(), 0755);
    for (const auto* each : {"state", "spool"}) std::filesystem::create_directory(path(each));
    std::string key(1'024, '\0');
    std::ifstream{"/dev/urandom", std::ios::binary}.read(key.data(), static_cast<std::streamsize>(key.size()));
    write("munge.key", key);
    ::chmod(path("munge.key").c_str(), 0400);
    munge_ = run({"/usr/sbin/munged", "--foreground", "--force", "--num-threads=2", "--socket=" + path("munge.socket").string(),
                  "--key-file=" + path("munge.key").string(), "--pid-file=" + path("munge.pid").string(),
                  "--log-file=" + path("munge.log").string(), "--seed-file=" + path("munge.seed").string()},
                 "munged.out");
    if (!workplace::eventually([&] { return std::filesystem::exists(path("munge.socket")); }, std::chrono::seconds{5}))
      return "munged does not start: " + slurp(path("munged.out"));
    char name[256] = "localhost";
    ::gethostname(name, sizeof name - 1);
    const auto host = std::string{name}.substr(0, std::string{name}.find('.'));
    const auto at = [&](const char* what) { return path(what).string(); };
    write("slurm.conf",
          "ClusterName=test\nSlurmctldHost=" + host + "(127.0.0.1)\nSlurmctldPort=" + std::to_string(free_port()) +
              "\nSlurmdPort=" + std::to_string(free_port()) + "\nAuthType=auth/munge\nAuthInfo=socket=" + at("munge.socket") +
              "\nSlurmUser=root\nSlurmdUser=root\nStateSaveLocation=" + at("state") + "\nSlurmdSpoolDir=" + at("spool") +
              "\nSlurmctldPidFile=" + at("slurmctld.pid") + "\nSlurmdPidFile=" + at("slurmd.pid") +
              "\nSlurmctldLogFile=" + at("slurmctld.log") + "\nSlurmdLogFile=" + at("slurmd.log") +
              "\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n"
              "SelectTypeParameters=CR_Core\nAccountingStorageType=accounting_storage/none\n"
              "JobAcctGatherType=jobacct_gather/none\nJobCompType=jobcomp/none\nSwitchType=switch/none\nMpiDefault=none\n"
              "ReturnToService=2\nSchedulerParameters=batch_sched_delay=0,sched_interval=1\nKillWait=1\n"
              "UnkillableStepTimeout=30\nSlurmdParameters=config_overrides\nInactiveLimit=0\nMessageTimeout=2\nMinJobAge="
              "300\nSlurmdTimeout="
              "0\nMaxArraySize=1001\n"
              "NodeName=n1 NodeHostname=" +
              host +
              " NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN\n"
              "PartitionName=main Nodes=n1 Default=YES MaxTime=INFINITE State=UP\n");
    write("cgroup.conf", "CgroupAutomount=no\n");
    start_controller();
    if (!workplace::eventually([&] { return answers(); }, std::chrono::seconds{15}))
      return "slurmctld does not start: " + tail("slurmctld.log") + tail("slurmctld.out");
    node_ = run({"/usr/sbin/slurmd", "-D", "-N", "n1", "-f", conf()}, "slurmd.out");
    if (!workplace::eventually([&] { return ask("sinfo -h -o %T").starts_with("idle"); }, std::chrono::seconds{15}))
      return "slurmd does not start: " + tail("slurmd.log") + tail("slurmd.out");
    auto trial = ask("sbatch --parsable -D / -o /dev/null --wrap true");
    trial.erase(std::remove(trial.begin(), trial.end(), '\n'), trial.end());
    const auto ended = [&] { return ask("scontrol show job " + trial).find("JobState=COMPLETED") != std::string::npos; };
    if (trial.empty() || !workplace::eventually(ended, std::chrono::seconds{15}))
      return "jobs of it do not end: " + tail("answer.err") + tail("slurmd.log");
    return {};
  }
  [[nodiscard]] std::string tail(const std::string& name) const {
    auto text = slurp(path(name));
    text = text.substr(text.size() - std::min<std::size_t>(text.size(), 400));
    for (auto& c : text) c = c == '\n' ? ' ' : c;
    return text;
  }

  temp_directory directory_;
  pid_t munge_ = -1, controller_ = -1, node_ = -1;
  std::string problem_;
};

}  // namespace perdure::test
