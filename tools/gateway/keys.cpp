#include "tools/gateway/keys.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "core/hmac.hpp"
#include "core/json_text.hpp"
#include "core/record.hpp"
#include "persistence/durable_file.hpp"
#include "tools/gateway/private_file.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::size_t id_bytes = 8, secret_bytes = 32;
constexpr std::size_t key_file_bytes = 4096;  // none is as long
constexpr std::string_view prefix = "pdr_";
constexpr std::pair<right, std::string_view> names_of_rights[] = {
    {right::run, "run"}, {right::read, "read"}, {right::deploy, "deploy"}, {right::admin, "admin"}};

bool is_id(std::string_view text) { return text.size() == 2 * id_bytes && is_hex(text); }

json::value time_or_null(const std::optional<timestamp>& at) { return at ? json::value(to_string(*at)) : json::value(nullptr); }

json::object members(const api_key& key) {
  json::array may;
  for (const auto& each : key.may.names()) may.push_back(json::value(each));
  return {{"id", key.id},
          {"tenant", key.tenant},
          {"workflow", key.workflow.empty() ? json::value(nullptr) : json::value(key.workflow)},
          {"rights", std::move(may)},
          {"created_at", to_string(key.created_at)},
          {"expires_at", time_or_null(key.expires_at)},
          {"revoked_at", time_or_null(key.revoked_at)}};
}

}  // namespace

std::vector<std::string> rights::names() const {
  std::vector<std::string> out;
  for (const auto& [each, name] : names_of_rights) {
    if ((bits_ & static_cast<unsigned>(each)) != 0) out.emplace_back(name);
  }
  return out;
}

result<rights> rights::read(std::string_view list) {
  rights out;
  while (true) {
    const auto end = list.find(',');
    const auto name = list.substr(0, end);
    const auto* found = std::find_if(std::begin(names_of_rights), std::end(names_of_rights),
                                     [&](const auto& each) { return each.second == name; });
    if (found == std::end(names_of_rights))
      return error{errc::invalid_argument, "\"" + std::string{name} + "\" is no right; there are run, read, deploy and admin"};
    out.give(found->first);
    if (end == std::string_view::npos) return out;
    list.remove_prefix(end + 1);
  }
}

bool is_tenant_name(std::string_view name) {
  constexpr std::string_view fit = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !name.empty() && name.size() <= 63 && name.find_first_not_of(fit) == std::string_view::npos && name.front() != '-' &&
         name.back() != '-';
}

json::object to_json_object(const api_key& key, timestamp now) {
  auto out = members(key);
  out.emplace("valid", key.valid(now));
  return out;
}

result<api_key> key_store::read(const std::filesystem::path& path) {
  const auto text = read_private(path, key_file_bytes);
  if (!text) return text.error();
  const auto parsed = core::read_json_text(*text);
  if (!parsed || !parsed->is_object()) return error{errc::corrupt, path.string() + ": is no key"};
  const auto& in = parsed->get_object();
  api_key out;
  out.id = text_of(in, "id");
  out.tenant = text_of(in, "tenant");
  out.workflow = text_of(in, "workflow");
  out.secret_hash = text_of(in, "secret_sha256");
  std::string may;
  for (const auto& each : list_of(in, "rights"))
    may += (may.empty() ? "" : ",") + (each.is_string() ? std::string{each.get_string()} : "?");
  const auto granted = rights::read(may);
  const auto created = parse_timestamp(text_of(in, "created_at"));
  const auto time_in = [&](std::string_view name, std::optional<timestamp>& to) {
    if (value_of(in, name).is_null()) return true;
    to = parse_timestamp(text_of(in, name));
    return to.has_value();
  };
  // A limit that cannot be read must not become none.
  if (!granted || !created || !is_id(out.id) || out.secret_hash.size() != 64 || !is_tenant_name(out.tenant) ||
      !time_in("expires_at", out.expires_at) || !time_in("revoked_at", out.revoked_at)) {
    return error{errc::corrupt, path.string() + ": is no key"};
  }
  out.may = *granted;
  out.created_at = *created;
  return out;
}

result<void> key_store::write(const api_key& key) const {
  auto all = members(key);
  all.emplace("secret_sha256", key.secret_hash);
  std::string text;
  core::write_json_text(text, all);
  return persistence::put_file(path_of(key.id), text + "\n");
}

