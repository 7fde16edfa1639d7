// The capability "process": runs a program as a perdure::process_spec says and gives a perdure::process_result.
//
// Failures have the code "process": the program could not be started, ended with a code other than 0 (when the spec says
// `check`), or its end is unknown; "cancelled" when it was stopped, "limit" when too many wait already.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "actors/capabilities/capability.hpp"
#include "actors/capabilities/spawner.hpp"
#include "perdure/context.hpp"

namespace perdure::actors {

class process_capability : public capability {
 public:
  /// The spawner may be shared with other capabilities; stop_all stops all that it runs. PATH, HOME and LANG are read here, once.
  explicit process_capability(std::shared_ptr<spawner> children);

  void start(capability_request request) override;
  /// A spec that is read already; request.spec is not looked at.
  virtual void run(capability_request request, process_spec spec);
  /// The path of a program in a directory of PATH; empty = there is none.
  [[nodiscard]] std::string find(const std::string& program) const;
  void stop_all() override;

 private:
  std::shared_ptr<spawner> children_;
  std::map<std::string, std::string> base_environment_;
};

/// What a program's end is for the step that asked for it.
[[nodiscard]] core::outcome outcome_of(const process_spec& spec, const child_end& end);

/// Text of bytes that a program wrote: what is not UTF-8 becomes U+FFFD, and what does not fit (as text, or as JSON
/// text) is left out at a character's border and counted. `goes_on`: the bytes are the start of more, which may cut the
/// last character.
struct captured_text {
  std::string text;
  std::uint64_t cut_bytes = 0;  ///< of the input
};
[[nodiscard]] captured_text to_text(std::string_view bytes, bool goes_on, std::size_t limit_bytes, std::size_t limit_json_bytes);

}  // namespace perdure::actors
