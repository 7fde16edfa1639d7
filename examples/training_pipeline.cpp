// training_pipeline: a job on an outside system is started once, polled with backoff until it is complete, and reported.
#include "training_pipeline.hpp"

#include "example.hpp"

using namespace training_pipeline;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(train(std::make_shared<training_pipeline::cluster>()))) return 1;
  // Started again with the same key, it is the same run.
  const auto run = opened->start("train", train_request{"resnet", 3}, {.key = "nightly-42"});
  const auto again = opened->start("train", train_request{"resnet", 3}, {.key = "nightly-42"});
  if (!run || !again || run->id() != again->id()) return 1;
  return example::told(run->wait(), run_status::succeeded);
}
