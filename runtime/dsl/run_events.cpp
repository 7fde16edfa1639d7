// emit and listen: events between the runs of a node, through the run that the capability "events" names.
//
// Operation: a listener subscribes there before it waits, so that every event emitted after that reaches it, as a signal of
// its own; what the broker cannot decide (expressions, patterns, correlations) is asked here.
#include <algorithm>

#include "core/stand_in.hpp"
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

namespace {

constexpr std::string_view event_signal = "in";

/// Text with signs that a plain attribute hardly has may be meant as a regular expression.
bool may_be_pattern(std::string_view text) { return text.find_first_of("*+?[](){}|^$\\") != std::string_view::npos; }

/// What the broker can compare: attributes that are plain text.
json::object broker_filter(const event_filter& from) {
  json::object attributes;
  for (const auto& [name, value] : from.with) {
    const auto* fixed = name == "data" ? nullptr : value.constant();
    if (fixed == nullptr || !fixed->is_string()) continue;
    const auto& text = fixed->get_string();
    if (!may_be_pattern({text.data(), text.size()})) attributes.emplace(name, text);
  }
  return {{"attributes", std::move(attributes)}};
}

void add_filters(json::array& to, const event_strategy& from) {
  for (const auto& each : from.filters) to.push_back(broker_filter(each));
  if (from.until_events) add_filters(to, *from.until_events);
}

bool takes_everything(const event_strategy& from) {
  return from.filters.empty() || (from.until_events && from.until_events->filters.empty());
}

const json::value& member(const json::value& of, std::string_view name) {
  static const json::value none;
  const auto* members = of.if_object();
  const auto* found = members == nullptr ? nullptr : members->if_contains(name);
  return found == nullptr ? none : *found;
}

/// Compiled once: the pattern is a variable.
const expression_ptr& pattern_test() {
  static const auto made = expression::compile("type == \"string\" and test(\"^(?:\" + $pattern + \")$\")", {"pattern"}).value();
  return made;
}

}  // namespace

async<std::string> interpreter::event_broker() {
  auto asked = perform("events", "events", json::object{});
  const auto stored = co_await asked;
  co_return jq::text(member(stored.value(), "run"));
}

async<> interpreter::tell_broker(json::object message) {
  auto question = event_broker();
  const auto broker = co_await question;
  const json::value value(std::move(message));
  auto told = ctx_->signal_run(broker, event_signal, value);
  co_await told;
}

async<interpreter::given> interpreter::run_emit(running& now, const emit_task& body) {
  const bool gives_input = ctx_->version("perdure.emit_gives_its_event", 1, 2) == 1;
  auto evaluated = evaluate("event", program(body.event), now.input, &now, now.around.variables);
  const auto with = co_await evaluated;
  auto event = with->value().as_object();
  // What CloudEvents 1.0 wants of every event.
  const auto fill = [&](std::string_view name, const json::value& value) {
    auto& slot = event[name];
    if (slot.is_null()) slot = value;
  };
  fill("specversion", json::value("1.0"));
  fill("id", json::value(ctx_->uuid()));
  fill("time", json::value(perdure::to_string(ctx_->now())));
  if (event.contains("data")) fill("datacontenttype", json::value("application/json"));
  for (const auto* name : {"source", "type", "id", "time"}) {
    const auto& value = event[name];
    const std::string_view text = value.is_string() ? std::string_view{value.get_string()} : std::string_view{};
    if (!text.empty() && (std::string_view{name} != "time" || parse_timestamp(text))) continue;
    throw step_error(make_error("expression",
                                "an event's \"" + std::string{name} + "\" must be " +
                                    (std::string_view{name} == "time" ? "a timestamp" : "text") + ", found " + jq::excerpt(value),
                                now.what->reference));
  }
  given out;
  out.value = gives_input ? now.input : make_data(event);
  auto told = tell_broker({{"event", std::move(event)}});
  co_await told;
  co_return out;
}

