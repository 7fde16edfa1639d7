#include "cluster/run_capability.hpp"

#include "cluster/node_impl.hpp"
#include "perdure/json.hpp"

namespace perdure::cluster {

namespace {

std::string member(const json::object& of, std::string_view name, std::string_view otherwise = {}) {
  const auto* found = of.if_contains(name);
  return std::string{found != nullptr && found->is_string() ? std::string_view{found->get_string()} : otherwise};
}

core::outcome begin(node::impl& node, const actors::capability_request& request) {
  const auto spec = request.spec.value();
  const auto& what = spec.as_object();
  const auto* input = what.if_contains("input");
  // A schedule of a tenant's document begins runs of the tenant.
  const auto self = run_id::parse(request.run);
  const auto row = self ? node.shared().journal->row(*self) : std::nullopt;
  const auto message = member(what, "message", message_name<json::value>);
  const auto begun = node.start({.workflow = member(what, "workflow"),
                                 .version = member(what, "version"),
                                 .message = message,
                                 .input = payload{input != nullptr ? *input : json::value{}},
                                 .options = {.key = member(what, "key", "perdure.begun/") + request.key},
                                 .tenant = row ? row->tenant : std::string{},
                                 .trace = request.trace});
  if (!begun) return {.error = failure{.code = "runtime", .message = begun.error().message}};
  return {.value = payload{json::value{{"run", begun->run.id().str()}}}};
}

class run_capability final : public actors::capability {
 public:
  explicit run_capability(std::weak_ptr<node::impl> of) : node_(std::move(of)) {}

  void start(actors::capability_request request) override {
    const auto held = node_.lock();
    const auto shared = std::make_shared<actors::capability_request>(std::move(request));
    const auto refuse = [&shared](std::string why) {
      shared->done({.error = failure{.code = "overloaded", .message = std::move(why)}});
    };
    if (!held) return refuse("the node is closing");
    // Beginning a run waits for its record.
    const bool taken = held->shared().pool.post([weak = node_, shared] {
      const auto node = weak.lock();
      shared->done(node ? begin(*node, *shared)
                        : core::outcome{.error = failure{.code = "overloaded", .message = "the node is closing"}});
    });
    if (!taken) refuse("the pool of user threads is full");
  }
  void stop_all() override {}

 private:
  std::weak_ptr<node::impl> node_;
};

}  // namespace

std::shared_ptr<actors::capability> make_run_capability(std::weak_ptr<node::impl> of) {
  return std::make_shared<run_capability>(std::move(of));
}

}  // namespace perdure::cluster
