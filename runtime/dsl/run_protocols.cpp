// Calls that are made of HTTP calls and processes: openapi, mcp and a2a.
#include <algorithm>

#include "dsl/interpreter.hpp"
#include "dsl/jq_values.hpp"
#include "dsl/json_rpc.hpp"
#include "dsl/openapi.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

const json::object& object_or_none(const json::value& value) {
  static const json::object none;
  return value.is_object() ? value.get_object() : none;
}

[[noreturn]] void throw_error(std::string_view kind, std::string detail, const std::string& reference) {
  throw step_error(make_error(kind, std::move(detail), reference));
}

}  // namespace

async<std::string> interpreter::read_resource(std::string name, const address& from, std::string reference) {
  const auto entry = catalog_entry_of(from.url);
  if (!entry && !file_of(from.url)) {
    auto fetched = fetch(std::move(name), from);
    auto text = co_await fetched;
    co_return text;
  }
  auto body = [files = entry ? ports_.catalog : ports_.files, path = entry ? *entry : *file_of(from.url), entry,
               reference]() -> std::string {
    const auto* none = entry ? "there is no default catalog here" : "there are no files here";
    auto read = files ? files->read(path) : result<std::string>{error{errc::unsupported, none}};
    if (!read) throw step_error(make_error("configuration", read.error().message, reference));
    return *read;
  };
  note_step();
  auto step = ctx_->call(name, body);
  auto text = co_await step;
  step_bytes_ += text.size();
  co_return text;
}

async<interpreter::given> interpreter::run_openapi(running& now, const openapi_task& body) {
  auto where = address_of(body.document, now.input, &now);
  const auto from = co_await where;
  auto reading = read_resource("openapi", from, now.what->reference);
  const auto text = co_await reading;
  const auto document = read_value(text, from.url);
  if (!document) throw_error("configuration", document.error().message, now.what->reference);
  json::value authentication;
  if (body.authentication) {
    auto policy = evaluate("authentication", program(*body.authentication), now.input, &now, now.around.variables);
    const auto given = co_await policy;
    authentication = given->value();
  }
  now.authorization = describe_authorization(authentication);
  auto evaluated = evaluate("parameters", program(body.parameters), now.input, &now, now.around.variables);
  const auto parameters = co_await evaluated;
  auto spec = openapi_request(*document, body.operation, object_or_none(parameters->value()), from.url);
  if (!spec) throw_error("configuration", spec.error().message, now.what->reference);
  (*spec)["output"] = json::value(body.output);
  (*spec)["redirect"] = body.redirect;
  if (!authentication.is_null()) (*spec)["authentication"] = std::move(authentication);
  auto asked = perform(now.what->name, "http", std::move(*spec), now.number);
  auto answer = co_await asked;
  given out;
  out.value = std::make_shared<const data>(std::move(answer));
  co_return out;
}

async<json::value> interpreter::post_rpc(std::string name, const address& to, json::object headers, json::object message,
                                         std::uint32_t task) {
  headers["Accept"] = "application/json, text/event-stream";
  json::object spec{
      {"method", "POST"}, {"url", to.url}, {"headers", std::move(headers)}, {"body", std::move(message)}, {"output", "response"}};
  if (!to.authentication.is_null()) spec.emplace("authentication", to.authentication);
  auto asked = perform(std::move(name), "http", std::move(spec), task);
  const auto stored = co_await asked;
  co_return stored.value();
}

async<json::value> interpreter::ask_mcp_http(running& now, const mcp_task& body, mcp_messages say) {
  auto where = address_of(*body.http, now.input, &now);
  const auto to = co_await where;
  auto evaluated = evaluate("headers", program(body.headers), now.input, &now, now.around.variables);
  const auto given = co_await evaluated;
  auto headers = object_or_none(given->value());
  auto first = post_rpc("initialize", to, headers, say.initialize, now.number);
  const auto begun = co_await first;
  const auto agreed = rpc_result(rpc_answers(begun.at("content")), 1);
  if (!agreed) throw_error("runtime", "the MCP server refused to begin: " + agreed.error().message, now.what->reference);
  for (const auto& [key, value] : begun.at("headers").as_object()) {
    std::string name{key.data(), key.size()};
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    if (name == "mcp-session-id") headers["Mcp-Session-Id"] = value;
  }
  const auto* version = object_or_none(*agreed).if_contains("protocolVersion");
  headers["MCP-Protocol-Version"] = version != nullptr ? *version : json::value(body.version);
  auto second = post_rpc("initialized", to, headers, say.initialized, now.number);
  co_await second;
  auto third = post_rpc(now.what->name, to, headers, say.request, now.number);
  const auto answer = co_await third;
  co_return answer.at("content");
}

