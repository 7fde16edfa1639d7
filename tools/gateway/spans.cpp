#include "tools/gateway/spans.hpp"

#include <openssl/rand.h>

#include "core/json_text.hpp"
#include "core/trace.hpp"
#include "tools/gateway/answers.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t span_id_chars = 16;

/// Of a run that came without a trace: its id is as long as that of a trace.
std::string trace_of(const run_id& run) {
  std::string out;
  for (const auto c : run.str()) {
    if (c != '-') out += c;
  }
  return out;
}

std::string run_span(const run_id& run) { return core::span_id_of(run.str()); }
std::string executor_span(const run_id& run, activation_id activation) {
  return core::span_id_of(run.str() + "/" + std::to_string(activation));
}

std::string_view name_of(detail::step_kind kind) {
  const auto* name = boost::describe::enum_to_string(kind, "step");
  return name;
}

json::object attribute(std::string_view key, std::string_view value) {
  return {{"key", key}, {"value", json::object{{"stringValue", core::valid_utf8(value)}}}};
}

/// The protocol has 64-bit integers as texts.
std::string nanoseconds(timestamp at) {
  return std::to_string(std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count());
}

}  // namespace

std::string fresh_traceparent() {
  std::string bytes(16, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) return {};
  bytes.back() = static_cast<char>(bytes.back() | 1);  // not nought
  core::digest whole{};
  std::copy(bytes.begin(), bytes.end(), whole.begin());
  const auto id = core::to_hex(whole).substr(0, 2 * bytes.size());
  return "00-" + id + "-" + id.substr(id.size() - span_id_chars) + "-01";
}

struct span_maker::one_event {
  std::unordered_map<run_id, run_facts>& runs;
  std::size_t most;
  const core::record& at;
  std::vector<span>& out;

  run_facts* known() const {
    const auto found = runs.find(at.run);
    return found == runs.end() ? nullptr : &found->second;
  }
  span made(const run_facts& of, std::string id, std::string parent, std::string name, timestamp began) const {
    return {.trace = of.trace,
            .id = std::move(id),
            .parent = std::move(parent),
            .name = std::move(name),
            .began = std::min(began, at.time),
            .ended = at.time,
            .attributes = {{"perdure.run", at.run.str()}, {"perdure.workflow", of.workflow}}};
  }
  void begin(run_facts& of, const core::scheduled& what) const { of.executors[what.id] = {what.executor, at.time, at.time, {}}; }

  void end_step(const run_facts& of, activation_id activation, const executor_facts& in, step_ordinal ordinal,
                const step_facts& step, const core::outcome& result) const {
    const auto key = at.run.str() + "/" + in.name + "/" + std::to_string(activation) + "/" + std::to_string(ordinal);
    auto span = made(of, core::span_id_of(key), executor_span(at.run, activation),
                     step.name.empty() ? std::string{name_of(step.kind)} : step.name, step.began);
    span.attributes.emplace_back("perdure.step", name_of(step.kind));
    span.attributes.emplace_back("perdure.executor", in.name);
    if (const auto& why = result.error) {
      span.failed = true;
      span.message = why->message;
    }
    out.push_back(std::move(span));
  }
  void end_executor(run_facts& of, activation_id activation, const failure* why) const {
    const auto found = of.executors.find(activation);
    if (found == of.executors.end()) return;
    auto span = made(of, executor_span(at.run, activation), of.id, found->second.name, found->second.began);
    span.attributes.emplace_back("perdure.activation", std::to_string(activation));
    if (why != nullptr) {
      span.failed = true;
      span.message = why->message;
    }
    out.push_back(std::move(span));
    of.executors.erase(found);
  }

