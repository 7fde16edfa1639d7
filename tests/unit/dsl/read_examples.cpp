// The specification's own examples: each is valid, or refused only for constructs that do not run yet.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "documents.hpp"

using namespace perdure::test;

TEST_CASE("every example of the specification is read") {
  const auto folder = std::filesystem::path{PERDURE_SOURCE_DIR} / ".." / "shared" / "serverless-workflow" / "examples";
  if (!std::filesystem::is_directory(folder)) {
    std::cout << "skipped: " << folder << " is not there" << std::endl;
    return;
  }
  std::size_t valid = 0, refused = 0;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream in{entry.path()};
    std::stringstream text;
    text << in.rdbuf();
    const auto problems = problems_of(text.str(), {}, entry.path().filename().string());
    ++(problems.empty() ? valid : refused);
    for (const auto& each : problems) {
      INFO(each.str());
      CHECK(each.kind == problem_kind::unsupported);
    }
  }
  CHECK(valid >= 6);
  CHECK(valid + refused >= 60);
  std::cout << valid << " examples valid, " << refused << " refused for constructs that do not run yet" << std::endl;
}
