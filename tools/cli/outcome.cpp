#include "tools/cli/outcome.hpp"

namespace perdure::tools::cli {

result<run_view> outcome_of(client& from, const run_id& run) {
  const auto known = from.summary(run);
  if (!known || !is_terminal(known->status)) return view_of(from, run);
  run_view out;
  const auto take = [&](const run_event& event) {
    out.add(event);
    return false;
  };
  for (const auto after : {run_seq{0}, known->seq - 1}) {
    if (!from.stored(run, after, take)) return view_of(from, run);  // it says what is wrong
  }
  return out.ended() ? result<run_view>{std::move(out)} : view_of(from, run);
}

}  // namespace perdure::tools::cli
