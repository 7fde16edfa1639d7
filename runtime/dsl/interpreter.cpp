#include "dsl/interpreter.hpp"

#include <algorithm>
#include <array>

#include "core/stand_in.hpp"
#include "dsl/document.hpp"
#include "flow/definition.hpp"
#include "perdure/workflow.hpp"

namespace perdure::dsl {

namespace {

/// A sleep that bounds work, marked so that nobody takes it for a wait. Task 0: of the whole document.
step<void> time_limit(context& ctx, duration length, std::uint32_t task) {
  auto args = payload{json::value{{"task", task}, {"limit", true}}};
  return {ctx.frame(), {.kind = detail::step_kind::sleep, .name = "sleep", .args = std::move(args), .delay = length}};
}

}  // namespace

async<> interpreter::handle(const json::value& input, context& ctx) {
  ctx_ = &ctx;
  started_ = ctx.now();
  records_all_ = ctx.version("perdure.set_is_no_step", 1, 2) == 1;
  auto given = input;
  core::spoil_stand_ins(given);  // whoever starts a run must not get at the secrets of its document
  workflow_input_ = make_data(std::move(given));
  context_ = make_data(nullptr);
  auto work = carry_out();
  co_await work;
}

async<> interpreter::carry_out() {
  std::optional<failure> failed;
  data_ptr result;
  try {
    auto work = run_document();
    if (document_->timeout) {
      if (!due_) {
        auto measure = length_of(*document_->timeout, nullptr, nullptr);
        limit_ = co_await measure;
        due_ = ctx_->now() + limit_;
      }
      auto timer = time_limit(*ctx_, std::max(duration{0}, *due_ - ctx_->now()), 0);
      auto race = ctx_->when_any(work, timer);
      auto won = co_await race;
      if (won.index == 1) throw step_error(make_error("timeout", "the workflow took longer than " + to_human(limit_), "/"));
      result = std::move(*std::get<0>(won.values));
    } else {
      result = co_await work;
    }
  } catch (const handed_over& next) {
    ctx_->send(next.to);
    co_return;
  } catch (const step_error& e) {
    failed = e.why();
  }
  if (failed) end_scopes_within(0, *failed);
  try {
    auto closed = close_connections();
    co_await closed;
  } catch (const step_error&) {
    // What is left is closed when nobody has asked it for a while.
  }
  if (failed) {
    auto end = as_error(std::move(*failed), "/", document_->name, 0);
    if (end.type.empty() && end.code == failure_code::limit) {
      // No task could catch it; those who read the error find a type of the specification all the same.
      const auto known = make_error("runtime", {}, "/");
      end.type = known.type;
      end.status = known.status;
      end.title = known.title;
    }
    detail::throw_failure(std::move(end));
  }
  ctx_->yield_output(result->value());
}

async<data_ptr> interpreter::run_document() {
  auto data = workflow_input_;
  if (document_->input_schema && !resumed_) {
    auto checked = check_schema("the workflow's input", *document_->input_schema, data, nullptr);
    co_await checked;
  }
  if (document_->input_from && !resumed_) {
    auto evaluated = evaluate("input", program(*document_->input_from), data, nullptr, nullptr);
    data = co_await evaluated;
  }
  if (!resumed_) context_ = data;
  const surroundings around;
  auto tasks = run_list(document_->tasks, data, around);
  auto last = co_await tasks;
  data = std::move(last.value);
  if (document_->output_as) {
    auto evaluated = evaluate("output", program(*document_->output_as), data, nullptr, nullptr);
    data = co_await evaluated;
  }
  if (document_->output_schema) {
    auto checked = check_schema("the workflow's output", *document_->output_schema, data, nullptr);
    co_await checked;
  }
  co_return data;
}

async<interpreter::given> interpreter::run_list(const task_list& tasks, data_ptr input, surroundings around) {
  given out;
  out.value = std::move(input);
  std::size_t at = 0;
  const auto* begun = next_resumed();
  if (begun != nullptr) {
    at = begun->place;
  } else if (const auto inmost = std::exchange(resumed_, nullptr)) {
    at = inmost->from->place;
    out.value = inmost->values.at(inmost->from->value);
  }
  while (at < tasks.size()) {
    if (begun == nullptr && is_hand_over_due(around)) {
      if (auto to = point_before(at, out.value, around)) throw handed_over{std::move(*to)};
    }
    auto one = run_task(*tasks[at], out.value, around, at, std::exchange(begun, nullptr));
    auto next = co_await one;
    out.value = std::move(next.value);
    switch (next.then.where) {
      case flow::kind::next: ++at; break;
      case flow::kind::jump: at = next.then.target; break;
      case flow::kind::exit: out.exited = true; co_return out;
      case flow::kind::end: out.ends = true; co_return out;
    }
  }
  co_return out;
}

bool interpreter::is_pause_due() {
  constexpr std::uint32_t pause_after = 64;
  constexpr std::size_t pause_after_bytes = 1U << 20;  // well below turn_output_bytes
  if (++idle_tasks_ > limits::idle_tasks) {
    throw step_error(failure{.code = std::string{failure_code::limit},
                             .message = "more than idle_tasks = " + std::to_string(limits::idle_tasks) +
                                        " tasks in a row that do nothing that takes time"});
  }
  return ++unpaused_ % pause_after == 0 || (!records_all_ && unpaused_bytes_ > pause_after_bytes);
}

/// Every coroutine that ends without having waited is deeper on the stack than the one before; a step takes it back.
async<> interpreter::pause() {
  unpaused_bytes_ = 0;
  ++steps_;
  auto nothing = [] {};
  auto step = ctx_->call("pause", nothing);
  co_await step;
}

async<interpreter::next_step> interpreter::run_task(const dsl::task& what, data_ptr raw, surroundings around, std::size_t place,
                                                    const resumed_task* begun) {
  running now;
  now.what = &what;
  now.around = around;
  now.place = place;
  if (begun != nullptr) {
    restore(now, *begun);  // before the next step: what it stands in is there until all tasks are entered again
  } else {
    if (is_pause_due()) {
      auto rest = pause();
      co_await rest;
    }
    now.started = ctx_->now();
    now.raw_input = now.input = raw;
  }
  next_step out;
  std::optional<failure> failed;
  try {
    if (what.condition && !now.resumes) {
      auto condition = is_true("if", what.condition, raw, &now, around.variables);
      const bool wanted = co_await condition;
      if (!wanted) {  // skipped: its input is its output, its "then" does not count
        out.value = std::move(raw);
        co_return out;
      }
    }
    auto stages = run_stages(now);
    auto done = co_await stages;
    out.value = done.value;
    out.then = done.then.value_or(what.then);
    if (done.ends) out.then = flow{flow::kind::end, 0, {}};
  } catch (const workflow_ended& ended) {
    end_scopes_within(now.number, failure{.code = std::string{failure_code::cancelled}, .message = "the workflow has ended"});
    out.value = ended.value;
    out.then = flow{flow::kind::end, 0, {}};
  } catch (const step_error& e) {
    failed = as_error(e.why(), what.reference, what.name, around.attempt);
  }
  if (now.number != 0) {
    if (failed) end_scopes_within(now.number, *failed);
    if (failed && around.failed != nullptr && *around.failed == 0) *around.failed = now.number;
    end_scope(now, failed ? nullptr : out.value, failed);
  }
  if (failed) detail::throw_failure(std::move(*failed));
  co_return out;
}

/// The input of a task, and what extensions do before it: they may take its place.
async<std::optional<interpreter::given>> interpreter::run_entry(running& now) {
  const auto& what = *now.what;
  std::optional<failure> failed;
  try {
    if (what.input_schema) {
      auto checked = check_schema("the task's input", *what.input_schema, now.raw_input, &now);
      co_await checked;
    }
    if (what.input_from) {
      auto evaluated = evaluate("input", program(*what.input_from), now.raw_input, &now, now.around.variables);
      now.input = co_await evaluated;
    }
  } catch (const step_error& e) {
    failed = e.why();
  }
  start_scope(now);
  if (failed) detail::throw_failure(std::move(*failed));
  std::optional<given> instead;
  if (is_extended(now)) {
    auto chosen = extensions_of(now);
    now.extensions = co_await chosen;
  }
  if (!now.extensions.empty()) {
    auto before = run_before(now, now.extensions);
    instead = co_await before;
  }
  co_return instead;
}

/// The data flow of one task: input, body, output, export.
async<interpreter::given> interpreter::run_stages(running& now) {
  const auto& what = *now.what;
  given done;
  std::optional<given> instead;
  if (!now.resumes) {
    auto entry = run_entry(now);
    instead = co_await entry;
  }
  if (instead) {
    done = std::move(*instead);
  } else if (what.timeout) {
    if (!now.due) {
      auto measure = length_of(*what.timeout, &now, now.around.variables);
      now.limit = co_await measure;
      now.due = ctx_->now() + now.limit;
    }
    auto work = run_within(now);
    done = co_await work;
  } else {
    auto work = run_body(now);
    done = co_await work;
  }
  if (done.ends) co_return done;
  now.raw_output = now.output = done.value;
  if (what.output_as) {
    auto evaluated = evaluate("output", program(*what.output_as), now.raw_output, &now, now.around.variables);
    now.output = co_await evaluated;
    done.value = now.output;
  }
  if (what.output_schema) {
    auto checked = check_schema("the task's output", *what.output_schema, now.output, &now);
    co_await checked;
  }
  if (what.export_as || what.export_schema) {
    auto exported = run_export(now, what.export_as, what.export_schema);
    co_await exported;
  }
  if (!instead && !now.extensions.empty()) {
    auto after = run_after(now, now.extensions);
    const auto ended = co_await after;
    if (ended.ends) co_return ended;
  }
  co_return done;
}

async<interpreter::given> interpreter::run_within(running& now) {
  auto work = run_body(now);
  auto timer = time_limit(*ctx_, std::max(duration{0}, *now.due - ctx_->now()), now.number);
  auto race = ctx_->when_any(work, timer);
  auto won = co_await race;
  note_step();
  if (won.index == 1) {
    auto late = make_error("timeout", "the task took longer than " + to_human(now.limit), now.what->reference);
    end_scopes_within(now.number, late);
    leave_orphans(open_.at(now.number));
    auto cancelled = cancel_orphans();
    co_await cancelled;
    throw step_error(std::move(late));
  }
  co_return std::move(*std::get<0>(won.values));
}

async<interpreter::given> interpreter::run_body(running& now) {
  struct start {
    interpreter& self;
    running& now;
    async<given> operator()(const do_task& body) const { return self.run_list(body.tasks, now.input, now.inside()); }
    async<given> operator()(const set_task& body) const { return self.run_set(now, body); }
    async<given> operator()(const wait_task& body) const { return self.run_wait(now, body); }
    async<given> operator()(const fork_task& body) const { return self.run_fork(now, body); }
    async<given> operator()(const for_task& body) const { return self.run_for(now, body); }
    async<given> operator()(const switch_task& body) const { return self.run_switch(now, body); }
    async<given> operator()(const try_task& body) const { return self.run_try(now, body); }
    async<given> operator()(const raise_task& body) const { return self.run_raise(now, body); }
    async<given> operator()(const process_task& body) const { return self.run_process(now, body); }
    async<given> operator()(const subflow_task& body) const { return self.run_subflow(now, body); }
    async<given> operator()(const function_task& body) const { return self.run_function(now, body); }
    async<given> operator()(const http_task& body) const { return self.run_http(now, body); }
    async<given> operator()(const openapi_task& body) const { return self.run_openapi(now, body); }
    async<given> operator()(const mcp_task& body) const { return self.run_mcp(now, body); }
    async<given> operator()(const a2a_task& body) const { return self.run_a2a(now, body); }
    async<given> operator()(const asyncapi_task& body) const { return self.run_asyncapi(now, body); }
    async<given> operator()(const grpc_task& body) const { return self.run_grpc(now, body); }
    async<given> operator()(const emit_task& body) const { return self.run_emit(now, body); }
    async<given> operator()(const listen_task& body) const { return self.run_listen(now, body); }
    async<given> operator()(const job_task& body) const { return self.run_job(now, body); }
    async<given> operator()(const request_task& body) const { return self.run_request(now, body); }
  };
  return std::visit(start{*this, now}, now.what->body);
}

/// Other branches may export while this one is evaluated: then it is evaluated again, so that no export is lost.
async<> interpreter::run_export(running& now, const std::optional<dynamic_value>& as, const std::optional<schema_rule>& schema) {
  while (true) {
    const auto version = context_version_;
    auto value = context_;
    if (as) {
      auto evaluated = evaluate("export", program(*as), now.output, &now, now.around.variables);
      value = co_await evaluated;
    }
    if (schema) {
      auto checked = check_schema("the exported context", *schema, value, &now);
      co_await checked;
    }
    if (version != context_version_) continue;
    context_ = std::move(value);
    ++context_version_;
    co_return;
  }
}

step<void> interpreter::sleep(duration length, std::uint32_t task) {
  return {ctx_->frame(),
          {.kind = detail::step_kind::sleep, .name = "sleep", .args = payload{json::value{{"task", task}}}, .delay = length}};
}

step<json::value> interpreter::next_signal(const std::string& name, std::uint32_t task) {
  return {ctx_->frame(), {.kind = detail::step_kind::signal, .name = name, .args = payload{json::value{{"task", task}}}}};
}

void interpreter::start_scope(running& now) {
  detail::output start{.kind = detail::output_kind::scope_start, .name = now.what->name, .reference = now.what->reference};
  start.value = now.input->stored();
  unpaused_bytes_ += start.value.size();
  now.number = ++scopes_;
  start.number = now.number;
  start.attempt = now.around.attempt;
  open_.emplace(now.number, open_scope{now.what->name, now.what->reference, now.around.scope, now.around.attempt});
  ctx_->frame().emit(std::move(start));
}

void interpreter::end_scope(running& now, const data_ptr& value, const std::optional<failure>& error) {
  detail::output end{.kind = detail::output_kind::scope_end, .name = now.what->name, .reference = now.what->reference};
  if (value) end.value = value->stored();
  unpaused_bytes_ += end.value.size();
  end.error = error;
  end.number = now.number;
  end.attempt = now.around.attempt;
  open_.erase(now.number);
  ctx_->frame().emit(std::move(end));
}

/// Tasks whose coroutines are gone cannot say so themselves: those of branches that lost, and those cut off by a timeout.
void interpreter::end_scopes_within(std::uint32_t number, const failure& why) {
  for (auto at = open_.rbegin(); at != open_.rend() && at->first > number;) {
    auto above = at->second.parent;
    while (above > number) {
      const auto parent = open_.find(above);
      above = parent == open_.end() ? 0 : parent->second.parent;
    }
    if (above != number) {
      ++at;
      continue;
    }
    detail::output end{.kind = detail::output_kind::scope_end, .name = at->second.name, .reference = at->second.reference};
    end.error = failure{
        .code = std::string{failure_code::cancelled}, .message = "cut off: " + why.message, .instance = at->second.reference};
    end.number = at->first;
    end.attempt = at->second.attempt;
    ctx_->frame().emit(std::move(end));
    leave_orphans(at->second);
    at = std::make_reverse_iterator(open_.erase(std::next(at).base()));
  }
}

void interpreter::leave_orphans(open_scope& of) {
  if (!of.child.empty()) orphans_.push_back({.run = std::exchange(of.child, {})});
  if (!of.subscription.empty()) orphans_.push_back({.subscription = std::exchange(of.subscription, {})});
  if (!of.connection.empty()) orphans_.push_back({.connection = std::exchange(of.connection, {})});
}

async<> interpreter::close_connections() {
  std::erase_if(orphans_, [](const auto& each) { return each.connection.empty(); });
  auto left = cancel_orphans();
  co_await left;
}

async<> interpreter::cancel_orphans() {
  while (!orphans_.empty()) {
    const auto left = std::move(orphans_.back());
    orphans_.pop_back();
    // A run may have ended meanwhile: then there is nobody to tell.
    try {
      if (!left.connection.empty()) {
        auto closed = perform("close", "websocket", left.connection);
        co_await closed;
      } else if (left.run.empty()) {
        auto ended = tell_broker({{"unsubscribe", json::value(left.subscription)}});
        co_await ended;
      } else {
        auto told = ctx_->cancel_run(left.run, "the task that waited for it was cut off");
        co_await told;
      }
    } catch (const step_error& e) {
      if (!can_be_caught(e.why())) throw;
    }
  }
}

result<workflow> make_workflow(const document& from, document_ports ports) {
  auto shared = std::make_shared<const document>(from);
  workflow_builder builder{workflow_name(from), from.version};
  builder.add_with(from.name, [shared, ports] { return std::make_unique<interpreter>(shared, ports); });
  builder.start_at(from.name);
  builder.edge(from.name, from.name).with_max_activations(limits::run_activations);  // one hands over to the next
  auto built = builder.try_build();
  if (!built) return built;
  // The graph is the same for every document; what tells them apart is the document.
  auto definition = std::make_shared<detail::definition>(built->definition());
  definition->plan.hash = from.hash;
  return workflow{std::move(definition)};
}

}  // namespace perdure::dsl
