// Checks answers against tools/gateway/openapi.yaml, so that what it says of the API stays true.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cluster/documents.hpp"
#include "support/program.hpp"

namespace perdure::test {

class openapi {
 public:
  static const openapi& document() {
    static const openapi one;
    return one;
  }

  /// What of the answer the document does not say; empty = nothing.
  [[nodiscard]] std::string problem(const std::string& method, const std::string& target, int status, const std::string& type,
                                    const std::string& body) const {
    const auto path = target.substr(0, target.find('?'));
    const auto where = method + " " + path + " " + std::to_string(status) + ": ";
    if (status == 503 && body.empty()) return {};  // turned away before anything was read
    if (status >= 400 && path != "/readyz") {
      return where_if(where, misfit(schema(path.starts_with("/v1/") ? "service_error" : "error"), body));
    }
    for (const auto& [pattern, item] : whole_.at("paths").as_object()) {
      if (!fits(pattern, path)) continue;
      const auto* operation = item.as_object().if_contains(method == "HEAD" ? "get" : lower(method));
      if (operation == nullptr) continue;
      const auto* answer = operation->at("responses").as_object().if_contains(std::to_string(status));
      if (answer == nullptr) return where + "the status is not in openapi.yaml";
      const auto* content = answer->as_object().if_contains("content");
      if (content == nullptr) return body.empty() ? "" : where + "it has a body";
      const auto* media = content->as_object().if_contains(type.substr(0, type.find(';')));
      if (content->as_object().contains("*/*")) return {};
      if (media == nullptr) return where + "openapi.yaml has no \"" + type + "\"";
      if (type != "application/json" || method == "HEAD") return {};
      return where_if(where, misfit(media->at("schema"), body));
    }
    return where + "the path is not in openapi.yaml";
  }

 private:
  openapi() {
    const auto file = std::filesystem::path{PERDURE_SOURCE_DIR} / "tools" / "gateway" / "openapi.yaml";
    const auto read = cluster::json_of_yaml(slurp(file));
    if (!read) throw std::runtime_error(read.error().message);
    raw_ = *read;
    whole_ = resolved(raw_);
  }

  static std::string lower(std::string text) {
    for (auto& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return text;
  }
  static std::string where_if(const std::string& where, const std::string& what) { return what.empty() ? what : where + what; }

  /// With what references name in their places.
  [[nodiscard]] json::value resolved(const json::value& in) const {
    if (in.is_array()) {
      json::array out;
      for (const auto& each : in.get_array()) out.push_back(resolved(each));
      return out;
    }
    if (!in.is_object()) return in;
    if (const auto* reference = in.get_object().if_contains("$ref")) {
      return resolved(raw_.at_pointer(std::string{reference->as_string()}.substr(1)));
    }
    json::object out;
    for (const auto& [name, value] : in.get_object()) out.emplace(name, resolved(value));
    return out;
  }
  [[nodiscard]] const json::value& schema(const std::string& name) const {
    return whole_.at("components").at("schemas").at(name);
  }

  static std::vector<std::string> segments(const std::string& path) {
    std::vector<std::string> out;
    for (std::size_t at = 0; at < path.size();) {
      const auto end = path.find('/', at + 1);
      out.push_back(path.substr(at + 1, end == std::string::npos ? end : end - at - 1));
      at = end == std::string::npos ? path.size() : end;
    }
    return out;
  }
  static bool fits(const std::string& pattern, const std::string& path) {
    const auto wanted = segments(pattern), given = segments(path);
    if (wanted.size() != given.size()) return false;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (wanted[i].front() != '{' && wanted[i] != given[i]) return false;
    }
    return true;
  }

  static std::string misfit(const json::value& schema, const std::string& body) {
    const auto read = payload::parse_text(body);
    if (!read) return "the body is not JSON: " + body.substr(0, 200);
    const auto value = read->value();
    const auto checked = cluster::check_by_schema(schema, &value);
    if (const auto* wrong = checked.if_contains("error")) return "its schema: " + text_of(*wrong);
    const auto& problems = checked.at("problems").as_array();
    return problems.empty() ? "" : text_of(problems[0]) + " in " + body.substr(0, 300);
  }

  json::value raw_, whole_;
};

}  // namespace perdure::test
