// What the tests of the test kit run: handlers given as functions, and what the kit says when something does not fit.
#pragma once

#include <cstdlib>
#include <set>

#include "perdure/testing.hpp"
#include "support/catch.hpp"

namespace perdure::test {

using namespace std::chrono_literals;
using testing::test_failure;
using testing::virtual_node;

struct job {
  int number = 0;
};
PERDURE_MESSAGE(job, "desk.job/v1", number)

using script = std::function<task<>(const job&, context&)>;

class scripted final : public executor<job> {
 public:
  explicit scripted(script what) : what_(std::move(what)) {}
  task<> handle(const job& in, context& ctx) override { return what_(in, ctx); }

 private:
  script what_;
};

/// A workflow of one executor, "only".
inline workflow single(script what, executor_options options = {}, std::string name = "w") {
  workflow_builder made{std::move(name), "1"};
  made.add_with(
      "only", [what = std::move(what)] { return std::make_unique<scripted>(what); }, options);
  return made.build();
}

/// Sets a variable of the environment while it lives.
class environment {
 public:
  environment(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~environment() { ::unsetenv(name_); }
  environment(const environment&) = delete;
  environment& operator=(const environment&) = delete;

 private:
  const char* name_;
};

/// What the kit says. Fails when it says nothing.
template <class F>
std::string failure_of(F what) {
  try {
    what();
  } catch (const test_failure& found) {
    return found.what();
  }
  FAIL("the kit found nothing");
  return {};
}
inline bool contains(const std::string& text, std::string_view part) {
  UNSCOPED_INFO("text: " << text << "\npart: " << part);
  return text.find(part) != std::string::npos;
}

}  // namespace perdure::test
