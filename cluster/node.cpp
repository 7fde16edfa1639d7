#include "perdure/node.hpp"

#include "actors/backends/orphan_keeper.hpp"
#include "cluster/node_impl.hpp"
#include "persistence/journal.hpp"

namespace perdure {

node::node(std::shared_ptr<impl> held) : impl_(std::move(held)) {}
node::node(node&&) noexcept = default;
node& node::operator=(node&& other) noexcept {
  if (this != &other) {
    close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
node::~node() { close(); }

result<node> node::open(node_options options) {
  auto made = impl::open(std::move(options));
  if (!made) return made.error();
  return node{std::move(*made)};
}

result<void> node::add(const workflow& definition) { return impl_->add(definition); }

result<void> node::add_backend(std::string_view name, std::shared_ptr<backend> what, backend_options options) {
  const auto keeper = std::dynamic_pointer_cast<actors::orphan_keeper>(what);
  auto added = impl_->jobs()->add(std::string{name}, std::move(what), options);
  // The backend is closed before the journal.
  if (added && keeper) {
    keeper->remove_orphans([journal = impl_->shared().journal.get()](const run_id& run) { return journal->row(run).has_value(); },
                           limits::blob_grace);
  }
  return added;
}
std::shared_ptr<backend> node::find_backend(std::string_view name) const { return impl_->jobs()->find(name); }
std::vector<std::string> node::backends() const { return impl_->jobs()->names(); }
result<std::shared_ptr<artifact_reader>> node::open_artifact(const run_id& run, std::uint32_t job, std::string_view name) const {
  return impl_->open_artifact(run, job, std::string{name});
}
result<backend_health> node::health_of(std::string_view backend) const { return impl_->jobs()->health(backend); }

result<run_ref> node::start(std::string_view workflow, const json::value& input, start_options options) {
  return start_named(workflow, message_name<json::value>, payload{input}, std::move(options));
}

result<run_ref> node::start_named(std::string_view workflow, std::string_view message, payload input, start_options options) {
  auto begun = impl_->start(
      {.workflow = std::string{workflow}, .message = message, .input = std::move(input), .options = std::move(options)});
  if (!begun) return begun.error();
  return std::move(begun->run);
}

std::vector<result<run_ref>> node::start_many_named(std::string_view workflow, std::string_view message,
                                                    std::vector<payload> inputs, std::vector<start_options> options) {
  if (!options.empty() && options.size() != inputs.size()) {
    const error why{errc::invalid_argument,
                    std::to_string(inputs.size()) + " inputs and " + std::to_string(options.size()) + " options"};
    return std::vector<result<run_ref>>(inputs.size(), why);
  }
  options.resize(inputs.size());
  std::vector<impl::start_request> what;
  what.reserve(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    what.push_back(
        {.workflow = std::string{workflow}, .message = message, .input = std::move(inputs[i]), .options = std::move(options[i])});
  }
  return impl_->start_many(std::move(what));
}

result<run_ref> node::get(const run_id& id) const { return impl_->get(id); }
result<run_ref> node::find(std::string_view key) const { return impl_->find(key); }
result<run_page> node::list(const list_options& options) const { return impl_->list(options); }
node_stats node::stats() const { return impl_->stats(); }

void node::close() {
  if (impl_) impl_->close();
}

}  // namespace perdure
