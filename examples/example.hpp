// What the examples share: a data directory, and ending with a message when something is wrong.
#pragma once

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "perdure/perdure.hpp"

namespace example {

/// argv[1], else a fresh directory that is removed at the end.
class data_directory {
 public:
  data_directory(int argc, char** argv) {
    if (argc > 1) {
      path_ = argv[1];
      return;
    }
    auto made = (std::filesystem::temp_directory_path() / ("perdure-example-" + std::string(6, 'X'))).string();
    if (::mkdtemp(made.data()) == nullptr) std::exit(1);
    path_ = made;
    temporary_ = true;
  }
  ~data_directory() {
    std::error_code ignored;
    if (temporary_) std::filesystem::remove_all(path_, ignored);
  }
  data_directory(const data_directory&) = delete;
  data_directory& operator=(const data_directory&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  bool temporary_ = false;
};

/// Prints how the run ended; the exit code says whether it ended so.
inline int told(const perdure::result<perdure::run_info>& run, perdure::run_status expected) {
  if (!run) {
    std::fprintf(stderr, "%s\n", run.error().message.c_str());
    return 1;
  }
  std::printf("run %s %s, output %s\n", run->id.str().c_str(), std::string{to_string(run->status)}.c_str(),
              std::string{run->output.text()}.c_str());
  if (run->error) std::printf("  because: %s: %s\n", run->error->code.c_str(), run->error->message.c_str());
  return run->status == expected ? 0 : 1;
}

}  // namespace example
