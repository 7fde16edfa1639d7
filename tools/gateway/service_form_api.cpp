// /v1/form/human_input/{form_token}: what a run asks, and the answer.
//
// The token names run and request, and is signed; nothing is stored of a form but the run's own events.
#include <variant>

#include "tools/gateway/forms.hpp"
#include "tools/gateway/service_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

response submitted(const request& in) {
  return error_answer(in, 412, "human_input_form_submitted", "This form has already been submitted");
}
response expired(const request& in) { return error_answer(in, 412, "human_input_form_expired", "This form has expired"); }

/// The form that the token is for, as it is now; or the answer that says why not.
std::variant<form_change, response> find_form(const api_parts& parts, const call& of) {
  const auto unknown = [&] { return refusal(404, "Form not found", of.in()); };
  const auto place = read_form_token(of.captured[0], parts.signer);
  if (!place) return unknown();
  const auto run = run_called(parts, of, place->run.str());
  if (!run) return run.error().code == errc::not_found ? unknown() : error_answer(of.in(), run.error());
  run_view view;
  form_watch watch;
  const auto read = cluster::events_of(parts.engine, run->id, 0, [&](const run_event& event) {
    view.add(event);
    static_cast<void>(watch.take(event, view));
    return true;
  });
  if (!read) return error_answer(of.in(), read.error());
  const auto found = watch.all().find(place->request);
  if (found == watch.all().end()) return unknown();
  const auto& form = found->second;
  switch (form.now) {
    case form_state::waiting: return form;
    case form_state::submitted: return submitted(of.in());
    case form_state::timeout:
    case form_state::expired: break;
  }
  return expired(of.in());
}

response show_form(const api_parts& parts, const call& of) {
  auto found = find_form(parts, of);
  if (auto* refused = std::get_if<response>(&found)) return std::move(*refused);
  return json_answer(std::get<form_change>(found).what.shown());
}

response submit_form(const api_parts& parts, const call& of) {
  const auto& in = of.in();
  const auto body = json_body(in);
  if (!body && body.error().code == errc::unsupported) return error_answer(in, body.error());
  if (!body || in.body.empty()) return refusal(400, "Invalid JSON payload received or JSON payload is empty.", in);
  auto found = find_form(parts, of);
  if (auto* refused = std::get_if<response>(&found)) return std::move(*refused);
  const auto& form = std::get<form_change>(found).what;
  const auto user = text_of(*body, "user");
  if (user.empty()) return invalid_param("Arg user must be provided.", "user");
  const auto& inputs = value_of(*body, "inputs");
  if (!inputs.is_object()) return invalid_param("inputs is required and is an object", "inputs");
  const auto action = text_of(*body, "action");
  if (const auto wrong = form.problem(inputs.get_object(), action)) return error_answer(in, 400, "invalid_form_data", *wrong);
  const auto run = run_id::parse(form.run);
  const auto done = cluster::carry_out(
      parts.engine,
      {.what = "respond", .run = *run, .request_id = form.request, .value = form.answer(inputs.get_object(), action, user)});
  if (done) return json_answer(json::object{});
  if (done.error().code != errc::not_found && done.error().code != errc::conflict) return error_answer(in, done.error());
  // Somebody else was faster, or it timed out: what it is now says which.
  found = find_form(parts, of);
  if (auto* refused = std::get_if<response>(&found)) return std::move(*refused);
  return done.error().code == errc::conflict ? expired(in) : submitted(in);
}

}  // namespace

void add_service_form_routes(router& to, const api_parts& parts) {
  constexpr std::string_view form = "/v1/form/human_input/{form_token}";
  to.add_simple("GET", form, right::read, [parts](const call& of) -> result<response> { return show_form(parts, of); });
  to.add_simple("POST", form, right::run, [parts](const call& of) -> result<response> { return submit_form(parts, of); });
}

}  // namespace perdure::tools::gateway
