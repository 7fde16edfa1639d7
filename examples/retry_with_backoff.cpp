// retry_with_backoff: a step that fails is tried again, later each time; a failure that cannot get better is not.
#include "retry_with_backoff.hpp"

#include "example.hpp"

using namespace retry_with_backoff;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(crawl())) return 1;
  const auto good = opened->start("crawl", fetch{"index"});
  const auto bad = opened->start("crawl", fetch{"missing"});
  if (!good || !bad) return 1;
  const int first = example::told(good->wait(), run_status::succeeded);
  const int second = example::told(bad->wait(), run_status::failed);
  return first == 0 && second == 0 ? 0 : 1;
}
