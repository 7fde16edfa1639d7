// interpreter: runs a document as the handler of one executor.
//
// Operation: a coroutine walks through the tasks. Everything that is not pure is a durable step of the context; pure
// evaluations are repeated by a replay. Tasks are announced with scopes, numbered in the order they start, which travel in the
// record of the next step; a pause is such a step where many tasks take none.
// Concurrency: as its context: one thread at a time. Bodies of steps get shared values that never change.
// Limitations: an activation takes at most limits::activation_steps steps; a long one hands over to another (hand_over.cpp).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "dsl/document.hpp"
#include "dsl/json_rpc.hpp"
#include "dsl/process_order.hpp"
#include "dsl/resume_point.hpp"
#include "dsl/run_data.hpp"
#include "dsl/schedule_order.hpp"
#include "perdure/executor.hpp"

namespace perdure::dsl {

template <class T = void>
using async = perdure::task<T>;  // "task" is the document's here

class interpreter : public executor<json::value, resume_point, process_order, schedule_order> {
 public:
  interpreter(std::shared_ptr<const document> what, document_ports ports)
      : document_(std::move(what)), ports_(std::move(ports)) {}
  async<> handle(const json::value& input, context& ctx) override;
  /// What an earlier activation began.
  async<> handle(const resume_point& from, context& ctx) override;
  /// Work beside a run: in a run of its own.
  async<> handle(const process_order& order, context& ctx) override;
  /// The document's schedule: begins its runs.
  async<> handle(const schedule_order& order, context& ctx) override;

 private:
  struct running;
  /// Where a task runs.
  struct surroundings {
    variables_ptr variables;
    std::uint32_t scope = 0;            ///< number of the task around it, 0 = the workflow
    std::uint32_t attempt = 1;          ///< of the nearest try around it
    std::uint32_t calls = 0;            ///< of functions around it
    std::uint32_t* failed = nullptr;    ///< where the nearest try notes the task that failed; lives longer
    const running* extended = nullptr;  ///< in an extension: the task that it extends; lives longer
    const running* within = nullptr;    ///< the task around it; lives longer
    bool stays = false;                 ///< what goes on here cannot be handed over
  };
  /// One task being run.
  struct running {
    const dsl::task* what = nullptr;
    surroundings around;
    std::uint32_t number = 0;
    timestamp started{};
    data_ptr raw_input, input, raw_output, output, authorization;
    std::vector<const extension*> extensions;  ///< those that apply

    // How far it is, for the activation that takes over.
    std::size_t place = 0;  ///< in its list
    bool resumes = false;   ///< an earlier activation began it, and its body has yet to go on from there
    duration limit{0};      ///< of its time, and when that is over
    std::optional<timestamp> due;
    std::size_t turn = 0;        ///< of a loop
    std::size_t first_turn = 0;  ///< the one that `items` begin with
    data_ptr items;              ///< of a loop whose "in" may give others when it is asked again
    std::uint32_t attempt = 0;   ///< of a try
    timestamp first_attempt{};
    std::optional<timestamp> attempt_due;
    data_ptr error;  ///< that a try handles

    /// Where the tasks inside of it run.
    [[nodiscard]] surroundings inside() const {
      auto out = around;
      out.scope = number;
      out.within = this;
      return out;
    }
    [[nodiscard]] surroundings inside(variables_ptr variables) const {
      auto out = inside();
      out.variables = std::move(variables);
      return out;
    }
  };
  /// What a list or a body gave. `ends`: the workflow is to end with this value.
  struct given {
    data_ptr value;
    bool ends = false;
    std::optional<flow> then;  ///< of a switch
    bool exited = false;       ///< of a list: by "exit"
  };
  struct next_step {
    data_ptr value;
    flow then;
  };
  struct open_scope {
    std::string name, reference;
    std::uint32_t parent = 0, attempt = 1;
    std::string child;         ///< the run that it waits for
    std::string subscription;  ///< to events
    json::object connection;   ///< what closes the one that it keeps
  };
  /// Leaves the branches of a fork when one of them ends the workflow.
  struct workflow_ended {
    data_ptr value;
  };

  /// Leaves all tasks, which another activation goes on with.
  struct handed_over {
    resume_point to;
  };
  /// While the tasks that an earlier activation began are entered again.
  struct resumption {
    const resume_point* from = nullptr;
    std::vector<data_ptr> values;
    std::size_t depth = 0;
  };

