// hello: one executor, one durable step, one output.
#include "hello.hpp"

#include "example.hpp"

using namespace hello;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened) return std::fprintf(stderr, "%s\n", opened.error().message.c_str()), 1;
  if (!opened->add(greet())) return 1;
  const auto run = opened->start("hello", greeting{"world"});
  return run ? example::told(run->wait(), run_status::succeeded) : 1;
}
