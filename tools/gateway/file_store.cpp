#include "tools/gateway/file_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "cluster/file_marks.hpp"
#include "core/client_files.hpp"
#include "core/json_text.hpp"
#include "perdure/ids.hpp"
#include "persistence/durable_file.hpp"
#include "tools/gateway/keys.hpp"
#include "tools/gateway/private_file.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

namespace fs = std::filesystem;
constexpr std::size_t known_bytes = 8192;
constexpr std::string_view known_folder = "known", content_folder = "content", incoming_folder = "incoming";

json::object to_json_object(const stored_file& what) {
  return {{"id", what.id},
          {"tenant", what.tenant},
          {"workflow", what.workflow},
          {"name", what.name},
          {"extension", what.extension},
          {"mime_type", what.mime_type},
          {"user", what.user},
          {"sha256", what.sha256},
          {"size", what.size},
          {"created_at", to_string(what.created_at)}};
}

result<stored_file> read_known(const fs::path& path) {
  const auto text = read_private(path, known_bytes);
  if (!text) return text.error();
  const auto parsed = core::read_json_text(*text);
  if (!parsed || !parsed->is_object()) return error{errc::corrupt, path.string() + ": says nothing of a file"};
  const auto& in = parsed->get_object();
  stored_file out{.id = text_of(in, "id"),
                  .tenant = text_of(in, "tenant"),
                  .workflow = text_of(in, "workflow"),
                  .name = text_of(in, "name"),
                  .extension = text_of(in, "extension"),
                  .mime_type = text_of(in, "mime_type"),
                  .user = text_of(in, "user"),
                  .sha256 = text_of(in, "sha256"),
                  .size = number_of(in, "size")};
  const auto at = parse_timestamp(text_of(in, "created_at"));
  if (!at || !run_id::parse(out.id) || !is_tenant_name(out.tenant) || out.sha256.size() != 64 || !is_hex(out.sha256))
    return error{errc::corrupt, path.string() + ": says nothing of a file"};
  out.created_at = *at;
  return out;
}

}  // namespace

fs::path file_store::known_path(const std::string& tenant, const std::string& id) const {
  return folder_ / tenant / known_folder / (id + ".json");
}
fs::path file_store::content_path(const std::string& tenant, const std::string& sha256) const {
  return folder_ / core::client_file_place(tenant, sha256);
}
fs::path file_store::path_of(const stored_file& what) const { return content_path(what.tenant, what.sha256); }
result<std::string> file_store::mark_of(const stored_file& what) const { return marks_->mark_of(what.tenant, what.sha256); }

result<std::unique_ptr<file_store>> file_store::open(const fs::path& data, quota of) {
  const auto folder = data / core::client_files_folder;
  std::unique_ptr<file_store> out{new file_store(folder, cluster::open_file_marks(data), std::move(of))};
  if (auto made = persistence::make_folder(folder); !made) return made.error();
  if (auto seen = out->look_around(); !seen) return seen.error();
  return out;
}

result<void> file_store::look_around() {
  std::error_code bad;
  for (const auto& tenant : fs::directory_iterator(folder_, bad)) {
    for (const auto& each : fs::directory_iterator(tenant.path() / known_folder, bad)) {
      if (each.path().extension() != ".json") {
        fs::remove(each.path(), bad);
        continue;
      }
      auto known = read_known(each.path());
      if (!known) return known.error();
      auto& of = tenants_[known->tenant];
      if (of.contents[known->sha256]++ == 0) of.bytes += known->size;
      files_[known->id] = {known->tenant, known->sha256, known->size};
    }
    sweep(tenant.path());
  }
  return {};
}

/// What a crash left: contents that came in halfway, and those that no file has.
void file_store::sweep(const fs::path& tenant) {
  std::error_code bad;
  for (const auto& each : fs::directory_iterator(tenant / incoming_folder, bad)) fs::remove(each.path(), bad);
  const auto of = tenants_.find(tenant.filename().string());
  for (const auto& each : fs::directory_iterator(tenant / content_folder, bad)) {
    if (of == tenants_.end() || !of->second.contents.contains(each.path().filename().string())) fs::remove(each.path(), bad);
  }
}

error file_store::over_limit(std::string_view tenant) const {
  return {errc::limit_exceeded, "the tenant's files would be over the limit of " + std::to_string(quota_(tenant)) + " bytes"};
}

