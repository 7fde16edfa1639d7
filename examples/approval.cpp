// approval: asks a person, waits for the answer (at most a day), then until the release window opens.
#include "approval.hpp"

#include <thread>

#include "example.hpp"

using namespace approval;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(ship())) return 1;
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
