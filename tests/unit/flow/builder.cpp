// workflow_builder: what it makes, and what it refuses.
#include "support/catch.hpp"

#include "core/routing.hpp"
#include "flow/definition.hpp"
#include "perdure/workflow.hpp"

using namespace perdure;
using namespace std::chrono_literals;

namespace shop {
struct order {
  int amount = 0;
};
PERDURE_MESSAGE(order, "order/v1", amount)
struct report {
  std::string text;
};
PERDURE_MESSAGE(report, "report/v1", text)

template <class... T>
struct taker : executor<T...> {};
struct trainer : executor<order> {
  using sends = message_list<report>;
  task<> handle(const order&, context&) override { co_return; }
};
struct reporter : executor<report> {
  task<> handle(const report&, context&) override { co_return; }
};
struct both : executor<order, report> {
  using sends = message_list<order, report>;
  task<> handle(const order&, context&) override { co_return; }
  task<> handle(const report&, context&) override { co_return; }
};
struct collector : executor<joined> {
  task<> handle(const joined&, context&) override { co_return; }
};
struct silent : executor<order> {
  using sends = message_list<>;
  task<> handle(const order&, context&) override { co_return; }
};
}  // namespace shop

using namespace shop;

namespace {
std::string problem(workflow_builder& builder) {
  auto built = builder.try_build();
  REQUIRE(built.has_error());
  CHECK(built.error().code == errc::invalid_argument);
  return built.error().message;
}
workflow_builder train() {
  workflow_builder out{"train", "1.0.0"};
  out.add<trainer>("trainer").add<reporter>("reporter").start_at("trainer");
  return out;
}
}  // namespace

TEST_CASE("a built workflow has the plan and the factories") {
  workflow_builder builder{"train", "1.0.0"};
  const auto built = builder.start_at("trainer")
                         .edge("trainer", "reporter")
                         .add<reporter>("reporter")
                         .add<trainer>("trainer", {.timeout = 6h, .retry = retry(3, exponential(1s, 60s)), .cooperative = true})
                         .with_timeout(24h)
                         .with_max_activations(1000)
                         .build();
  CHECK(built.name() == "train");
  CHECK(built.version() == "1.0.0");
  CHECK(built.hash().size() == 64);
  const auto& plan = built.definition().plan;
  CHECK(plan.executors[plan.start].name == "trainer");
  CHECK(plan.find("trainer")->timeouts.start_to_close == 6h);
  CHECK(plan.find("trainer")->retry.max_attempts == 3);
  CHECK(plan.find("trainer")->cooperative);
  CHECK(plan.find("trainer")->takes == std::vector<std::string>{"order/v1"});
  CHECK(plan.find("nobody") == nullptr);
  CHECK(plan.timeout == 24h);
  CHECK(plan.max_activations == 1000);
  CHECK(plan.hash == built.hash());
  CHECK(built.definition().factories.size() == 2);
  CHECK(dynamic_cast<trainer*>(built.definition().factories[plan.start]().get()) != nullptr);
}

TEST_CASE("a lone executor is the start") {
  workflow_builder builder{"one", "1"};
  CHECK(builder.add<reporter>("only").build().definition().plan.start == 0);
}

TEST_CASE("executors with dependencies come from a factory") {
  struct counting : executor<order> {
    explicit counting(std::shared_ptr<int> made) { ++*made; }
    task<> handle(const order&, context&) override { co_return; }
  };
  const auto made = std::make_shared<int>(0);
  workflow_builder builder{"one", "1"};
  const auto built = builder.add_with("only", [made] { return std::make_unique<counting>(made); }).build();
  (void)built.definition().factories[0]();
  CHECK(*made == 1);
}

TEST_CASE("the hash tells graphs apart, and nothing else") {
  const auto hash = [](auto change) {
    auto builder = train();
    change(builder);
    return builder.edge("trainer", "reporter").build().hash();
  };
  const auto base = hash([](auto&) {});
  // Part of the stored format: runs find their definition by it.
  CHECK(base == "4ddc576fc55d602e6aeaa5fc00a342853a5bced58629188b7859d97cf2bb5be3");
  CHECK(hash([](auto&) {}) == base);
  CHECK(hash([](auto& with) { with.with_timeout(1h); }) != base);
  CHECK(hash([](auto& with) { with.with_max_activations(5); }) != base);
  const auto extra = hash([](auto& with) { with.template add<reporter>("extra").edge("trainer", "extra"); });
  CHECK(extra != base);
  CHECK(hash([](auto& with) {
          with.template add<reporter>("extra").template edge_if<report>("trainer", "extra", [](const report&) { return true; });
        }) != extra);

  workflow_builder swapped{"train", "1.0.0"};
  CHECK(swapped.add<reporter>("reporter", {.cooperative = true})
            .add<trainer>("trainer")
            .start_at("trainer")
            .edge("trainer", "reporter")
            .build()
            .hash() == base);
  workflow_builder version{"train", "1.0.1"};
  CHECK(
      version.add<reporter>("reporter").add<trainer>("trainer").start_at("trainer").edge("trainer", "reporter").build().hash() !=
      base);
  workflow_builder policy{"train", "1.0.0"};
  CHECK(policy.add<reporter>("reporter")
            .add<trainer>("trainer", {.retry = retry(2)})
            .start_at("trainer")
            .edge("trainer", "reporter")
            .build()
            .hash() != base);
}

