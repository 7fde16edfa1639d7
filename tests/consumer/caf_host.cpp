// A program that has an actor system of its own, with its own configuration and message types, and a node beside it.
#include <perdure/caf.hpp>
#include <perdure/workflow.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

struct claim {
  std::string customer;
  int amount = 0;
};
PERDURE_MESSAGE(claim, "claim/v1", customer, amount)

/// A message between the host's own actors.
struct verdict {
  std::string text;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, verdict& what) {
  return f(caf::meta::type_name("verdict"), what.text);
}

namespace {

class host_config : public caf::actor_system_config {
 public:
  host_config() {
    // Before the system is made, as CAF wants it.
    add_message_type<verdict>("verdict");
    set("scheduler.max-threads", std::size_t{2});
  }
};

class adjuster : public perdure::executor<claim> {
  perdure::task<> handle(const claim& what, perdure::context& ctx) override {
    const auto decision = co_await ctx.wait_signal<std::string>("decision");
    ctx.yield_output(what.customer + ": " + decision);
  }
};

/// Gives a verdict to whoever asks with a customer's name.
caf::behavior judge() {
  return {[](const std::string& customer) { return verdict{"granted to " + customer}; }};
}

/// Asks a judge, tells the run, waits for its end, and counts what it heard of it meanwhile.
class desk : public caf::event_based_actor {
 public:
  desk(caf::actor_config& config, caf::actor run, int& events, std::string& output)
      : caf::event_based_actor(config), run_(std::move(run)), events_(events), output_(output) {}

  caf::behavior make_behavior() override {
    const auto give_up = [this](const caf::error&) { quit(); };
    judge_ = spawn(judge);
    send(run_, perdure::watch_run{});
    request(judge_, caf::infinite, std::string{"Bo"})
        .then(
            [this, give_up](const verdict& what) {
              request(run_, caf::infinite, perdure::signal_run{"decision", perdure::payload{perdure::json::value(what.text)}})
                  .then([](perdure::command_done) {}, give_up);
            },
            give_up);
    request(run_, caf::infinite, perdure::await_run_end{})
        .then(
            [this](const perdure::run_info& end) {
              output_ = end.output.text();
              ended_ = true;
              maybe_quit();
            },
            give_up);
    return {[this](const perdure::run_event& event) {
      ++events_;
      told_all_ = event.kind == "run_ended";
      maybe_quit();
    }};
  }

  void on_exit() override {
    send_exit(judge_, caf::exit_reason::user_shutdown);
    run_ = judge_ = nullptr;
  }

 private:
  void maybe_quit() {
    if (ended_ && told_all_) quit();
  }

  caf::actor run_, judge_;
  int& events_;
  std::string& output_;
  bool ended_ = false;
  bool told_all_ = false;
};

int wrong(const std::string& what) {
  std::fprintf(stderr, "consumer: %s\n", what.c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return wrong("caf_host DIR");
  int events = 0;
  std::string output;
  host_config config;
  caf::actor_system host{config};

  auto node = perdure::node::open({.data_dir = std::filesystem::path{argv[1]} / "caf-data"});
  if (!node) return wrong(node.error().message);
  const auto insure = perdure::workflow_builder("insure", "1.0.0").add<adjuster>("adjuster").start_at("adjuster").build();
  if (const auto added = node->add(insure); !added) return wrong(added.error().message);
  const auto run = node->start("insure", claim{"Bo", 40});
  if (!run) return wrong(run.error().message);
  const auto proxy = perdure::attach_run(host, *node, run->id());
  caf::scoped_actor self{host};
  self->wait_for(host.spawn<desk>(proxy, events, output));

  // The node goes first: what still stands for its runs in the host's system answers that it is closed.
  node->close();
  bool closed = false;
  self->request(proxy, caf::infinite, perdure::get_run_status{})
      .receive([](const perdure::run_info&) {},
               [&](const caf::error& why) { closed = why.code() == static_cast<std::uint8_t>(perdure::errc::shutting_down); });
  if (!closed) return wrong("a closed node still answers");
  self->send_exit(proxy, caf::exit_reason::user_shutdown);
  std::printf("%s %s\n", output.c_str(), events > 1 ? "watched" : "unseen");
  return 0;
}
