// Assertions of invariants: on in every build.
#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends the process when the invariant is broken: going on could write a wrong fact into the journal.
#define PERDURE_ASSERT(condition)                                                                       \
  do {                                                                                                  \
    if (!(condition)) [[unlikely]] {                                                                    \
      std::fprintf(stderr, "perdure: invariant broken at %s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                                     \
    }                                                                                                   \
  } while (false)
