// A document run without an engine: the activation driver, a virtual clock, real shells. Steps end one at a time, in
// the order bodies, processes, then the earliest timer.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "core/resume_message.hpp"
#include "documents.hpp"
#include "dsl/interpreter.hpp"
#include "flow/definition.hpp"
#include "flow/driver.hpp"
#include "perdure/json.hpp"

namespace perdure::test {

using namespace std::chrono_literals;

/// What the outside answers to steps that are no processes: other capabilities, children, messages to runs, signals. Empty =
/// not yet.
using outside = std::function<std::optional<core::outcome>(const core::pending_step&)>;

/// Secrets "known" and "user" {name, password}; what stands for them is plain here.
class told_secrets : public dsl::secret_host {
 public:
  result<json::value> stand_in(const std::string& workflow, const std::string& name) override {
    if (name == "known") return json::value("<known of " + workflow + ">");
    if (name == "user") return json::value{{"username", "<name>"}, {"password", "<word>"}};
    return error{errc::not_found, "there is no secret \"" + name + "\" here"};
  }
};

class document_world {
 public:
  /// `old`: the journal is one of a build that made a step of every `set`, and said nothing of it.
  explicit document_world(std::string_view text, json::value input = nullptr, outside answers = {},
                          std::shared_ptr<dsl::resource_host> files = nullptr, bool old = false)
      : workflow_(*dsl::make_workflow(read_valid(text),
                                      {.files = files, .secrets = std::make_shared<told_secrets>(), .catalog = files})),
        answers_(std::move(answers)), old_(old) {
    input_ = {.run = *run_id::parse("0190a5d0-7b1c-7def-8123-456789abcdef"),
              .workflow = workflow_.name(),
              .executor = "e",
              .activation = 1,
              .message = "json",
              .value = payload{input},
              .began = timestamp{1'000'000s}};
    clock = began_ = input_.began;
    if (old_) input_.versions["perdure.set_is_no_step"] = 1;
    start();
    if (old_) input_.versions.clear();
  }

  /// Runs to the end. `crash_every`: after so many steps the process dies and starts again; 0 = never.
  document_world& run(std::size_t crash_every = 0) {
    std::size_t steps = 0;
    while (!over() && next()) {
      if (crash_every != 0 && ++steps % crash_every == 0 && !over()) start();
    }
    return *this;
  }
  document_world& cancel() {
    feed({.what = core::history_kind::cancel});
    return *this;
  }
  [[nodiscard]] bool over() const { return finished || failed; }
  /// The process dies and starts again.
  void crash() { start(); }

  /// Ends one step. False: nothing waits.
  bool next() {
    for (const auto& [ordinal, step] : pending_) {
      if (bodies_.contains(ordinal)) {
        complete(ordinal, run_body(ordinal));
        return true;
      }
    }
    for (const auto& [ordinal, step] : pending_) {
      const auto value = step.kind == core::step_kind::capability ? step.args.value() : json::value{};
      if (!value.is_object() || value.at("capability") != "process") continue;
      const auto spec = from_json<process_spec>(value.at("spec"));
      processes.push_back(*spec);
      complete(ordinal, {payload{to_json(run_process(*spec))}, {}});
      return true;
    }
    for (const auto& [ordinal, step] : pending_) {
      const bool foreign = step.kind == core::step_kind::capability || step.kind == core::step_kind::child ||
                           step.kind == core::step_kind::child_result || step.kind == core::step_kind::tell ||
                           step.kind == core::step_kind::signal;
      if (!foreign || !answers_) continue;
      if (auto answer = answers_(step)) {
        complete(ordinal, std::move(*answer));
        return true;
      }
    }
    const auto* first = static_cast<const core::pending_step*>(nullptr);
    for (const auto& [ordinal, step] : pending_) {
      if (step.due && (first == nullptr || *step.due < *first->due)) first = &step;
    }
    if (first == nullptr) return false;
    clock = std::max(clock, *first->due);
    complete(first->ordinal, {});
    return true;
  }

  /// "start a 1 {…}", "end a 1 {…}", "fail a 1 code": what was announced of tasks, in order.
  [[nodiscard]] std::vector<std::string> scopes() const {
    std::vector<std::string> out;
    for (const auto& each : outputs) {
      if (each.kind == core::output_kind::scope_start) {
        out.push_back("start " + each.name + " " + std::to_string(each.attempt) + " " + std::string{each.value.text()});
      } else if (each.kind == core::output_kind::scope_end) {
        out.push_back((each.error ? "fail " : "end ") + each.name + " " + std::to_string(each.attempt) + " " +
                      (each.error ? each.error->code : std::string{each.value.text()}));
      }
    }
    return out;
  }

  std::optional<json::value> result;
  std::optional<failure> failed;
  bool finished = false;
  timestamp clock;
  std::vector<core::output> outputs;
  std::vector<process_spec> processes;
  std::size_t recorded_steps = 0;
  std::uint32_t activations = 1;
  std::size_t largest_turn = 0;  ///< bytes that one record tells

  [[nodiscard]] duration elapsed() const { return clock - began_; }
  /// What a replay needs: outcomes of steps, and the bytes of their values.
  [[nodiscard]] std::size_t kept_bytes() const {
    std::size_t out = history_.size() * sizeof(core::history_item);
    for (const auto& each : history_) out += each.result.value.size();
    return out;
  }

 private:
  class body_call : public call_context {
   public:
    std::string idempotency_key() const override { return "key"; }
    std::stop_token stop_token() const override { return {}; }
    std::uint32_t attempt() const override { return 1; }
    void progress(std::uint64_t, std::uint64_t, std::string_view) override {}
  };

