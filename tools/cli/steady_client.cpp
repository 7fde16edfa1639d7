#include "tools/cli/steady_client.hpp"

#include <thread>

namespace perdure::tools::cli {

namespace {

/// As long as a node may take to close, and a little.
constexpr std::chrono::seconds patience{12};
constexpr std::chrono::milliseconds pause_between{100};

bool may_be_another(errc code) { return code == errc::shutting_down || code == errc::locked; }

cluster::run_command with_id(cluster::run_command what) {
  if (what.command_id.empty()) what.command_id = run_id::make().str();
  return what;
}

}  // namespace

bool steady_client::reached_anew(std::chrono::steady_clock::time_point until) {
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(pause_between);
    auto found = reach_once(data_);
    if (found) {
      now_ = std::move(*found);
      return true;
    }
    if (!may_be_another(found.error().code)) return false;
  }
  return false;
}

template <class Ask>
auto steady_client::steadily(Ask&& ask) {
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    auto answer = ask();
    if (answer || !may_be_another(answer.error().code) || !reached_anew(until)) return answer;
  }
}

result<run_page> steady_client::list(const list_options& options) {
  return steadily([&] { return now_->list(options); });
}

result<run_summary> steady_client::summary(const run_id& run) {
  return steadily([&] { return now_->summary(run); });
}

result<void> steady_client::stored(const run_id& run, run_seq after, const take_event& take) {
  return steadily([&] {
    return now_->stored(run, after, [&](const run_event& event) {
      after = event.seq;
      return take(event);
    });
  });
}

result<void> steady_client::follow(const run_id& run, run_seq after, const take_event& take, std::stop_token stop) {
  return now_->follow(run, after, take, std::move(stop));
}

result<client::done> steady_client::command(const cluster::run_command& what) {
  const auto given = with_id(what);
  return steadily([&] { return now_->command(given); });
}

std::vector<result<client::done>> steady_client::commands(const std::vector<cluster::run_command>& what) {
  std::vector<cluster::run_command> given;
  for (const auto& each : what) given.push_back(with_id(each));
  auto out = now_->commands(given);
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    std::vector<std::size_t> again;
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (!out[i] && may_be_another(out[i].error().code)) again.push_back(i);
    }
    if (again.empty() || !reached_anew(until)) return out;
    std::vector<cluster::run_command> rest;
    for (const auto i : again) rest.push_back(given[i]);
    auto answers = now_->commands(rest);
    for (std::size_t i = 0; i < again.size(); ++i) out[again[i]] = std::move(answers[i]);
  }
}

result<json::value> steady_client::about_jobs(const json::object& question) {
  return steadily([&] { return now_->about_jobs(question); });
}

result<json::object> steady_client::stats() {
  return steadily([&] { return now_->stats(); });
}

}  // namespace perdure::tools::cli
