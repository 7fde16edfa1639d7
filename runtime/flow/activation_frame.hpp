// activation_frame: the engine's side of a handler's coroutine. Numbers steps, keeps the waiting ones, collects what a
// turn did.
//
// Operation: the coroutine calls detail::frame; the driver calls deliver / cancel and takes the turn's report.
// Concurrency: that of the driver.
// Limitations: after a failure (nondeterminism, a limit) every step blocks for ever; the driver then ends the attempt.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "core/counter_random.hpp"
#include "flow/driver.hpp"
#include "flow/expected_steps.hpp"
#include "flow/strand_table.hpp"

namespace perdure::flow {

class activation_frame final : public detail::frame {
 public:
  explicit activation_frame(driver_input input);
  ~activation_frame() override;

  // For the driver:
  [[nodiscard]] const driver_input& input() const { return input_; }
  [[nodiscard]] expected_steps& expected() { return expected_; }
  /// While replaying, log() is silent; `unsure` keeps the texts until it is known whether the turn was recorded.
  enum class log_mode : std::uint8_t { silent, unsure, live };
  void log_as(log_mode mode);
  /// Before each run of the coroutine.
  void begin_turn(timestamp at);
  /// Resumes the coroutine that waits for the step. False: the step was never issued.
  bool deliver(step_ordinal ordinal, const detail::outcome& result);
  /// Every waiting step fails with "cancelled", in the order of their numbers. Stops when the handler has ended.
  void cancel(std::coroutine_handle<> handler);
  void fail(std::string_view code, std::string message);
  [[nodiscard]] const std::optional<failure>& failed() const { return failed_; }
  [[nodiscard]] step_ordinal issued() const { return next_; }
  /// Moves what was done since the last call into the report.
  void collect(progress_report& into);
  [[nodiscard]] const detail::step_request* request(step_ordinal ordinal) const;
  void body_started(step_ordinal ordinal);
  void body_ended(step_ordinal ordinal) noexcept { strands_.body_ended(ordinal); }
  /// The coroutines are about to be destroyed.
  void close() noexcept { strands_.close(); }

  // detail::frame:
  bool issue(detail::step_request request, detail::step_waiter& waiter) override;
  void abandon(detail::step_waiter& waiter) noexcept override;
  void emit(detail::output what) override;
  void log(std::string_view level, std::string_view text) override;
  [[nodiscard]] timestamp now() const override { return now_; }
  [[nodiscard]] std::uint64_t random(detail::random_use use) override;
  [[nodiscard]] std::uint32_t version(std::string_view change, std::uint32_t oldest, std::uint32_t newest) override;
  [[nodiscard]] bool cancelled() const override { return cancelled_; }
  [[nodiscard]] run_id run() const override { return input_.run; }
  [[nodiscard]] activation_id activation() const override { return input_.activation; }
  [[nodiscard]] std::uint32_t attempt() const override { return input_.attempt; }
  [[nodiscard]] const std::string& executor() const override { return input_.executor; }
  [[nodiscard]] const std::string& workflow() const override { return input_.workflow; }
  [[nodiscard]] detail::strand_id open_strand() override { return strands_.open(current_); }
  [[nodiscard]] detail::strand_id current_strand() const override { return current_; }
  void enter_strand(detail::strand_id strand) noexcept override { current_ = strand; }
  void retire_strand(detail::strand_id strand, std::coroutine_handle<> coroutine) noexcept override;

 private:
  struct waiting {
    step_ordinal ordinal = 0;
    detail::strand_id strand = 0;
    bool recorded = false;  ///< the journal has it, or it was in an earlier report
    bool reported = false;
    detail::step_waiter* waiter = nullptr;
    detail::step_request request;
  };
  using slot = std::unique_ptr<waiting>;

  [[nodiscard]] std::vector<slot>::iterator find(step_ordinal ordinal);
  [[nodiscard]] slot take_slot();
  void release(std::vector<slot>::iterator at) noexcept;
  void drop(std::vector<slot>::iterator at) noexcept;
  void resume(std::vector<slot>::iterator at, const detail::outcome& result);
  [[nodiscard]] std::optional<failure> refusal(const detail::step_request& request) const;
  [[nodiscard]] bool reported_before(detail::output_kind kind);
  [[nodiscard]] bool turn_is_recorded() const;

  driver_input input_;
  timestamp now_;
  core::counter_stream random_;
  std::array<std::uint32_t, 2> draws_{};  ///< by use, since the last step was issued
  bool cancelled_ = false;
  std::optional<failure> failed_;

  step_ordinal next_ = 0;
  std::vector<slot> waiting_;          ///< by ordinal
  std::vector<slot> free_;             ///< for reuse: a request is large
  std::vector<step_ordinal> dropped_;  ///< of this turn
  strand_table strands_;
  detail::strand_id current_ = strand_table::root;
  expected_steps expected_;

  std::vector<core::output> outputs_;  ///< of this turn
  std::size_t output_bytes_ = 0;       ///< of the turn, recorded ones too
  std::uint32_t messages_ = 0;         ///< produced so far, recorded ones too
  std::uint32_t others_ = 0;

  std::map<std::string, std::uint32_t, std::less<>> versions_;  ///< taken so far in this attempt

  log_mode log_mode_ = log_mode::live;
  bool turn_recorded_ = false;  ///< the turn did something that the journal has already
  std::vector<std::pair<std::string, std::string>> unsure_logs_;
};

}  // namespace perdure::flow
