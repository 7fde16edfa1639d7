#include "flow/driver.hpp"

#include "core/assert.hpp"
#include "flow/activation_frame.hpp"

namespace perdure::flow {

namespace {

failure failure_of(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const step_error& error) {
    return error.why();
  } catch (const std::exception& error) {
    return {.code = std::string{failure_code::exception}, .message = error.what()};
  } catch (...) {
    return {.code = std::string{failure_code::exception}, .message = "an exception of unknown type"};
  }
}

}  // namespace

class driver::impl {
 public:
  impl(const detail::executor_factory& make, driver_input input) : make_(make), frame_(std::move(input)), context_(frame_) {}
  impl(const impl&) = delete;
  impl& operator=(const impl&) = delete;
  ~impl() { frame_.close(); }

  progress_report start(std::span<const core::history_item> history, std::span<const core::pending_step> pending) {
    PERDURE_ASSERT(!std::exchange(started_, true));
    if (auto problem = frame_.expected().fill(history, pending)) frame_.fail(failure_code::nondeterminism, std::move(*problem));
    using mode = activation_frame::log_mode;
    const auto& input = frame_.input();
    const bool fresh = history.empty() && pending.empty() && input.outputs_recorded == 0 && input.messages_emitted == 0;
    frame_.log_as(fresh ? mode::live : history.empty() ? mode::unsure : mode::silent);
    turn(input.began, [&] { begin(); });
    for (std::size_t i = 0; i < history.size() && !failed(); ++i) {
      if (i + 1 == history.size()) frame_.log_as(mode::unsure);
      take(history[i]);
    }
    for (const auto& step : pending) {
      if (!failed() && step.ordinal >= frame_.issued()) not_issued("", step.ordinal, step.kind, step.name);
    }
    frame_.log_as(mode::live);
    auto out = report();
    frame_.expected().clear();
    return out;
  }

  progress_report feed(const core::history_item& item) {
    PERDURE_ASSERT(started_);
    if (ended()) return {};
    take(item);
    return report();
  }

  [[nodiscard]] bool ended() const { return finished_ || failed(); }
  [[nodiscard]] activation_frame& frame() { return frame_; }
  [[nodiscard]] const activation_frame& frame() const { return frame_; }

 private:
  [[nodiscard]] bool failed() const { return thrown_ || frame_.failed(); }

  /// Makes the executor and runs its handler up to the first step it waits for.
  void begin() {
    if (frame_.failed()) return;
    try {
      executor_ = std::exchange(make_, nullptr)();
      if (!executor_) throw std::runtime_error("the factory of executor \"" + frame_.executor() + "\" gave no object");
      auto task = executor_->dispatch(frame_.input().message, frame_.input().value, context_);
      if (task) {
        root_ = std::move(*task);
        if (root_.handle()) root_.handle().resume();
      } else {
        thrown_ = failure{.code = std::string{failure_code::bad_message}, .message = task.error().message};
      }
    } catch (...) {
      thrown_ = failure_of(std::current_exception());
    }
  }

  template <class F>
  void turn(timestamp at, F run) {
    frame_.begin_turn(at);
    run();
    if (finished_ || failed() || (root_.handle() && !root_.handle().done())) return;
    if (const auto error = root_.handle() ? root_.handle().promise().error : nullptr) {
      thrown_ = failure_of(error);
    } else {
      finished_ = true;
    }
  }

  void take(const core::history_item& item) {
    if (item.what == core::history_kind::cancel) {
      if (!finished_) turn(item.time, [&] { frame_.cancel(root_.handle()); });
    } else if (item.ordinal >= frame_.issued()) {
      not_issued("an outcome of ", item.ordinal, item.kind, item.name);
    } else if (!finished_) {
      turn(item.time, [&] { frame_.deliver(item.ordinal, item.result); });
    }
  }

  void not_issued(std::string_view what, step_ordinal ordinal, core::step_kind kind, std::string_view name) {
    frame_.fail(failure_code::nondeterminism, "the journal has " + std::string{what} + "step " + std::to_string(ordinal) + ": " +
                                                  step_text(kind, name) + "; the code now " + (finished_ ? "ends" : "waits") +
                                                  " after " + std::to_string(frame_.issued()) + " steps");
  }

  progress_report report() {
    progress_report out;
    frame_.collect(out);
    out.failed = frame_.failed() ? frame_.failed() : thrown_;
    out.finished = finished_ && !out.failed;
    if (out.failed) {
      out.issued.clear();
      out.asked.clear();
      out.cancelled.clear();
      if (out.failed->code == failure_code::nondeterminism) out.outputs.clear();
    }
    return out;
  }

  detail::executor_factory make_;
  activation_frame frame_;
  context context_;
  std::unique_ptr<detail::executor_base> executor_;
  task<> root_;  // goes before all that it uses
  bool started_ = false;
  bool finished_ = false;
  std::optional<failure> thrown_;  // out of the handler
};

driver::driver(const detail::executor_factory& make, driver_input input)
    : impl_(std::make_unique<impl>(make, std::move(input))) {}
driver::~driver() = default;

progress_report driver::start(std::span<const core::history_item> history, std::span<const core::pending_step> pending) {
  return impl_->start(history, pending);
}
progress_report driver::feed(const core::history_item& item) { return impl_->feed(item); }

const detail::step_request* driver::request(step_ordinal ordinal) const { return impl_->frame().request(ordinal); }
void driver::body_started(step_ordinal ordinal) { impl_->frame().body_started(ordinal); }
void driver::body_ended(step_ordinal ordinal) { impl_->frame().body_ended(ordinal); }
bool driver::ended() const { return impl_->ended(); }
std::uint32_t driver::attempt() const { return impl_->frame().attempt(); }

}  // namespace perdure::flow
