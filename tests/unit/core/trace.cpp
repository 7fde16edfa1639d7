// Trace context: what is taken, and what effects are handed.
#include "core/trace.hpp"

#include "support/catch.hpp"

using namespace perdure::core;

namespace {
const std::string good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
}

TEST_CASE("a traceparent is of version 00, in lower-case hex, with ids that are not nought") {
  CHECK(is_traceparent(good));
  CHECK(trace_id_of(good) == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(parent_id_of(good) == "00f067aa0ba902b7");
  for (const auto* bad :
       {"", "00", "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 "}) {
    INFO(bad);
    CHECK_FALSE(is_traceparent(bad));
  }
}

TEST_CASE("an effect is handed its run's trace with a span of its own, the same at every try") {
  const auto one = traceparent_of_effect(good, "run/executor/1/0");
  CHECK(is_traceparent(one));
  CHECK(trace_id_of(one) == trace_id_of(good));
  CHECK(parent_id_of(one) != parent_id_of(good));
  CHECK(traceparent_of_effect(good, "run/executor/1/0") == one);
  CHECK(traceparent_of_effect(good, "run/executor/1/1") != one);
  CHECK(one.ends_with("-01"));
  CHECK(traceparent_of_effect("", "key").empty());
}
