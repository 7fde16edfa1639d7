// What runs beside a run of a document: processes nobody waits for, and what is cleaned up later. Stored as a message.
#pragma once

#include <string>
#include <vector>

#include "perdure/message.hpp"

namespace perdure::dsl {

/// One piece of work of a capability.
struct process_work {
  std::string name;  ///< of the step
  std::string capability;
  json::value spec;
  duration delay{0};  ///< before it
};
BOOST_DESCRIBE_STRUCT(process_work, (), (name, capability, spec, delay))

/// One after the other.
struct process_order {
  std::vector<process_work> works;
};
PERDURE_MESSAGE(process_order, "perdure.process_order/v1", works)

}  // namespace perdure::dsl