result<file_store::incoming> file_store::begin(const std::string& tenant) {
  if (!is_tenant_name(tenant)) return error{errc::invalid_argument, "\"" + tenant + "\" is no tenant"};
  for (const auto& each : {incoming_folder, content_folder, known_folder}) {
    if (auto made = persistence::make_folder(folder_ / tenant / each); !made) return made.error();
  }
  auto path = folder_ / tenant / incoming_folder / run_id::make().str();
  persistence::file_descriptor file{::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file) return file_error(path);
  return incoming{*this, tenant, std::move(path), std::move(file)};
}

file_store::incoming::~incoming() {
  if (!file_) return;
  ::unlink(path_.c_str());
  const std::lock_guard lock{of_->mutex_};
  of_->tenants_[tenant_].incoming -= size_;
}

result<void> file_store::incoming::write(std::string_view piece) {
  {
    const std::lock_guard lock{of_->mutex_};
    // What is there already may be the same; `keep` knows that. Until then as much again may be on its way.
    auto& coming = of_->tenants_[tenant_].incoming;
    if (coming + piece.size() > of_->quota_(tenant_)) return of_->over_limit(tenant_);
    coming += piece.size();
    size_ += piece.size();
  }
  hash_->add(piece);
  while (!piece.empty()) {
    const auto written = ::write(file_.get(), piece.data(), piece.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return file_error(path_);
    piece.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

result<stored_file> file_store::keep(incoming content, stored_file what) {
  what.id = run_id::make().str();
  what.tenant = content.tenant_;
  what.sha256 = content.hash_->hex();
  what.size = content.size_;
  if (::fsync(content.file_.get()) != 0) return file_error(content.path_);
  {
    // Counted before it is there, so that many at once stay within the limit.
    const std::lock_guard lock{mutex_};
    auto& of = tenants_[what.tenant];
    const bool fresh = !of.contents.contains(what.sha256);
    if (fresh && of.bytes + what.size > quota_(what.tenant)) return over_limit(what.tenant);
    if (of.contents[what.sha256]++ == 0) of.bytes += what.size;
    files_[what.id] = {what.tenant, what.sha256, what.size};
    // While the lock is held nobody removes an equal content.
    if (fresh && ::rename(content.path_.c_str(), path_of(what).c_str()) != 0) {
      const auto why = file_error(path_of(what));
      files_.erase(what.id);
      of.contents.erase(what.sha256);
      of.bytes -= what.size;
      return why;
    }
  }
  std::string text;
  core::write_json_text(text, to_json_object(what));
  auto kept = persistence::sync_folder(path_of(what).parent_path());
  if (kept) kept = persistence::put_file(known_path(what.tenant, what.id), text + "\n");
  if (kept) return what;
  static_cast<void>(remove(what.id));
  return kept.error();
}

result<stored_file> file_store::find(const std::string& id) const {
  const error unknown{errc::not_found, "no file \"" + id + "\""};
  std::string tenant;
  {
    const std::lock_guard lock{mutex_};
    const auto found = files_.find(id);
    if (found == files_.end()) return unknown;
    tenant = found->second.tenant;
  }
  auto known = read_known(known_path(tenant, id));
  if (!known && known.error().code == errc::not_found) return unknown;
  return known;
}

std::uint64_t file_store::bytes_of(std::string_view tenant) const {
  const std::lock_guard lock{mutex_};
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? 0 : found->second.bytes;
}

std::vector<std::string> file_store::tenants() const {
  const std::lock_guard lock{mutex_};
  std::vector<std::string> out;
  for (const auto& [name, of] : tenants_) out.push_back(name);
  return out;
}

result<void> file_store::remove(const std::string& id) {
  const std::lock_guard lock{mutex_};
  const auto found = files_.find(id);
  if (found == files_.end()) return error{errc::not_found, "no file \"" + id + "\""};
  const auto what = found->second;
  // Not known any more first: a crash leaves a content that nobody has, which the next start sweeps.
  if (::unlink(known_path(what.tenant, id).c_str()) != 0 && errno != ENOENT) return file_error(known_path(what.tenant, id));
  if (auto synced = persistence::sync_folder(folder_ / what.tenant / known_folder); !synced) return synced;
  files_.erase(found);
  auto& of = tenants_[what.tenant];
  const auto others = of.contents.find(what.sha256);
  if (others == of.contents.end() || --others->second > 0) return {};
  of.contents.erase(others);
  of.bytes -= what.size;
  ::unlink(content_path(what.tenant, what.sha256).c_str());
  return {};
}

}  // namespace perdure::tools::gateway
