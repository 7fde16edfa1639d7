#include "tools/gateway/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>

namespace perdure::tools::gateway {

namespace {

using gauges = prometheus::Family<prometheus::Gauge>;
using counters = prometheus::Family<prometheus::Counter>;

/// Seconds; a durable answer takes a commit, a blocking run as long as it takes.
const prometheus::Histogram::BucketBoundaries request_seconds{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                                              0.1,    0.25,  0.5,    1,     5,    30};

/// Few enough values for a label, whatever clients send.
std::string method_label(const std::string& method) {
  for (const auto* each : {"GET", "HEAD", "POST", "PUT", "DELETE"}) {
    if (method == each) return method;
  }
  return "other";
}

}  // namespace

class metrics::impl {
 public:
  void count(const access_record& what) {
    requests_.Add({{"method", method_label(what.in->method)}, {"status", std::to_string(what.status)}}).Increment();
    seconds_.Observe(std::chrono::duration<double>(what.took).count());
  }

  std::string text(const node_stats& node, const server_figures& server) {
    const std::lock_guard lock{mutex_};
    // A counter that another part keeps is brought up to what that has.
    const auto reaches = [](prometheus::Counter& which, std::uint64_t value) {
      const auto behind = static_cast<double>(value) - which.Value();
      if (behind > 0) which.Increment(behind);
    };
    reaches(commits_, node.commits);
    reaches(records_, node.records);
    reaches(stale_, node.stale_results);
    reaches(jumps_, node.clock_jumps);
    reaches(accepted_, server.accepted);
    open_runs_.Set(static_cast<double>(node.open_runs));
    live_runs_.Set(static_cast<double>(node.live_runs));
    recovered_.Set(static_cast<double>(node.recovered_runs));
    recovery_.Set(std::chrono::duration<double>(node.recovery_time).count());
    log_.Set(static_cast<double>(node.log_records));
    archived_.Set(static_cast<double>(node.archived_records));
    removed_.Set(static_cast<double>(node.removed_runs));
    connections_.Set(static_cast<double>(server.connections));
    answering_.Set(static_cast<double>(server.requests));
    streams_.Set(static_cast<double>(server.streams));
    return prometheus::TextSerializer{}.Serialize(registry_.Collect());
  }

 private:
  prometheus::Gauge& gauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add({});
  }
  prometheus::Counter& counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add({});
  }

  std::mutex mutex_;
  prometheus::Registry registry_;
  counters& requests_ =
      prometheus::BuildCounter().Name("perdure_http_requests_total").Help("Answered HTTP requests").Register(registry_);
  prometheus::Histogram& seconds_ = prometheus::BuildHistogram()
                                        .Name("perdure_http_request_seconds")
                                        .Help("From a request's first byte to its answer; of a stream, to its beginning")
                                        .Register(registry_)
                                        .Add({}, request_seconds);
  prometheus::Counter& accepted_ = counter("perdure_http_connections_accepted_total", "Connections ever");
  prometheus::Gauge& connections_ = gauge("perdure_http_connections", "Connections now");
  prometheus::Gauge& answering_ =
      gauge("perdure_http_requests_in_flight", "Requests that are being answered, without the streams");
  prometheus::Gauge& streams_ = gauge("perdure_http_streams", "Event streams now");
  prometheus::Counter& commits_ = counter("perdure_journal_commits_total", "Durable commits since the start");
  prometheus::Counter& records_ = counter("perdure_journal_records_total", "Records committed since the start");
  prometheus::Gauge& log_ = gauge("perdure_journal_log_records", "Records in the log, not archived or not cut off yet");
  prometheus::Gauge& archived_ = gauge("perdure_journal_archived_records", "Records in the archive");
  prometheus::Gauge& removed_ = gauge("perdure_removed_runs", "Runs removed by retention since the directory was made");
  prometheus::Gauge& open_runs_ = gauge("perdure_open_runs", "Runs that have not ended");
  prometheus::Gauge& live_runs_ = gauge("perdure_live_runs", "Runs in memory");
  prometheus::Gauge& recovered_ = gauge("perdure_recovered_runs", "Runs reopened at the start");
  prometheus::Gauge& recovery_ = gauge("perdure_recovery_seconds", "Time that the start took");
  prometheus::Counter& stale_ = counter("perdure_stale_results_total", "Late results of fenced attempts, discarded");
  prometheus::Counter& jumps_ = counter("perdure_clock_jumps_total", "Times that the clock went ahead by over an hour at once");
};

metrics::metrics() : impl_(std::make_unique<impl>()) {}
metrics::~metrics() = default;
void metrics::count(const access_record& what) { impl_->count(what); }
std::string metrics::text(const node_stats& node, const server_figures& server) { return impl_->text(node, server); }

}  // namespace perdure::tools::gateway
