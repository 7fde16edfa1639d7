// long_job: work of hours is a job of its own: it is submitted once, goes on while the node is away, and leaves its log and
// files.
#include "long_job.hpp"

#include <thread>

#include "example.hpp"

using namespace long_job;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  run_id id;
  {
    auto opened = node::open({.data_dir = data.path()});
    if (!opened || !opened->add(train())) return 1;
    const auto run = opened->start("train", order{"resnet", 5});
    if (!run) return 1;
    id = run->id();
    for (int i = 0; i < 1'000; ++i, std::this_thread::sleep_for(10ms)) {
      const auto info = run->status();
      if (!info || info->jobs.empty() || info->jobs[0].progress.is_null()) continue;
      std::printf("job %s: %s\n", info->jobs[0].id.c_str(), std::string{info->jobs[0].progress.text()}.c_str());
      break;
    }
  }  // The node is gone; the job is not.
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(train())) return 1;
  const auto run = opened->get(id);
  if (!run) return 1;
  const auto end = run->wait(30s);
  if (const auto told = example::told(end, run_status::succeeded); told != 0) return told;
  const auto weights = opened->open_artifact(id, 1, "weights.bin");
  char text[64] = {};
  if (!weights || !(*weights)->read(0, text, sizeof text - 1)) return 1;
  std::printf("%s\n", text);
  return std::string{text} == "weights of resnet" ? 0 : 1;
}
