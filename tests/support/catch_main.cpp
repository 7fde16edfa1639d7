// The tests' main: Catch2's own, with the seed of randomized tests printed first (PERDURE_SEED chooses it).
#ifdef PERDURE_CATCH2_V3
#include <catch2/catch_session.hpp>
#else
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#endif

#include <iostream>

#include "support/seed.hpp"

int main(int argc, char** argv) {
  std::cout << "seed " << perdure::test::session_seed() << " (PERDURE_SEED=" << perdure::test::session_seed() << " repeats it)"
            << std::endl;
  return Catch::Session().run(argc, argv);
}
