// event_text: a run's events as people read them in a test's failure, and which patterns they fit.
#pragma once

#include <string>
#include <vector>

#include "perdure/testing.hpp"

namespace perdure::testing {

struct told_event {
  std::string kind, executor;
  std::vector<std::string> steps;  ///< names of those that it issues, ends, retries or resumes
  std::string text;
};
[[nodiscard]] std::vector<told_event> tell(const std::vector<run_event>& events);
[[nodiscard]] bool fits(const event_pattern& wanted, const told_event& found);
/// `turn "trainer", step "submit"`; "any event" when it is empty.
[[nodiscard]] std::string text_of(const event_pattern& wanted);

/// The lines, numbered from 1, the one at `marked` with an arrow.
[[nodiscard]] std::string numbered_lines(const std::vector<std::string>& lines,
                                         std::size_t marked = static_cast<std::size_t>(-1));

}  // namespace perdure::testing
