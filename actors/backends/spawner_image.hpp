// The program of the spawner of jobs (spawner_program.cpp), as bytes of this library: there is no file that could be missing, or
// of another version.
#pragma once

#include <string_view>

namespace perdure::actors {

[[nodiscard]] std::string_view spawner_image();

}  // namespace perdure::actors