  void operator()(const core::run_started& what) const {
    if (runs.size() >= most) return;
    run_facts facts;
    facts.id = run_span(at.run);
    facts.trace = trace_of(at.run);
    if (core::is_traceparent(what.trace)) {
      if (what.trace.back() != '1' && what.trace.back() != '3') return;  // whoever asked wants it not to be sampled
      facts.trace = core::trace_id_of(what.trace);
      facts.parent = core::parent_id_of(what.trace);
      if (facts.trace.ends_with(facts.parent)) facts.parent.clear();
    }
    if (what.parent) facts.parent = run_span(what.parent->run);
    facts.workflow = what.workflow;
    facts.version = what.version;
    facts.tenant = what.tenant;
    facts.began = at.time;
    facts.executors[1] = {what.start, at.time, at.time, {}};
    runs.emplace(at.run, std::move(facts));
  }
  void operator()(const core::turn& what) const {
    auto* of = known();
    if (of == nullptr) return;
    if (const auto in = of->executors.find(what.activation); in != of->executors.end()) {
      for (const auto& step : what.done) {
        const auto issued = in->second.steps.find(step.ordinal);
        // A body is recorded when it is done: it began when the handler was last seen.
        const auto began = issued == in->second.steps.end() ? in->second.last : issued->second.began;
        end_step(*of, what.activation, in->second, step.ordinal, {step.kind, step.name, began}, step.result);
        in->second.steps.erase(step.ordinal);
      }
      for (const auto& step : what.issued) in->second.steps[step.ordinal] = {step.kind, step.name, at.time};
      for (const auto gone : what.cancelled) in->second.steps.erase(gone);
      in->second.last = at.time;
    }
    for (const auto& next : what.activations) begin(*of, next);
    if (what.finished) end_executor(*of, what.activation, nullptr);
  }
  void operator()(const core::step_completed& what) const {
    auto* of = known();
    if (of == nullptr) return;
    const auto in = of->executors.find(what.activation);
    if (in == of->executors.end()) return;
    if (const auto step = in->second.steps.find(what.ordinal); step != in->second.steps.end()) {
      end_step(*of, what.activation, in->second, what.ordinal, step->second, what.result);
      in->second.steps.erase(step);
    }
    in->second.last = at.time;
  }
  void operator()(const core::step_retrying& what) const {
    auto* of = known();
    if (of == nullptr) return;
    if (const auto in = of->executors.find(what.activation); in != of->executors.end())
      in->second.steps.try_emplace(what.ordinal, step_facts{what.step, what.name, in->second.last});
  }
  void operator()(const core::attempt_failed& what) const {
    auto* of = known();
    if (of == nullptr) return;
    if (!what.retry_at) return end_executor(*of, what.activation, &what.error);
    // The next attempt does them again.
    if (const auto in = of->executors.find(what.activation); in != of->executors.end()) in->second.steps.clear();
  }
  void operator()(const core::compensation_started& what) const {
    if (auto* of = known()) begin(*of, what.what);
  }
  void operator()(const core::job_noted& what) const {
    if (auto* of = known()) of->jobs.emplace(what.number, at.time);
  }
  void operator()(const core::job_ended& what) const {
    auto* of = known();
    if (of == nullptr) return;
    const auto began = of->jobs.find(what.number);
    const auto number = std::to_string(what.number);
    auto span = made(*of, core::span_id_of(at.run.str() + "/job/" + number), of->id, "job " + number,
                     began == of->jobs.end() ? at.time : began->second);
    span.attributes.emplace_back("perdure.job.status", boost::describe::enum_to_string(what.end.status, "?"));
    if (const auto& why = what.end.error) {
      span.failed = true;
      span.message = why->message;
    }
    out.push_back(std::move(span));
    of->jobs.erase(what.number);
  }
  void operator()(const core::run_ended& what) const {
    auto* of = known();
    if (of == nullptr) return;
    while (!of->executors.empty()) end_executor(*of, of->executors.begin()->first, nullptr);
    auto span = made(*of, of->id, of->parent, of->workflow, of->began);
    span.attributes.emplace_back("perdure.version", of->version);
    if (!of->tenant.empty()) span.attributes.emplace_back("perdure.tenant", of->tenant);
    span.attributes.emplace_back("perdure.status", to_string(what.status));
    if (what.error) {
      span.failed = true;
      span.message = what.error->message;
    }
    out.push_back(std::move(span));
    runs.erase(at.run);
  }
  template <class T>
  void operator()(const T&) const {}
};

void span_maker::visit(const core::record& at, const core::event& what, std::vector<span>& out) {
  std::visit(one_event{runs_, most_runs_, at, out}, what);
}

void span_maker::take(const core::record& at, const core::event& what, std::vector<span>& out) {
  if (at.seq > 1 && !runs_.contains(at.run)) catch_up(at);
  visit(at, what, out);
  const bool has_none =
      core::kind_of(what) == core::event_kind::run_started || core::kind_of(what) == core::event_kind::run_ended;
  if (has_none && !runs_.contains(at.run)) pass_over(at.run);
}

/// Its spans so far were told by whoever saw their events.
void span_maker::catch_up(const core::record& before) {
  if (!history_ || runs_.size() >= most_runs_ || passed_over_.contains(before.run)) return;
  std::vector<span> told;
  history_(before.run, [&](const core::record& at, const core::event& what) {
    if (at.seq >= before.seq) return false;
    visit(at, what, told);
    told.clear();
    return true;
  });
  if (!runs_.contains(before.run)) pass_over(before.run);
}

/// Of runs that have ended a few more events may come; they are forgotten after a while.
void span_maker::pass_over(const run_id& run) {
  if (passed_over_.size() >= most_runs_) passed_over_.clear();
  passed_over_.insert(run);
}

std::string otlp_json(const std::vector<span>& spans, const std::string& service) {
  json::array list;
  for (const auto& each : spans) {
    json::array attributes;
    for (const auto& [key, value] : each.attributes) attributes.push_back(attribute(key, value));
    json::object status{{"code", each.failed ? 2 : 1}};
    if (!each.message.empty()) status.emplace("message", core::valid_utf8(each.message));
    json::object one{{"traceId", each.trace},
                     {"spanId", each.id},
                     {"name", core::valid_utf8(each.name)},
                     {"kind", 1},
                     {"startTimeUnixNano", nanoseconds(each.began)},
                     {"endTimeUnixNano", nanoseconds(each.ended)},
                     {"attributes", std::move(attributes)},
                     {"status", std::move(status)}};
    if (!each.parent.empty()) one.emplace("parentSpanId", each.parent);
    list.push_back(std::move(one));
  }
  json::array resource;
  resource.push_back(attribute("service.name", service));
  json::array scopes;
  scopes.push_back(json::object{{"scope", json::object{{"name", "perdure"}}}, {"spans", std::move(list)}});
  json::array resources;
  resources.push_back(
      json::object{{"resource", json::object{{"attributes", std::move(resource)}}}, {"scopeSpans", std::move(scopes)}});
  return json_text(json::object{{"resourceSpans", std::move(resources)}});
}

}  // namespace perdure::tools::gateway
