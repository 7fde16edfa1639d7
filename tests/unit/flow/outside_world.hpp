// The world outside of one activation, for tests of the driver: keeps what a run's state keeps (history, waiting steps,
// counts of outputs), runs bodies and answers waits, one at a time, and can crash at any point.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "flow/driver.hpp"

namespace perdure::test {

using namespace std::chrono_literals;

class script : public executor<json::value> {
 public:
  using function = std::function<task<>(const json::value&, context&)>;
  explicit script(function body) : body_(std::move(body)) {}
  task<> handle(const json::value& message, context& ctx) override { return body_(message, ctx); }

 private:
  function body_;  // holds the closure of a coroutine lambda as long as the coroutine lives
};

class body_call : public call_context {
 public:
  explicit body_call(std::string key) : key_(std::move(key)) {}
  std::string idempotency_key() const override { return key_; }
  std::stop_token stop_token() const override { return {}; }
  std::uint32_t attempt() const override { return 1; }
  void progress(std::uint64_t, std::uint64_t, std::string_view) override {}

 private:
  std::string key_;
};

inline bool has_body(core::step_kind kind) { return kind == core::step_kind::call || kind == core::step_kind::poll; }

/// A turn in words, to compare and to print.
inline std::string text_of(const flow::progress_report& report) {
  std::string out;
  for (const auto& each : report.issued) {
    out += "issue " + std::to_string(each.ordinal) + " " + std::string{boost::describe::enum_to_string(each.request.kind, "?")} +
           " " + each.request.name + "\n";
  }
  for (const auto each : report.cancelled) out += "cancel " + std::to_string(each) + "\n";
  for (const auto& each : report.outputs) {
    out += std::string{boost::describe::enum_to_string(each.kind, "?")} + " " + each.name + " " + std::string{each.value.text()} +
           "\n";
  }
  if (report.finished) out += "finished\n";
  if (report.failed) out += "failed " + report.failed->code + ": " + report.failed->message + "\n";
  return out;
}

class world {
 public:
  /// What the run's state has of the activation.
  struct state {
    std::vector<core::history_item> history;
    std::map<step_ordinal, core::pending_step> pending;
    std::uint32_t others = 0, messages = 0;
  };

  explicit world(script::function body, json::value message = nullptr)
      : world([body] { return std::make_unique<script>(body); }, "json", payload{message}) {}
  world(detail::executor_factory make, std::string name, payload message) : make_(std::move(make)) {
    input_ = {.run = *run_id::parse("0190a5d0-7b1c-7def-8123-456789abcdef"),
              .workflow = "w",
              .executor = "e",
              .activation = 1,
              .message = std::move(name),
              .value = std::move(message),
              .began = timestamp{1000s},
              .log = [this](std::string_view, std::string_view text) { logs.emplace_back(text); }};
  }

  world& start() {
    auto input = input_;
    input.outputs_recorded = now.others;
    input.messages_emitted = now.messages;
    driver = std::make_unique<flow::driver>(make_, std::move(input));
    std::vector<core::pending_step> pending;
    for (const auto& [ordinal, step] : now.pending) pending.push_back(step);
    bodies.clear();
    take(driver->start(now.history, pending));
    return *this;
  }
  /// Another process: nothing but the state is left.
  world& restart_from(state from) {
    now = std::move(from);
    finished = false;
    failed.reset();
    return start();
  }
  void use_code(script::function body) {
    make_ = [body] { return std::make_unique<script>(body); };
  }

  world& feed(core::history_item item) {
    item.time = input_.began + std::chrono::seconds{now.history.size() + 1};
    now.pending.erase(item.ordinal);
    bodies.erase(item.ordinal);
    if (item.what == core::history_kind::cancel) {
      now.pending.clear();
      bodies.clear();
    }
    now.history.push_back(item);
    before.push_back(now);
    take(driver->feed(item));
    return *this;
  }
  world& answer(step_ordinal ordinal, core::outcome with = {}) {
    core::history_item item{.ordinal = ordinal, .result = std::move(with)};
    if (const auto at = known.find(ordinal); at != known.end()) std::tie(item.kind, item.name) = at->second;
    return feed(std::move(item));
  }
  world& answer(step_ordinal ordinal, const json::value& with) { return answer(ordinal, core::outcome{payload{with}, {}}); }
  world& fail(step_ordinal ordinal, std::string code) {
    return answer(ordinal, core::outcome{{}, failure{.code = std::move(code), .message = "it failed"}});
  }
  world& cancel() { return feed({.what = core::history_kind::cancel}); }
  world& body(step_ordinal ordinal) { return answer(ordinal, run_body(ordinal)); }

  core::outcome run_body(step_ordinal ordinal) {
    const auto* request = driver->request(ordinal);
    driver->body_started(ordinal);
    core::outcome out;
    try {
      body_call with{"key/" + std::to_string(ordinal)};
      out.value = request->body(with).value;
    } catch (const step_error& error) {
      out.error = error.why();
    } catch (const std::exception& error) {
      out.error = failure{.code = "exception", .message = error.what()};
    }
    driver->body_ended(ordinal);
    return out;
  }

  /// Answers the oldest that waits: a body is run, a sleep ends, the rest gets null. False: nothing waits.
  bool next() {
    if (finished || failed || (now.pending.empty() && bodies.empty())) return false;
    if (!bodies.empty() && (now.pending.empty() || *bodies.begin() < now.pending.begin()->first)) {
      body(*bodies.begin());
    } else {
      answer(now.pending.begin()->first);
    }
    return true;
  }
  world& run() {
    while (next()) {
    }
    return *this;
  }

  std::unique_ptr<flow::driver> driver;
  state now;
  std::vector<state> before;   ///< the state as each outcome was recorded, before its turn
  std::vector<state> after{};  ///< after each turn, the first from start()
  std::vector<std::string> turns;
  std::vector<std::string> logs;
  std::vector<core::output> outputs;
  std::set<step_ordinal> bodies;  ///< to be run
  std::map<step_ordinal, std::pair<core::step_kind, std::string>> known;
  std::vector<core::asked_request> asked;  ///< in the last turn
  std::string last;
  bool finished = false;
  std::optional<failure> failed;

 private:
  void take(const flow::progress_report& report) {
    for (const auto& each : report.issued) {
      known[each.ordinal] = {each.request.kind, each.request.name};
      if (has_body(each.request.kind)) {
        bodies.insert(each.ordinal);
      } else {
        now.pending[each.ordinal] = {
            .ordinal = each.ordinal, .kind = each.request.kind, .name = each.request.name, .args = each.request.args};
      }
    }
    for (const auto each : report.cancelled) {
      now.pending.erase(each);
      bodies.erase(each);
    }
    for (const auto& each : report.outputs) {
      const bool sent = each.kind == core::output_kind::message || each.kind == core::output_kind::output;
      ++(sent ? now.messages : now.others);
      outputs.push_back(each);
    }
    finished = report.finished;
    failed = report.failed;
    asked = report.asked;
    last = text_of(report);
    turns.push_back(last);
    after.push_back(now);
  }

  detail::executor_factory make_;
  flow::driver_input input_;
};

}  // namespace perdure::test
