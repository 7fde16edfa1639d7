// /v1/parameters and /v1/info: what a client needs to know to draw a form for the key's workflow.
#include <algorithm>

#include "tools/gateway/service_file_api.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

const json::object& object_in(const json::object& in, std::string_view name) {
  static const json::object nothing;
  const auto& found = value_of(in, name);
  return found.is_object() ? found.get_object() : nothing;
}

struct known_workflow {
  cluster::workflow_facts facts;
  std::shared_ptr<const json::value> content;

  [[nodiscard]] const json::object& document() const {
    static const json::object nothing;
    return content && content->is_object() ? content->get_object() : nothing;
  }
};

result<known_workflow> find_workflow(const api_parts& parts, const call& of) {
  auto which = workflow_of(parts, of);
  if (!which) return which.error();
  auto content = parts.shelf.content_of(which->name, which->version);
  return known_workflow{std::move(*which), std::move(content)};
}

/// A property of the document's input schema as a field of a form.
json::object form_field(std::string_view name, const json::object& schema, bool required) {
  const auto label = text_of(schema, "title");
  json::object field{{"label", label.empty() ? std::string{name} : label}, {"variable", name}, {"required", required}};
  field.emplace("default", value_of(schema, "default"));
  const auto type = text_of(schema, "type");
  if (const auto& choices = list_of(schema, "enum"); !choices.empty()) {
    field.emplace("options", choices);
    return {{"select", std::move(field)}};
  }
  if (type == "number" || type == "integer") return {{"number", std::move(field)}};
  if (type == "boolean") return {{"checkbox", std::move(field)}};
  if (type == "object" || type == "array") return {{"json_object", std::move(field)}};
  const auto most = number_of(schema, "maxLength");
  if (most > 0) field.emplace("max_length", most);
  return {{most > 0 && most <= 256 ? "text-input" : "paragraph", std::move(field)}};
}

json::array input_form(const json::object& document) {
  const auto& schema = object_in(object_in(object_in(document, "input"), "schema"), "document");
  const auto& required = list_of(schema, "required");
  json::array out;
  for (const auto& [name, property] : object_in(schema, "properties")) {
    const json::value key(name);
    const bool needed = std::find(required.begin(), required.end(), key) != required.end();
    out.push_back(form_field(name, property.is_object() ? property.get_object() : json::object{}, needed));
  }
  return out;
}

result<response> parameters(const api_parts& parts, const call& of) {
  const auto which = find_workflow(parts, of);
  if (!which) return which.error();
  auto limits = file_limits();
  limits.emplace("request_body_size_limit", parts.limits.body_bytes);
  json::object files{{"enabled", true}, {"allowed_file_upload_methods", json::array{"remote_url", "local_file"}}};
  return json_answer(json::object{{"user_input_form", input_form(which->document())},
                                  {"file_upload", std::move(files)},
                                  {"system_parameters", std::move(limits)}});
}

result<response> info(const api_parts& parts, const call& of) {
  const auto which = find_workflow(parts, of);
  if (!which) return which.error();
  const auto& head = object_in(which->document(), "document");
  const auto title = text_of(head, "title");
  json::array tags;
  for (const auto& [name, value] : object_in(head, "tags")) tags.push_back(json::value(name));
  return json_answer(json::object{{"name", title.empty() ? which->facts.name : title},
                                  {"description", text_of(head, "summary")},
                                  {"tags", std::move(tags)},
                                  {"mode", "workflow"},
                                  {"author_name", ""}});
}

}  // namespace

void add_service_info_routes(router& to, const api_parts& parts) {
  to.add_simple("GET", "/v1/parameters", right::read, [parts](const call& of) { return parameters(parts, of); });
  to.add_simple("GET", "/v1/info", right::read, [parts](const call& of) { return info(parts, of); });
}

}  // namespace perdure::tools::gateway
