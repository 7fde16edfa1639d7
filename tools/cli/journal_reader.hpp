// Reads a journal in a process of its own: a damaged page of LMDB's file, or a file that is cut off, ends whoever reads it.
#pragma once

#include <functional>

#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

/// Runs `read` in a child process and gives its exit code; `damaged` tells when the journal's file ended the child. Before this
/// process has other threads.
[[nodiscard]] int read_apart(const std::function<int()>& read, const std::function<int()>& damaged);
/// The same; a damaged file is told as any error is.
[[nodiscard]] int read_apart(const common_options& how, const std::function<int()>& read);

/// What is said of a file that ended its reader.
[[nodiscard]] std::string damaged_file(const std::filesystem::path& data);

}  // namespace perdure::tools::cli
