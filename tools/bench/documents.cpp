// bench documents: runs of a document of `set` tasks beside runs of the same number of bare steps, the time to read documents
// of a thousand tasks, and what a loop costs.
#include <thread>

#include "cluster/documents.hpp"
#include "tools/bench/bench.hpp"

namespace perdure::tools::bench {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::size_t many_tasks = 1'000;
constexpr int short_list = 1'000, long_list = 10'000;

std::string header(const std::string& name) {
  return "document: {dsl: '1.0.3', namespace: default, name: " + name + ", version: 1.0.0}\ndo:\n";
}

std::string sets(const std::string& name, std::size_t tasks, const std::string& expression) {
  auto out = header(name);
  for (std::size_t i = 0; i < tasks; ++i) {
    auto one = expression;
    if (const auto at = one.find("%"); at != std::string::npos) one.replace(at, 1, std::to_string(i));
    out += "  - t" + std::to_string(i) + ": {set: {n: '${ " + one + " }'}}\n";
  }
  return out;
}

/// Milliseconds; the best of some tries.
result<double> time_to_read(cluster::document_reader& reader, const std::string& text, int tries) {
  double best = 0;
  for (int i = 0; i < tries; ++i) {
    const auto began = clock::now();
    if (auto read = reader.read(text, "bench.yaml"); !read) return read.error();
    const auto took = seconds_since(began) * 1000;
    best = i == 0 ? took : std::min(best, took);
  }
  return best;
}

/// Milliseconds of one run.
result<double> time_to_run(node& on, const std::string& workflow, const json::value& input) {
  const auto began = clock::now();
  const auto run = on.start(workflow, input);
  if (!run) return run.error();
  const auto end = run->wait(std::chrono::minutes{5});
  if (!end) return end.error();
  if (end->status != run_status::succeeded)
    return error{errc::internal, workflow + ": " + (end->error ? end->error->message : std::string{to_string(end->status)})};
  return seconds_since(began) * 1000;
}

/// Tasks a second of so many runs in flight.
result<double> task_rate(node& on, const bench_options& how, std::size_t tasks) {
  std::atomic<std::uint64_t> ended{0};
  std::atomic<bool> stop{false};
  std::mutex mutex;
  std::string wrong;
  std::vector<std::jthread> callers;
  for (std::size_t i = 0; i < how.runs; ++i) {
    callers.emplace_back([&] {
      while (!stop) {
        const auto done = time_to_run(on, "sets", json::object{{"n", 1}});
        if (!done) {
          const std::lock_guard lock{mutex};
          wrong = done.error().message;
          return;
        }
        ++ended;
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(std::min(1.0, how.seconds / 5)));
  const auto before = ended.load();
  const auto from = clock::now();
  std::this_thread::sleep_for(std::chrono::duration<double>(how.seconds));
  const auto rate = static_cast<double>((ended.load() - before) * tasks) / seconds_since(from);
  stop = true;
  callers.clear();
  if (!wrong.empty()) return error{errc::internal, wrong};
  return rate;
}

}  // namespace

result<bench_result> bench_documents(const bench_options& how) {
  const auto steps = bench_steps(how);
  if (!steps) return steps.error();
  auto scratch = scratch_directory::make(how.data);
  if (!scratch) return scratch.error();
  cluster::document_reader reader{scratch->path() / "data"};
  const auto native = time_to_read(reader, sets("native", many_tasks, ".n + %"), 3);
  if (!native) return native.error();
  const auto jq = time_to_read(reader, sets("jq", many_tasks, "[.n, %] | sort | first"), 3);
  if (!jq) return jq.error();

  auto opened = node::open({.data_dir = scratch->path() / "data"});
  if (!opened) return opened.error();
  const auto loop = header("loop") + "  - f: {for: {in: .list}, do: [{a: {set: '${ $item }'}}]}\n";
  for (const auto& text : {sets("sets", how.steps, ".n + 1"), loop}) {
    const auto read = reader.read(text, "bench.yaml");
    if (!read) return read.error();
    if (auto added = opened->add(read->definition); !added) return added.error();
  }
  const auto rate = task_rate(*opened, how, how.steps);
  if (!rate) return rate.error();
  json::array some, more;
  for (int i = 0; i < long_list; ++i) {
    more.push_back(i);
    if (i < short_list) some.push_back(i);
  }
  const auto memory_before = anonymous_bytes();
  const auto short_loop = time_to_run(*opened, "loop", json::object{{"list", some}});
  if (!short_loop) return short_loop.error();
  const auto long_loop = time_to_run(*opened, "loop", json::object{{"list", more}});
  if (!long_loop) return long_loop.error();
  const auto memory = anonymous_bytes();
  opened->close();

  bench_result out{.name = "documents"};
  out.config = {{"runs", how.runs}, {"tasks", how.steps}, {"seconds", how.seconds}, {"tasks_of_large", many_tasks}};
  out.figures = {{"tasks_per_s", rounded(*rate)},        {"load_native_ms", rounded(*native)},
                 {"load_jq_ms", rounded(*jq)},           {"loop_1000_ms", rounded(*short_loop)},
                 {"loop_10000_ms", rounded(*long_loop)}, {"loop_bytes", memory > memory_before ? memory - memory_before : 0}};
  out.floor = {{"steps_per_s", steps->figures.at("steps_per_s")}};
  out.ratios = {{"tasks", rounded(*rate / steps->figures.at("steps_per_s").to_number<double>())},
                {"loop_per_item", rounded(*long_loop / *short_loop * short_list / long_list)}};
  return out;
}

}  // namespace perdure::tools::bench
