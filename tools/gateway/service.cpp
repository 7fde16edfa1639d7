#include "tools/gateway/service.hpp"

#include <arpa/inet.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cluster/backend_set.hpp"
#include "core/json_text.hpp"
#include "tools/gateway/http_server.hpp"
#include "tools/gateway/job_workflow.hpp"
#include "tools/gateway/jobs_api.hpp"
#include "tools/gateway/keys_api.hpp"
#include "tools/gateway/metrics.hpp"
#include "tools/gateway/native_api.hpp"
#include "tools/gateway/openapi.hpp"
#include "tools/gateway/service_file_api.hpp"
#include "tools/gateway/tenants_api.hpp"
#include "tools/gateway/trace_export.hpp"

namespace perdure::tools::gateway {

namespace {

timestamp wall_clock() { return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now()); }

/// File descriptors that are not connections: the journal, documents, processes.
constexpr std::size_t other_files = 512;

/// Asks for all the files it may have; gives the connections that leaves room for.
std::size_t raise_file_limit(std::size_t wanted) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  if (files.rlim_cur < files.rlim_max) {
    auto more = files;
    more.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &more) == 0) files = more;
  }
  if (files.rlim_cur == RLIM_INFINITY) return wanted;
  const auto granted = static_cast<std::size_t>(files.rlim_cur);
  return std::min(wanted, granted > 2 * other_files ? granted - other_files : granted / 2);
}

/// The path alone: queries hold signatures, and what follows a form's path, however it is written, is its token.
std::string shown_path(const request& in) {
  constexpr std::array<std::string_view, 3> form{"v1", "form", "human_input"};
  if (in.path.size() >= form.size() && std::equal(form.begin(), form.end(), in.path.begin())) return "/v1/form/human_input/***";
  return core::valid_utf8(in.target.substr(0, in.target.find('?')));
}

std::string access_line(const access_record& what) {
  return json_text(json::object{{"time", to_string(wall_clock())},
                                {"request_id", what.in->id},
                                {"peer", what.in->peer},
                                {"key", what.caller.empty() ? json::value(nullptr) : json::value(what.caller)},
                                {"method", core::valid_utf8(what.in->method)},
                                {"path", shown_path(*what.in)},
                                {"status", what.status},
                                {"bytes", what.bytes},
                                {"took_us", what.took.count()}});
}

}  // namespace

class service::impl {
 public:
  explicit impl(service_options how)
      : how_(std::move(how)), keys_(how_.data), router_(keys_, how_.policies),
        shelf_({.data = how_.data,
                .folder = how_.workflows,
                .policies = how_.policies,
                .log = [this](std::string_view level, const std::string& text) { log(level, text); }}) {}
  ~impl() { stop(); }