  // interpreter.cpp
  async<> carry_out();
  async<data_ptr> run_document();
  async<given> run_list(const task_list& tasks, data_ptr input, surroundings around);
  /// `begun`: by an earlier activation.
  async<next_step> run_task(const dsl::task& what, data_ptr raw, surroundings around, std::size_t place = 0,
                            const resumed_task* begun = nullptr);
  async<std::optional<given>> run_entry(running& now);
  async<given> run_stages(running& now);
  async<given> run_within(running& now);
  async<given> run_body(running& now);
  async<> run_export(running& now, const std::optional<dynamic_value>& as, const std::optional<schema_rule>& schema);
  /// Counts what goes on without a step. True: a pause is due.
  bool is_pause_due();
  async<> pause();
  /// A step that does something comes.
  void note_step() {
    ++steps_;
    idle_tasks_ = 0;
    if (!records_all_) unpaused_ = 0;
  }
  void start_scope(running& now);
  void end_scope(running& now, const data_ptr& value, const std::optional<failure>& error);
  void end_scopes_within(std::uint32_t number, const failure& why);
  /// Asks the runs to cancel that tasks waited for which were cut off, and ends their subscriptions and connections.
  async<> cancel_orphans();
  /// Of what tasks left that were cut off, the end of the workflow ends all but connections.
  async<> close_connections();
  void leave_orphans(open_scope& of);

  /// Waits that say which task they belong to (its number), for those who look on. Replays do not compare it.
  step<void> sleep(duration length, std::uint32_t task);
  step<json::value> next_signal(const std::string& name, std::uint32_t task);

  // hand_over.cpp
  [[nodiscard]] bool is_hand_over_due(const surroundings& around);
  /// What goes on from before the task at `place`; empty when that is too much.
  [[nodiscard]] std::optional<resume_point> point_before(std::size_t place, const data_ptr& input, const surroundings& around);
  struct value_table;
  [[nodiscard]] resume_point describe_point(std::size_t place, const data_ptr& input, const surroundings& around,
                                            value_table& values) const;
  /// The next task, from the outside in, of those that an earlier activation began; null: there are no more.
  [[nodiscard]] const resumed_task* next_resumed();
  void restore(running& now, const resumed_task& from);

  // run_tasks.cpp
  async<given> run_set(running& now, const set_task& body);
  async<given> run_wait(running& now, const wait_task& body);
  async<given> run_raise(running& now, const raise_task& body);
  async<given> run_switch(running& now, const switch_task& body);
  async<given> run_for(running& now, const for_task& body);
  async<given> run_fork(running& now, const fork_task& body);
  async<given> run_branch(const dsl::task& what, data_ptr input, surroundings around);

  // run_process.cpp
  async<given> run_process(running& now, const process_task& body);
  async<process_result> run_work(const process_work& work);
  async<> run_beside(process_order order);
  process_work process_of(const running& now, const process_task& body, const json::object& process);
  async<process_work> script_of(running& now, const process_task& body, json::object process);

  // run_job.cpp
  async<given> run_job(running& now, const job_task& body);

  // run_request.cpp
  async<given> run_request(running& now, const request_task& body);

  // run_http.cpp
  async<given> run_http(running& now, const http_task& body);
  struct address {
    std::string url;
    json::value authentication;  ///< null = none
  };
  async<address> address_of(const endpoint& at, data_ptr input, const running* now);
  /// The text at an http address.
  async<std::string> fetch(std::string name, const address& from);
  /// What the capability gives for the spec. `task`: what is told meanwhile belongs to the task with this number; 0 = to none.
  async<payload> perform(std::string name, std::string capability, json::object spec, std::uint32_t task = 0);

  // run_call.cpp
  async<given> run_function(running& now, const function_task& body);
  async<std::shared_ptr<const dsl::task>> fetch_function(running& now, const function_task& body);
  async<given> run_subflow(running& now, const subflow_task& body);
  bool is_extended(const running& now) const;
  async<std::vector<const extension*>> extensions_of(running& now);
  async<std::optional<given>> run_before(running& now, const std::vector<const extension*>& by);
  async<given> run_after(running& now, const std::vector<const extension*>& by);

  // run_protocols.cpp
  /// The text of a resource, from a file or an http address.
  async<std::string> read_resource(std::string name, const address& from, std::string reference);
  async<given> run_openapi(running& now, const openapi_task& body);
  async<given> run_mcp(running& now, const mcp_task& body);
  async<given> run_a2a(running& now, const a2a_task& body);
  async<json::value> post_rpc(std::string name, const address& to, json::object headers, json::object message,
                              std::uint32_t task);
  async<json::value> ask_mcp_http(running& now, const mcp_task& body, mcp_messages say);
  async<json::value> ask_mcp_stdio(running& now, const mcp_task& body, mcp_messages say);

  // run_grpc.cpp
  async<given> run_grpc(running& now, const grpc_task& body);

