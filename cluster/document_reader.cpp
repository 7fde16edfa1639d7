// Documents through the DSL's reader, with its port to jq.
#ifdef PERDURE_GRPC
#include "actors/grpc/grpc_capability.hpp"
#endif
#include "cluster/documents.hpp"
#include "cluster/expression_workers.hpp"
#include "cluster/secrets.hpp"
#include "cluster/zones.hpp"
#include "dsl/document.hpp"
#include "dsl/document_graph.hpp"
#include "dsl/schema.hpp"

namespace perdure::cluster {

namespace {

std::string_view name_of(dsl::problem_kind kind) {
  switch (kind) {
    case dsl::problem_kind::syntax: return "syntax";
    case dsl::problem_kind::invalid: return "invalid";
    case dsl::problem_kind::unsupported: return "unsupported";
    case dsl::problem_kind::forbidden: return "forbidden";
  }
  return "invalid";
}

error all_of(const std::vector<dsl::problem>& problems) {
  std::string all;
  for (const auto& each : problems) all += (all.empty() ? "" : "\n") + each.str();
  return {errc::invalid_argument, all};
}

/// Files that documents name.
class document_files : public dsl::resource_host {
 public:
  explicit document_files(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::string locate(const std::string& path) const override { return (folder_ / path).lexically_normal().string(); }
  result<std::string> read(const std::string& path) override { return read_document_file(locate(path)); }

 private:
  std::filesystem::path folder_;
};

/// The default catalog of a data directory, laid out as other catalogs are.
class default_catalog : public dsl::resource_host {
 public:
  explicit default_catalog(std::filesystem::path root) : root_(std::move(root)) {}
  std::string locate(const std::string& entry) const override {
    return (root_ / "functions" / entry / "function.yaml").lexically_normal().string();
  }
  result<std::string> read(const std::string& entry) override {
    auto text = read_document_file(locate(entry));
    if (!text && text.error().code == errc::not_found)
      return error{errc::not_found, "the default catalog has no such function: there is no " + locate(entry)};
    return text;
  }

 private:
  std::filesystem::path root_;
};

/// What a data directory gives to documents: what stands for its secrets, and its catalog (null without a directory).
class document_directory : public dsl::secret_host {
 public:
  explicit document_directory(const std::filesystem::path& data)
      : book_(open_secrets(data)), catalog_(data.empty() ? nullptr : std::make_shared<default_catalog>(data / "catalog")) {}
  [[nodiscard]] std::shared_ptr<dsl::resource_host> catalog() const { return catalog_; }
  result<json::value> stand_in(const std::string& workflow, const std::string& name) override {
    return book_->stand_in(workflow, name);
  }

