// Hides which major version of Catch2 the system has.
#pragma once

#ifdef PERDURE_CATCH2_V3
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
