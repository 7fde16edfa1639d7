// run_sla: a time limit on the whole run. It is a deadline in the journal, so no restart makes it later.
#include "run_sla.hpp"

#include "example.hpp"

using namespace run_sla;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(deliver(300ms))) return 1;
  const auto run = opened->start("deliver", order{"A-1"});
  return run ? example::told(run->wait(), run_status::timed_out) : 1;
}
