// Files that are durable under their name, whole or not at all: temporary file, fsync, rename, fsync of the folder. All are
// their owner's alone (0600, folders 0700).
//
// Concurrency: any thread and process; of two that write the same file one is last.
// Errors: disk_full where there is no room, else io_error; they name the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "perdure/error.hpp"

namespace perdure::persistence {

/// The file has this text when it returns, whatever it had before. Its folder is there.
[[nodiscard]] result<void> put_file(const std::filesystem::path& path, std::string_view text);
/// What was made, renamed or removed in the folder stays so.
[[nodiscard]] result<void> sync_folder(const std::filesystem::path& path);
/// Makes the folder and those above it, each durably; one that is there stays as it is.
[[nodiscard]] result<void> make_folder(const std::filesystem::path& path);
/// So many random bytes that nobody else knows.
[[nodiscard]] result<std::string> random_key(std::size_t bytes = 32);
/// The same, kept in a file that is made when there is none. Of two that make it at once one
/// wins, and both get the same. corrupt: the file has another size.
[[nodiscard]] result<std::string> key_file(const std::filesystem::path& path, std::size_t bytes = 32);

}  // namespace perdure::persistence
