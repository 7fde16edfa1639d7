// answer_checks: which answers the open requests of a run take, as far as its attempts have said it.
//
// Operation: an attempt says with its reports which requests it waits with, live and when it is replayed, and for each how an
// answer is checked (the handler's type makes the function). Nothing of it is stored, so nothing of it is in any record.
// Concurrency: that of the run.
// Limitations: a question that moved along with a run that continued as new is checked once the new run asks it.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "core/decide.hpp"
#include "flow/definition.hpp"

namespace perdure::flow {

class answer_checks {
 public:
  /// What an attempt said, after the run has taken its report.
  void note(const core::run_state& state, activation_id activation, std::uint32_t attempt,
            const std::vector<core::asked_request>& asked);
  /// Whether the request takes the answer: invalid_argument says what does not fit. Nothing: no attempt has said it yet.
  /// Answers that are for no open request of an activation (duplicates, say) are fine here: decide() knows them.
  [[nodiscard]] std::optional<result<void>> judge(const core::run_state& state, const core::respond_command& what) const;

 private:
  struct of_attempt {
    std::uint32_t attempt = 0;
    std::map<step_ordinal, detail::answer_check> checks;
  };
  std::map<activation_id, of_attempt> known_;
};

/// What an attempt would say of the requests that the activation waits with: its handler is replayed up to there and let go.
/// For a run whose attempts do not go on (a paused one that was read from the journal). All of them are in the result.
[[nodiscard]] std::vector<core::asked_request> asked_when_replayed(const detail::definition& of, const run_id& run,
                                                                   const core::activation& what);

/// The answer's error while the code that asks is not there.
[[nodiscard]] error nobody_to_ask(const core::run_state& state);

}  // namespace perdure::flow
