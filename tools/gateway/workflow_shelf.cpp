#include "tools/gateway/workflow_shelf.hpp"

#include <algorithm>

#include "core/record.hpp"
#include "persistence/durable_file.hpp"
#include "tools/gateway/keys.hpp"

namespace perdure::tools::gateway {

namespace {

bool is_document(const std::filesystem::path& file) {
  const auto ending = file.extension();
  return file.filename().string().front() != '.' && (ending == ".yaml" || ending == ".yml" || ending == ".json");
}

/// The folder, where there is none, of documents that were put over HTTP: they name no files.
constexpr std::string_view put_over_http = "put over HTTP";

/// A workflow's namespace; that of names without one is "default".
std::string space_of(const std::string& workflow) {
  const auto slash = workflow.find('/');
  return slash == std::string::npos ? "default" : workflow.substr(0, slash);
}

}  // namespace

std::map<std::filesystem::path, workflow_shelf::file_state> workflow_shelf::look() const {
  std::map<std::filesystem::path, file_state> out;
  if (how_.folder.empty()) return out;
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(how_.folder, bad)) {
    if (!is_document(each.path()) || !each.is_regular_file(bad)) continue;
    const auto size = each.file_size(bad);
    const auto changed = each.last_write_time(bad);
    if (!bad) out.emplace(each.path(), file_state{size, changed});
  }
  return out;
}

std::optional<cluster::document> workflow_shelf::read(const std::filesystem::path& file) {
  const auto text = cluster::read_document_file(file);
  auto read = text ? reader_.read(*text, file.string()) : result<cluster::document>{text.error()};
  if (read) return std::move(*read);
  how_.log("warning", "refused: " + read.error().message);
  return std::nullopt;
}

result<void> workflow_shelf::prepare() {
  const std::lock_guard lock{mutex_};
  std::error_code bad;
  if (!how_.folder.empty() && !std::filesystem::is_directory(how_.folder, bad))
    return error{errc::io_error, how_.folder.string() + ": no such folder of workflows"};
  seen_ = look();
  std::map<std::pair<std::string, std::string>, std::string> files;
  for (const auto& [file, state] : seen_) {
    auto one = read(file);
    if (!one) continue;
    const auto [first, fresh] = files.emplace(std::pair{one->name, one->version}, file.string());
    if (!fresh) {
      how_.log("warning", "refused: " + file.string() + ": " + first->second + " is " + one->name + " " + one->version + " too");
      continue;
    }
    of_folder_.push_back(std::move(*one));
  }
  std::vector<error> unread;
  auto all = cluster::documents_to_register(how_.data, reader_, of_folder_, &unread);
  for (const auto& each : unread) how_.log("warning", cluster::unread_document(each) + "; its runs wait");
  if (!all) {
    // One of them differs from what unfinished runs were started with: each is tried by itself.
    std::vector<cluster::document> good;
    for (auto& each : of_folder_) {
      const auto alone = cluster::documents_to_register(how_.data, reader_, {each});
      if (alone) {
        good.push_back(std::move(each));
      } else {
        how_.log("warning", "refused: " + alone.error().message);
      }
    }
    of_folder_ = std::move(good);
    all = cluster::documents_to_register(how_.data, reader_, of_folder_);
  }
  if (!all) return all.error();
  hold_back(*all);
  to_register_ = std::move(*all);
  return {};
}

cluster::document_reader& workflow_shelf::reader_for(const std::string& space) {
  return how_.policies.of(space).put_may_call ? reader_ : public_reader_;
}

/// What was put over HTTP is held to what its tenant may now.
void workflow_shelf::hold_back(std::vector<cluster::document>& registered) {
  for (auto& each : registered) {
    const bool put = each.folder == put_over_http || each.folder == how_.data;  // the folder of earlier versions
    auto& reader = reader_for(space_of(each.name));
    if (!put || &reader == &reader_) continue;
    if (auto read = reader.read(each.text, each.file, each.folder)) each = std::move(*read);
  }
}

result<void> workflow_shelf::attach(node& engine) {
  const std::lock_guard lock{mutex_};
  engine_ = &engine;
  for (const auto& each : of_folder_) {
    if (auto kept = cluster::keep_document(how_.data, each); !kept) return kept;
  }
  for (const auto& each : to_register_) {
    if (auto added = engine.add(each.definition); !added) return added;
    shelved_[{each.name, each.version}] = {each.text, each.content, each.has_schedule};
  }
  to_register_.clear();
  of_folder_.clear();
  return {};
}

result<void> workflow_shelf::take(const cluster::document& what) {
  for (const auto& each : cluster::workflows_of(*engine_)) {
    if (each.name != what.name || each.version != what.version || each.hash == what.definition.hash()) continue;
    return error{errc::already_exists, what.file + ": differs from " + what.name + " " + what.version +
                                           " as it is registered; give it another version"};
  }
  if (auto kept = cluster::keep_document(how_.data, what); !kept) return kept;
  if (auto added = engine_->add(what.definition); !added) return added;
  const bool known = shelved_.contains({what.name, what.version});
  shelved_[{what.name, what.version}] = {what.text, what.content, what.has_schedule};
  if (!known) follow_schedule(what);
  return {};
}

void workflow_shelf::look_again() {
  const std::lock_guard lock{mutex_};
  auto now = look();
  for (const auto& [file, state] : now) {
    const auto before = seen_.find(file);
    if (before != seen_.end() && before->second == state) continue;
    const auto one = read(file);
    if (!one) continue;
    const auto taken = take(*one);
    how_.log(taken ? "info" : "warning", taken ? file.string() + ": " + one->name + " " + one->version + " is registered"
                                               : "refused: " + taken.error().message);
  }
  seen_ = std::move(now);
}