async<json::value> interpreter::ask_mcp_stdio(running& now, const mcp_task& body, mcp_messages say) {
  auto evaluated = evaluate("server", program(body.stdio), now.input, &now, now.around.variables);
  const auto server = co_await evaluated;
  const auto& what = server->value().as_object();
  process_spec spec{jq::text(what.at("command"))};
  spec.check = false;
  for (const auto& each : what.at("arguments").as_array()) spec.arguments.push_back(jq::text(each));
  for (const auto& [key, value] : what.at("environment").as_object()) spec.environment.emplace(std::string{key}, jq::text(value));
  // The server answers what it was asked before it sees the end of its input.
  spec.input = line_of(say.initialize) + line_of(say.initialized) + line_of(say.request);
  auto work = perform(now.what->name, "process", to_json(spec).as_object());
  const auto stored = co_await work;
  const auto done = stored.value();
  const auto answers = rpc_answers(done.at("output"));
  if (answers.empty()) {
    throw_error("runtime",
                "the MCP server gave no answer; it ended with exit code " + jq::text(done.at("code")) + ": " +
                    jq::text(done.at("error")).substr(0, limits::process_error_tail_bytes),
                now.what->reference);
  }
  co_return json::value(answers);
}

async<interpreter::given> interpreter::run_mcp(running& now, const mcp_task& body) {
  auto evaluated = evaluate("parameters", program(body.parameters), now.input, &now, now.around.variables);
  const auto parameters = co_await evaluated;
  auto naming = evaluate("client", program(body.client), now.input, &now, now.around.variables);
  const auto client = co_await naming;
  const auto say = mcp_conversation(body.version, client->value(), body.method, parameters->value());
  json::value told;
  if (body.timeout) {
    auto measure = length_of(*body.timeout, &now, now.around.variables);
    const auto limit = co_await measure;
    auto asking = body.http ? ask_mcp_http(now, body, say) : ask_mcp_stdio(now, body, say);
    auto timer = sleep(limit, now.number);
    auto race = ctx_->when_any(asking, timer);
    auto won = co_await race;
    if (won.index == 1) throw_error("timeout", "the MCP call took longer than its limit", now.what->reference);
    told = std::move(*std::get<0>(won.values));
  } else {
    auto asking = body.http ? ask_mcp_http(now, body, say) : ask_mcp_stdio(now, body, say);
    told = co_await asking;
  }
  const auto answer = rpc_result(rpc_answers(told), 2);
  if (!answer) throw_error("runtime", answer.error().message, now.what->reference);
  given out;
  out.value = make_data(*answer);
  co_return out;
}

async<interpreter::given> interpreter::run_a2a(running& now, const a2a_task& body) {
  auto where = address_of(body.card ? *body.card : *body.server, now.input, &now);
  auto to = co_await where;
  if (body.card) {
    auto reading = read_resource("agentCard", to, now.what->reference);
    const auto text = co_await reading;
    const auto card = read_value(text, to.url);
    const auto* url = card ? object_or_none(*card).if_contains("url") : nullptr;
    if (url == nullptr || !url->is_string())
      throw_error("configuration", to.url + " is no agent card: it has no \"url\"", now.what->reference);
    to.url = jq::text(*url);
  }
  auto evaluated = evaluate("parameters", program(body.parameters), now.input, &now, now.around.variables);
  const auto parameters = co_await evaluated;
  json::object message{{"jsonrpc", "2.0"}, {"id", 1}, {"method", body.method}};
  auto values = object_or_none(parameters->value());
  if (body.method.starts_with("message/")) {
    auto& sent = values["message"];
    if (!sent.is_object()) sent = json::object{};
    auto& parts = sent.get_object();
    if (!parts.contains("messageId")) parts["messageId"] = json::value(ctx_->uuid());
    if (!parts.contains("role")) parts["role"] = "user";
  }
  if (!values.empty()) message.emplace("params", std::move(values));
  auto asked = post_rpc(now.what->name, to, {}, std::move(message), now.number);
  const auto response = co_await asked;
  const auto answers = rpc_answers(response.at("content"));
  given out;
  if (body.method == "message/stream" || body.method == "tasks/resubscribe") {
    json::array all;
    for (const auto& each : answers) {
      const auto one = rpc_result(json::array{each}, 1);
      if (!one) throw_error("runtime", one.error().message, now.what->reference);
      all.push_back(*one);
    }
    out.value = make_data(std::move(all));
    co_return out;
  }
  const auto answer = rpc_result(answers, 1);
  if (!answer) throw_error("runtime", answer.error().message, now.what->reference);
  out.value = make_data(*answer);
  co_return out;
}

}  // namespace perdure::dsl
