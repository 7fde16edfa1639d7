// Runs of documents whose activation ended so that another one goes on with it: what is open is the other one's then.
#pragma once

#include "core/resume_message.hpp"
#include "perdure/ids.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools {

/// Of a turn's data: the activation that goes on in the place of the one that ends; 0 = none.
[[nodiscard]] inline activation_id hands_over_to(const json::object& turn) {
  for (const auto& each : list_of(turn, "activations")) {
    if (each.is_object() && text_of(each.get_object(), "message") == core::resume_message)
      return static_cast<activation_id>(number_of(each.get_object(), "activation"));
  }
  return 0;
}

}  // namespace perdure::tools
