#include "tools/gateway/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <limits>
#include <mutex>
#include <optional>
#include <set>

#include "cluster/node_figures.hpp"

namespace perdure::tools::gateway {

namespace {

/// How long a look at every open run is good.
constexpr std::chrono::seconds look_again{5};

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

  std::string text(const perdure::node& of, const server_figures& server) {
    const std::lock_guard lock{mutex_};
    const auto node = of.stats();
    look(of);
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
    auto families = registry_.Collect();
    if (const auto took = cluster::latencies_of(of)) {
      families.push_back(family_of("perdure_journal_commit_seconds", "Time that a commit took to be on the disk", took->commits));
      families.push_back(family_of("perdure_step_seconds", "Time that one try of a step took that calls something", took->steps));
    }
    return prometheus::TextSerializer{}.Serialize(families);
  }

 private:
  prometheus::Gauge& gauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add({});
  }
  prometheus::Counter& counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add({});
  }

  /// A histogram that another part keeps.
  static prometheus::MetricFamily family_of(const char* name, const char* help, const core::duration_histogram::figures& of) {
    prometheus::MetricFamily out{name, help, prometheus::MetricType::Histogram, {}};
    prometheus::ClientMetric one;
    for (std::size_t i = 0; i < of.counts.size(); ++i) {
      one.histogram.sample_count += of.counts[i];
      const bool last = i == of.counts.size() - 1;
      const auto bound =
          last ? std::numeric_limits<double>::infinity() : static_cast<double>(core::duration_histogram::bounds_us[i]) / 1e6;
      one.histogram.bucket.push_back({one.histogram.sample_count, bound});
    }
    one.histogram.sample_sum = static_cast<double>(of.sum_us) / 1e6;
    out.metric.push_back(std::move(one));
    return out;
  }

  void look(const perdure::node& of) {
    const auto now = std::chrono::steady_clock::now();
    if (looked_ && now - *looked_ < look_again) return;
    auto figures = cluster::figures_of(of);
    if (!figures) return;
    looked_ = now;
    now_ = std::move(*figures);
    for (auto* each : runs_shown_) runs_.Remove(each);
    runs_shown_.clear();
    for (const auto& each : now_.open_runs) {
      auto& shown = runs_.Add({{"workflow", each.workflow}, {"status", std::string{to_string(each.status)}}});
      shown.Increment(static_cast<double>(each.runs));  // tenants have workflows in common
      runs_shown_.insert(&shown);
    }
    for (const auto& each : now_.backends) {
      backend_up_.Add({{"backend", each.name}}).Set(each.health.up ? 1 : 0);
      jobs_.Add({{"backend", each.name}, {"state", "running"}}).Set(static_cast<double>(each.health.running));
      jobs_.Add({{"backend", each.name}, {"state", "waiting"}}).Set(static_cast<double>(each.health.waiting));
    }
    const auto set = [](prometheus::Gauge& which, std::uint64_t value) { which.Set(static_cast<double>(value)); };
    set(wakeups_, now_.wakeups);
    set(late_, now_.late);
    set(actors_, now_.actors);
    set(queued_, now_.pool_queued);
    set(busy_, now_.pool_running);
    set(stuck_, now_.pool_stuck);
    set(journal_bytes_, now_.journal_bytes);
    set(free_disk_, now_.free_disk_bytes);
  }
  gauges& gauge_family(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry_);
  }

  std::mutex mutex_;
  prometheus::Registry registry_;
  std::optional<std::chrono::steady_clock::time_point> looked_;
  cluster::node_figures now_;
  std::set<prometheus::Gauge*> runs_shown_;
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
  gauges& runs_ = gauge_family("perdure_runs", "Runs that have not ended, by workflow and status; of the first 100000");
  gauges& jobs_ =
      gauge_family("perdure_backend_jobs", "Jobs of a backend that it has accepted (running), or that wait for a place");
  gauges& backend_up_ = gauge_family("perdure_backend_up", "Whether a backend was reached when it was last called");
  prometheus::Gauge& wakeups_ = gauge("perdure_wakeups_pending", "Deadlines of runs; 100000 and a few at most");
  prometheus::Gauge& late_ = gauge("perdure_wakeups_late", "Those of them that are past");
  prometheus::Gauge& actors_ = gauge("perdure_actors", "Actors in memory");
  prometheus::Gauge& queued_ = gauge("perdure_pool_queued", "Pieces of user code that wait for a thread");
  prometheus::Gauge& busy_ = gauge("perdure_pool_running", "Pieces of user code that run");
  prometheus::Gauge& stuck_ = gauge("perdure_pool_stuck", "Threads that were replaced because their code does not return");
  prometheus::Gauge& journal_bytes_ = gauge("perdure_journal_bytes", "Size of the journal's used part");
  prometheus::Gauge& free_disk_ = gauge("perdure_free_disk_bytes", "Room on the journal's disk");
  prometheus::Counter& stale_ = counter("perdure_stale_results_total", "Late results of fenced attempts, discarded");
  prometheus::Counter& jumps_ = counter("perdure_clock_jumps_total", "Times that the clock went ahead by over an hour at once");
};

metrics::metrics() : impl_(std::make_unique<impl>()) {}
metrics::~metrics() = default;
void metrics::count(const access_record& what) { impl_->count(what); }
std::string metrics::text(const node& of, const server_figures& server) { return impl_->text(of, server); }

}  // namespace perdure::tools::gateway
