// attach: `run --key` while another process holds the directory, and with it carries out the run that the key began.
#pragma once

#include <optional>
#include <string>

#include "perdure/payload.hpp"
#include "tools/cli/command.hpp"

namespace perdure::tools::cli {

struct attach_command {
  common_options common;
  std::string key;
  bool follow = false;
  std::string workflow, definition_hash;  ///< of the document that is given
  payload input;
};

/// Waits for the key's run as `runs wait` does (when its process goes, the run goes on in this one) and prints its outcome;
/// the exit code. Another document or input under the key is an error. Empty: the key began no run that is stored yet, or there
/// is no node to ask.
[[nodiscard]] std::optional<int> attach_to_holder(const attach_command& how);

}  // namespace perdure::tools::cli
