// fan_out_fan_in: one text goes to three counters at once; their answers are joined.
#include "fan_out_fan_in.hpp"

#include "example.hpp"

using namespace fan_out_fan_in;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(wc())) return 1;
  const auto run = opened->start("wc", text{"to be\nor not to be\n"});
  if (!run) return 1;
  const auto ended = run->wait();
  const bool right = ended && ended->output.text() == R"({"lines":2,"words":6,"bytes":19})";
  return example::told(ended, run_status::succeeded) == 0 && right ? 0 : 1;
}
