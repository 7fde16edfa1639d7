#include "tools/gateway/job_workflow.hpp"

#include "perdure/executor.hpp"
#include "perdure/json.hpp"
#include "tools/view/json_access.hpp"

namespace perdure::tools::gateway {

namespace {

/// {"backend", "spec", "timeout_us", "priority"}
class job_runner : public executor<json::value> {
 public:
  task<> handle(const json::value& order, context& ctx) override {
    const auto what = order.is_object() ? order.get_object() : json::object{};
    const auto backend = text_of(what, "backend");
    const auto spec = value_of(what, "spec");
    job_options options;
    options.timeout = duration{static_cast<duration::rep>(number_of(what, "timeout_us"))};
    const auto& priority = value_of(what, "priority");
    if (priority.is_int64()) options.priority = static_cast<std::int32_t>(priority.get_int64());
    auto work = ctx.run_job(backend, spec, options);
    const auto end = co_await work;
    const auto told = to_json(end);
    ctx.yield_output(told);
  }
};

}  // namespace

workflow make_job_workflow() {
  workflow_builder builder{std::string{job_workflow}, "1"};
  builder.add<job_runner>("job").start_at("job");
  return builder.build();
}

}  // namespace perdure::tools::gateway
