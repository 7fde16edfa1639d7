// The port to secrets: a document sees only what stands for them.
#pragma once

#include <string>

#include "perdure/error.hpp"
#include "perdure/payload.hpp"

namespace perdure::dsl {

/// Any thread; may read files.
class secret_host {
 public:
  virtual ~secret_host() = default;
  /// A text that stands for the secret in runs of this workflow, or an object of such texts where the secret is an object.
  /// Effects put the secret in its place. not_found: there is none of that name.
  virtual result<json::value> stand_in(const std::string& workflow, const std::string& name) = 0;
};

}  // namespace perdure::dsl
