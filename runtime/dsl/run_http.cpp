// call: http, and what else is read from addresses.
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"
#include "dsl/uri_template.hpp"

namespace perdure::dsl {

async<payload> interpreter::perform(std::string name, std::string capability, json::object spec, std::uint32_t task) {
  note_step();
  if ((capability == "http" || capability == "grpc" || capability == "websocket") && !document_->policy.may_reach_private)
    spec["public"] = true;
  json::object args{{"capability", capability}, {"spec", std::move(spec)}};
  if (task != 0) args.emplace("task", task);
  step<payload> work{
      ctx_->frame(),
      {.kind = detail::step_kind::capability, .name = std::move(name), .args = payload{json::value(std::move(args))}}};
  auto out = co_await work;
  step_bytes_ += out.size();
  co_return out;
}

async<interpreter::address> interpreter::address_of(const endpoint& at, data_ptr input, const running* now) {
  const auto variables = now != nullptr ? now->around.variables : nullptr;
  auto evaluated = evaluate("endpoint", program(at.uri), input, now, variables);
  const auto uri = co_await evaluated;
  address out;
  if (uri->value().is_string()) out.url = jq::text(uri->value());
  if (at.is_template) out.url = expand_template(out.url, input->value(), reference_of(now));
  if (scheme_of(out.url).empty()) {
    throw step_error(
        make_error("expression", "the endpoint must give an address, found " + jq::excerpt(uri->value()), reference_of(now)));
  }
  if (at.authentication) {
    auto policy = evaluate("authentication", program(*at.authentication), input, now, variables);
    const auto given = co_await policy;
    out.authentication = given->value();
  }
  co_return out;
}

async<std::string> interpreter::fetch(std::string name, const address& from) {
  json::object spec{{"method", "GET"}, {"url", from.url}, {"output", "text"}, {"redirect", true}};
  if (!from.authentication.is_null()) spec.emplace("authentication", from.authentication);
  auto asked = perform(std::move(name), "http", std::move(spec));
  const auto stored = co_await asked;
  co_return jq::text(stored.value());
}

async<interpreter::given> interpreter::run_http(running& now, const http_task& body) {
  auto where = address_of(body.at, now.input, &now);
  auto to = co_await where;
  now.authorization = describe_authorization(to.authentication);
  auto evaluated = evaluate("request", program(body.request), now.input, &now, now.around.variables);
  const auto request = co_await evaluated;
  auto spec = request->value().as_object();
  for (const auto* name : {"headers", "query"}) {
    const auto* given = spec.if_contains(name);
    if (given == nullptr || given->is_object() || given->is_null()) continue;
    throw step_error(make_error("expression", "\"" + std::string{name} + "\" must give an object, found " + jq::excerpt(*given),
                                now.what->reference));
  }
  spec["url"] = json::value(to.url);
  spec["output"] = json::value(body.output);
  spec["redirect"] = body.redirect;
  if (!to.authentication.is_null()) spec["authentication"] = std::move(to.authentication);
  auto asked = perform(now.what->name, "http", std::move(spec), now.number);
  auto answer = co_await asked;
  given out;
  out.value = std::make_shared<const data>(std::move(answer));
  co_return out;
}

}  // namespace perdure::dsl
