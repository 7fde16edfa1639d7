// Runs the perdure program as a user would: arguments in; exit code, standard output and standard error out.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "perdure/payload.hpp"
#include "support/temp_directory.hpp"

extern char** environ;

namespace perdure::test {

inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream in{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

struct program_result {
  int code = -1;  ///< 128 + signal when a signal ended it
  std::string out, err;
  [[nodiscard]] json::value json() const { return payload::parse_text(out).value().value(); }
};

/// One process of the program. Killed when it is still there at the end.
class program {
 public:
  program(const std::vector<std::string>& arguments, const std::filesystem::path& directory) {
    const char* path = std::getenv("PERDURE_BINARY");
    if (path == nullptr) throw std::runtime_error("PERDURE_BINARY names no program");
    static int number = 0;
    out_ = directory / ("out." + std::to_string(++number));
    err_ = directory / ("err." + std::to_string(number));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, out_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, err_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    std::vector<std::string> words{path};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (auto& each : words) pointers.push_back(each.data());
    pointers.push_back(nullptr);
    const auto problem = ::posix_spawn(&pid_, path, &actions, nullptr, pointers.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (problem != 0) throw std::runtime_error(std::string{"cannot start "} + path);
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }

  void signal(int number) const { ::kill(pid_, number); }
  [[nodiscard]] bool running() {
    if (pid_ <= 0) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
    ended(status);
    return false;
  }
  /// Waits for its end, at most so long, then kills it.
  program_result finish(std::chrono::seconds limit = std::chrono::seconds{60}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (running() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds{5});
    if (pid_ > 0) kill();
    return {code_, slurp(out_), slurp(err_)};
  }
  /// kill -9.
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended(status);
  }
  [[nodiscard]] std::string said() const { return slurp(out_); }

 private:
  void ended(int status) {
    pid_ = -1;
    code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  pid_t pid_ = -1;
  int code_ = -1;
  std::filesystem::path out_, err_;
};

/// A data directory and documents of a test's own.
class workplace {
 public:
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return directory_.path() / name; }
  [[nodiscard]] std::string data() const { return path("data").string(); }

  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream{path(name), std::ios::binary} << text;
    return path(name).string();
  }
  /// A document whose tasks are given, indented by two spaces.
  std::string document(const std::string& name, const std::string& tasks, const std::string& version = "1.0.0") const {
    return write(name + ".yaml",
                 "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: " + version + "}\ndo:\n" + tasks);
  }
  /// Shell text that waits, at most two minutes, until the test writes the file of this name.
  [[nodiscard]] std::string gate(const std::string& name) const {
    return "for i in $(seq 2400); do test -e " + path(name).string() + " && break; sleep 0.05; done";
  }
  program_result run(const std::vector<std::string>& arguments) const { return program{arguments, directory_.path()}.finish(); }
  /// With --data of this place.
  program_result call(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--data", data()});
    return run(arguments);
  }
  [[nodiscard]] std::unique_ptr<program> start(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--data", data()});
    return std::make_unique<program>(arguments, directory_.path());
  }
  [[nodiscard]] std::vector<std::string> lines(const std::string& name) const {
    std::ifstream in{path(name)};
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  template <class F>
  static bool eventually(F holds, std::chrono::seconds limit = std::chrono::seconds{30}) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return true;
  }

 private:
  temp_directory directory_;
};

/// Lines of JSON, one value each.
inline std::vector<json::value> json_lines(const std::string& text) {
  std::vector<json::value> out;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    out.push_back(payload::parse_text(text.substr(at, end - at)).value().value());
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return out;
}

/// A string as it is, anything else as JSON text.
inline std::string text_of(const json::value& value) {
  return value.is_string() ? std::string{value.get_string()} : std::string{payload{value}.text()};
}

inline std::vector<std::string> members_of(const json::value& object) {
  std::vector<std::string> out;
  for (const auto& [name, value] : object.as_object()) out.emplace_back(name);
  return out;
}

}  // namespace perdure::test
