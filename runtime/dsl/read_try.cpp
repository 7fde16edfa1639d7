// try, catch, retry policies and errors.
#include "dsl/reader.hpp"

namespace perdure::dsl {

void reader::read_try(properties& task_properties, const cursor& at, task& out) {
  try_task body;
  body.tasks = read_tasks(at);
  if (const auto handler = task_properties.required("catch")) {
    properties all{to_, *handler, "catch"};
    if (const auto errors = all.optional("errors")) {
      properties filter{to_, *errors, "an error filter"};
      if (const auto with = filter.optional("with")) {
        properties wanted{to_, *with, "an error filter"};
        for (const auto name : {"type", "status", "instance", "title", "detail", "details"}) {
          const auto value = wanted.optional(name);
          if (!value) continue;
          const bool fits = std::string_view{name} == "status" ? check_integer(to_, value) : check_string(to_, value);
          if (fits)
            body.filter.emplace_back(std::string_view{name} == "details" ? "detail" : name,
                                     read_dynamic(*value, expression_site::in_task));
        }
        wanted.done();
        if (with->tree().is_object() && with->tree().members.empty())
          to_.invalid(*with, "expected at least one property to filter errors by");
      }
      filter.done();
    }
    body.as = read_variable(all.optional("as"), "error");
    variables_.push_back(body.as);
    body.when = read_expression(all.optional("when"), expression_site::in_task);
    body.except_when = read_expression(all.optional("exceptWhen"), expression_site::in_task);
    if (const auto retry = all.optional("retry")) body.retry = read_retry(*retry);
    if (const auto tasks = all.optional("do")) body.handler = read_tasks(tasks);
    variables_.pop_back();
    all.done();
  }
  out.body = std::move(body);
}

std::optional<retry_rule> reader::read_retry(const cursor& at) {
  if (!at.tree().is_string()) return read_retry_rule(at);
  const auto* found = find_component(at, retries_, "a retry policy");
  return found != nullptr ? std::optional<retry_rule>{read_retry_rule(*found)} : std::nullopt;
}

retry_rule reader::read_retry_rule(const cursor& at) {
  constexpr auto site = expression_site::in_task;
  retry_rule out;
  properties all{to_, at, "a retry policy"};
  out.when = read_expression(all.optional("when"), site);
  out.except_when = read_expression(all.optional("exceptWhen"), site);
  out.delay = read_duration(all.optional("delay"), site);
  if (const auto backoff = all.optional("backoff")) {
    properties which{to_, *backoff, "a backoff"};
    const auto name = which.one_of({"constant", "linear", "exponential"});
    for (const auto each : {"constant", "linear", "exponential"}) {
      const auto value = which.optional(each);
      if (!check_object(to_, value) || !value) continue;
      properties none{to_, *value, "this backoff (the reference gives it no properties)"};
      none.done();
    }
    which.done();
    out.backoff = name == "linear"        ? backoff_kind::linear
                  : name == "exponential" ? backoff_kind::exponential
                                          : backoff_kind::fixed;
  }
  if (const auto limit = all.optional("limit")) {
    properties limits{to_, *limit, "a retry limit"};
    if (const auto attempt = limits.optional("attempt")) {
      properties one{to_, *attempt, "an attempt limit"};
      const auto count = one.optional("count");
      if (check_integer(to_, count) && count) {
        const auto* value = count->tree().scalar.if_int64();
        if (value == nullptr || *value < 0 || *value > 1'000'000) {
          to_.unfit(*count, "an integer from 0 to 1000000");
        } else {
          out.count = static_cast<std::uint32_t>(*value);
        }
      }
      out.attempt_limit = read_duration(one.optional("duration"), site);
      one.done();
    }
    out.limit = read_duration(limits.optional("duration"), site);
    limits.done();
  }
  if (const auto jitter = all.optional("jitter")) {
    properties range{to_, *jitter, "a jitter"};
    auto from = read_duration(range.required("from"), site);
    auto to = read_duration(range.required("to"), site);
    range.done();
    if (from && to) {
      const auto* least = std::get_if<duration>(&*from);
      const auto* most = std::get_if<duration>(&*to);
      if (least != nullptr && most != nullptr && *least > *most) to_.invalid(*jitter, "\"from\" is longer than \"to\"");
      out.jitter.emplace(std::move(*from), std::move(*to));
    }
  }
  all.done();
  return out;
}

dynamic_value reader::read_error(const cursor& at) {
  constexpr auto site = expression_site::in_task;
  properties all{to_, at, "an error"};
  dynamic_value::map members;
  const auto text = [&](std::string_view name, const std::optional<cursor>& value) {
    if (check_string(to_, value) && value) members.emplace_back(std::string{name}, read_text(*value, site));
  };
  const auto type = all.required("type");
  check_uri(type, true);
  text("type", type);
  const auto status = all.required("status");
  if (check_integer(to_, status) && status) members.emplace_back("status", dynamic_value{status->tree().scalar});
  text("title", all.optional("title"));
  text("detail", all.optional("detail"));
  const auto instance = all.optional("instance");
  text("instance", instance);
  if (instance && instance->tree().is_string()) {
    const auto pointer = instance->tree().text();
    if (!pointer.empty() && pointer[0] != '/' && !is_expression(pointer))
      to_.unfit(*instance, "a JSON pointer such as /do/0/name, or an expression");
  }
  all.done();
  return dynamic_value{std::move(members)};
}

}  // namespace perdure::dsl