TEST_CASE("unknown names are refused with the known ones") {
  auto edge = train();
  CHECK(problem(edge.edge("trainer", "reportr")) ==
        "workflow \"train\": edge leads to unknown executor \"reportr\"; known: trainer, reporter");
  auto from = train();
  CHECK(problem(from.edge("trainr", "reporter")) ==
        "workflow \"train\": edge starts at unknown executor \"trainr\"; known: trainer, reporter");
  auto start = train();
  workflow_builder other{"x", "1"};
  CHECK(problem(other.add<trainer>("a").start_at("b")) == "workflow \"x\": start_at names unknown executor \"b\"; known: a");
  auto out = train();
  CHECK(problem(out.fan_out("trainer", {"reporter", "x"})) ==
        "workflow \"train\": fan-out leads to unknown executor \"x\"; known: trainer, reporter");
  auto in = train();
  CHECK(problem(in.fan_in({"trainer", "y"}, "reporter")) ==
        "workflow \"train\": fan-in starts at unknown executor \"y\"; known: trainer, reporter");
}

TEST_CASE("names, starts and executors are checked") {
  workflow_builder empty{"x", "1"};
  CHECK(problem(empty) == "workflow \"x\": it has no executors");
  workflow_builder unnamed{"", "1"};
  CHECK(problem(unnamed.add<trainer>("a")) == "workflow \"\": its name is empty");
  workflow_builder unversioned{"x", ""};
  CHECK(problem(unversioned.add<trainer>("a")) == "workflow \"x\": its version is empty");
  workflow_builder nameless{"x", "1"};
  CHECK(problem(nameless.add<trainer>("")) == "workflow \"x\": an executor's name is empty");
  workflow_builder longer{"x", "1"};
  CHECK(problem(longer.add<trainer>(std::string(257, 'n'))).find("is longer than name_bytes = 256") != std::string::npos);
  workflow_builder twice{"x", "1"};
  CHECK(problem(twice.add<trainer>("a").add<reporter>("a").start_at("a")) == "workflow \"x\": executor \"a\" is added twice");
  workflow_builder none{"x", "1"};
  CHECK(problem(none.add<trainer>("a").add<reporter>("b").edge("a", "b")) ==
        "workflow \"x\": it has no start: call start_at with one of a, b");
  auto starts = train();
  CHECK(problem(starts.start_at("reporter")) == "workflow \"train\": it has two starts, \"trainer\" and \"reporter\"");
  workflow_builder nothing{"x", "1"};
  CHECK(problem(nothing.add_executor("a", {}, nullptr)) == "workflow \"x\": executor \"a\" has no factory");
}

TEST_CASE("limits are checked") {
  workflow_builder negative{"x", "1"};
  CHECK(problem(negative.add<trainer>("a", {.timeout = -1s})) == "workflow \"x\": executor \"a\" has a negative time limit");
  workflow_builder twice{"x", "1"};
  CHECK(problem(twice.add<trainer>("a", {.timeout = 1s, .timeouts = {.start_to_close = 2s}})).find("are the same thing") !=
        std::string::npos);
  workflow_builder same{"x", "1"};
  CHECK(same.add<trainer>("a", {.timeout = 1s, .timeouts = {.start_to_close = 1s}}).try_build().has_value());
  workflow_builder factor{"x", "1"};
  CHECK(problem(factor.add<trainer>("a", {.retry = retry(3, exponential(1s, 2s, -1))})).find("retry backoff") !=
        std::string::npos);
  auto zero = train();
  CHECK(problem(zero.edge("trainer", "reporter").with_max_activations(0)) ==
        "workflow \"train\": with_max_activations needs a positive number");
  auto never = train();
  CHECK(problem(never.edge("trainer", "reporter").with_timeout(0s)) == "workflow \"train\": with_timeout needs a positive time");
}