  void start() {
    auto input = input_;
    input.outputs_recorded = others_;
    input.messages_emitted = messages_;
    driver_ = std::make_unique<flow::driver>(workflow_.definition().factories[0], std::move(input));
    std::vector<core::pending_step> waiting;
    for (const auto& [ordinal, step] : pending_) {
      if (!bodies_.contains(ordinal)) waiting.push_back(step);
    }
    take(driver_->start(history_, waiting));
  }
  void feed(core::history_item item) {
    item.time = clock;
    history_.push_back(item);
    take(driver_->feed(item));
  }
  void complete(step_ordinal ordinal, core::outcome result) {
    const auto step = pending_.at(ordinal);
    pending_.erase(ordinal);
    bodies_.erase(ordinal);
    ++recorded_steps;
    feed({.ordinal = ordinal, .kind = step.kind, .name = step.name, .result = std::move(result)});
  }
  core::outcome run_body(step_ordinal ordinal) {
    driver_->body_started(ordinal);
    core::outcome out;
    body_call with;
    try {
      out.value = driver_->request(ordinal)->body(with).value;
    } catch (const step_error& e) {
      out.error = e.why();
    }
    driver_->body_ended(ordinal);
    return out;
  }
  void take(const flow::progress_report& report) {
    for (const auto& each : report.issued) {
      core::pending_step step{
          .ordinal = each.ordinal, .kind = each.request.kind, .name = each.request.name, .args = each.request.args};
      if (each.request.delay) step.due = clock + *each.request.delay;
      if (each.request.kind == core::step_kind::call) bodies_.insert(each.ordinal);
      pending_.emplace(each.ordinal, std::move(step));
    }
    for (const auto each : report.cancelled) {
      pending_.erase(each);
      bodies_.erase(each);
    }
    std::size_t told = 0;
    for (const auto& each : report.outputs) {
      told += each.value.size() + each.name.size() + each.reference.size();
      largest_turn = std::max(largest_turn, told);
      if (each.kind == core::output_kind::version) {
        if (!old_) ++others_;
        if (!old_) input_.versions[each.name] = each.number;
        continue;
      }
      if (each.kind == core::output_kind::message && each.name == core::resume_message) {
        next_ = each.value;
        continue;
      }
      const bool sent = each.kind == core::output_kind::message || each.kind == core::output_kind::output;
      ++(sent ? messages_ : others_);
      outputs.push_back(each);
      if (each.kind == core::output_kind::output) result = each.value.value();
    }
    finished = report.finished;
    failed = report.failed;
    if (finished && next_) go_on();
  }
  /// The next activation of a document that handed over.
  void go_on() {
    REQUIRE(input_.activation == activations);
    input_.activation = ++activations;
    input_.message = core::resume_message;
    input_.value = *std::exchange(next_, std::nullopt);
    input_.began = clock;
    input_.versions.clear();
    history_.clear();
    pending_.clear();
    bodies_.clear();
    others_ = messages_ = 0;
    finished = false;
    start();
  }

  static process_result run_process(const process_spec& spec) {
    int in[2], out[2], err[2];
    REQUIRE((::pipe(in) == 0 && ::pipe(out) == 0 && ::pipe(err) == 0));
    const auto child = ::fork();
    if (child == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      for (const int fd : {in[0], in[1], out[0], out[1], err[0], err[1]}) ::close(fd);
      for (const auto& [key, value] : spec.environment) ::setenv(key.c_str(), value.c_str(), 1);
      std::vector<char*> arguments{const_cast<char*>(spec.program.c_str())};
      for (const auto& each : spec.arguments) arguments.push_back(const_cast<char*>(each.c_str()));
      arguments.push_back(nullptr);
      ::execvp(spec.program.c_str(), arguments.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    ::close(err[1]);
    const auto text = spec.input.value_or("");
    REQUIRE(::write(in[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    ::close(in[1]);
    const auto read_all = [](int fd) {
      std::string all;
      char part[4096];
      for (ssize_t got = 0; (got = ::read(fd, part, sizeof part)) > 0;) all.append(part, static_cast<std::size_t>(got));
      ::close(fd);
      return all;
    };
    process_result result;
    result.output = read_all(out[0]);
    result.error = read_all(err[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    result.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
  }

  workflow workflow_;
  outside answers_;
  flow::driver_input input_;
  std::unique_ptr<flow::driver> driver_;
  std::vector<core::history_item> history_;
  std::map<step_ordinal, core::pending_step> pending_;
  std::set<step_ordinal> bodies_;
  std::uint32_t others_ = 0, messages_ = 0;
  std::optional<payload> next_;  ///< what the activation that ends hands over
  timestamp began_;              ///< the run
  bool old_ = false;
};

/// Runs the document without a crash and with one after every step; both must tell the same.
inline document_world run_document(std::string_view rest, const json::value& input = nullptr, const outside& answers = {},
                                   const std::shared_ptr<dsl::resource_host>& files = nullptr) {
  const auto text = header + std::string{rest};
  document_world calm{text, input, answers, files};
  calm.run();
  document_world shaken{text, input, answers, files};
  shaken.run(1);
  CHECK(shaken.result == calm.result);
  CHECK(shaken.scopes() == calm.scopes());
  CHECK(shaken.failed == calm.failed);
  CHECK(shaken.elapsed() == calm.elapsed());
  CHECK(shaken.processes.size() == calm.processes.size());
  if (calm.failed) UNSCOPED_INFO(calm.failed->code + ": " + calm.failed->message);
  CHECK(calm.over());
  return calm;
}

/// The result of a run that succeeds.
inline json::value result_of(std::string_view rest, const json::value& input = nullptr) {
  const auto done = run_document(rest, input);
  REQUIRE(done.finished);
  REQUIRE(done.result);
  return *done.result;
}

}  // namespace perdure::test
