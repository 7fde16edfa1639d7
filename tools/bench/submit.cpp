// bench submit: starts over HTTP, answered 202 when they are durable, beside starts inside of this process; what one connection
// costs over a call of node::start; and, when asked for, the memory of event streams on which nothing happens.
#include <sys/epoll.h>
#include <unistd.h>

#include <fstream>
#include <thread>
#include <vector>

#include "cluster/documents.hpp"
#include "tools/bench/served.hpp"

namespace perdure::tools::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view document =
    "document: {dsl: '1.0.3', namespace: default, name: bench, version: 1.0.0}\ndo:\n  - step: {set: {n: 1}}\n";
constexpr std::string_view sleeper =
    "document: {dsl: '1.0.3', namespace: default, name: sleeper, version: 1.0.0}\ndo:\n  - sleep: {wait: {hours: 24}}\n";

struct pace {
  double per_s = 0, p50_us = 0, p99_us = 0;
};

pace pace_of(const latencies& times, double seconds) {
  return {static_cast<double>(times.count()) / seconds, times.quantile(0.5), times.quantile(0.99)};
}

/// So many connections, each with one start on its way at any time, all on this thread.
result<pace> submit(const served_node& to, std::size_t connections, double seconds) {
  const auto request = to.request("POST", "/v1/workflows/run", R"({"inputs":{},"user":"bench","response_mode":"async"})");
  std::vector<http_client> clients;
  std::vector<clock::time_point> asked(connections);
  const int ready = ::epoll_create1(EPOLL_CLOEXEC);
  for (std::size_t i = 0; i < connections; ++i) {
    auto client = http_client::connect(to.port());
    if (!client) return client.error();
    clients.push_back(std::move(*client));
    epoll_event what{};
    what.events = EPOLLIN;
    what.data.u64 = i;
    ::epoll_ctl(ready, EPOLL_CTL_ADD, clients.back().socket(), &what);
  }
  latencies times;
  const auto from = clock::now();
  std::size_t waiting = 0;
  int wrong = 0;
  const auto ask = [&](std::size_t i) {
    asked[i] = clock::now();
    if (!clients[i].send(request)) wrong = -1;
    ++waiting;
  };
  const auto take = [&](std::size_t i) {
    const int status = clients[i].take();
    if (status == 0) return;
    --waiting;
    if (status != 202) wrong = status;
    times.add(clock::now() - asked[i]);
    if (seconds_since(from) < seconds) ask(i);
  };
  for (std::size_t i = 0; i < connections; ++i) ask(i);
  std::array<epoll_event, 64> events{};
  while (waiting > 0 && wrong == 0) {
    if (connections == 1) {
      take(0);
      continue;
    }
    const int many = ::epoll_wait(ready, events.data(), static_cast<int>(events.size()), 10'000);
    if (many == 0) wrong = -1;
    for (int i = 0; i < many; ++i) take(events[static_cast<std::size_t>(i)].data.u64);
  }
  ::close(ready);
  if (wrong != 0) return error{errc::internal, "a start was answered with status " + std::to_string(wrong)};
  return pace_of(times, seconds_since(from));
}

/// The same starts without HTTP.
result<pace> start(node& on, std::size_t threads, double seconds) {
  latencies times;
  std::atomic<bool> failed{false};
  const auto from = clock::now();
  const json::value input = json::object{};
  {
    std::vector<std::jthread> callers;
    for (std::size_t i = 0; i < threads; ++i) {
      callers.emplace_back([&] {
        while (seconds_since(from) < seconds && !failed) {
          const auto began = clock::now();
          if (!on.start("bench", input)) failed = true;
          times.add(clock::now() - began);
        }
      });
    }
  }
  if (failed) return error{errc::internal, "a start failed"};
  return pace_of(times, seconds_since(from));
}

result<json::object> stats_of(const served_node& of) {
  auto client = http_client::connect(of.port());
  if (!client) return client.error();
  std::string body;
  if (client->ask(of.request("GET", "/api/v1/stats"), &body) != 200) return error{errc::internal, "the server has no stats"};
  auto read = payload::parse_text(body);
  if (!read) return read.error();
  return read->value().as_object();
}

double number(const json::object& in, std::string_view name) {
  const auto* found = in.if_contains(name);
  return found != nullptr && found->is_number() ? found->to_number<double>() : 0;
}

/// Bytes of each stream; every one has a run of its own, which sleeps.
result<double> bytes_of_streams(const served_node& of, std::size_t many) {
  auto asking = http_client::connect(of.port());
  if (!asking) return asking.error();
  std::vector<std::string> runs;
  for (std::size_t i = 0; i < many; ++i) {
    std::string body;
    if (asking->ask(of.request("POST", "/api/v1/runs", R"({"workflow":"sleeper"})"), &body) != 201)
      return error{errc::internal, "a start failed: " + body};
    const auto read = payload::parse_text(body);
    if (!read) return read.error();
    runs.emplace_back(read->value().as_object().at("run_id").as_string());
  }
  std::this_thread::sleep_for(std::chrono::seconds{2});
  const auto before = of.anonymous_bytes();
  std::vector<http_client> streams;
  for (const auto& run : runs) {
    auto one = http_client::connect(of.port());
    if (!one) return one.error();
    const auto status = one->ask(of.request("GET", "/api/v1/runs/" + run + "/events", {}, "text/event-stream"));
    if (status != 200) return error{errc::internal, "a stream was answered with status " + std::to_string(status)};
    streams.push_back(std::move(*one));
  }
  // Each says that it is there once meanwhile.
  std::this_thread::sleep_for(std::chrono::seconds{12});
  const auto after = of.anonymous_bytes();
  return after > before ? static_cast<double>(after - before) / static_cast<double>(many) : 0;
}

}  // namespace