TEST_CASE("duplicate edges are refused, whatever they are made of") {
  auto plain = train();
  CHECK(problem(plain.edge("trainer", "reporter").edge("trainer", "reporter")) ==
        "workflow \"train\": duplicate edge \"trainer\" -> \"reporter\": a message could go along it twice");
  auto mixed = train();
  CHECK(problem(mixed.edge("trainer", "reporter").edge_if<report>("trainer", "reporter", [](const report&) {
          return true;
        })).find("duplicate edge") != std::string::npos);
  auto out = train();
  CHECK(problem(out.fan_out("trainer", {"reporter", "reporter"})) ==
        "workflow \"train\": edge \"trainer\" -> \"reporter\", \"reporter\" names executor \"reporter\" twice");
  workflow_builder in{"x", "1"};
  CHECK(problem(in.add<both>("a").add<collector>("c").fan_in({"a", "a"}, "c").start_at("a")).find("names executor \"a\" twice") !=
        std::string::npos);
  workflow_builder typed{"x", "1"};
  CHECK(typed.add<both>("a")
            .add<both>("b")
            .start_at("a")
            .edge_if<order>("a", "b", [](const order&) { return true; })
            .edge_if<report>("a", "b", [](const report&) { return true; })
            .try_build()
            .has_value());
}

TEST_CASE("message types that do not fit are refused where they are known") {
  workflow_builder sends{"x", "1"};
  CHECK(problem(sends.add<trainer>("a").add<silent>("b").start_at("a").edge("a", "b")) ==
        "workflow \"x\": edge \"a\" -> \"b\": \"a\" sends report/v1, but \"b\" takes order/v1");
  workflow_builder unknown{"x", "1"};  // a reporter does not declare what it sends
  CHECK(unknown.add<reporter>("a").add<silent>("b").start_at("a").edge("a", "b").try_build().has_value());
  workflow_builder mute{"x", "1"};
  CHECK(problem(mute.add<silent>("a").add<silent>("b").start_at("a").edge("a", "b")) ==
        "workflow \"x\": edge \"a\" -> \"b\": \"a\" sends nothing");
  workflow_builder typed{"x", "1"};
  CHECK(problem(typed.add<both>("a").add<silent>("b").start_at("a").edge_if<report>("a", "b", [](const report&) {
          return true;
        })) == "workflow \"x\": edge \"a\" -> \"b\": it is for report/v1, but \"b\" takes order/v1");
  workflow_builder foreign{"x", "1"};
  CHECK(problem(foreign.add<trainer>("a").add<both>("b").start_at("a").edge_if<order>("a", "b", [](const order&) {
          return true;
        })) == "workflow \"x\": edge \"a\" -> \"b\": it is for order/v1, but \"a\" sends report/v1");
  workflow_builder joining{"x", "1"};
  CHECK(problem(joining.add<both>("a").add<both>("b").add<both>("c").start_at("a").edge("a", "b").fan_in({"a", "b"}, "c")) ==
        "workflow \"x\": fan-in \"a\", \"b\" -> \"c\": a fan-in delivers perdure.joined/v1, but \"c\" takes order/v1, report/v1: "
        "make it an "
        "executor<perdure::joined>");
  workflow_builder anything{"x", "1"};
  CHECK(anything.add<trainer>("a")
            .add_executor("b", {}, [] { return std::make_unique<reporter>(); })
            .start_at("a")
            .edge("a", "b")
            .try_build()
            .has_value());
}

TEST_CASE("executors that nothing leads to are refused") {
  workflow_builder builder{"x", "1"};
  CHECK(
      problem(builder.add<both>("a").add<both>("b").add<both>("c").add<both>("d").start_at("a").edge("a", "b").edge("c", "d")) ==
      "workflow \"x\": no edges lead from the start \"a\" to \"c\", \"d\"; what only background work or "
      "compensation starts is named with without_edges(...)");
}

TEST_CASE("an executor that is started by its name alone needs no edge, and may have some of its own") {
  // Compensations and background work needed an edge from somewhere, along which messages could then go.
  const auto graph = [] {
    workflow_builder out{"x", "1"};
    out.add<both>("a").add<both>("undo").add<both>("after").start_at("a").edge("undo", "after");
    return out;
  };
  auto plain = graph();
  CHECK(problem(plain).find("to \"undo\", \"after\"") != std::string::npos);
  CHECK(graph().without_edges("undo").try_build().has_value());
  CHECK(problem(graph().without_edges("after")).find("to \"undo\";") != std::string::npos);
  CHECK(problem(graph().without_edges("und")) ==
        "workflow \"x\": without_edges names unknown executor \"und\"; known: a, undo, after");
  CHECK(problem(graph().without_edges("undo").edge("after", "undo")).find("cycle undo -> after -> undo") != std::string::npos);
  // It is no part of the graph: runs that are under way keep their definition.
  const auto linked = [&] { return graph().edge("a", "undo").build().hash(); };
  CHECK(linked() == graph().edge("a", "undo").without_edges("undo").build().hash());
}

