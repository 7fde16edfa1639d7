#include "tools/view/jobs_view.hpp"

#include "cluster/job_verbs.hpp"
#include "core/base64.hpp"
#include "support/catch.hpp"
#include "unit/tools/teller.hpp"

using namespace perdure;
using namespace perdure::core;
using perdure::test::json_payload;
using perdure::test::teller;

TEST_CASE("the jobs of a run are what its events say of them") {
  teller run;
  tools::jobs_view jobs;
  turn step{.activation = 1, .attempt = 1};
  step.issued.push_back({.ordinal = 0,
                         .kind = step_kind::job,
                         .name = "gpu",
                         .args = json_payload(R"({"number":1,"key":"k","ask":{"what":"run","backend":"gpu","spec":1}})")});
  jobs.add(run.event(step));
  REQUIRE(jobs.all().size() == 1);
  CHECK(jobs.all().at(1).backend == "gpu");
  CHECK(jobs.all().at(1).status == "queued");
  jobs.add(run.event(
      job_noted{.number = 1, .now = {.stage = job_stage::running, .id = "j", .status = job_status::running, .raw = "R"}}));
  CHECK(jobs.all().at(1).id == "j");
  jobs.add(run.event(job_ended{
      .number = 1, .end = {.status = job_status::failed, .raw = "F", .exit_code = 3, .error = failure{.code = "job_failed"}}}));
  const auto list = jobs.list();
  CHECK(list[0].at("status").as_string() == "failed");
  CHECK(list[0].at("exit_code").as_int64() == 3);
  CHECK(list[0].at("error").at("code").as_string() == "job_failed");
}

TEST_CASE("base64 gives back every string of bytes, and refuses what is none") {
  std::string bytes;
  for (int i = 0; i < 300; ++i) {
    const auto text = core::to_base64(bytes);
    CHECK(text.size() == (bytes.size() + 2) / 3 * 4);
    const auto back = cluster::from_base64(text);
    REQUIRE(back.has_value());
    CHECK(*back == bytes);
    bytes += static_cast<char>(i * 7);
  }
  CHECK(core::to_base64("any carnal pleas") == "YW55IGNhcm5hbCBwbGVhcw==");
  for (const auto* bad : {"a", "abc", "ab=c", "a===", "====", "ab\ncd", "ab==cdef"}) {
    INFO(bad);
    CHECK_FALSE(cluster::from_base64(bad).has_value());
  }
}
