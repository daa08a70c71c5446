#include "telemetry/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <limits>
#include <map>
#include <mutex>
#include <variant>

namespace tandem::telemetry {
namespace {

using Instrument = std::variant<std::unique_ptr<Counter>, std::unique_ptr<Gauge>, std::unique_ptr<Histogram>>;

struct Family {
  prometheus::MetricType type;
  std::string help;
  std::map<Labels, Instrument> series;
};

prometheus::ClientMetric::Histogram read(const Histogram& histogram) {
  prometheus::ClientMetric::Histogram out;
  Histogram::Snapshot snapshot = histogram.snapshot();
  std::uint64_t cumulative = 0;
  for (std::size_t i = 0; i < snapshot.counts.size(); ++i) {
    cumulative += snapshot.counts[i];
    bool last = i == histogram.bounds().size();
    out.bucket.push_back({cumulative, last ? std::numeric_limits<double>::infinity() : histogram.bounds()[i]});
  }
  out.sample_count = cumulative;
  out.sample_sum = snapshot.sum;
  return out;
}

prometheus::ClientMetric read(const Labels& labels, const Instrument& instrument) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : labels) out.label.push_back({name, value});
  if (const auto* counter = std::get_if<std::unique_ptr<Counter>>(&instrument)) {
    out.counter.value = static_cast<double>((*counter)->value());
  } else if (const auto* gauge = std::get_if<std::unique_ptr<Gauge>>(&instrument)) {
    out.gauge.value = static_cast<double>((*gauge)->value());
  } else {
    out.histogram = read(*std::get<std::unique_ptr<Histogram>>(instrument));
  }
  return out;
}

}  // namespace

struct Metrics::Registry {
  template <class T, class Make>
  T& find(std::string_view name, std::string_view help, prometheus::MetricType type, Labels&& labels, Make make) {
    std::sort(labels.begin(), labels.end());
    std::lock_guard lock(mutex);
    auto family = families.find(name);
    if (family == families.end())
      family = families.emplace(std::string(name), Family{type, std::string(help), {}}).first;
    // A second kind under one name would make the exposition invalid: it gets a place of its own that is not shown.
    auto& series = family->second.type == type ? family->second.series : hidden[{std::string(name), type}];
    if (series.size() >= kMaxSeries && !series.contains(labels)) {
      for (auto& [label, value] : labels) value = kOverflow;
    }
    auto [at, fresh] = series.try_emplace(std::move(labels));
    if (fresh) at->second = make();
    return *std::get<std::unique_ptr<T>>(at->second);
  }

  mutable std::mutex mutex;
  std::map<std::string, Family, std::less<>> families;
  std::map<std::pair<std::string, prometheus::MetricType>, std::map<Labels, Instrument>> hidden;
};

const std::vector<double>& default_latency_buckets_ms() {
  static const std::vector<double> kBuckets = {1,   2,   3,   4,    5,    6,    8,     10,    13,    16,    20,  25,
                                               30,  40,  50,  65,   80,   100,  130,   160,   200,   250,   300, 400,
                                               500, 650, 800, 1000, 2000, 5000, 10000, 20000, 50000, 100000};
  return kBuckets;
}

const std::vector<double>& guest_buckets_seconds() {
  static const std::vector<double> kBuckets = {0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001,
                                               0.0025,  0.005,    0.01,    0.025,  0.05,    0.1,    0.25,
                                               0.5,     1,        2.5,     5,      10};
  return kBuckets;
}

Metrics::Metrics(MetricsOptions options) : options_(std::move(options)), registry_(std::make_unique<Registry>()) {}

Metrics::~Metrics() = default;

Counter& Metrics::counter(std::string_view name, std::string_view help, Labels labels) {
  return registry_->find<Counter>(name, help, prometheus::MetricType::Counter, std::move(labels),
                                  [] { return std::make_unique<Counter>(); });
}

Gauge& Metrics::gauge(std::string_view name, std::string_view help, Labels labels) {
  return registry_->find<Gauge>(name, help, prometheus::MetricType::Gauge, std::move(labels),
                                [] { return std::make_unique<Gauge>(); });
}

Histogram& Metrics::histogram(std::string_view name, std::string_view help, Labels labels,
                              const std::vector<double>& bounds) {
  return registry_->find<Histogram>(name, help, prometheus::MetricType::Histogram, std::move(labels),
                                    [&] { return std::make_unique<Histogram>(bounds); });
}

Histogram& Metrics::latency(std::string_view name, std::string_view help, Labels labels) {
  const std::vector<double>& configured = options_.latency_buckets_ms;
  return histogram(name, help, std::move(labels), configured.empty() ? default_latency_buckets_ms() : configured);
}

std::string Metrics::expose() const {
  std::vector<prometheus::MetricFamily> out;
  {
    std::lock_guard lock(registry_->mutex);
    for (const auto& [name, family] : registry_->families) {
      prometheus::MetricFamily exposed{name, family.help, family.type, {}};
      for (const auto& [labels, instrument] : family.series) exposed.metric.push_back(read(labels, instrument));
      out.push_back(std::move(exposed));
    }
  }
  return prometheus::TextSerializer().Serialize(out);
}

}  // namespace tandem::telemetry
