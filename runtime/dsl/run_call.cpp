// Tasks that run other tasks: functions of the document, other workflows, and extensions around a task.
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

/// A function of a catalog is read for each call, so a run sees what was there when it called.
async<std::shared_ptr<const dsl::task>> interpreter::fetch_function(running& now, const function_task& body) {
  auto where = address_of(*body.source, now.input, &now);
  const auto from = co_await where;
  auto reading = read_resource("function", from, now.what->reference);
  const auto text = co_await reading;
  auto& known = kept_->fetched[now.what->reference + "\n" + text];
  if (!known) {
    auto read = dsl::read_function(text, from.url, body.function, now.what->reference, {.policy = document_->policy});
    if (const auto* problems = std::get_if<std::vector<problem>>(&read)) {
      std::string all;
      for (const auto& each : *problems) all += (all.empty() ? "" : "; ") + each.str();
      throw step_error(make_error("configuration", std::move(all), now.what->reference));
    }
    known = std::get<std::shared_ptr<const dsl::task>>(read);
  }
  co_return known;
}

async<interpreter::given> interpreter::run_function(running& now, const function_task& body) {
  if (now.around.calls >= limits::function_depth) {
    throw step_error(make_error(
        "runtime",
        "functions call each other more than function_depth = " + std::to_string(limits::function_depth) + " levels deep",
        now.what->reference));
  }
  auto input = now.input;
  if (body.arguments && !now.resumes) {
    auto evaluated = evaluate("with", program(*body.arguments), now.input, &now, now.around.variables);
    input = co_await evaluated;
  }
  // A function knows what it was called with, and nothing of where.
  auto inside = now.inside(nullptr);
  ++inside.calls;
  std::shared_ptr<const dsl::task> function;
  if (body.source) {
    inside.stays = true;
    auto fetched = fetch_function(now, body);
    function = co_await fetched;
  } else {
    function = document_->functions.at(body.function);
  }
  auto work = run_task(*function, std::move(input), inside, 0, now.resumes ? next_resumed() : nullptr);
  auto next = co_await work;
  given out;
  out.value = std::move(next.value);
  out.ends = next.then.where == flow::kind::end;
  co_return out;
}

namespace {

/// What a child's failure is for the one that waited for it: the child's own error, told from here.
failure failure_of_child(failure why, const std::string& reference) {
  if (why.code != failure_code::child_failed || why.causes.empty() || why.causes.front().type.empty()) return why;
  auto out = why.causes.front();
  out.message = why.message;
  out.instance = reference;
  out.executor.clear();
  out.attempt = 0;
  return out;
}

}  // namespace

async<interpreter::given> interpreter::run_subflow(running& now, const subflow_task& body) {
  auto input = make_data(json::object{});
  if (body.input) {
    auto evaluated = evaluate("input", program(*body.input), now.input, &now, now.around.variables);
    input = co_await evaluated;
  }
  const auto close = body.awaits ? parent_close::cancel : parent_close::abandon;
  json::object args{{"workflow", body.workflow},
                    {"message", message_name<json::value>},
                    {"input", input->value()},
                    {"close", static_cast<int>(close)},
                    {"await", false},
                    {"timeout_us", 0},
                    {"task", now.number}};
  if (!body.version.empty()) args.emplace("version", body.version);
  note_step();
  step<child> start{ctx_->frame(),
                    {.kind = detail::step_kind::child, .name = now.what->name, .args = payload{json::value(std::move(args))}}};
  const auto begun = co_await start;
  given out;
  out.value = now.input;
  if (!body.awaits) co_return out;
  open_.at(now.number).child = begun.run_id;
  std::optional<failure> failed;
  try {
    step<json::value> end{ctx_->frame(),
                          {.kind = detail::step_kind::child_result,
                           .name = "child",
                           .args = payload{json::value{{"run", begun.run_id}, {"task", now.number}}}}};
    auto value = co_await end;
    out.value = make_data(body.gives_output ? std::move(value) : json::value{});
  } catch (const step_error& e) {
    failed = failure_of_child(e.why(), now.what->reference);
  }
  open_.at(now.number).child.clear();
  if (failed) detail::throw_failure(std::move(*failed));
  co_return out;
}

bool interpreter::is_extended(const running& now) const {
  if (document_->extensions.empty()) return false;
  const auto* around = now.around.extended;
  return around == nullptr || around->around.extended == nullptr;
}

/// The extensions that apply to the task: of one inside an extension, those that extend extensions.
async<std::vector<const extension*>> interpreter::extensions_of(running& now) {
  std::vector<const extension*> out;
  const bool of_extension = now.around.extended != nullptr;
  running seen = now;
  seen.around.extended = &now;
  for (const auto& each : document_->extensions) {
    const bool fits = of_extension ? each.extends == task_kind::extension : !each.extends || each.extends == now.what->kind;
    if (!fits) continue;
    if (each.when) {
      auto condition = is_true("when", each.when, now.input, &seen, now.around.variables);
      const bool holds = co_await condition;
      if (!holds) continue;
    }
    out.push_back(&each);
  }
  co_return out;
}

/// What takes the task's place: a list that was left by "exit" gives the output, one left by "end" ends the workflow.
async<std::optional<interpreter::given>> interpreter::run_before(running& now, const std::vector<const extension*>& by) {
  auto inside = now.inside();
  inside.extended = &now;
  inside.stays = true;
  for (const auto* each : by) {
    auto tasks = run_list(each->before, now.input, inside);
    auto done = co_await tasks;
    if (done.exited || done.ends) co_return done;
  }
  co_return std::nullopt;
}

async<interpreter::given> interpreter::run_after(running& now, const std::vector<const extension*>& by) {
  auto inside = now.inside();
  inside.extended = &now;
  inside.stays = true;
  given out;
  for (const auto* each : by) {
    auto tasks = run_list(each->after, now.output, inside);
    out = co_await tasks;
    if (out.ends) break;
  }
  co_return out;
}

}  // namespace perdure::dsl
