// A node that a test kills: a run asks, an answer of another type is given.
//   answer_worker DATA TOLD
// TOLD gets what the answer was answered with, in one append.
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <sstream>
#include <thread>

#include "perdure/perdure.hpp"

using namespace std::chrono_literals;
using namespace perdure;

namespace {

struct form {
  int pages = 1;
};
PERDURE_MESSAGE(form, "form/v1", pages)
struct verdict {
  bool yes = false;
  std::string by;
};
PERDURE_MESSAGE(verdict, "verdict/v1", yes, by)

class clerk : public executor<form> {
  task<> handle(const form& in, context& ctx) override {
    const json::value question{{"text", "release?"}};
    for (int i = 0; i < in.pages; ++i) {
      const auto answer = co_await ctx.request<verdict>(question);
      ctx.yield_output(json::value{{"by", answer.by}, {"yes", answer.yes}});
    }
  }
};

}  // namespace

int main(int count, char** arguments) {
  if (count != 3) return 2;
  auto node = node::open({.data_dir = arguments[1]}).value();
  node.add(workflow_builder("ask", "1").add<clerk>("only").start_at("only").build()).value();
  const auto run = node.start("ask", form{}).value();
  while (run.status().value().requests.empty()) std::this_thread::sleep_for(1ms);
  const auto refused = run.respond(run.status().value().requests.at(0).id, json::value{{"yes", "maybe"}});
  std::ostringstream line;
  if (refused) {
    line << "taken\n";
  } else {
    line << refused.error() << "\n";
  }
  const int told = ::open(arguments[2], O_WRONLY | O_CREAT | O_APPEND, 0600);
  const auto text = line.str();
  if (::write(told, text.data(), text.size()) != static_cast<ssize_t>(text.size())) return 1;
  std::this_thread::sleep_for(60s);  // until it is killed
  return 1;
}
