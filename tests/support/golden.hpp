// Golden files: expected output that is kept as a file under tests/golden and reviewed like code.
// PERDURE_REWRITE_GOLDEN=1 writes what comes out now instead of comparing; then look at the difference.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "support/catch.hpp"

namespace perdure::test {

inline void check_golden(const std::string& name, const std::string& text) {
  const auto path = std::filesystem::path{PERDURE_SOURCE_DIR} / "tests" / "golden" / name;
  if (std::getenv("PERDURE_REWRITE_GOLDEN") != nullptr) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream{path, std::ios::binary} << text;
  }
  std::ifstream in{path, std::ios::binary};
  const std::string expected{std::istreambuf_iterator<char>{in}, {}};
  INFO("golden file " << path.string());
  CHECK(text == expected);
}

}  // namespace perdure::test
