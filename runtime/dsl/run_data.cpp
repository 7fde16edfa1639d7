#include "dsl/run_data.hpp"

#include <algorithm>
#include <array>

#include "dsl/iso_duration.hpp"
#include "dsl/jq_values.hpp"
#include "perdure/json.hpp"

namespace perdure::dsl {

namespace {

constexpr std::string_view types = "https://serverlessworkflow.io/spec/1.0.0/errors/";

struct standard_error {
  std::string_view kind;
  std::int32_t status;
  std::string_view title;
};
constexpr std::array<standard_error, 8> standard_errors{{
    {"configuration", 400, "Configuration error"},
    {"validation", 400, "Validation error"},
    {"expression", 400, "Expression error"},
    {"authentication", 401, "Authentication error"},
    {"authorization", 403, "Authorization error"},
    {"timeout", 408, "Timeout"},
    {"communication", 500, "Communication error"},
    {"runtime", 500, "Runtime error"},
}};

std::string code_of(std::string_view type) {
  while (type.ends_with('/')) type.remove_suffix(1);
  const auto slash = type.rfind('/');
  auto code = std::string{slash == std::string_view::npos ? type : type.substr(slash + 1)};
  return code.empty() ? "error" : code;
}

/// The type as it is written today: an example of the specification and its conformance scenarios have older ways.
std::string today(std::string type) {
  for (const std::string_view old :
       {"https://serverlessworkflow.io/dsl/errors/types/", "https://serverlessworkflow.io.io/dsl/errors/types/"}) {
    if (type.starts_with(old)) return std::string{types} + type.substr(old.size());
  }
  return type;
}

[[noreturn]] void throw_error(std::string_view kind, std::string detail, const std::string& reference) {
  throw step_error(make_error(kind, std::move(detail), reference));
}

}  // namespace

variable_lookup lookup_in(const bindings& names) {
  return [&names](std::string_view name) -> const json::value* {
    for (const auto& [each, value] : names) {
      if (each == name) return &value->value();
    }
    return nullptr;
  };
}

failure make_error(std::string_view kind, std::string detail, const std::string& reference) {
  for (const auto& each : standard_errors) {
    if (each.kind != kind) continue;
    failure out;
    out.code = kind;
    out.message = std::move(detail);
    out.type = std::string{types}.append(kind);
    out.status = each.status;
    out.title = each.title;
    out.instance = reference;
    return out;
  }
  return make_error("runtime", std::move(detail), reference);
}

failure as_error(failure why, const std::string& reference, const std::string& task, std::uint32_t attempt) {
  if (why.type.empty() && can_be_caught(why)) {
    // Of a code that is none of the specification's it becomes the error "runtime".
    auto known = make_error(why.code, why.message, reference);
    why.type = std::move(known.type);
    if (why.status == 0) why.status = known.status;
    if (why.title.empty()) why.title = std::move(known.title);
    why.code = std::move(known.code);
  }
  if (why.instance.empty()) why.instance = reference;
  // A step's failure names the executor that took it, which is the whole document.
  if (why.executor.empty() || why.instance == reference) {
    why.executor = task;
    why.attempt = attempt;
  }
  return why;
}

bool can_be_caught(const failure& why) {
  if (!why.type.empty()) return true;
  return why.code != failure_code::cancelled && why.code != failure_code::nondeterminism && why.code != failure_code::limit &&
         why.code != failure_code::quarantined && why.code != failure_code::corrupt;
}

json::value error_value(const failure& why) {
  json::object out{{"type", why.type}, {"status", why.status}};
  if (!why.title.empty()) out.emplace("title", why.title);
  if (!why.message.empty()) out.emplace("detail", why.message);
  out.emplace("instance", why.instance);
  return out;
}

failure raised_error(const json::value& value, const std::string& reference) {
  failure out;
  const auto& members = value.as_object();
  const auto text = [&](std::string_view name, std::string& into) {
    const auto* found = members.if_contains(name);
    if (found == nullptr || found->is_null()) return;
    if (!found->is_string())
      throw_error("expression", "the raised error's \"" + std::string{name} + "\" must be text, found " + jq::excerpt(*found),
                  reference);
    into.assign(found->get_string().data(), found->get_string().size());
  };
  text("type", out.type);
  text("title", out.title);
  text("detail", out.message);
  text("instance", out.instance);
  if (out.type.empty()) throw_error("expression", "the raised error has no type", reference);
  out.status = static_cast<std::int32_t>(jq::number(members.at("status")));
  if (out.instance.empty()) out.instance = reference;
  out.code = code_of(out.type);
  return out;
}

bool matches(const json::value& error, const json::object& filter) {
  for (const auto& [name, wanted] : filter) {
    const auto* found = error.as_object().if_contains(name);
    if (found == nullptr) return false;
    const bool equal = name == "type" ? today(jq::text(*found)) == today(jq::text(wanted)) : jq::equal(*found, wanted);
    if (!equal) return false;
  }
  return true;
}

duration to_duration(const json::value& value, const std::string& reference) {
  if (value.is_string()) {
    const std::string_view text{value.get_string().data(), value.get_string().size()};
    if (const auto length = parse_iso_duration(text)) return *length;
  } else if (value.is_object()) {
    constexpr std::array<std::pair<std::string_view, double>, 5> units{
        {{"days", 86400e6}, {"hours", 3600e6}, {"minutes", 60e6}, {"seconds", 1e6}, {"milliseconds", 1e3}}};
    double micros = 0;
    bool fits = !value.get_object().empty();
    for (const auto& [key, part] : value.get_object()) {
      const auto* unit = std::find_if(units.begin(), units.end(), [&key = key](const auto& each) {
        return each.first == std::string_view{key.data(), key.size()};
      });
      fits = fits && unit != units.end() && part.is_number() && jq::number(part) >= 0;
      if (fits) micros += jq::number(part) * unit->second;
    }
    if (fits && micros <= static_cast<double>(longest_duration.count())) return duration{static_cast<duration::rep>(micros)};
  }
  throw_error("expression", "expected an ISO 8601 duration such as PT30S, found " + jq::excerpt(value), reference);
}

data_ptr describe_authorization(const json::value& policy) {
  if (!policy.is_object() || policy.get_object().empty()) return make_data(nullptr);
  const auto& [key, inside] = *policy.get_object().begin();
  const std::string_view kind{key.data(), key.size()};
  const auto* token = kind == "bearer" && inside.is_object() ? inside.get_object().if_contains("token") : nullptr;
  const auto* scheme = kind == "basic" ? "Basic" : kind == "digest" ? "Digest" : kind == "certificate" ? "Certificate" : "Bearer";
  return make_data(json::object{{"scheme", scheme}, {"parameter", token != nullptr ? *token : json::value{}}});
}

json::value describe_time(timestamp at) {
  const auto micros = at.time_since_epoch().count();
  return json::object{{"iso8601", perdure::to_string(at)},
                      {"epoch", json::object{{"seconds", micros / 1'000'000}, {"milliseconds", micros / 1'000}}}};
}

}  // namespace perdure::dsl
