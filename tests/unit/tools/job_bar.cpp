// What a followed run shows of its job.
#include "tools/cli/job_bar.hpp"

#include "support/catch.hpp"
#include "tools/cli/terminal.hpp"

using namespace perdure;
using namespace perdure::tools::cli;

namespace {

job_info running(const json::value& progress) {
  job_info out;
  out.number = 2;
  out.status = job_status::running;
  out.raw = "IN_PROGRESS";
  out.progress = payload{progress};
  return out;
}

}  // namespace

TEST_CASE("a job with progress has a bar, its words and its last line") {
  const json::value progress{{"done", 50}, {"total", 100}, {"text", "half way"}};
  CHECK(job_line(running(progress), "loss 0.1", 200) == "job 2 ██████████░░░░░░░░░░ 50/100 half way  loss 0.1");
}

TEST_CASE("a job that does not say how far it is has its status") {
  CHECK(job_line(running(nullptr), {}, 200) == "job 2 IN_PROGRESS");
  const json::value progress{{"done", 7}, {"total", 0}, {"text", ""}};
  CHECK(job_line(running(progress), "x", 200) == "job 2 7  x");
}

TEST_CASE("a job's line fits its terminal, and what the job wrote cannot move the cursor") {
  const json::value progress{{"done", 200}, {"total", 100}, {"text", "more than all"}};
  const auto line = job_line(running(progress), "a\x1b[2Jb", 200);
  CHECK(line.find('\x1b') == std::string::npos);
  CHECK(line.find("████████████████████ 200/100") != std::string::npos);
  CHECK(display_width(job_line(running(progress), std::string(500, 'x'), 40)) <= 40);
}
