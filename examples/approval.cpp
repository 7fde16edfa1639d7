// approval: asks a person, waits for the answer (at most a day), then until the release window opens.
#include <thread>

#include "example.hpp"

using namespace perdure;
using namespace std::chrono_literals;

struct release {
  std::string version;
  timestamp window{};  ///< not before
};
PERDURE_MESSAGE(release, "release/v1", version, window)

struct verdict {
  bool approved = false;
  std::string by;
};
PERDURE_MESSAGE(verdict, "verdict/v1", approved, by)

class release_manager : public executor<release> {
  task<> handle(const release& what, context& ctx) override {
    const json::value question{{"text", "release " + what.version + "?"}};
    // Nothing is held while it waits: the process may stop and start meanwhile.
    const auto said = co_await ctx.request<verdict>(question, {.timeout = 24h});
    if (!said.approved) throw step_error("refused", said.by + " said no");
    co_await ctx.sleep_until(what.window);
    auto publish = [&] { std::printf("published %s, approved by %s\n", what.version.c_str(), said.by.c_str()); };
    co_await ctx.call("publish", publish);
    ctx.yield_output(what.version);
  }
};

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  const auto ship = workflow_builder("ship", "1.0.0").add<release_manager>("manager").start_at("manager").build();
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(ship)) return 1;
  const auto window = std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()) + 300ms;
  const auto run = opened->start("ship", release{"2.0", window});
  if (!run) return 1;
  for (int i = 0; i < 500; ++i) {
    const auto now = run->status();
    if (!now) return 1;
    if (!now->requests.empty()) {
      const auto& open = now->requests.front();
      std::printf("request %s: %s\n", open.id.c_str(), std::string{open.question.text()}.c_str());
      if (!run->respond(open.id, verdict{true, "Ada"})) return 1;
      break;
    }
    std::this_thread::sleep_for(10ms);
  }
  return example::told(run->wait(30s), run_status::succeeded);
}