 private:
  std::shared_ptr<actors::secret_book> book_;
  std::shared_ptr<dsl::resource_host> catalog_;
};

/// Not plainly an address of the web: in an expression, which any text may be in the mode "loose", it is known only when it runs.
bool may_be_file(const json::value& endpoint) {
  const auto* members = endpoint.if_object();
  const auto* uri = members != nullptr ? members->if_contains("uri") : &endpoint;
  if (uri == nullptr || !uri->is_string()) return false;
  const std::string_view text{uri->get_string()};
  const bool web = text.starts_with("http://") || text.starts_with("https://");
  return !web || text.find("${") != std::string_view::npos;
}

/// Looks at every object, wherever it stands. `functions` are the document's own; may be null.
void look_for_reach(const json::value& in, const json::object* functions, document_reach& out) {
  if (in.is_array()) {
    for (const auto& each : in.get_array()) look_for_reach(each, functions, out);
  }
  if (!in.is_object()) return;
  for (const auto& [name, value] : in.get_object()) {
    look_for_reach(value, functions, out);
    if (name == "secrets") out.secrets = true;
    const bool own = name == "call" && value.is_string() && functions != nullptr && functions->contains(value.get_string());
    const auto called = name == "call" && !own && value.is_string() ? std::string_view{value.get_string()} : std::string_view{};
    if (called == "job") out.processes = true;  // which backend it names may be this machine
    if (name == "call" && !own && called != "request") out.calls = true;
    // A function of a catalog may do anything.
    if (called.find_first_of("@:") != std::string_view::npos) out.resources = true;
    // The source of an event is a text, that of a script an object.
    if (name == "resource" || (name == "source" && value.is_object())) out.resources = true;
    // What else is read from an address: descriptions of services.
    const auto* described = name == "document" || name == "proto" || name == "agentCard" ? value.if_object() : nullptr;
    const auto* endpoint = described != nullptr ? described->if_contains("endpoint") : nullptr;
    if (endpoint != nullptr && may_be_file(*endpoint)) out.resources = true;
    if (name == "stdio" && value.is_object()) out.processes = true;  // an MCP server is a program
    if (name != "run" || !value.is_object()) continue;
    const auto& run = value.get_object();
    if (run.contains("shell") || run.contains("script") || run.contains("container")) out.processes = true;
    const auto* workflow = run.if_contains("workflow");
    const auto* space = workflow != nullptr && workflow->is_object() ? workflow->get_object().if_contains("namespace") : nullptr;
    if (space != nullptr) out.namespaces.push_back(space->is_string() ? std::string{space->get_string()} : std::string{});
  }
}

/// A proto file that is not there may yet come; one that is there decides.
auto grpc_checks(const std::filesystem::path& folder) {
  return [folder]([[maybe_unused]] const std::string& proto, [[maybe_unused]] const std::string& service,
                  [[maybe_unused]] const std::string& method) -> std::optional<std::string> {
#ifdef PERDURE_GRPC
    const auto text = document_files{folder}.read(proto);
    if (!text) return std::nullopt;
    return actors::why_not_callable(*text, service, method);
#else
    return std::nullopt;
#endif
  };
}

std::filesystem::path folder_of(const std::string& file) {
  std::error_code bad;
  const auto whole = std::filesystem::absolute(file, bad);
  return bad ? std::filesystem::path{} : whole.parent_path();
}

}  // namespace

json::object check_by_schema(const json::value& schema, const json::value* value) {
  const auto made = dsl::schema::compile(schema);
  if (!made) return {{"error", made.error().message}};
  if (value == nullptr) return {};
  json::array problems;
  for (const auto& each : (*made)->problems(*value)) problems.push_back(json::value(each));
  return {{"problems", std::move(problems)}};
}

result<json::value> json_of_yaml(const std::string& text) {
  std::vector<dsl::problem> problems;
  const auto tree = dsl::read_yaml(text, "text", problems);
  if (tree == nullptr || !problems.empty()) return all_of(problems);
  return dsl::to_json(*tree);
}

document_reader::document_reader(const std::filesystem::path& data, const std::string& helper_program)
    : host_(make_expression_workers(helper_program)), secrets_(std::make_shared<document_directory>(data)), clock_(make_zones()) {
}

document_reader::document_reader(const std::filesystem::path& data, const std::string& helper_program,
                                 const document_limits& allowed)
    : document_reader(data, helper_program) {
  allowed_ = allowed;
}

namespace {

dsl::document_policy policy_of(const document_limits& allowed) {
  return {.may_run = allowed.may_run,
          .may_read_files = allowed.may_read_files,
          .may_use_secrets = allowed.may_use_secrets,
          .may_reach_private = allowed.may_reach_private};
}

}  // namespace

result<document> document_reader::read(const std::string& text, const std::string& file, const std::filesystem::path& folder) {
  dsl::read_options how{.host = host_.get(), .clock = clock_.get(), .policy = policy_of(allowed_)};
  // A copy of a document that runs has its folder with it: what is beside it may have changed since, and does not stop it.
  if (folder.empty()) how.grpc_problem = grpc_checks(folder_of(file));
  auto read = dsl::read_document(text, file, how);
  if (const auto* problems = std::get_if<std::vector<dsl::problem>>(&read)) return all_of(*problems);
  const auto& model = std::get<dsl::document>(read);
  auto files = allowed_.may_read_files ? std::make_shared<document_files>(folder.empty() ? folder_of(file) : folder) : nullptr;
  auto made = dsl::make_workflow(model, {.workers = host_,
                                         .files = std::move(files),
                                         .secrets = allowed_.may_use_secrets ? secrets_ : nullptr,
                                         .clock = clock_,
                                         .catalog = std::static_pointer_cast<document_directory>(secrets_)->catalog()});
  if (!made) return error{made.error().code, file + ": " + made.error().message};
  return document{
      made->name(),     made->version(),        text, file, folder.empty() ? folder_of(file) : folder, std::move(*made),
      model.definition, !model.schedule.empty()};
}

result<document_reach> document_reader::reach(const std::string& text, const std::string& file) {
  const auto read = dsl::read_document(text, file, {.host = host_.get(), .clock = clock_.get(), .policy = policy_of(allowed_)});
  if (const auto* problems = std::get_if<std::vector<dsl::problem>>(&read)) return all_of(*problems);
  document_reach out;
  const auto& whole = std::get<dsl::document>(read).definition;
  if (whole == nullptr || !whole->is_object()) return error{errc::internal, file + ": its text is not at hand"};
  const auto* use = whole->get_object().if_contains("use");
  const auto* functions = use != nullptr && use->is_object() ? use->get_object().if_contains("functions") : nullptr;
  look_for_reach(*whole, functions != nullptr && functions->is_object() ? &functions->get_object() : nullptr, out);
  return out;
}

result<std::string> document_reader::draw(const std::string& text, const std::string& file, graph_format how) {
  const auto read = dsl::read_document(text, file);
  if (const auto* problems = std::get_if<std::vector<dsl::problem>>(&read)) return all_of(*problems);
  const auto picture = dsl::graph_of(std::get<dsl::document>(read));
  return how == graph_format::mermaid ? flow::write_mermaid(picture) : flow::write_dot(picture);
}

std::vector<document_problem> document_reader::problems(const std::string& text, const std::string& file) {
  std::vector<document_problem> out;
  auto read = dsl::read_document(
      text, file,
      {.host = host_.get(), .clock = clock_.get(), .policy = policy_of(allowed_), .grpc_problem = grpc_checks(folder_of(file))});
  if (const auto* problems = std::get_if<std::vector<dsl::problem>>(&read)) {
    for (const auto& each : *problems) {
      out.push_back({each.at.line, each.at.column, each.pointer, std::string{name_of(each.kind)}, each.message, each.str()});
    }
    return out;
  }
  if (auto made = dsl::make_workflow(std::get<dsl::document>(read), {.workers = host_}); !made) {
    out.push_back({1, 1, {}, "invalid", made.error().message, file + ": " + made.error().message});
  }
  return out;
}

}  // namespace perdure::cluster
