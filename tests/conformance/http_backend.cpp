// The backend for job services over HTTP does what the node relies on, whatever the service can do.
#include "perdure/backend_check.hpp"
#include "perdure/backend_file.hpp"
#include "support/catch.hpp"
#include "support/remote_service.hpp"

using namespace perdure;
using namespace perdure::testing;

namespace {

void expect_conforming(const test::remote_service& service, const std::string& file) {
  const auto opened =
      read_backend(file, "service.yaml", {.secrets = [](const std::string&) { return std::optional{std::string{"x"}}; }});
  INFO((opened ? std::string{} : opened.error().message));
  REQUIRE(opened.has_value());
  const auto does = [](const char* what) { return json::value{{"do", what}}; };
  const backend_check_options options{.succeeds = does("ends"),
                                      .fails = does("fails"),
                                      .hangs = does("hangs"),
                                      .writes = does("writes"),
                                      .leaves = does("leaves"),
                                      .refused = does("refused")};
  for (const auto& problem : check_backend(*opened->what, options)) FAIL_CHECK(problem);
  CHECK(service.accepted() >= 4);
}

}  // namespace

TEST_CASE("the HTTP backend conforms") {
  test::remote_service service;
  expect_conforming(service, service.file());
}

TEST_CASE("it conforms with a service that tells repeated submits by their key") {
  test::remote_service service;
  service.idempotent = true;
  auto file = service.file();
  file.replace(file.find("  id: /job/id"), 0, "  idempotent: true\n");
  expect_conforming(service, file);
}

TEST_CASE("it conforms with a service that lists all jobs for any key, and gives files only whole") {
  test::remote_service service;
  service.ignores_filter = true;
  service.gives_pieces = false;
  expect_conforming(service, service.file());
}

TEST_CASE("it conforms with a service that can do the least") {
  test::remote_service service;
  auto file = service.file("find: null\n");
  file.erase(file.find("find: {path"), file.find("status:") - file.find("find: {path"));
  file.erase(file.find("find: null"));
  file.erase(file.find("cancel:"));
  expect_conforming(service, file);
}
