#include "actors/grpc/grpc_capability.hpp"

#include <algorithm>
#include <array>

#include "actors/grpc/proto_method.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"

namespace perdure::actors {

namespace {

constexpr std::size_t frame_head_bytes = 5;
constexpr std::int64_t tls_port = 443;

failure grpc_error(std::string code, std::string message, std::int32_t status = 0) {
  failure out{.code = std::move(code), .message = std::move(message)};
  out.status = status;
  return out;
}

std::string member(const json::object& of, std::string_view name) {
  const auto* found = of.if_contains(name);
  return found != nullptr && found->is_string() ? std::string{found->get_string()} : std::string{};
}

std::string framed(const std::string& message) {
  std::string out(frame_head_bytes, '\0');
  for (std::size_t i = 0; i < 4; ++i) out[1 + i] = static_cast<char>(message.size() >> (8 * (3 - i)) & 0xff);
  return out + message;
}

/// The messages in a body; nothing when it is cut short or compressed.
std::optional<std::vector<std::string_view>> messages_in(std::string_view body) {
  std::vector<std::string_view> out;
  while (!body.empty()) {
    if (body.size() < frame_head_bytes || body[0] != 0) return std::nullopt;
    std::size_t size = 0;
    for (std::size_t i = 1; i < frame_head_bytes; ++i) size = size << 8 | static_cast<unsigned char>(body[i]);
    body.remove_prefix(frame_head_bytes);
    if (size > body.size()) return std::nullopt;
    out.push_back(body.substr(0, size));
    body.remove_prefix(size);
  }
  return out;
}

/// "https://host:port" of a service. Encrypted when the host says so, or at the port of https.
std::string origin_of(const json::object& spec) {
  auto host = member(spec, "host");
  const auto* given = spec.if_contains("port");
  const auto port = given != nullptr && given->is_int64() ? given->get_int64() : 0;
  std::string scheme = port == tls_port ? "https://" : "http://";
  for (const std::string_view each : {"https://", "http://"}) {
    if (!host.starts_with(each)) continue;
    scheme = each;
    host.erase(0, each.size());
  }
  while (host.ends_with('/')) host.pop_back();
  return scheme + host + (port != 0 ? ":" + std::to_string(port) : "");
}

struct known_status {
  std::string_view name;
  std::int32_t http;
};
/// By number; the HTTP status that says the same.
constexpr std::array<known_status, 17> statuses{{{"OK", 200},
                                                 {"CANCELLED", 499},
                                                 {"UNKNOWN", 500},
                                                 {"INVALID_ARGUMENT", 400},
                                                 {"DEADLINE_EXCEEDED", 504},
                                                 {"NOT_FOUND", 404},
                                                 {"ALREADY_EXISTS", 409},
                                                 {"PERMISSION_DENIED", 403},
                                                 {"RESOURCE_EXHAUSTED", 429},
                                                 {"FAILED_PRECONDITION", 400},
                                                 {"ABORTED", 409},
                                                 {"OUT_OF_RANGE", 400},
                                                 {"UNIMPLEMENTED", 501},
                                                 {"INTERNAL", 500},
                                                 {"UNAVAILABLE", 503},
                                                 {"DATA_LOSS", 500},
                                                 {"UNAUTHENTICATED", 401}}};

/// Of a grpc-message.
std::string percent_decoded(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escaped = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escaped ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escaped) i += 2;
  }
  return core::valid_utf8(out);
}

std::string header_in(const json::value& answer, std::string_view name) {
  const auto& headers = answer.at("headers").as_object();
  for (const auto& [each, value] : headers) {
    const bool same = std::equal(each.begin(), each.end(), name.begin(), name.end(), [](char a, char b) {
      return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    });
    if (same && value.is_string()) return std::string{value.get_string()};
  }
  return {};
}

