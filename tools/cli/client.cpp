#include "tools/cli/client.hpp"

#include <algorithm>
#include <thread>

#include "tools/cli/control_client.hpp"
#include "tools/cli/offline_client.hpp"
#include "tools/cli/steady_client.hpp"

namespace perdure::tools::cli {

namespace {
/// A node holds the directory's lock for a moment before it listens.
constexpr std::chrono::milliseconds patience{3000};
constexpr std::chrono::milliseconds pause_between{100};
constexpr std::size_t page = 1000;
}  // namespace

std::vector<result<client::done>> client::commands(const std::vector<cluster::run_command>& what) {
  std::vector<result<done>> out;
  for (const auto& each : what) out.push_back(command(each));
  return out;
}

result<void> client::each_pending(const std::function<void(const cluster::run_command&)>&) { return {}; }

result<std::unique_ptr<client>> reach(const std::filesystem::path& data) {
  auto now = reach_once(data);
  if (!now) return now;
  return std::unique_ptr<client>(std::make_unique<steady_client>(data, std::move(*now)));
}

result<std::unique_ptr<client>> reach_once(const std::filesystem::path& data) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto running = control_client::connect(data);
    if (running) return std::unique_ptr<client>(std::move(*running));
    if (running.error().code != errc::not_found) return running.error();
    auto offline = offline_client::open(data);
    if (offline) return std::unique_ptr<client>(std::move(*offline));
    if (offline.error().code != errc::locked || std::chrono::steady_clock::now() >= until) return offline.error();
    std::this_thread::sleep_for(pause_between);
  }
}

result<run_view> view_of(client& from, const run_id& run) {
  run_view out;
  const auto read = look_at(from, run, out);
  if (!read) return read.error();
  return out;
}

result<void> look_at(client& from, const run_id& run, run_view& seen) {
  return from.stored(run, 0, [&](const run_event& event) {
    seen.add(event);
    return true;
  });
}

result<run_id> resolve(client& from, const std::string& text) {
  if (const auto whole = run_id::parse(text)) return *whole;
  const bool plausible =
      text.size() < 36 && !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF-") == std::string::npos;
  if (!plausible) return error{errc::invalid_argument, "\"" + text + "\" is no run id, nor the beginning of one"};
  std::string wanted = text;
  std::transform(wanted.begin(), wanted.end(), wanted.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  list_options options;
  options.limit = page;
  std::vector<run_id> found;
  do {
    auto runs = from.list(options);
    if (!runs) return runs.error();
    for (const auto& each : runs->runs) {
      if (each.id.str().starts_with(wanted)) found.push_back(each.id);
    }
    options.cursor = runs->next_cursor;
  } while (!options.cursor.empty() && found.size() < 4);
  if (found.empty())
    return error{errc::not_found, "no run whose id begins with \"" + text + "\"; `perdure runs list` shows them"};
  if (found.size() == 1) return found.front();
  std::string candidates;
  for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 3); ++i) candidates += (i == 0 ? "" : ", ") + found[i].str();
  return error{errc::invalid_argument,
               "\"" + text + "\" begins several run ids: " + candidates + (found.size() > 3 ? ", …" : "")};
}

}  // namespace perdure::tools::cli
