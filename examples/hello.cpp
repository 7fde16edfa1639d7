// hello: one executor, one durable step, one output.
#include "example.hpp"

using namespace perdure;

struct greeting {
  std::string name;
};
PERDURE_MESSAGE(greeting, "greeting/v1", name)

class greeter : public executor<greeting> {
  task<> handle(const greeting& hello, context& ctx) override {
    // The body runs once; a restart after it is fed the recorded answer.
    auto compose = [&] { return "Hello, " + hello.name + "!"; };
    const std::string text = co_await ctx.call("compose", compose);
    ctx.yield_output(text);
  }
};

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  const auto hello = workflow_builder("hello", "1.0.0").add<greeter>("greeter").start_at("greeter").build();
  if (!opened->add(hello)) return 1;
  const auto run = opened->start("hello", greeting{"world"});
  return run ? example::told(run->wait(), run_status::succeeded) : 1;
}
