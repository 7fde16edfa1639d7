// agent_with_timeout: a model call that takes too long is given up, and the agent answers with something cheaper.
#include "agent_with_timeout.hpp"

#include "example.hpp"

using namespace agent_with_timeout;

int main(int argc, char** argv) {
  const example::data_directory data{argc, argv};
  auto opened = node::open({.data_dir = data.path()});
  if (!opened || !opened->add(ask())) return 1;
  const auto run = opened->start("ask", question{"why is the sky blue?"});
  if (!run) return 1;
  const auto ended = run->wait();
  const bool cheap = ended && ended->output.text().find("\"small\"") != std::string_view::npos;
  return example::told(ended, run_status::succeeded) == 0 && cheap ? 0 : 1;
}
