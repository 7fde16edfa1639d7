// Strands: the concurrent branches of an activation, and the frames of cancelled ones that bodies still use.
//
// Operation: strands form a tree; a retired strand's coroutine is destroyed as soon as no body that the strand or one
// of its descendants started is running.
#pragma once

#include <coroutine>
#include <vector>

#include "perdure/detail/frame.hpp"

namespace perdure::flow {

class strand_table {
 public:
  using strand_id = detail::strand_id;
  static constexpr strand_id root = 0;

  strand_id open(strand_id parent);
  /// `strand` is `ancestor` or was opened below it.
  [[nodiscard]] bool descends(strand_id strand, strand_id ancestor) const noexcept;

  /// Destroys the coroutine now, or when its last body has ended.
  void retire(strand_id strand, std::coroutine_handle<> coroutine) noexcept;
  void body_started(step_ordinal ordinal, strand_id strand);
  void body_ended(step_ordinal ordinal) noexcept;
  /// Destroys what is left, inner strands first; from here on every retired coroutine goes at once.
  void close() noexcept;

 private:
  struct body {
    step_ordinal ordinal;
    strand_id strand;
  };
  struct retired {
    strand_id strand;
    std::coroutine_handle<> coroutine;
  };
  [[nodiscard]] bool busy(strand_id strand) const noexcept;

  std::vector<strand_id> parents_{root};
  std::vector<body> bodies_;
  std::vector<retired> retired_;
  bool closed_ = false;
};

}  // namespace perdure::flow
