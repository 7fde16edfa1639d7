// call: grpc. The capability "grpc" knows the protocol; the document's part is the proto file, the service and what it is given.
#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"

namespace perdure::dsl {

async<interpreter::given> interpreter::run_grpc(running& now, const grpc_task& body) {
  auto where = address_of(body.proto, now.input, &now);
  const auto from = co_await where;
  auto reading = read_resource("proto", from, now.what->reference);
  auto text = co_await reading;
  auto evaluated = evaluate("call", program(body.call), now.input, &now, now.around.variables);
  const auto call = co_await evaluated;
  auto spec = call->value().as_object();
  spec["proto"] = json::value(std::move(text));
  if (body.authentication) {
    auto policy = evaluate("authentication", program(*body.authentication), now.input, &now, now.around.variables);
    const auto given = co_await policy;
    now.authorization = describe_authorization(given->value());
    spec["authentication"] = given->value();
  }
  auto asked = perform(now.what->name, "grpc", std::move(spec));
  auto answer = co_await asked;
  given out;
  out.value = std::make_shared<const data>(std::move(answer));
  co_return out;
}

}  // namespace perdure::dsl
