// Files that clients hand in: what stands for their paths in runs, and the paths where an effect needs them.
//
// Operation: a run only ever sees a mark, "{{perdure-file:TENANT/SHA256:MAC}}". `with_files` puts a capability behind a door: on
// the way in marks become paths, on the way out those paths become marks again. So journal, events and answers hold no path of
// the server. The MAC says that this directory made the mark: whoever can write data cannot make one for a file of others.
// Concurrency: any thread.
// Limitations: whether the file is still there is found out by whoever opens it.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "actors/capabilities/capability.hpp"
#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::actors {

class file_marks {
 public:
  /// 32 bytes that nobody else knows; asked for once, when a file is used first.
  using find_key = std::function<result<std::string>()>;
  file_marks(std::filesystem::path folder, find_key key) : folder_(std::move(folder)), key_of_(std::move(key)) {}

  /// io_error.
  [[nodiscard]] result<std::string> mark_of(std::string_view tenant, std::string_view sha256);

  /// A path that was put in, and its mark.
  struct used {
    std::string path, mark;
  };
  [[nodiscard]] static bool has_mark(std::string_view text);
  /// Puts paths in the place of marks in all strings; foreign ones stay as they are. io_error.
  [[nodiscard]] result<void> put_in(json::value& value, std::vector<used>& in_use);
  static void take_out(std::string& text, const std::vector<used>& in_use);
  static void take_out(json::value& value, const std::vector<used>& in_use);

 private:
  [[nodiscard]] result<std::string> mac_of(std::string_view place);
  [[nodiscard]] result<void> put_in_text(std::string& text, std::vector<used>& in_use);

  const std::filesystem::path folder_;
  const find_key key_of_;
  std::mutex mutex_;
  std::string key_;
};

/// A job's spec with paths in it. io_error.
[[nodiscard]] result<payload> with_paths(file_marks& marks, const payload& spec);

[[nodiscard]] std::shared_ptr<capability> with_files(std::shared_ptr<file_marks> marks, std::shared_ptr<capability> inner);

}  // namespace perdure::actors
