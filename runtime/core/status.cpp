// Names of run states, as machine output has them.
#include "perdure/run.hpp"

namespace perdure {

std::string_view to_string(run_status status) noexcept { return boost::describe::enum_to_string(status, "unknown"); }

}  // namespace perdure
