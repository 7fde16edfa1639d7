// bounded_loop: a cycle in the graph, ended by a condition; a bound on activations ends one that never would.
#include "bounded_loop.hpp"

#include "example.hpp"

using namespace bounded_loop;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(improve())) return 1;
  const auto good = opened->start("improve", draft{"It works", 1, 3});
  const auto endless = opened->start("improve", draft{"It never does", 1, 1000});
  if (!good || !endless) return 1;
  const int first = example::told(good->wait(), run_status::succeeded);
  const auto stopped = endless->wait();
  const bool at_the_bound = stopped && stopped->error && stopped->error->code == failure_code::limit;
  return first == 0 && example::told(stopped, run_status::failed) == 0 && at_the_bound ? 0 : 1;
}
