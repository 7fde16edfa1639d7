// Long runs: an activation that has taken many steps ends between two tasks, and the next one goes on from there. So what a
// replay needs stays small however long a loop is.
//
// Operation: before a task of a list begins, the tasks around it are written down (their inputs, the turn of a loop, the attempt
// of a try); the new activation walks back into them without telling of them again. Limitations: not inside of a fork, of an
// extension, of a function of a catalog, or of the tasks for one event or message: there more is going on than one path through
// the document.
#include <algorithm>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

/// Steps after which an activation hands over; fewer than limits::activation_steps, since some steps are not counted, and what
/// goes on elsewhere cannot hand over.
constexpr std::uint32_t steps_of_an_activation = 4'000;
/// The same for what steps gave.
constexpr std::size_t bytes_of_an_activation = 32U << 20;
/// Steps until it is tried again when there was too much to hand over.
constexpr std::uint32_t steps_until_another_try = 500;
/// What stands beside the values.
constexpr std::size_t room_bytes = 1U << 20;
static_assert(steps_of_an_activation * 4 < limits::activation_steps);
static_assert(bytes_of_an_activation > limits::payload_bytes + room_bytes);

std::int64_t micros(timestamp at) { return at.time_since_epoch().count(); }
timestamp time_at(std::int64_t micros) { return timestamp{duration{micros}}; }

std::optional<std::int64_t> micros(const std::optional<timestamp>& at) { return at ? std::optional{micros(*at)} : std::nullopt; }
std::optional<timestamp> time_at(const std::optional<std::int64_t>& micros) {
  return micros ? std::optional{time_at(*micros)} : std::nullopt;
}

}  // namespace

/// The values of a point, each once.
struct interpreter::value_table {
  std::vector<data_ptr> all;
  std::size_t bytes = 0;  ///< as they are stored, inside of strings

  std::uint32_t place_of(const data_ptr& what) {
    const auto known = std::find(all.begin(), all.end(), what);
    if (known == all.end()) {
      const auto text = what->stored().text();
      const auto escaped = std::count_if(text.begin(), text.end(), [](char each) { return each == '"' || each == '\\'; });
      all.push_back(what);
      bytes += text.size() + static_cast<std::size_t>(escaped);
      return static_cast<std::uint32_t>(all.size() - 1);
    }
    return static_cast<std::uint32_t>(known - all.begin());
  }
};

bool interpreter::is_hand_over_due(const surroundings& around) {
  if (around.stays || records_all_ || !orphans_.empty() || ctx_->is_cancelled()) return false;
  const bool many = steps_ >= std::max(steps_of_an_activation, next_hand_over_);
  const bool much = step_bytes_ >= bytes_of_an_activation && steps_ >= next_hand_over_;
  return (many || much) && ctx_->version("perdure.hands_over", 1, 2) == 2;
}

std::optional<resume_point> interpreter::point_before(std::size_t place, const data_ptr& input, const surroundings& around) {
  try {
    value_table values;
    auto out = describe_point(place, input, around, values);
    if (values.bytes + room_bytes <= limits::payload_bytes) {
      for (const auto& each : values.all) out.values.emplace_back(each->stored().text());
      return out;
    }
  } catch (const step_error&) {
    // Items of a loop that no JSON text can hold.
  }
  next_hand_over_ = steps_ + steps_until_another_try;
  return std::nullopt;
}

resume_point interpreter::describe_point(std::size_t place, const data_ptr& input, const surroundings& around,
                                         value_table& values) const {
  resume_point out;
  out.input = values.place_of(workflow_input_);
  out.context = values.place_of(context_);
  out.started_us = micros(started_);
  out.limit_us = limit_.count();
  out.due_us = micros(due_);
  out.scopes = scopes_;
  out.place = static_cast<std::uint32_t>(place);
  out.value = values.place_of(input);
  for (const auto* each = around.within; each != nullptr; each = each->around.within) {
    resumed_task task{
        .place = static_cast<std::uint32_t>(each->place), .number = each->number, .started_us = micros(each->started)};
    task.raw = values.place_of(each->raw_input);
    task.input = values.place_of(each->input);
    task.limit_us = each->limit.count();
    task.due_us = micros(each->due);
    for (const auto* extension : each->extensions)
      task.extensions.push_back(static_cast<std::uint32_t>(extension - document_->extensions.data()));
    task.turn = each->turn;
    if (each->items) {
      const auto& all = each->items->value().get_array();
      task.items = values.place_of(
          make_data(json::array(all.begin() + static_cast<std::ptrdiff_t>(each->turn - each->first_turn), all.end())));
    }
    task.attempt = each->attempt;
    task.first_us = micros(each->first_attempt);
    task.attempt_due_us = micros(each->attempt_due);
    if (each->error) task.error = values.place_of(each->error);
    out.tasks.push_back(std::move(task));
  }
  std::reverse(out.tasks.begin(), out.tasks.end());
  return out;
}

async<> interpreter::handle(const resume_point& from, context& ctx) {
  ctx_ = &ctx;
  resumed_ = std::make_unique<resumption>();
  resumed_->from = &from;
  for (const auto& each : from.values) resumed_->values.push_back(std::make_shared<const data>(payload::trusted(each)));
  const auto value = [&](std::uint32_t place) { return resumed_->values.at(place); };
  started_ = time_at(from.started_us);
  limit_ = duration{from.limit_us};
  due_ = time_at(from.due_us);
  scopes_ = from.scopes;
  workflow_input_ = value(from.input);
  context_ = value(from.context);
  auto work = carry_out();
  co_await work;
}

const resumed_task* interpreter::next_resumed() {
  if (!resumed_ || resumed_->depth == resumed_->from->tasks.size()) return nullptr;
  return &resumed_->from->tasks[resumed_->depth++];
}

/// The task is as it was, its number and what was told of it included.
void interpreter::restore(running& now, const resumed_task& from) {
  const auto value = [&](std::uint32_t place) { return resumed_->values.at(place); };
  now.resumes = true;
  now.number = from.number;
  now.started = time_at(from.started_us);
  now.raw_input = value(from.raw);
  now.input = value(from.input);
  now.limit = duration{from.limit_us};
  now.due = time_at(from.due_us);
  for (const auto each : from.extensions) now.extensions.push_back(&document_->extensions.at(each));
  now.turn = from.turn;
  now.first_turn = from.turn;
  if (from.items) now.items = value(*from.items);
  now.attempt = from.attempt;
  now.first_attempt = time_at(from.first_us);
  now.attempt_due = time_at(from.attempt_due_us);
  if (from.error) now.error = value(*from.error);
  open_.emplace(now.number, open_scope{now.what->name, now.what->reference, now.around.scope, now.around.attempt});
}

}  // namespace perdure::dsl
