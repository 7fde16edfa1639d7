#include "tools/gateway/webhook_book.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "cluster/job_verbs.hpp"
#include "core/base64.hpp"
#include "core/json_text.hpp"
#include "core/record.hpp"
#include "persistence/durable_file.hpp"
#include "tools/gateway/answers.hpp"
#include "tools/gateway/keys.hpp"
#include "tools/gateway/private_file.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

constexpr std::chrono::milliseconds look_pause{200}, failed_pause{5'000};
constexpr std::size_t hook_bytes = 16U << 10, url_bytes = 2'048, output_bytes = 64U << 10, secret_bytes = 32;
constexpr std::string_view secret_prefix = "whsec_";
constexpr std::array<std::string_view, 7> known_events{"run.succeeded", "run.failed", "run.cancelled", "run.timed_out",
                                                       "run.started",   "run.paused", "run.resumed"};

json::array names_of(const std::vector<std::string>& events) {
  json::array out;
  for (const auto& each : events) out.push_back(json::value(each));
  return out;
}

json::value text_or_null(const std::string& text) { return text.empty() ? json::value(nullptr) : json::value(text); }

result<webhook> read_hook(const std::filesystem::path& path) {
  const auto text = read_private(path, hook_bytes);
  if (!text) return text.error();
  const auto parsed = core::read_json_text(*text);
  const error wrong{errc::corrupt, path.string() + ": is no webhook"};
  if (!parsed || !parsed->is_object()) return wrong;
  const auto& in = parsed->get_object();
  webhook out{.id = text_of(in, "id"),
              .tenant = text_of(in, "tenant"),
              .workflow = text_of(in, "workflow"),
              .url = text_of(in, "url"),
              .secret = text_of(in, "secret"),
              .since = number_of(in, "since")};
  for (const auto& each : list_of(in, "events")) out.events.push_back(each.is_string() ? std::string{each.get_string()} : "?");
  const auto at = parse_timestamp(text_of(in, "created_at"));
  if (!at || out.id.empty() || !out.secret.starts_with(secret_prefix)) return wrong;
  out.created_at = *at;
  return out;
}

bool is_web_address(const std::string& url) {
  const auto begin = url.starts_with("https://") ? 8U : url.starts_with("http://") ? 7U : 0U;
  const auto plain = [](unsigned char c) { return c > ' ' && c < 127; };
  return begin != 0 && url.size() > begin && url.size() <= url_bytes && url[begin] != '/' &&
         std::all_of(url.begin(), url.end(), plain) &&
         url.substr(begin, url.find('/', begin) - begin).find('@') == std::string::npos;
}

}  // namespace

json::object to_json_object(const webhook& what) {
  return {{"id", what.id},
          {"url", what.url},
          {"workflow", text_or_null(what.workflow)},
          {"events", names_of(what.events)},
          {"created_at", to_string(what.created_at)}};
}

result<void> webhook_book::read_all() {
  std::error_code bad;
  for (const auto& each : std::filesystem::directory_iterator(folder_, bad)) {
    if (each.path().extension() != ".json") continue;
    auto hook = read_hook(each.path());
    if (!hook) return hook.error();
    hooks_.emplace(hook->id, std::move(*hook));
  }
  return {};
}

result<void> webhook_book::start(node& engine) {
  engine_ = &engine;
  if (auto made = persistence::make_folder(folder_); !made) return made;
  if (auto all = read_all(); !all) return all;
  if (auto offered = cluster::offer_webhooks(engine, [this](const std::string& id) { return find(id); }); !offered)
    return offered;
  thread_ = std::thread{[this] { look(); }};
  return {};
}

void webhook_book::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

std::optional<cluster::webhook_target> webhook_book::find(const std::string& id) const {
  const std::lock_guard lock{mutex_};
  const auto found = hooks_.find(id);
  if (found == hooks_.end()) return std::nullopt;
  const auto secret = cluster::from_base64(std::string_view{found->second.secret}.substr(secret_prefix.size()));
  if (!secret) return std::nullopt;
  return cluster::webhook_target{found->second.url, *secret, how_.may_reach_private(found->second.tenant)};
}

result<webhook> webhook_book::add(webhook what) {
  if (!is_web_address(what.url))
    return error{errc::invalid_argument, "\"url\" is an address that begins with https:// or http://"};
  if (what.events.empty()) what.events.assign(known_events.begin(), known_events.begin() + 4);
  for (const auto& each : what.events) {
    if (std::find(known_events.begin(), known_events.end(), each) == known_events.end())
      return error{errc::invalid_argument, "there is no event \"" + each + "\""};
  }
  const auto id = random_hex(8), bytes = random_hex(secret_bytes);
  if (!id || !bytes) return id ? bytes.error() : id.error();
  what.id = "wh_" + *id;
  const auto digest = core::sha256({*bytes});
  what.secret = std::string{secret_prefix} + core::to_base64({reinterpret_cast<const char*>(digest.data()), digest.size()});
  what.created_at = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  what.since = cluster::newest_lsn(*engine_);
  auto stored = to_json_object(what);
  stored["tenant"] = what.tenant;
  stored["secret"] = what.secret;
  stored["since"] = what.since;
  const std::lock_guard lock{mutex_};
  const auto same = [&](const auto& each) { return each.second.tenant == what.tenant; };
  if (static_cast<std::size_t>(std::count_if(hooks_.begin(), hooks_.end(), same)) >= tenant_hooks)
    return error{errc::limit_exceeded, "a tenant has at most " + std::to_string(tenant_hooks) + " webhooks"};
  if (auto written = persistence::put_file(folder_ / (what.id + ".json"), json_text(stored) + "\n"); !written)
    return written.error();
  hooks_.emplace(what.id, what);
  changed_.notify_all();
  return what;
}

