// The specification's own examples: each is valid.
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>

#include "documents.hpp"

using namespace perdure::test;

TEST_CASE("every example of the specification is read") {
  const auto folder = std::filesystem::path{PERDURE_SOURCE_DIR} / ".." / "shared" / "serverless-workflow" / "examples";
  if (!std::filesystem::is_directory(folder)) {
    std::cout << "skipped: " << folder << " is not there" << std::endl;
    return;
  }
  std::size_t valid = 0;
  std::vector<std::string> refused;
  for (const auto& entry : std::filesystem::directory_iterator{folder}) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream in{entry.path()};
    std::stringstream text;
    text << in.rdbuf();
    const auto problems = problems_of(text.str(), {}, entry.path().filename().string());
    if (problems.empty()) ++valid;
    for (const auto& each : problems) {
      INFO(each.str());
      CHECK(each.kind == problem_kind::unsupported);
      // What a build without libprotobuf lacks is no part of this version.
      if (each.message.find("libprotobuf") == std::string::npos)
        refused.push_back(entry.path().stem().string() + ": " + each.message);
    }
  }
  CHECK(valid >= 60);
  CHECK(refused.empty());
}