/// One attribute of a filter: a value it must equal, a pattern it must match, or an expression about it.
async<bool> interpreter::fits_attribute(running& now, const std::string& name, const dynamic_value& wanted,
                                        const json::value& event) {
  const auto value = make_data(member(event, name));
  if (const auto* fixed = wanted.constant()) {
    if (jq::equal(*fixed, value->value())) co_return true;
    const bool pattern =
        name != "data" && fixed->is_string() && may_be_pattern({fixed->get_string().data(), fixed->get_string().size()});
    if (!pattern) co_return false;
    const auto scope = std::make_shared<const variable_scope>(variable_scope{now.around.variables, "pattern", make_data(*fixed)});
    auto matched = is_true("pattern", pattern_test(), value, &now, scope);
    const bool fits = co_await matched;
    co_return fits;
  }
  auto evaluated = evaluate("filter", program(wanted), value, &now, now.around.variables);
  const auto result = co_await evaluated;
  if (result->value().is_bool()) co_return result->value().get_bool();
  co_return jq::equal(result->value(), value->value());
}

/// `keys` has the values that correlations have fixed so far; it is changed only when the event fits.
async<bool> interpreter::fits_filter(running& now, const event_filter& filter, data_ptr event, json::object& keys) {
  for (const auto& [name, wanted] : filter.with) {
    auto asked = fits_attribute(now, name, wanted, event->value());
    const bool fits = co_await asked;
    if (!fits) co_return false;
  }
  json::object found;
  for (const auto& each : filter.correlate) {
    auto from = std::make_shared<const dynamic_value>(each.from);
    auto extracted = evaluate("correlate", std::move(from), event, &now, now.around.variables);
    const auto value = co_await extracted;
    if (value->value().is_null()) co_return false;
    json::value expected;
    if (each.expect) {
      auto wanted = evaluate("expect", program(*each.expect), now.input, &now, now.around.variables);
      const auto given = co_await wanted;
      expected = given->value();
    } else if (const auto* known = keys.if_contains(each.name)) {
      expected = *known;
    } else {
      found.emplace(each.name, value->value());
      continue;
    }
    // What an attribute says as text may be a number where it is expected.
    if (!jq::equal(expected, value->value()) && jq::text(expected) != jq::text(value->value())) co_return false;
  }
  for (auto& [name, value] : found) keys.emplace(name, std::move(value));
  co_return true;
}

/// Which of the filters that `open` leaves the event fits; -1: none.
async<std::ptrdiff_t> interpreter::first_fit(running& now, const event_strategy& of, const std::vector<bool>& open,
                                             data_ptr event, json::object& keys) {
  if (of.filters.empty()) co_return 0;  // any event
  for (std::size_t i = 0; i < of.filters.size(); ++i) {
    if (!open[i]) continue;
    auto asked = fits_filter(now, of.filters[i], event, keys);
    const bool fits = co_await asked;
    if (fits) co_return static_cast<std::ptrdiff_t>(i);
  }
  co_return -1;
}

async<> interpreter::subscribe(const listen_task& body, const std::string& id) {
  json::array filters;
  if (!takes_everything(body.to)) add_filters(filters, body.to);
  auto subscribed =
      tell_broker({{"subscribe", json::object{{"id", id}, {"run", ctx_->run().str()}, {"filters", std::move(filters)}}}});
  co_await subscribed;
}

async<interpreter::given> interpreter::run_listen(running& now, const listen_task& body) {
  const auto id = "listen." + ctx_->uuid();
  open_.at(now.number).subscription = id;
  auto subscribed = subscribe(body, id);
  co_await subscribed;
  given out;
  json::object keys;
  std::optional<failure> failed;
  try {
    auto listening = consume(now, body, id, keys);
    out = co_await listening;
  } catch (const step_error& e) {
    failed = e.why();
  }
  open_.at(now.number).subscription.clear();
  if (!failed || can_be_caught(*failed)) {
    json::object leave{{"unsubscribe", id}};
    if (!failed) leave.emplace("correlated", std::move(keys));
    auto left = tell_broker(std::move(leave));
    co_await left;
  }
  if (failed) detail::throw_failure(std::move(*failed));
  co_return out;
}

