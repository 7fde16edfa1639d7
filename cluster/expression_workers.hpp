// expression_workers: the documents' port to jq, by isolated worker processes.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "dsl/expression_host.hpp"

namespace perdure::cluster {

/// `helper_program`: path of the perdure binary; empty = this program when it is perdure, or one beside it. Without one
/// every call is answered `unsupported`.
[[nodiscard]] std::shared_ptr<dsl::expression_host> make_expression_workers(const std::string& helper_program);

/// Whether all brackets and strings of the jq program are closed, so that what is put around it stays around it.
[[nodiscard]] bool is_closed_expression(std::string_view program);

}  // namespace perdure::cluster