  result<void> start() {
    how_.limits.connections = raise_file_limit(how_.limits.connections);
    router_.add_open("/healthz", [] { return json_answer(json::object{{"status", "ok"}}); });
    router_.add_open("/readyz", [this] {
      return router_.is_open() ? json_answer(json::object{{"status", "ready"}})
                               : json_answer(json::object{{"status", "not ready"}}, 503);
    });
    const auto described = cluster::json_of_yaml(std::string{openapi_text()});
    if (!described) return described.error();
    router_.add_open("/openapi.json", [answer = json_answer(*described)] { return answer; });
    server_options listener{.address = how_.address,
                            .port = how_.port,
                            .tls = how_.tls,
                            .limits = how_.limits,
                            .handle = [this](std::shared_ptr<exchange> at) { take(at); },
                            .refuse = refusal};
    listener.refuses = [this](const request& head) { return router_.refusal_before_body(head); };
    listener.wants_sink = is_upload;
    listener.open_sink = [this](const request& head) -> std::variant<std::shared_ptr<body_sink>, response> {
      auto who = router_.admit(head, right::run);
      if (auto* refused = std::get_if<response>(&who)) return std::move(*refused);
      return open_upload(*files_, std::get<api_key>(std::move(who)), head);
    };
    listener.access = [this](const access_record& what) {
      metrics_.count(what);
      if (how_.access) how_.access(access_line(what));
      if (what.status == 500) log("error", "request " + what.in->id + " failed: " + what.in->method + " " + shown_path(*what.in));
    };
    if (how_.allowed_pages.on())
      listener.more_headers = [this](const request& in, std::vector<field>& out) { how_.allowed_pages.allow(in, out); };
    auto listening = http_server::start(std::move(listener));
    if (!listening) return listening.error();
    server_ = std::move(*listening);

    if (auto read = shelf_.prepare(); !read) return read;
    node_options open;
    open.data_dir = how_.data;
    open.control_socket = true;
    open.retention = how_.retention;
    open.helper_program = how_.helper_program;
    open.shutdown_timeout = how_.shutdown_time;
    open.log = how_.log;
    auto backends =
        cluster::read_backends(how_.data, how_.backends, [this](std::string_view what) { log("warning", std::string{what}); });
    if (!backends) return backends.error();
    auto opened = node::open(std::move(open));
    if (!opened) return opened.error();
    engine_.emplace(std::move(*opened));
    if (how_.lifecycle.any()) {
      auto passing = pass_on_lifecycle(*engine_, how_.lifecycle);
      if (!passing) return passing.error();
      lifecycle_ = std::move(*passing);
    }
    if (auto added = cluster::add_backends(*engine_, how_.data, std::move(*backends)); !added) return added;
    if (auto added = engine_->add(make_job_workflow()); !added) return added;
    later_ = std::make_unique<ticker>();
    webhooks_ = std::make_unique<webhook_book>(webhook_book::options{
        .data = how_.data,
        .may_reach_private =
            [this](const std::string& tenant) {
              return how_.policies.of(tenant.empty() ? std::string_view{default_tenant} : tenant).put_may_call;
            },
        .log = [this](std::string_view level, const std::string& text) { log(level, text); }});
    if (auto begun = webhooks_->start(*engine_); !begun) return begun;
    if (auto added = shelf_.attach(*engine_); !added) return added;
    // Only whoever holds the directory makes its first key.
    auto first = keys_.ensure_admin(how_.data, wall_clock());
    if (!first) return first.error();
    new_admin_key_ = std::move(*first);
    auto signer = signing_key::open(how_.data);
    if (!signer) return signer.error();
    signer_.emplace(std::move(*signer));
    auto files = file_store::open(how_.data, [this](std::string_view tenant) { return how_.policies.of(tenant).file_bytes; });
    if (!files) return files.error();
    files_ = std::move(*files);
    const api_parts parts{
        *engine_, shelf_, how_.policies, how_.limits, *signer_, *later_, *webhooks_, *files_, !how_.trace_endpoint.empty()};
    add_workflow_routes(router_, parts);
    add_run_routes(router_, parts);
    add_run_event_routes(router_, parts);
    add_journal_routes(router_, parts);
    add_key_routes(router_, keys_);
    add_tenant_routes(router_, parts, keys_);
    add_callback_routes(router_, parts);
    add_event_routes(router_, parts);
    add_schedule_routes(router_, parts);
    add_webhook_routes(router_, parts);
    add_job_routes(router_, parts);
    add_job_log_routes(router_, parts);
    add_job_artifact_routes(router_, parts);
    add_service_start_routes(router_, parts);
    add_service_run_routes(router_, parts);
    add_service_info_routes(router_, parts);
    add_service_form_routes(router_, parts);
    add_service_file_routes(router_, parts);
    router_.add_simple("GET", "/metrics", right::admin, [this](const call& of) { return give_metrics(of); });
    if (parts.traces) {
      auto exported =
          trace_export::start(*engine_, {.endpoint = how_.trace_endpoint,
                                         .data = how_.data,
                                         .log = [this](std::string_view level, const std::string& text) { log(level, text); }});
      if (!exported) return exported.error();
      spans_ = std::move(*exported);
    }
    shelf_.begin_schedules();
    reaper_.emplace(*engine_,
                    reaper_options{.scheduled = how_.reap_scheduled,
                                   .idle = how_.reap_idle,
                                   .log = [this](std::string_view level, const std::string& text) { log(level, text); }});
    router_.open();
    return {};
  }

