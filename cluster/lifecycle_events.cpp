#include "cluster/lifecycle_events.hpp"

#include "core/resume_message.hpp"
#include "perdure/limits.hpp"
#include "perdure/time.hpp"

namespace perdure::cluster {

namespace {

constexpr std::string_view prefix = "io.serverlessworkflow.";

/// The error as the DSL describes errors.
json::object error_of(const failure& why) {
  json::object out{
      {"type", why.type.empty() ? json::value("https://serverlessworkflow.io/spec/1.0.0/errors/runtime") : json::value(why.type)},
      {"status", why.status == 0 ? 500 : why.status}};
  if (!why.title.empty()) out.emplace("title", why.title);
  if (!why.message.empty()) out.emplace("detail", why.message);
  if (!why.instance.empty()) out.emplace("instance", why.instance);
  return out;
}

/// An event is small: outputs that do not even stand in the journal's records are left out.
json::object with_output(const payload& value) {
  json::object out;
  if (!value.is_null() && value.size() <= limits::inline_payload_bytes) out.emplace("output", value.value());
  return out;
}

/// "correlation-started" → "startedAt".
std::string time_name(std::string_view change) {
  const auto dash = change.rfind('-');
  return std::string{change.substr(dash == std::string_view::npos ? 0 : dash + 1)} + "At";
}

class teller {
 public:
  teller(const core::record& stored, const lifecycle_subject& of)
      : run_(stored.run.str()), seq_(std::to_string(stored.seq)), time_(to_string(stored.time)) {
    const auto slash = of.workflow.rfind('/');
    space_ = slash == std::string::npos ? "default" : of.workflow.substr(0, slash);
    name_ = slash == std::string::npos ? of.workflow : of.workflow.substr(slash + 1);
    qualified_ = name_ + "-" + run_ + "." + space_;
    version_ = of.version;
  }

  void workflow(std::string_view change, json::object more = {}) {
    json::object data{{"name", qualified_}};
    if (change == "started") {
      data.emplace("definition", json::object{{"name", name_}, {"namespace", space_}, {"version", version_}});
    }
    add("workflow.", change, qualified_, std::move(data), std::move(more));
  }
  void task(std::string_view change, const std::string& reference, json::object more = {}) {
    json::object data{{"workflow", qualified_}, {"task", reference}};
    add("task.", change, reference, std::move(data), std::move(more));
  }
  std::vector<json::object> take() { return std::move(out_); }

 private:
  void add(std::string_view about, std::string_view change, const std::string& subject, json::object data, json::object more) {
    data.emplace(time_name(change), time_);
    for (auto& [key, value] : more) data.emplace(key, std::move(value));
    out_.push_back({{"specversion", "1.0"},
                    {"id", run_ + "/" + seq_ + "/" + std::to_string(out_.size())},
                    {"source", "urn:perdure:run:" + run_},
                    {"type", std::string{prefix}.append(about).append(change) + ".v1"},
                    {"subject", subject},
                    {"time", time_},
                    {"datacontenttype", "application/json"},
                    {"data", std::move(data)}});
  }

  std::string run_, seq_, time_, space_, name_, qualified_, version_;
  std::vector<json::object> out_;
};

void tell_scope(teller& to, const core::output& what) {
  if (what.kind == core::output_kind::scope_start) {
    to.task(what.attempt > 1 ? "retried" : "created", what.reference);
    to.task("started", what.reference);
  } else if (what.kind == core::output_kind::scope_end) {
    if (!what.error) {
      to.task("completed", what.reference, with_output(what.value));
    } else if (what.error->code == failure_code::cancelled) {
      to.task("cancelled", what.reference);
    } else {
      to.task("faulted", what.reference, {{"error", error_of(*what.error)}});
    }
  }
}

/// A task that listens begins and ends its subscription with a message to the node's event run.
void tell_correlation(teller& to, const core::step_issued& step) {
  if (step.kind != core::step_kind::tell) return;
  const auto args = step.args.value();
  const auto* message = args.is_object() ? args.get_object().if_contains("value") : nullptr;
  if (message == nullptr || !message->is_object()) return;
  if (message->get_object().contains("subscribe")) to.workflow("correlation-started");
  const auto* keys = message->get_object().if_contains("correlated");
  if (keys == nullptr || !keys->is_object()) return;
  json::object more;
  if (!keys->get_object().empty()) more.emplace("correlationKeys", *keys);
  to.workflow("correlation-completed", std::move(more));
}

void tell_end(teller& to, const core::run_ended& what, const std::vector<std::string>& open) {
  for (const auto& each : open) to.task("cancelled", each);
  if (what.status == run_status::succeeded) {
    to.workflow("completed", with_output(what.output));
  } else if (what.status == run_status::cancelled) {
    to.workflow("cancelled");
  } else if (what.status != run_status::continued_as_new) {
    to.workflow("faulted", {{"error", error_of(what.error ? *what.error : failure{})}});
  }
}

}  // namespace

void open_tasks::learn(const core::event& what) {
  if (const auto* failed = std::get_if<core::attempt_failed>(&what)) {
    std::erase_if(open_, [&](const auto& each) { return each.first.first == failed->activation; });
  }
  const auto* turn = std::get_if<core::turn>(&what);
  if (turn == nullptr) return;
  for (const auto& each : turn->outputs) {
    if (each.kind == core::output_kind::scope_start) open_[{turn->activation, each.number}] = each.reference;
    if (each.kind == core::output_kind::scope_end) open_.erase({turn->activation, each.number});
  }
  for (const auto& each : turn->activations) {
    if (each.message == core::resume_message) hand_over(turn->activation, each.id);
  }
}

/// Another activation goes on with the document.
void open_tasks::hand_over(activation_id from, activation_id to) {
  for (auto at = open_.lower_bound({from, 0}); at != open_.end() && at->first.first == from;) {
    auto moved = open_.extract(at++);
    moved.key().first = to;
    open_.insert(std::move(moved));
  }
}

std::vector<std::string> open_tasks::list() const {
  std::vector<std::string> out;
  for (const auto& [number, reference] : open_) out.push_back(reference);
  return out;
}

bool may_tell(core::event_kind kind) {
  using enum core::event_kind;
  return kind == run_started || kind == turn || kind == run_paused || kind == run_resumed || kind == run_ended ||
         kind == run_restored;
}

bool concerns_open_tasks(const core::event& what) {
  const auto* end = std::get_if<core::run_ended>(&what);
  return std::holds_alternative<core::run_paused>(what) || std::holds_alternative<core::run_resumed>(what) ||
         (end != nullptr && end->status != run_status::succeeded);
}

std::vector<json::object> lifecycle_events(const core::record& stored, const core::event& what, const lifecycle_subject& of,
                                           const std::vector<std::string>& open) {
  teller out{stored, of};
  if (std::holds_alternative<core::run_started>(what) || std::holds_alternative<core::run_restored>(what)) {
    out.workflow("started");
  } else if (const auto* turn = std::get_if<core::turn>(&what)) {
    for (const auto& each : turn->outputs) tell_scope(out, each);
    for (const auto& each : turn->issued) tell_correlation(out, each);
  } else if (std::holds_alternative<core::run_paused>(what)) {
    for (const auto& each : open) out.task("suspended", each);
    out.workflow("suspended");
  } else if (std::holds_alternative<core::run_resumed>(what)) {
    out.workflow("resumed");
    for (const auto& each : open) out.task("resumed", each);
  } else if (const auto* end = std::get_if<core::run_ended>(&what)) {
    tell_end(out, *end, open);
  }
  return out.take();
}

}  // namespace perdure::cluster