result<key_store::made> key_store::prepare(api_key what, timestamp now) const {
  if (!is_tenant_name(what.tenant)) {
    return error{errc::invalid_argument,
                 "\"" + what.tenant + "\" is no name for a tenant: 1 to 63 lower-case letters, digits and hyphens"};
  }
  if (what.workflow.size() > limits::name_bytes || core::valid_utf8(what.workflow) != what.workflow)
    return error{errc::invalid_argument, "the workflow's name is too long, or not UTF-8"};
  auto id = random_hex(id_bytes);
  if (!id) return id.error();
  auto secret = random_hex(secret_bytes);
  if (!secret) return secret.error();
  what.id = std::move(*id);
  what.created_at = now;
  what.revoked_at.reset();
  what.secret_hash = core::to_hex(core::sha256({*secret}));
  auto text = std::string{prefix} + what.id + "_" + *secret;
  return made{std::move(what), std::move(text)};
}

result<key_store::made> key_store::create(api_key what, timestamp now) {
  auto out = prepare(std::move(what), now);
  if (!out) return out.error();
  if (auto there = persistence::make_folder(folder_); !there) return there.error();
  if (auto written = write(out->key); !written) return written.error();
  return out;
}

result<std::vector<api_key>> key_store::list() const {
  std::vector<api_key> out;
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(folder_, bad)) {
    if (each.path().extension() != ".json") continue;
    auto key = read(each.path());
    if (!key) return key.error();
    out.push_back(std::move(*key));
  }
  if (bad && bad != std::errc::no_such_file_or_directory) return error{errc::io_error, folder_.string() + ": " + bad.message()};
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return a.created_at != b.created_at ? a.created_at < b.created_at : a.id < b.id;
  });
  return out;
}

result<api_key> key_store::revoke(const std::string& id, timestamp now) {
  std::error_code bad;
  if (!is_id(id) || !std::filesystem::exists(path_of(id), bad)) return error{errc::not_found, "no key \"" + id + "\""};
  auto key = read(path_of(id));
  if (!key) return key.error();
  if (key->revoked_at) return key;
  key->revoked_at = now;
  if (auto written = write(*key); !written) return written.error();
  return key;
}

std::optional<api_key> key_store::check(std::string_view text, timestamp now) {
  const auto well_formed = text.size() == prefix.size() + 2 * id_bytes + 1 + 2 * secret_bytes && text.starts_with(prefix) &&
                           text[prefix.size() + 2 * id_bytes] == '_';
  if (!well_formed) return std::nullopt;
  const std::string id{text.substr(prefix.size(), 2 * id_bytes)};
  if (!is_id(id)) return std::nullopt;
  const auto hash = core::to_hex(core::sha256({text.substr(prefix.size() + 2 * id_bytes + 1)}));
  auto key = find(id);
  if (!key || !core::same_secret(hash, key->secret_hash) || !key->valid(now)) return std::nullopt;
  return key;
}

bool key_store::valid(const std::string& id, timestamp now) {
  if (!is_id(id)) return false;
  const auto key = find(id);
  return key && key->valid(now);
}

std::optional<api_key> key_store::find(const std::string& id) {
  const auto path = path_of(id);
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return std::nullopt;
  const version seen{info.st_ino, static_cast<std::uint64_t>(info.st_size),
                     std::int64_t{info.st_ctim.tv_sec} * 1'000'000'000 + info.st_ctim.tv_nsec};
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = known_.find(id); found != known_.end() && found->second.seen == seen) return found->second.key;
  }
  // Changed between the two looks: then what is remembered under the older state is looked at again next time.
  auto stored = read(path);
  if (!stored || stored->id != id) return std::nullopt;
  const std::lock_guard lock{mutex_};
  known_.insert_or_assign(id, cached{seen, *stored});
  return std::move(*stored);
}

result<std::optional<std::filesystem::path>> key_store::ensure_admin(const std::filesystem::path& data, timestamp now) {
  const auto keys = list();
  if (!keys) return keys.error();
  const auto rules = [&](const api_key& each) { return each.valid(now) && each.may.has(right::admin); };
  if (std::any_of(keys->begin(), keys->end(), rules)) return std::optional<std::filesystem::path>{};
  api_key all;
  for (const auto& [each, name] : names_of_rights) all.may.give(each);
  const auto first = prepare(std::move(all), now);
  if (!first) return first.error();
  if (auto there = persistence::make_folder(folder_); !there) return there.error();
  // Its text first: a crash between the two leaves a text without a key, and the next start makes both anew.
  const auto path = data / "admin.key";
  if (auto written = persistence::put_file(path, first->text + "\n"); !written) return written.error();
  if (auto written = write(first->key); !written) return written.error();
  return std::optional{path};
}

}  // namespace perdure::tools::gateway
