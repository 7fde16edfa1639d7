// Describes public aggregates for the binary codec, where the public header has no need for it.
#pragma once

#include <boost/describe.hpp>

#include "perdure/detail/frame.hpp"
#include "perdure/run.hpp"

namespace perdure {
namespace detail {
BOOST_DESCRIBE_ENUM(step_kind, call, capability, sleep, request, signal, poll, state, child, child_result, tell, signals, job)
BOOST_DESCRIBE_ENUM(output_kind, message, output, state, progress, scope_start, scope_end, continuation, compensation, version)
BOOST_DESCRIBE_STRUCT(outcome, (), (value, error))
BOOST_DESCRIBE_STRUCT(output, (), (kind, name, reference, value, error, number, attempt, target))
}  // namespace detail
}  // namespace perdure