  void stop() {
    if (!server_) return;
    router_.close();
    server_->drain();
    if (!server_->wait_idle(idle_time)) log("warning", "some clients did not take their answers in time");
    // Who makes events first, then who passes them on.
    reaper_.reset();
    if (later_) later_->stop();
    if (webhooks_) webhooks_->stop();
    lifecycle_.cancel();
    spans_.reset();
    if (engine_) engine_->close();
    server_->stop();
    server_.reset();
    engine_.reset();
  }

  [[nodiscard]] std::uint16_t port() const { return server_->port(); }
  [[nodiscard]] const std::optional<std::filesystem::path>& new_admin_key() const { return new_admin_key_; }
  void look_again() {
    shelf_.look_again();
    server_->end_streams_unless([this, now = wall_clock()](const std::string& key) { return keys_.valid(key, now); });
    const auto taken = server_->look_at_certificate();
    if (!taken) return log("error", "the changed certificate is not taken, the old one stays: " + taken.error().message);
    if (*taken) log("info", "new connections are shown the changed certificate");
  }

 private:
  static constexpr std::chrono::milliseconds idle_time{2'000};

  void take(const std::shared_ptr<exchange>& at) {
    if (how_.allowed_pages.on()) {
      if (auto told = how_.allowed_pages.preflight(at->in)) return at->answer(std::move(*told));
    }
    router_.take(at);
  }

  /// Figures of the whole node: for those who run it, not for its tenants.
  result<response> give_metrics(const call& of) {
    if (of.who.tenant != default_tenant || !of.who.workflow.empty()) return refusal(404, "there is no such resource", of.in());
    return response{.body = metrics_.text(*engine_, server_->figures()), .type = "text/plain; version=0.0.4; charset=utf-8"};
  }

  void log(std::string_view level, const std::string& text) const {
    if (how_.log) how_.log({wall_clock(), level, text, {}, {}});
  }

  service_options how_;
  metrics metrics_;
  key_store keys_;
  router router_;
  workflow_shelf shelf_;
  std::optional<signing_key> signer_;
  std::unique_ptr<ticker> later_;
  std::unique_ptr<webhook_book> webhooks_;  // the node asks it until it is closed
  std::unique_ptr<file_store> files_;
  std::optional<node> engine_;
  subscription lifecycle_;               // ends before it
  std::unique_ptr<trace_export> spans_;  // goes before the node
  std::optional<reaper> reaper_;
  std::unique_ptr<http_server> server_;
  std::optional<std::filesystem::path> new_admin_key_;
};

result<std::unique_ptr<service>> service::start(service_options how) {
  auto made = std::make_unique<impl>(std::move(how));
  if (auto started = made->start(); !started) return started.error();
  return std::unique_ptr<service>(new service(std::move(made)));
}

service::service(std::unique_ptr<impl> held) : impl_(std::move(held)) {}
service::~service() = default;
std::uint16_t service::port() const { return impl_->port(); }
const std::optional<std::filesystem::path>& service::new_admin_key() const { return impl_->new_admin_key(); }
void service::look_again() { impl_->look_again(); }
void service::stop() { impl_->stop(); }

std::string listen_address::url(std::uint16_t real_port, bool tls) const {
  const auto shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return (tls ? "https://" : "http://") + shown + ":" + std::to_string(real_port);
}

result<listen_address> read_listen_address(const std::string& text) {
  const auto wrong = [&] {
    return error{errc::invalid_argument, "\"" + text + "\" is no address to listen at; write 127.0.0.1:7400 or [::1]:7400"};
  };
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) return wrong();
  listen_address out;
  const auto* end = text.data() + text.size();
  const auto [rest, bad] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (bad != std::errc{} || rest != end) return wrong();
  out.host = text.substr(0, colon);
  if (out.host == "localhost") out.host = "127.0.0.1";
  in_addr four{};
  in6_addr six{};
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
    if (::inet_pton(AF_INET6, out.host.c_str(), &six) != 1) return wrong();
    out.loopback = IN6_IS_ADDR_LOOPBACK(&six);
    return out;
  }
  if (::inet_pton(AF_INET, out.host.c_str(), &four) != 1) return wrong();
  out.loopback = (ntohl(four.s_addr) >> 24U) == 127;
  return out;
}

}  // namespace perdure::tools::gateway
