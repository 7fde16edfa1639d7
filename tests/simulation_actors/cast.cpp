#include "simulation_actors/cast.hpp"

#include "simulation/workflows.hpp"

namespace perdure::sim {

struct rounds {
  int count = 1;
};
PERDURE_MESSAGE(rounds, "sim.rounds/v1", count)

class parker final : public executor<rounds> {
 public:
  task<> handle(const rounds& what, context& ctx) override {
    std::int64_t out = 0;
    for (int i = 0; i < what.count; ++i) {
      const signal_options options;
      out = taken(out, co_await ctx.wait_signal<std::int64_t>("go", options));
      if (i % 2 == 1) co_await ctx.sleep_for(std::chrono::seconds{2 + i});
      auto body = [](call_context& with) { return outside::present->execute(with, 0); };
      if (i % 3 != 0) (void)co_await ctx.call("note", body);
    }
    ctx.yield_output(out);
  }
};

namespace {
workflow parker_workflow(chance& random) {
  workflow_builder made{"parker", "1"};
  executor_options options;
  options.cooperative = random.one_in(2);
  made.add<parker>("waits", options).start_at("waits");
  return made.build();
}
}  // namespace

std::map<std::string, actors::definition_ptr> cast_of(chance& random) {
  std::map<std::string, actors::definition_ptr> out;
  out["steady"] = steady_workflow(random).shared();
  out["program"] = program_workflow(random).shared();
  out["parker"] = parker_workflow(random).shared();
  return out;
}

core::start_command start_of(const std::string& workflow, chance& random) {
  core::start_command out;
  if (workflow == "parker") {
    out.message = message_name<rounds>;
    out.input = payload{to_json(rounds{1 + static_cast<int>(random.below(5))})};
  } else if (workflow == "steady") {
    out.message = message_name<order>;
    out.input = payload{to_json(order{1 + static_cast<int>(random.below(6))})};
  } else {
    out.message = message_name<program>;
    out.input = payload{to_json(program{random.bits() >> 12U, 1 + static_cast<int>(random.below(2))})};
    if (random.one_in(6)) out.timeout = std::chrono::seconds{50 + random.below(2'000)};
  }
  return out;
}

int rounds_of(const payload& input) { return from_json<rounds>(input.value()).value().count; }

}  // namespace perdure::sim