core::outcome outcome_of(const json::value& answer, const proto_method& method) {
  const auto code = header_in(answer, "grpc-status");
  if (code.empty()) return {.error = grpc_error("communication", "the server's answer has no grpc-status: it may speak no gRPC")};
  if (code != "0") {
    const auto number = code.size() <= 2 && std::all_of(code.begin(), code.end(), [](char c) { return c >= '0' && c <= '9'; })
                            ? static_cast<std::size_t>(std::stoi(code))
                            : statuses.size();
    const auto status = number < statuses.size() ? statuses[number] : known_status{"UNKNOWN", 500};
    auto out = grpc_error("communication",
                          method.path() + " failed with " + std::string{status.name} + " (" + code +
                              "): " + percent_decoded(header_in(answer, "grpc-message")),
                          status.http);
    out.title = status.name;
    return {.error = std::move(out)};
  }
  const auto* content = answer.as_object().if_contains("content");
  const auto body = content != nullptr && content->is_string()
                        ? core::from_base64({content->get_string().data(), content->get_string().size()})
                        : std::optional<std::string>{std::string{}};
  const auto messages = body ? messages_in(*body) : std::nullopt;
  if (!messages) return {.error = grpc_error("communication", method.path() + " was answered with frames that cannot be read")};
  json::array all;
  for (const auto each : *messages) {
    auto value = method.decode(each);
    if (!value) return {.error = grpc_error("communication", method.path() + ": " + value.error().message)};
    all.push_back(std::move(*value));
  }
  if (method.gives_stream()) return {.value = payload{json::value(std::move(all))}};
  if (all.size() != 1)
    return {.error =
                grpc_error("communication", method.path() + " was answered with " + std::to_string(all.size()) + " messages")};
  return {.value = payload{all.front()}};
}

result<std::shared_ptr<const proto_method>> callable(const std::string& proto, const std::string& service,
                                                     const std::string& method) {
  auto found = proto_method::find(proto, service, method);
  if (!found || !(*found)->takes_stream()) return found;
  return error{errc::invalid_argument, (*found)->path() + " takes a stream of messages, which a call of a document cannot give"};
}

class grpc_capability final : public capability {
 public:
  explicit grpc_capability(std::shared_ptr<capability> http) : http_(std::move(http)) {}

  void start(capability_request request) override {
    const auto given = request.spec.value();
    const auto refuse = [&](std::string why) { request.done({.error = grpc_error("configuration", std::move(why))}); };
    if (!given.is_object()) return refuse("bad grpc spec: expected an object");
    const auto& spec = given.get_object();
    const auto method = callable(member(spec, "proto"), member(spec, "service"), member(spec, "method"));
    if (!method) return refuse(method.error().message);
    const auto* arguments = spec.if_contains("arguments");
    const auto message = (*method)->encode(arguments != nullptr ? *arguments : json::value(json::object{}));
    if (!message) return refuse(message.error().message);
    json::object call{{"method", "POST"},
                      {"url", origin_of(spec) + (*method)->path()},
                      {"headers", json::object{{"Content-Type", "application/grpc"}, {"TE", "trailers"}}},
                      {"body64", core::to_base64(framed(*message))},
                      {"http2", true},
                      {"output", "response"},
                      {"redirect", false}};
    for (const auto* name : {"authentication", "public"}) {
      if (const auto* value = spec.if_contains(name)) call.emplace(name, *value);
    }
    const json::value whole(std::move(call));
    request.spec = payload{whole};
    request.done = [done = std::move(request.done), method = *method](core::outcome end) {
      if (!end.error) {
        try {
          end = outcome_of(end.value.value(), *method);
        } catch (const std::exception& thrown) {
          end = {.error = grpc_error("communication", std::string{"the answer could not be taken: "} + thrown.what())};
        }
      }
      done(std::move(end));
    };
    http_->start(std::move(request));
  }
  void stop_all() override {}  // its requests are the http capability's

 private:
  std::shared_ptr<capability> http_;
};

}  // namespace

std::optional<std::string> why_not_callable(const std::string& proto, const std::string& service, const std::string& method) {
  const auto found = callable(proto, service, method);
  return found ? std::nullopt : std::optional{found.error().message};
}

std::shared_ptr<capability> make_grpc_capability(std::shared_ptr<capability> http) {
  return std::make_shared<grpc_capability>(std::move(http));
}

}  // namespace perdure::actors
