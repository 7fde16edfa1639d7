// Which tasks of a document are going on, as lifecycle events of runs that are suspended or cut off need it.
#include "cluster/lifecycle_events.hpp"
#include "core/resume_message.hpp"
#include "support/catch.hpp"

using namespace perdure;
using namespace perdure::core;

TEST_CASE("the open tasks of a document stay open when another activation goes on with it") {
  cluster::open_tasks open;
  const auto scope = [](output_kind kind, std::uint32_t number, std::string reference) {
    return output{.kind = kind, .name = "t", .reference = std::move(reference), .number = number};
  };
  turn begin{.activation = 1, .attempt = 1};
  begin.outputs = {scope(output_kind::scope_start, 1, "/do/0/loop"), scope(output_kind::scope_start, 2, "/do/0/loop/do/0/a"),
                   scope(output_kind::scope_end, 2, "/do/0/loop/do/0/a")};
  open.learn(event{begin});
  turn over{.activation = 1, .attempt = 1, .finished = true};
  over.activations.push_back({.id = 2, .executor = "e", .message = std::string{resume_message}});
  open.learn(event{over});
  CHECK(open.list() == std::vector<std::string>{"/do/0/loop"});
  turn end{.activation = 2, .attempt = 1};
  end.outputs = {scope(output_kind::scope_end, 1, "/do/0/loop")};
  open.learn(event{end});
  CHECK(open.list().empty());
}