  // run_asyncapi.cpp
  async<given> run_asyncapi(running& now, const asyncapi_task& body);
  struct asyncapi_order {
    json::object spec;                      ///< of the capability
    std::vector<std::string> correlations;  ///< where messages have their correlation id
  };
  async<asyncapi_order> asyncapi_request(running& now, const asyncapi_task& body);
  async<given> follow(running& now, const message_subscription& of, asyncapi_order order);
  /// `kept` has what was taken so far; null = it is of no use to others.
  async<given> take_messages(running& now, const message_subscription& of, asyncapi_order order,
                             std::shared_ptr<json::array> kept);

  // run_schedule.cpp
  async<> share_triggers(schedule_order& order);
  async<> follow_trigger(schedule_order& order);
  async<std::string> begin_scheduled(json::value input);
  async<timestamp> tick_after(timestamp last);
  async<> follow_times(schedule_order& order);
  async<> follow_ends(const schedule_order& order);
  async<> follow_events(schedule_order& order);

  // run_events.cpp
  async<> subscribe(const listen_task& body, const std::string& id);
  async<std::string> event_broker();
  async<> tell_broker(json::object message);
  async<given> run_emit(running& now, const emit_task& body);
  async<given> run_listen(running& now, const listen_task& body);
  /// `keys` get what correlations are about.
  async<given> consume(running& now, const listen_task& body, std::string id, json::object& keys);
  async<given> run_item(running& now, const iterator_rule& rule, data_ptr item, std::size_t number);
  async<bool> fits_attribute(running& now, const std::string& name, const dynamic_value& wanted, const json::value& event);
  async<bool> fits_filter(running& now, const event_filter& filter, data_ptr event, json::object& keys);
  async<std::ptrdiff_t> first_fit(running& now, const event_strategy& of, const std::vector<bool>& open, data_ptr event,
                                  json::object& keys);

  // run_try.cpp
  async<given> run_try(running& now, const try_task& body);
  async<given> run_attempt(running& now, const try_task& body, std::uint32_t& failed);
  async<given> handle_error(running& now, const try_task& body);
  async<bool> is_caught(running& now, const try_task& body, surroundings around, const failure& why);
  async<std::optional<duration>> next_delay(running& now, const retry_rule& rule, surroundings around);

  // evaluation.cpp
  bindings bind(const std::vector<std::string>& names, const running* now, const variables_ptr& variables);
  data_ptr describe_task(const running& now, bool extended) const;
  const data_ptr& describe_workflow();
  /// A value of the document, kept alive by it.
  using program_ptr = std::shared_ptr<const dynamic_value>;
  program_ptr program(const dynamic_value& of_document) const { return {kept_, &of_document}; }
  /// `recorded`: what it gives is a task's data; in runs of older builds a step of its own even when it is pure.
  async<data_ptr> evaluate(std::string label, program_ptr what, data_ptr input, const running* now, variables_ptr variables,
                           bool recorded = false);
  async<bool> is_true(std::string label, const expression_ptr& what, data_ptr input, const running* now, variables_ptr variables);
  async<duration> length_of(const duration_value& what, const running* now, variables_ptr variables);
  const std::string& reference_of(const running* now) const;
  /// Fails with an error of the type "validation" unless the value fits.
  async<> check_schema(std::string what, const schema_rule& rule, data_ptr value, const running* now);

  std::shared_ptr<const document> document_;
  document_ports ports_;
  /// What programs are part of: bodies that use them may outlive this object.
  struct kept {
    std::shared_ptr<const document> of;
    std::map<std::string, std::shared_ptr<const dsl::task>> fetched;  ///< functions of catalogs, by caller and text
  };
  std::shared_ptr<kept> kept_ = std::make_shared<kept>(kept{document_, {}});
  context* ctx_ = nullptr;
  timestamp started_{};
  data_ptr workflow_input_, workflow_;
  data_ptr context_;
  std::uint64_t context_version_ = 0;
  std::uint32_t scopes_ = 0;
  bool records_all_ = false;          ///< the run began with a build that made a step of every `set` and `raise`
  std::uint32_t idle_tasks_ = 0;      ///< begun since the last step that did something
  std::uint32_t unpaused_ = 0;        ///< begun since the last pause
  std::size_t unpaused_bytes_ = 0;    ///< of inputs and outputs told since then
  std::uint32_t steps_ = 0;           ///< that this activation took, about
  std::size_t step_bytes_ = 0;        ///< of what they gave
  std::uint32_t next_hand_over_ = 0;  ///< not before so many steps
  std::unique_ptr<resumption> resumed_;
  duration limit_{0};  ///< of the workflow's time, and when that is over
  std::optional<timestamp> due_;
  std::map<std::uint32_t, open_scope> open_;
  struct orphan {
    std::string run, subscription;
    json::object connection;  ///< one of them
  };
  std::vector<orphan> orphans_;          ///< of tasks that were cut off
  const schedule_rule* rule_ = nullptr;  ///< of a schedule: the trigger that this run goes by
};

}  // namespace perdure::dsl