async<interpreter::given> interpreter::consume(running& now, const listen_task& body, std::string id, json::object& keys) {
  const bool all = body.to.what == event_strategy::kind::all;
  const bool goes_on = all || body.to.until || body.to.until_events;
  std::vector<bool> open(body.to.filters.size(), true);
  std::vector<bool> until_open(body.to.until_events ? body.to.until_events->filters.size() : 0, true);
  json::object until_keys;
  json::array consumed;
  given out;
  while (true) {
    note_step();
    auto next = next_signal(id, now.number);
    auto signal = co_await next;
    core::spoil_stand_ins(signal);
    if (const auto& refused = member(signal, "refused"); refused.is_string())
      throw step_error(make_error("runtime", jq::text(refused), now.what->reference));
    const auto event = make_data(member(signal, "event"));
    if (body.to.until_events) {
      const auto& until = *body.to.until_events;
      auto asked = first_fit(now, until, until_open, event, until_keys);
      const auto which = co_await asked;
      if (which >= 0) {
        if (!until_open.empty()) until_open[static_cast<std::size_t>(which)] = false;
        const bool every = std::none_of(until_open.begin(), until_open.end(), [](bool each) { return each; });
        if (until.what != event_strategy::kind::all || every) break;
        continue;
      }
    }
    auto asked = first_fit(now, body.to, open, event, keys);
    const auto which = co_await asked;
    if (which < 0) continue;
    if (all) open[static_cast<std::size_t>(which)] = false;
    const auto& read = body.envelope ? event->value() : member(event->value(), "data");
    if (body.each) {
      auto item = run_item(now, *body.each, make_data(read), consumed.size());
      auto done = co_await item;
      if (done.ends) co_return done;
      consumed.push_back(done.value->value());
    } else {
      consumed.push_back(read);
    }
    if (body.to.until) {
      auto condition = is_true("until", body.to.until, make_data(consumed), &now, now.around.variables);
      const bool over = co_await condition;
      if (over) break;
    }
    if (!goes_on) break;
    if (all && std::none_of(open.begin(), open.end(), [](bool each) { return each; })) break;
  }
  out.value = make_data(std::move(consumed));
  co_return out;
}

/// One event in the iterator's hands. Its tasks get the task's input; what it gives is the event unless it says otherwise.
async<interpreter::given> interpreter::run_item(running& now, const iterator_rule& rule, data_ptr item, std::size_t number) {
  const auto index = std::make_shared<const variable_scope>(
      variable_scope{now.around.variables, rule.at, make_data(static_cast<std::int64_t>(number))});
  auto inside = now.inside(std::make_shared<const variable_scope>(variable_scope{index, rule.item, item}));
  inside.stays = true;
  given out;
  auto raw = item;
  if (!rule.tasks.empty()) {
    auto tasks = run_list(rule.tasks, now.input, inside);
    out = co_await tasks;
    if (out.ends) co_return out;
    raw = out.value;
  }
  out.value = item;
  if (rule.output_as) {
    auto evaluated = evaluate("output", program(*rule.output_as), raw, &now, inside.variables);
    out.value = co_await evaluated;
  }
  if (rule.output_schema) {
    auto checked = check_schema("the item's output", *rule.output_schema, out.value, &now);
    co_await checked;
  }
  if (rule.export_as || rule.export_schema) {
    running seen = now;
    seen.around = inside;
    seen.output = out.value;
    auto exported = run_export(seen, rule.export_as, rule.export_schema);
    co_await exported;
  }
  co_return out;
}

}  // namespace perdure::dsl
