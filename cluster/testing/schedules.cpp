// The same scenario many times: with many seeds, and with a crash in every place.
#include <cstdio>
#include <cstdlib>

#include "perdure/testing.hpp"

namespace perdure::testing {

namespace {

std::optional<std::uint64_t> chosen(const char* variable) {
  const char* text = std::getenv(variable);
  if (text == nullptr || *text == '\0') return std::nullopt;
  char* end = nullptr;
  const auto out = std::strtoull(text, &end, 10);
  if (*end != '\0') throw test_failure(std::string{variable} + "=" + text + " is no number");
  return out;
}

/// A failure of the kit's own says how to repeat it; one of the test framework's is let through, and told on standard error.
void told(const std::string& where, const std::function<void()>& scenario) {
  try {
    scenario();
  } catch (const test_failure& found) {
    throw test_failure(std::string{found.what()} + "\n  " + where);
  } catch (...) {
    std::fprintf(stderr, "perdure: the scenario failed: %s\n", where.c_str());
    throw;
  }
}

}  // namespace

void for_each_seed(std::uint64_t count, const std::function<void(std::uint64_t)>& scenario, std::uint64_t first) {
  static constexpr auto variable = "PERDURE_TEST_SEED";
  if (const auto seed = chosen(variable)) {
    first = *seed;
    count = 1;
  }
  for (auto seed = first; seed < first + count; ++seed) {
    told("seed " + std::to_string(seed) + ": " + variable + "=" + std::to_string(seed) + " repeats it", [&] { scenario(seed); });
  }
}

std::uint64_t for_each_crash(const std::function<void(virtual_node&)>& scenario, node_options options) {
  static constexpr auto variable = "PERDURE_TEST_CRASH";
  const auto once = [&](std::uint64_t after) {
    told("killed after operation " + std::to_string(after) + ": " + variable + "=" + std::to_string(after) + " repeats it", [&] {
      virtual_node node{options};
      node.crash_after(after);
      scenario(node);
      node.run_until_idle();  // the last operations may come after all that it waited for
    });
  };
  if (const auto after = chosen(variable)) {
    once(*after);
    return 1;
  }
  std::uint64_t operations = 0;
  told("without a crash", [&] {
    virtual_node node{options};
    scenario(node);
    node.run_until_idle();
    operations = node.operations();
  });
  for (std::uint64_t after = 1; after <= operations; ++after) once(after);
  return operations;
}

}  // namespace perdure::testing