TEST_CASE("a cycle needs a bound") {
  const auto ring = [] {
    workflow_builder out{"x", "1"};
    out.add<both>("a").add<both>("b").add<both>("c").start_at("a").edge("a", "b").edge("b", "c").edge("c", "b");
    return out;
  };
  auto open = ring();
  CHECK(problem(open) == "workflow \"x\": cycle b -> c -> b has no bound: call with_max_activations(...)");
  auto bounded = ring();
  CHECK(bounded.with_max_activations(10).try_build().has_value());
  workflow_builder self{"x", "1"};
  CHECK(problem(self.add<both>("a").edge("a", "a")) ==
        "workflow \"x\": cycle a -> a has no bound: call with_max_activations(...)");
  workflow_builder diamond{"x", "1"};
  CHECK(diamond.add<both>("a")
            .add<both>("b")
            .add<both>("c")
            .add<both>("d")
            .start_at("a")
            .fan_out("a", {"b", "c"})
            .edge("b", "d")
            .edge("c", "d")
            .try_build()
            .has_value());
}

TEST_CASE("fan-ins, switches and selections need their parts") {
  workflow_builder in{"x", "1"};
  CHECK(problem(in.add<both>("a").add<collector>("c").start_at("a").fan_in({"a"}, "c")) ==
        "workflow \"x\": the fan-in to \"c\" needs two sources at least");
  auto out = train();
  CHECK(problem(out.fan_out("trainer", {})) == "workflow \"train\": the fan-out from \"trainer\" has no targets");
  auto cases = train();
  CHECK(problem(cases.switch_on<report>("trainer", {}, "reporter")) ==
        "workflow \"train\": the switch from \"trainer\" needs one case at least, beside its default");
  auto fallback = train();
  CHECK(problem(fallback.switch_on<report>("trainer", {{[](const report&) { return true; }, "reporter"}}, "")) ==
        "workflow \"train\": the switch from \"trainer\" has no default");
  auto hollow = train();
  CHECK(problem(hollow.switch_on<report>("trainer", {{nullptr, "reporter"}}, "reporter")) ==
        "workflow \"train\": the switch from \"trainer\" has a case without a condition");
  auto condition = train();
  CHECK(problem(condition.edge_if<report>("trainer", "reporter", nullptr)) ==
        "workflow \"train\": the conditional edge \"trainer\" -> \"reporter\" has no condition");
  auto many = train();
  CHECK(problem(many.multi_select<report>("trainer", {}, [](const report&) { return std::vector<std::size_t>{}; })) ==
        "workflow \"train\": the multi-selection from \"trainer\" has no targets");
}

TEST_CASE("typed conditions, switches and selections route messages") {
  workflow_builder builder{"x", "1"};
  const auto built =
      builder.add<both>("a")
          .add<both>("small")
          .add<both>("big")
          .add<both>("other")
          .start_at("a")
          .switch_on<order>(
              "a",
              {{[](const order& o) { return o.amount < 10; }, "small"}, {[](const order& o) { return o.amount < 100; }, "big"}},
              "other")
          .multi_select<report>("a", {"small", "big", "other"},
                                [](const report& r) {
                                  return r.text == "all" ? std::vector<std::size_t>{0, 1, 2} : std::vector<std::size_t>{};
                                })
          .build();
  const auto& plan = built.definition().plan;
  const auto to = [&](const auto& message) {
    core::output out;
    out.name = std::string{message_name<std::remove_cvref_t<decltype(message)>>};
    out.value = payload{to_json(message)};
    std::string names;
    const auto routes = core::routes_of(plan, plan.start, out);
    REQUIRE(routes.has_value());
    for (const auto& each : *routes) names += plan.executors[each.target].name + " ";
    return names;
  };
  CHECK(to(order{5}) == "small ");
  CHECK(to(order{50}) == "big ");
  CHECK(to(order{500}) == "other ");
  CHECK(to(report{"all"}) == "small big other ");
  CHECK(to(report{"none"}).empty());
}

TEST_CASE("build throws what try_build returns") {
  workflow_builder empty{"x", "1"};
  CHECK_THROWS_AS(empty.build(), bad_result);
}
