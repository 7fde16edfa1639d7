// Small helpers of tests that run real nodes.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <thread>

#include "perdure/perdure.hpp"
#include "support/catch.hpp"

namespace perdure::test {

using namespace std::chrono_literals;

inline node open_node(const std::filesystem::path& directory, journal_engine engine = journal_engine::lmdb) {
  node_options options;
  options.data_dir = directory;
  options.engine = engine;
  return std::move(node::open(std::move(options)).value());
}

/// Runs one handler given as a function.
template <class Message>
class scripted : public executor<Message> {
 public:
  using body = std::function<task<>(const Message&, context&)>;
  explicit scripted(body what) : what_(std::move(what)) {}
  task<> handle(const Message& in, context& ctx) override { return what_(in, ctx); }

 private:
  body what_;
};

template <class Message>
auto script(typename scripted<Message>::body what) {
  return [what = std::move(what)] { return std::make_unique<scripted<Message>>(what); };
}

/// A workflow of one executor.
template <class Message>
workflow single(std::string name, typename scripted<Message>::body what, executor_options options = {}) {
  workflow_builder builder{std::move(name), "1"};
  builder.add_with("only", script<Message>(std::move(what)), options).start_at("only");
  return builder.build();
}

inline run_info finish(const run_ref& run, duration limit = 20s) {
  auto info = run.wait(limit);
  INFO((info ? std::string{} : info.error().message));
  REQUIRE(info.has_value());
  return *info;
}

template <class Condition>
bool eventually(Condition holds, std::chrono::milliseconds limit = 10s) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (std::chrono::steady_clock::now() < end) {
    if (holds()) return true;
    std::this_thread::sleep_for(2ms);
  }
  return holds();
}

}  // namespace perdure::test
