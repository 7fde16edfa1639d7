// A program that embeds a node: `begin DIR` starts a run and dies without closing; `finish DIR` goes on with it.
#include <perdure/perdure.hpp>

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

struct order {
  std::string item;
  int count = 1;
};
PERDURE_MESSAGE(order, "order/v1", item, count)

namespace {

std::string ledger;

/// Reserves, waits for the payment, ships. Each effect leaves a line in the ledger.
class shop : public perdure::executor<order> {
  perdure::task<> handle(const order& what, perdure::context& ctx) override {
    auto reserve = [&] {
      std::ofstream{ledger, std::ios::app} << "reserve " << what.item << "\n";
      return what.count * 3;
    };
    const int price = co_await ctx.call("reserve", reserve);
    const auto paid = co_await ctx.wait_signal<int>("paid");
    if (paid != price) throw perdure::step_error("price", "paid " + std::to_string(paid));
    auto ship = [&] {
      std::ofstream{ledger, std::ios::app} << "ship " << what.item << "\n";
      return true;
    };
    co_await ctx.call("ship", ship);
    ctx.yield_output(price);
  }
};

bool waits(const perdure::run_ref& run) {
  for (auto i = 0; i < 1000; ++i, std::this_thread::sleep_for(10ms)) {
    const auto now = run.status();
    if (now && now->status == perdure::run_status::waiting) return true;
  }
  return false;
}

int wrong(const std::string& what) {
  std::fprintf(stderr, "consumer: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return wrong("begin DIR or finish DIR");
  const std::string directory = argv[2];
  ledger = directory + "/ledger";
  auto node = perdure::node::open({.data_dir = directory + "/data"});
  if (!node) return wrong(node.error().message);
  const auto sell = perdure::workflow_builder("shop", "1.0.0").add<shop>("shop").start_at("shop").build();
  if (const auto added = node->add(sell); !added) return wrong(added.error().message);
  const auto run = node->start("shop", order{"tea", 4}, {.key = "order-17"});
  if (!run) return wrong(run.error().message);
  if (!waits(*run)) return wrong("the run does not wait for its payment");
  if (std::strcmp(argv[1], "begin") == 0) ::_exit(0);

  if (const auto signalled = run->signal("paid", 12); !signalled) return wrong(signalled.error().message);
  const auto end = run->wait(30s);
  if (!end || end->status != perdure::run_status::succeeded) return wrong("the run did not succeed");
  std::printf("%s\n", std::string{end->output.text()}.c_str());
  return 0;
}
