#include "flow/plan_hash.hpp"

#include "core/record.hpp"
#include "flow/graph_text.hpp"

namespace perdure::flow {

std::string hash_of(const core::plan& plan) { return core::to_hex(core::sha256({graph_text(plan)})); }

}  // namespace perdure::flow