std::vector<webhook> webhook_book::list(const std::string& tenant) const {
  const std::lock_guard lock{mutex_};
  std::vector<webhook> out;
  for (const auto& [id, each] : hooks_) {
    if (each.tenant == tenant) out.push_back(each);
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created_at < b.created_at; });
  return out;
}

result<void> webhook_book::remove(const std::string& tenant, const std::string& id) {
  const std::lock_guard lock{mutex_};
  const auto found = hooks_.find(id);
  if (found == hooks_.end() || found->second.tenant != tenant) return error{errc::not_found, "no webhook \"" + id + "\""};
  std::error_code bad;
  std::filesystem::remove(folder_ / (id + ".json"), bad);
  if (bad) return error{errc::io_error, folder_.string() + ": " + bad.message()};
  hooks_.erase(found);
  return persistence::sync_folder(folder_);
}

void webhook_book::look() {
  const auto place = folder_ / "cursor";
  lsn_t after = cluster::newest_lsn(*engine_);
  std::unique_lock lock{mutex_};
  // Without a cursor nothing was looked over since the first hook was made: a crash came before.
  for (const auto& hook : hooks_) after = std::min(after, hook.second.since);
  bool kept = false;  // whether the file says so
  if (const auto text = read_private(place, 32)) {
    std::from_chars(text->data(), text->data() + text->size(), after);
    kept = true;
  }
  while (!stopped_) {
    const bool wanted = !hooks_.empty();
    lock.unlock();
    auto pause = look_pause;
    if (!wanted) {
      after = cluster::newest_lsn(*engine_);
      if (std::exchange(kept, false)) {
        std::error_code ignored;
        std::filesystem::remove(place, ignored);
      }
    } else if (const auto next = look_once(after)) {
      const bool moved = *next != after;
      if (*next - after >= limits::reader_records) pause = {};
      after = *next;
      // Also when nothing was told: a hook that is there must not miss what happens while the node is down.
      if (moved || !kept) kept = persistence::put_file(place, std::to_string(after)).has_value();
    } else {
      if (next.error().code != errc::shutting_down) how_.log("warning", "webhooks wait: " + next.error().message);
      pause = failed_pause;
    }
    lock.lock();
    changed_.wait_for(lock, pause, [&] { return stopped_; });
  }
}

result<lsn_t> webhook_book::look_once(lsn_t after) {
  std::uint64_t skipped = 0;
  auto next = cluster::news_since(
      *engine_, after, [this](const cluster::run_news& news) { return tell(news); }, skipped);
  if (skipped > 0)
    how_.log("warning", std::to_string(skipped) + " records went to the archive before webhooks were told of them");
  return next;
}

result<void> webhook_book::tell(const cluster::run_news& news) {
  std::vector<webhook> wanted;
  const auto type = "run." + news.what;
  {
    const std::lock_guard lock{mutex_};
    for (const auto& [id, each] : hooks_) {
      const bool fits = each.tenant == news.tenant && each.since < news.lsn &&
                        (each.workflow.empty() || each.workflow == news.run.workflow) &&
                        std::find(each.events.begin(), each.events.end(), type) != each.events.end();
      if (fits) wanted.push_back(each);
    }
  }
  if (wanted.empty()) return {};
  json::object data{
      {"run_id", news.run.id.str()}, {"workflow", news.run.workflow}, {"version", news.run.version}, {"status", news.what}};
  if (is_terminal(news.run.status)) {
    const auto ref = engine_->get(news.run.id);
    const auto info = ref ? ref->status() : result<run_info>{ref.error()};
    if (!info && info.error().code != errc::not_found) return info.error();
    const bool fits = info && info->output.size() <= output_bytes;
    data.emplace("output", fits ? info->output.value() : json::value(nullptr));
    data.emplace("output_left_out", info.has_value() && !fits);
    data.emplace("error", info && info->error ? cluster::to_wire(*info).at("error") : json::value(nullptr));
  }
  const auto body = json_text(json::object{{"type", type}, {"timestamp", to_string(news.time)}, {"data", std::move(data)}});
  for (const auto& each : wanted) {
    const auto digest = core::to_hex(core::sha256({each.id, "/", news.run.id.str(), "/", std::to_string(news.seq)}));
    if (auto begun = cluster::begin_delivery(*engine_, {each.id, "msg_" + digest.substr(0, 32), body}); !begun) return begun;
  }
  return {};
}

}  // namespace perdure::tools::gateway
