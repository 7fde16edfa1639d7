// Tells a run's events to a view, as the journal would.
#pragma once

#include "core/event_json.hpp"
#include "tools/view/run_view.hpp"

namespace perdure::test {

inline payload json_payload(std::string_view text) { return payload::parse_text(text).value(); }

struct teller {
  run_id run = run_id::make();
  run_seq seq = 0;
  timestamp now{std::chrono::hours{24 * 20'000}};
  core::executor_names names;
  tools::run_view view;

  run_event event(const core::event& what) {
    now += std::chrono::seconds{1};
    const core::record stored{.kind = core::kind_of(what), .run = run, .seq = ++seq, .time = now, .lsn = seq + 100};
    return core::to_run_event(stored, what, names);
  }
  void operator()(const core::event& what) { view.add(event(what)); }
  void start(std::string executor = "first") {
    (*this)(core::run_started{
        .workflow = "work", .version = "1.0.0", .input = json_payload("{\"n\":1}"), .start = std::move(executor), .key = "k"});
  }
  [[nodiscard]] tools::executor_view executor(std::size_t index) const { return view.executors().at(index); }
};

}  // namespace perdure::test
