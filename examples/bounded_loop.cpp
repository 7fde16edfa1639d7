// bounded_loop: a cycle in the graph, ended by a condition; a bound on activations ends one that never would.
#include "example.hpp"

using namespace perdure;

struct draft {
  std::string text;
  int round = 1;
  int enough = 3;
};
PERDURE_MESSAGE(draft, "draft/v1", text, round, enough)

class writer : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    auto write = [&] { return what.text + "."; };
    const std::string text = co_await ctx.call("write", write);
    ctx.send(draft{text, what.round, what.enough});
  }
};

class critic : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    std::printf("critic: round %d: \"%s\"\n", what.round, what.text.c_str());
    ctx.send(draft{what.text, what.round + 1, what.enough});
    co_return;
  }
};

class publisher : public executor<draft> {
  task<> handle(const draft& what, context& ctx) override {
    ctx.yield_output(what.text);
    co_return;
  }
};

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  const auto improve =
      workflow_builder("improve", "1.0.0")
          .add<writer>("writer")
          .add<critic>("critic")
          .add<publisher>("publisher")
          .start_at("writer")
          .edge("writer", "critic")
          .switch_on<draft>("critic", {{[](const draft& d) { return d.round <= d.enough; }, "writer"}}, "publisher")
          .with_max_activations(12)
          .build();
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(improve)) return 1;
  const auto good = opened->start("improve", draft{"It works", 1, 3});
  const auto endless = opened->start("improve", draft{"It never does", 1, 1000});
  if (!good || !endless) return 1;
  const int first = example::told(good->wait(), run_status::succeeded);
  const auto stopped = endless->wait();
  const bool at_the_bound = stopped && stopped->error && stopped->error->code == failure_code::limit;
  return first == 0 && example::told(stopped, run_status::failed) == 0 && at_the_bound ? 0 : 1;
}