result<bench_result> bench_submit(const bench_options& how) {
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  const auto data = scratch->path() / "served", workflows = scratch->path() / "workflows";
  std::filesystem::create_directory(workflows);
  std::ofstream{workflows / "bench.yaml"} << document;
  const auto part = how.seconds / 4, warm = std::min(1.0, how.seconds / 5);

  auto served = served_node::start(data, workflows);
  if (!served) return served.error();
  if (const auto warmed = submit(*served, how.connections, warm); !warmed) return warmed.error();
  const auto before = stats_of(*served);
  if (!before) return before.error();
  const auto many = submit(*served, how.connections, how.seconds);
  if (!many) return many.error();
  const auto after = stats_of(*served);
  if (!after) return after.error();
  while (number(*stats_of(*served), "open_runs") > 0) std::this_thread::sleep_for(std::chrono::milliseconds{100});
  const auto one = submit(*served, 1, part);
  if (!one) return one.error();
  served->stop();

  const auto own = scratch->path() / "own";
  auto opened = node::open({.data_dir = own});
  if (!opened) return opened.error();
  cluster::document_reader reader{own};
  const auto read = reader.read(std::string{document}, "bench.yaml");
  if (!read) return read.error();
  if (auto added = opened->add(read->definition); !added) return added.error();
  if (const auto warmed = start(*opened, how.connections, warm); !warmed) return warmed.error();
  const auto many_starts = start(*opened, how.connections, how.seconds);
  if (!many_starts) return many_starts.error();
  while (opened->stats().open_runs > 0) std::this_thread::sleep_for(std::chrono::milliseconds{100});
  const auto one_start = start(*opened, 1, part);
  if (!one_start) return one_start.error();
  opened->close();

  const auto commits = std::max(number(*after, "commits") - number(*before, "commits"), 1.0);
  const auto mean_batch = (number(*after, "records") - number(*before, "records")) / commits;
  const auto floor = measure_floor(data, mean_batch, std::min(how.seconds, 3.0));
  if (!floor) return floor.error();
  bench_result out{.name = "submit"};
  out.config = {{"connections", how.connections}, {"seconds", how.seconds}, {"streams", how.streams}};
  out.figures = {{"submits_per_s", rounded(many->per_s)},     {"submit_p50_us", rounded(many->p50_us)},
                 {"submit_p99_us", rounded(many->p99_us)},    {"open_runs_after", number(*after, "open_runs")},
                 {"mean_batch", rounded(mean_batch)},         {"one_submits_per_s", rounded(one->per_s)},
                 {"one_submit_p50_us", rounded(one->p50_us)}, {"one_overhead_us", rounded(one->p50_us - one_start->p50_us)}};
  if (how.streams > 0) {
    std::ofstream{workflows / "sleeper.yaml"} << sleeper;
    auto streaming = served_node::start(scratch->path() / "streams", workflows);
    if (!streaming) return streaming.error();
    const auto bytes = bytes_of_streams(*streaming, how.streams);
    if (!bytes) return bytes.error();
    out.figures["bytes_per_stream"] = rounded(*bytes);
  }
  out.floor = to_json_object(*floor);
  out.floor["starts_per_s"] = rounded(many_starts->per_s);
  out.floor["start_p50_us"] = rounded(many_starts->p50_us);
  out.floor["start_p99_us"] = rounded(many_starts->p99_us);
  out.floor["one_start_p50_us"] = rounded(one_start->p50_us);
  out.ratios = {{"starts", rounded(many->per_s / many_starts->per_s)},
                {"throughput", rounded(many->per_s / floor->appends_per_s)},
                {"latency_p99", rounded(many->p99_us / many_starts->p99_us)},
                {"one_latency_p50", rounded(one->p50_us / one_start->p50_us)}};
  return out;
}

}  // namespace perdure::tools::bench