result<workflow_shelf::put_outcome> workflow_shelf::put(const std::string& text, const std::string& space,
                                                        const std::string& name) {
  const std::lock_guard lock{mutex_};
  const std::string file = "document";
  auto reach = reader_.reach(text, file);
  if (!reach) return reach.error();
  if (reach->processes && !how_.policies.of(space).put_may_run_processes) {
    return error{errc::invalid_argument,
                 "a document put over HTTP may not run shells, scripts or containers here; the node's operator can allow it"};
  }
  if (reach->calls && !how_.policies.of(space).put_may_call && !how_.policies.of(space).put_may_call_public) {
    return error{errc::invalid_argument,
                 "a document put over HTTP may call functions of its own only here; the node's operator can allow more"};
  }
  if (reach->resources)
    return error{errc::invalid_argument, "a document put over HTTP may not name files or addresses of schemas and scripts"};
  if (reach->secrets) return error{errc::invalid_argument, "a document put over HTTP may not use secrets of the machine"};
  for (const auto& each : reach->namespaces) {
    if (each == space || each == "default") continue;
    return error{errc::invalid_argument, "it runs a workflow of the namespace \"" + each + "\", which is not its own"};
  }
  auto read = reader_for(space).read(text, file, put_over_http);
  if (!read) return read.error();
  if (space_of(read->name) != space) {
    return error{errc::invalid_argument, "this key puts documents of the namespace \"" + space + "\" only; the document has \"" +
                                             space_of(read->name) + "\""};
  }
  if (!name.empty() && read->name != name)
    return error{errc::conflict, "the document is called " + read->name + ", the resource " + name};
  const auto is_same = [&](const cluster::workflow_facts& each) {
    return each.name == read->name && each.version == read->version;
  };
  const auto before = cluster::workflows_of(*engine_);
  const bool fresh = std::none_of(before.begin(), before.end(), is_same);
  if (auto taken = take(*read); !taken) return taken.error();
  return put_outcome{{read->name, read->version, read->definition.hash(), true}, fresh};
}

/// Whose schedule that of a document is: documents are their namespace's, those of "default" the node's.
static std::string tenant_of_schedule(const std::string& workflow) {
  const auto space = space_of(workflow);
  return space == default_tenant ? std::string{} : space;
}

/// The newest version's schedule is the one that goes on.
void workflow_shelf::follow_schedule(const cluster::document& what) {
  const auto tenant = tenant_of_schedule(what.name);
  const auto open = cluster::schedules_for(*engine_, tenant, what.name);
  if (!open) return how_.log("warning", what.name + ": its schedules cannot be looked at: " + open.error().message);
  for (const auto& each : *open) {
    if (each.version == what.version) continue;
    const auto run = engine_->get(each.id);
    const auto ended = run ? run->cancel("version " + what.version + " follows") : result<void>{run.error()};
    if (!ended) how_.log("warning", what.name + " " + each.version + ": its schedule goes on: " + ended.error().message);
  }
  if (what.has_schedule) begin_once(what.name, what.version);
}

/// DATA/schedules/<hash> says that it was begun: a crash between the two finds it going on.
void workflow_shelf::begin_once(const std::string& name, const std::string& version) {
  const auto digest = core::to_hex(core::sha256({name, std::string_view{"\0", 1}, version}));
  const auto mark = how_.data / "schedules" / digest;
  std::error_code bad;
  if (std::filesystem::exists(mark, bad)) return;
  const auto begun = begin(tenant_of_schedule(name), name, version, "once");
  result<void> noted = begun ? persistence::make_folder(mark.parent_path()) : result<void>{begun.error()};
  if (noted) noted = persistence::put_file(mark, name + " " + version + "\n");
  how_.log(noted ? "info" : "warning",
           name + " " + version + (noted ? ": its schedule goes on" : ": no schedule: " + noted.error().message));
}

result<cluster::tenant_started> workflow_shelf::begin(const std::string& tenant, const std::string& name,
                                                      const std::string& version, const std::string& missed) {
  return cluster::begin_schedule_for(*engine_, tenant, name, version, missed);
}

result<cluster::tenant_started> workflow_shelf::begin_schedule(const std::string& tenant, const std::string& name,
                                                               const std::string& version, const std::string& missed) {
  const std::lock_guard lock{mutex_};  // two at once begin one
  return begin(tenant, name, version, missed);
}

void workflow_shelf::begin_schedules() {
  const std::lock_guard lock{mutex_};
  for (const auto& each : cluster::workflows_of(*engine_)) {
    const auto found = shelved_.find({each.name, each.version});
    if (each.newest && found != shelved_.end() && found->second.has_schedule) begin_once(each.name, each.version);
  }
}

bool workflow_shelf::has_schedule(const std::string& name, const std::string& version) const {
  const std::lock_guard lock{mutex_};
  const auto found = shelved_.find({name, version});
  return found != shelved_.end() && found->second.has_schedule;
}

std::optional<std::string> workflow_shelf::text_of(const std::string& name, const std::string& version) const {
  const std::lock_guard lock{mutex_};
  const auto found = shelved_.find({name, version});
  return found == shelved_.end() ? std::nullopt : std::optional{found->second.text};
}

std::shared_ptr<const json::value> workflow_shelf::content_of(const std::string& name, const std::string& version) const {
  const std::lock_guard lock{mutex_};
  const auto found = shelved_.find({name, version});
  return found == shelved_.end() ? nullptr : found->second.content;
}

}  // namespace perdure::tools::gateway
