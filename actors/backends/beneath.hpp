// Opens files beneath a folder and nowhere else: no "..", no absolute path, no symbolic link on the way, nothing but regular
// files at its end.
#pragma once

#include <string>

#include "actors/capabilities/fd.hpp"
#include "perdure/error.hpp"

namespace perdure::actors {

/// invalid_argument: the name leads elsewhere, or not to a regular file. not_found.
[[nodiscard]] result<unique_fd> open_beneath(int folder, const std::string& name);
/// Makes the folders on the way, and a new file; as open_beneath.
[[nodiscard]] result<unique_fd> create_beneath(int folder, const std::string& name);
/// Whether a name is one of a file beneath: relative, without empty parts, "." and "..", without NUL.
[[nodiscard]] bool is_plain_name(const std::string& name);

}  // namespace perdure::actors
