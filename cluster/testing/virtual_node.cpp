// virtual_node and test_run: the test kit's face. What stands behind it is engine.hpp.
#include "cluster/run_info.hpp"
#include "cluster/testing/engine.hpp"
#include "core/event_json.hpp"

namespace perdure::testing {

virtual_node::virtual_node(node_options options) : engine_(std::make_shared<engine>(options)) {}
virtual_node::~virtual_node() = default;

void virtual_node::add(const workflow& definition) { engine_->add(definition); }
void virtual_node::add_backend(std::string_view name, std::shared_ptr<backend> what) {
  engine_->jobs.add(std::string{name}, std::move(what));
}
result<test_run> virtual_node::try_start_named(std::string_view workflow, std::string_view message, payload input,
                                               start_options options) {
  auto id = engine_->start(workflow, message, std::move(input), options);
  if (!id) return id.error();
  return test_run{*id, engine_};
}
test_run virtual_node::find(const run_id& id) const {
  (void)engine_->stored(id);
  return test_run{id, engine_};
}

timestamp virtual_node::now() const { return engine_->now(); }
void virtual_node::run_until_idle() { engine_->settle(); }
void virtual_node::skip(duration length) { engine_->skip(length); }
void virtual_node::run_until(const std::function<bool()>& condition, duration limit, std::string_view what) {
  engine_->run_until(condition, limit, what);
}

void virtual_node::crash() { engine_->crash(); }
void virtual_node::restart() { engine_->restart(); }
void virtual_node::crash_after(std::uint64_t operations) { engine_->crash_at = engine_->operations + operations; }
void virtual_node::crash_one_in(std::uint64_t operations) { engine_->crash_one_in = operations; }
std::uint64_t virtual_node::operations() const { return engine_->operations; }
std::uint64_t virtual_node::crashes() const { return engine_->crashes; }

void virtual_node::fail_step(step_pattern which, std::string code, std::string message) {
  engine_->rules.end(std::move(which), fails_before{{.code = std::move(code), .message = std::move(message)}});
}
void virtual_node::fail_step_afterwards(step_pattern which, std::string code, std::string message) {
  engine_->rules.end(std::move(which), fails_after{{.code = std::move(code), .message = std::move(message)}});
}
void virtual_node::answer_step_with(step_pattern which, payload result) {
  engine_->rules.end(std::move(which), gives{std::move(result)});
}
void virtual_node::slow_step(step_pattern which, duration length) { engine_->rules.pace(std::move(which), length); }
void virtual_node::hang_step(step_pattern which) { engine_->rules.pace(std::move(which), std::nullopt); }
void virtual_node::clear_step_rules() { engine_->rules.clear(); }
void virtual_node::delay_timers(duration late) { engine_->late = late; }
void virtual_node::duplicate_commands(bool on) { engine_->duplicates = on; }

std::vector<body_count> virtual_node::bodies() const { return engine_->rules.counts(); }
std::uint64_t virtual_node::calls(std::string_view executor, std::string_view step) const {
  std::uint64_t out = 0;
  for (const auto& each : engine_->rules.counts()) {
    if (each.executor == executor && each.step == step) out += each.calls;
  }
  return out;
}
const std::vector<log_line>& virtual_node::log() const { return engine_->log_lines; }

// test_run ---------------------------------------------------------------------------------------------------------------

void test_run::fail(const std::string& what) const { engine_->fail(what); }

run_info test_run::status() const { return cluster::info_of(engine_->stored(id_)); }

result<void> test_run::try_signal(std::string_view name, const json::value& value) const {
  return engine_->command(id_, core::signal_command{std::string{name}, payload{value}, engine_->next_command_id()});
}
result<void> test_run::try_respond(std::string_view request_id, const json::value& answer) const {
  return engine_->command(id_, core::respond_command{std::string{request_id}, payload{answer}, engine_->next_command_id()});
}
result<void> test_run::try_cancel(std::string_view reason) const {
  return engine_->command(id_, core::cancel_command{std::string{reason}, engine_->next_command_id()});
}
void test_run::pause() const { (void)engine_->command(id_, core::pause_command{engine_->next_command_id()}).value(); }
void test_run::resume() const { (void)engine_->command(id_, core::resume_command{engine_->next_command_id()}).value(); }
void test_run::signal_later(std::string_view name, const json::value& value) const {
  engine_->post(id_, core::signal_command{std::string{name}, payload{value}, engine_->next_command_id()});
}
void test_run::answer(const json::value& value) const {
  const auto open = cluster::info_of(engine_->stored(engine_->last_of(id_))).requests;
  if (open.size() != 1) {
    fail("run " + id_.str() + " has " + std::to_string(open.size()) + " open requests, where one was to be answered");
  }
  respond(open.front().id, value);
}
test_run test_run::retry() const { return {engine_->retry(id_).value(), engine_}; }
void test_run::kill_executor(std::string_view executor) const { engine_->kill_executor(id_, executor); }

run_info test_run::wait(duration limit) const {
  const auto ended = [&] {
    const auto& last = engine_->stored(engine_->last_of(id_));
    return is_terminal(last.status) && !last.successor;
  };
  engine_->run_until(ended, limit, "the end of run " + id_.str());
  return cluster::info_of(engine_->stored(engine_->last_of(id_)));
}

run_info test_run::expect_end(run_status expected) const {
  auto out = wait();
  if (out.status == expected) return out;
  std::string why = "run " + id_.str() + " was expected to end as " + std::string{to_string(expected)} + ", and it is " +
                    std::string{to_string(out.status)};
  if (out.error) why += ": " + out.error->code + ": " + out.error->message;
  fail(why + "\n  its events:\n" + events_text());
}

run_info test_run::expect_output(const json::value& expected) const {
  auto out = expect_end(run_status::succeeded);
  const payload wanted{expected};
  if (out.output == wanted) return out;
  fail("run " + id_.str() + " gave another output\n  expected: " + std::string{wanted.text()} +
       "\n  found:    " + std::string{out.output.text()});
}

std::vector<run_event> test_run::events() const {
  core::executor_names names;
  std::vector<run_event> out;
  for (const auto& each : engine_->records(id_)) {
    auto event = core::decode(each.kind, each.schema, each.bytes, &engine_->journal().blobs());
    if (!event) fail(event.error().message);
    out.push_back(core::to_run_event(each, *event, names));
  }
  return out;
}

}  // namespace perdure::testing
