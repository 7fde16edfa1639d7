#include "tools/cli/serve_config.hpp"

#include <CLI/App.hpp>

#include <algorithm>
#include <cstdlib>
#include <map>

#include "cluster/documents.hpp"
#include "tools/cli/command.hpp"
#include "tools/gateway/cors.hpp"
#include "tools/gateway/keys.hpp"

namespace perdure::tools::cli {

namespace {

using gateway::http_limits;

error wrong(const std::string& member, const std::string& what) { return {errc::invalid_argument, member + ": " + what}; }

/// "tenant_runs" and "tenant-runs" are the option --tenant-runs.
std::string option_name(std::string_view member) {
  std::string out{member};
  std::replace(out.begin(), out.end(), '_', '-');
  return out;
}

result<void> give_option(CLI::App& command, const std::string& member, const json::value& value) {
  auto* option = command.get_option_no_throw("--" + option_name(member));
  if (option == nullptr || member == "help" || member == "config" || member == "json")
    return wrong(member, "there is no such option; `perdure serve --help` lists them");
  if (option->count() > 0) return {};  // the command line has the last word
  const bool flag = option->get_expected_min() == 0;
  if (flag && !value.is_bool()) return wrong(member, "has to be true or false");
  if (!flag && !value.is_string() && !value.is_number()) return wrong(member, "has to be a text or a number");
  try {
    if (flag) {
      if (!value.get_bool()) return {};
      option->add_result(option->get_flag_value(member, "true"));
    } else {
      option->add_result(value.is_string() ? std::string{value.get_string()} : json_text(value));
    }
    option->run_callback();
  } catch (const CLI::Error& bad) {
    return wrong(member, bad.what());
  }
  return {};
}

result<const json::object*> object_of(const std::string& member, const json::value& value) {
  if (const auto* object = value.if_object()) return object;
  return wrong(member, "has to be a map");
}

result<std::uint64_t> number_of(const std::string& member, const json::value& value) {
  if (value.is_int64() && value.get_int64() >= 0) return static_cast<std::uint64_t>(value.get_int64());
  if (value.is_uint64()) return value.get_uint64();
  return wrong(member, "has to be a whole number, 0 or more");
}

result<void> read_secrets(const json::object& in, serve_config& into) {
  for (const auto& [name, value] : in) {
    const auto member = "secrets." + std::string{name};
    served_secret secret{std::string{name}, {}};
    if (value.is_string()) {
      secret.text = value.get_string();
    } else if (value.is_object() && value.get_object().size() == 1 && value.get_object().begin()->value().is_string()) {
      const auto& from = *value.get_object().begin();
      const std::string where{from.value().get_string()};
      if (from.key() == "file") {
        auto text = read_file(where);
        if (!text) return wrong(member, text.error().message);
        secret.text = std::move(*text);
        while (secret.text.ends_with('\n') || secret.text.ends_with('\r')) secret.text.pop_back();
      } else if (from.key() == "env") {
        const char* text = std::getenv(where.c_str());
        if (text == nullptr) return wrong(member, "there is no environment variable " + where);
        secret.text = text;
      } else {
        return wrong(member, "is a text, {file: PATH} or {env: NAME}");
      }
    } else {
      return wrong(member, "is a text, {file: PATH} or {env: NAME}");
    }
    if (secret.text.find('\0') != std::string::npos) return wrong(member, "has a zero byte in it");
    into.secrets.push_back(std::move(secret));
  }
  return {};
}

result<void> read_cors(const json::object& in, serve_config& into) {
  for (const auto& [name, value] : in) {
    const auto member = "cors." + std::string{name};
    if (name == "origins") {
      if (!value.is_array()) return wrong(member, "has to be a list");
      for (const auto& each : value.get_array()) {
        const std::string origin{each.is_string() ? std::string_view{each.get_string()} : std::string_view{}};
        if (!gateway::cors::is_origin(origin))
          return wrong(member, "an origin is written https://app.example.org, or \"*\" for all");
        into.cors_origins.push_back(origin);
      }
    } else if (name == "max_age") {
      const auto seconds = number_of(member, value);
      if (!seconds) return seconds.error();
      into.cors_max_age_s = *seconds;
    } else {
      return wrong(member, "is not known; there are origins and max_age");
    }
  }
  return {};
}

const std::map<std::string_view, std::size_t http_limits::*> sizes{
    {"header_bytes", &http_limits::header_bytes}, {"body_bytes", &http_limits::body_bytes},
    {"target_bytes", &http_limits::target_bytes}, {"upload_bytes", &http_limits::upload_bytes},
    {"requests", &http_limits::requests},         {"streams", &http_limits::streams},
    {"gzip_bytes", &http_limits::gzip_bytes},     {"stream_backlog_bytes", &http_limits::stream_backlog_bytes}};
const std::map<std::string_view, std::chrono::milliseconds http_limits::*> times{{"idle_time", &http_limits::idle_time},
                                                                                 {"write_time", &http_limits::write_time},
                                                                                 {"linger_time", &http_limits::linger_time},
                                                                                 {"ping_time", &http_limits::ping_time},
                                                                                 {"key_time", &http_limits::key_time}};

result<void> read_limits(const json::object& in, http_limits& into) {
  for (const auto& [name, value] : in) {
    const auto member = "limits." + std::string{name};
    if (const auto found = sizes.find(std::string_view{name}); found != sizes.end()) {
      const auto number = number_of(member, value);
      if (!number) return number.error();
      if (*number == 0 || *number > (std::uint64_t{1} << 30)) return wrong(member, "is from 1 to 1073741824");
      into.*found->second = *number;
    } else if (const auto of = times.find(std::string_view{name}); of != times.end()) {
      const auto length = read_time_limit(value.is_string() ? std::string{value.get_string()} : json_text(value), member);
      if (!length) return length.error();
      into.*of->second = std::chrono::duration_cast<std::chrono::milliseconds>(*length);
    } else {
      return wrong(member, "is no limit; docs/http-api.md lists them");
    }
  }
  if (into.target_bytes > into.header_bytes) return wrong("limits.target_bytes", "is over header_bytes");
  return {};
}

result<void> read_tenants(const json::object& in, serve_config& into) {
  for (const auto& [name, value] : in) {
    const auto member = "tenants." + std::string{name};
    if (!gateway::is_tenant_name(name)) return wrong(member, "is no name of a tenant: lower-case letters, digits and hyphens");
    const auto own = object_of(member, value);
    if (!own) return own.error();
    into.tenants.emplace_back(name, **own);
  }
  return {};
}

}  // namespace

result<void> read_serve_config(const std::filesystem::path& file, CLI::App& command, serve_config& into) {
  const auto text = read_file(file);
  if (!text) return error{errc::invalid_argument, "--config: " + text.error().message};
  const auto told = [&](const error& why) { return error{errc::invalid_argument, file.string() + ": " + why.message}; };
  const auto all = cluster::json_of_yaml(*text);
  if (!all) return told(all.error());
  if (all->is_null()) return {};
  if (!all->is_object()) return told(wrong("the file", "has to be a map"));
  for (const auto& [name, value] : all->get_object()) {
    result<void> good;
    if (name == "secrets" || name == "cors" || name == "limits" || name == "tenants") {
      const auto part = object_of(name, value);
      if (!part) return told(part.error());
      good = name == "secrets"  ? read_secrets(**part, into)
             : name == "cors"   ? read_cors(**part, into)
             : name == "limits" ? read_limits(**part, into.limits)
                                : read_tenants(**part, into);
    } else {
      good = give_option(command, name, value);
    }
    if (!good) return told(good.error());
  }
  return {};
}

result<gateway::tenant_policies> policies_of(const serve_config& config, const gateway::tenant_policy& everybody) {
  gateway::tenant_policies out{everybody, {}};
  for (const auto& [tenant, own] : config.tenants) {
    auto& policy = out.own.emplace(tenant, everybody).first->second;
    for (const auto& [name, value] : own) {
      const auto member = "tenants." + tenant + "." + std::string{name};
      const auto option = option_name(name);
      if (option == "tenant-runs" || option == "key-rate" || option == "tenant-files") {
        const auto number = number_of(member, value);
        if (!number) return number.error();
        auto& of = option == "tenant-runs" ? policy.open_runs : option == "key-rate" ? policy.rate_per_key : policy.file_bytes;
        of = *number;
      } else if (option == "allow-processes" || option == "allow-calls" || option == "allow-public-calls") {
        if (!value.is_bool()) return wrong(member, "has to be true or false");
        auto& of = option == "allow-processes" ? policy.put_may_run_processes
                   : option == "allow-calls"   ? policy.put_may_call
                                               : policy.put_may_call_public;
        of = value.get_bool();
      } else {
        return wrong(member,
                     "is not known; there are tenant_runs, tenant_files (bytes), key_rate, allow_processes, allow_public_calls "
                     "and allow_calls");
      }
    }
  }
  return out;
}

result<void> keep_secrets(const std::vector<served_secret>& secrets) {
  std::map<std::string, std::string> taken;
  for (const auto& each : secrets) {
    std::string variable = "PERDURE_SECRET_";
    for (const char c : each.name) {
      const bool fits = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      variable += fits ? c : '_';
    }
    const auto [at, fresh] = taken.emplace(variable, each.name);
    if (!fresh) return wrong("secrets." + each.name, "is the same secret as " + at->second);
    if (::setenv(variable.c_str(), each.text.c_str(), 1) != 0) return wrong("secrets." + each.name, "cannot be kept");
  }
  return {};
}

}  // namespace perdure::tools::cli
