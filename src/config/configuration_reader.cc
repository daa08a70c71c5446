#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <climits>

#include "config/map_reader.h"
#include "config/resource_reader.h"
#include "config/text.h"

namespace tandem::config {
namespace {

// The parts of a Configuration that are read and kept and that nothing acts on, because there is nothing here for them
// to act on: no sidecars. Whoever implements one takes it out here.
constexpr std::array<std::string_view, 4> kNotActedOn = {
    "mtls",
    "wasm",
    "workflow",
    "features",
};

class ConfigurationReader final {
 public:
  ConfigurationReader(const std::string& file, Diagnostics& diagnostics) : file_(file), diagnostics_(diagnostics) {}

  Configuration read(const YamlNode& document) {
    MapReader top(&document, "", file_, diagnostics_, UnknownKeys::kWarn);
    Configuration out;
    out.file = file_;
    out.line = document.line;
    top.get("apiVersion");
    top.get("kind");
    MapReader metadata(top.map("metadata"), "metadata", file_, diagnostics_, UnknownKeys::kIgnore);
    out.name = metadata.text_or("name", "");
    MapReader spec(top.map("spec"), "spec", file_, diagnostics_, UnknownKeys::kWarn);
    read_tracing(spec, out.tracing);
    read_metrics(spec, out.metrics);
    out.http_pipeline = read_pipeline(spec, "httpPipeline");
    out.app_http_pipeline = read_pipeline(spec, "appHttpPipeline");
    read_features(spec, out);
    read_logging(spec, out);
    read_api(spec, out);
    read_secrets(spec, out);
    read_access_control(spec, out);
    read_name_resolution(spec, out);
    MapReader mtls = inner(spec, "mtls", UnknownKeys::kIgnore);
    out.mtls_enabled = mtls.boolean("enabled").value_or(false);
    MapReader components = inner(spec, "components", UnknownKeys::kWarn);
    out.denied_components = components.texts("deny");
    components.finish();
    spec.get("wasm");
    spec.get("workflow");
    for (std::string_view part : kNotActedOn) {
      const YamlNode* node = spec.get(part);
      bool inert = node == nullptr || (part == "mtls" && !out.mtls_enabled);
      if (!inert) not_enforced(spec, part, *node);
    }
    refuse_open_doors(spec, out);
    spec.finish();
    top.finish();
    return out;
  }

 private:
  MapReader inner(MapReader& parent, std::string_view key, UnknownKeys unknown) {
    return MapReader(parent.map(key), parent.path_of(key), file_, diagnostics_, unknown);
  }

  void not_enforced(MapReader& parent, std::string_view key, const YamlNode& node) {
    diagnostics_.warning(parent.position(node),
                         fmt::format("{} is read but not enforced by this version", parent.path_of(key)));
  }

  // What would keep somebody out, and does not here: the process does not start, rather than let them in.
  void refuse_open_doors(MapReader& spec, const Configuration& read) {
    const auto refuse = [&](std::string_view key, std::string_view instead) {
      diagnostics_.error(spec.position(*spec.get(key)),
                         fmt::format("{} is not enforced by this version: take it out{}", spec.path_of(key), instead));
    };
    if (!read.http_pipeline.empty()) refuse("httpPipeline", "");
    if (!read.app_http_pipeline.empty()) refuse("appHttpPipeline", "");
    const bool denies = read.access_control &&
                        (read.access_control->default_action != "allow" || !read.access_control->policies.empty());
    if (denies) refuse("accessControl", "; scopes of components, and spec.api, are enforced");
  }

  template <class Visit>
  void each(MapReader& parent, std::string_view key, UnknownKeys unknown, Visit visit) {
    const YamlNode* list = parent.sequence(key);
    if (list == nullptr) return;
    for (std::size_t i = 0; i < list->items.size(); ++i) {
      MapReader reader(list->items[i].get(), fmt::format("{}[{}]", parent.path_of(key), i), file_, diagnostics_,
                       unknown);
      visit(reader);
      reader.finish();
    }
  }

  void read_tracing(MapReader& spec, TracingOptions& out) {
    MapReader tracing = inner(spec, "tracing", UnknownKeys::kWarn);
    if (auto rate = tracing.number("samplingRate")) {
      if (*rate < 0 || *rate > 1) {
        diagnostics_.error(tracing.position(*tracing.get("samplingRate")),
                           fmt::format("spec.tracing.samplingRate must be from 0 to 1, not {}", *rate));
      } else {
        out.sampling_rate = *rate;
      }
    }
    out.to_stdout = tracing.boolean("stdout").value_or(false);
    MapReader zipkin = inner(tracing, "zipkin", UnknownKeys::kWarn);
    out.zipkin_endpoint = zipkin.text_or("endpointAddress", "");
    zipkin.finish();
    MapReader otel = inner(tracing, "otel", UnknownKeys::kWarn);
    out.otel_endpoint = otel.text_or("endpointAddress", "");
    out.otel_protocol = otel.choice("protocol", {"http", "grpc"}).value_or("");
    out.otel_secure = otel.boolean("isSecure").value_or(true);
    otel.get("headers");
    otel.get("timeout");
    otel.finish();
    for (std::string_view exporter : {"zipkin", "otel", "stdout"}) {
      const YamlNode* node = tracing.get(exporter);
      if (node != nullptr && (exporter != "stdout" || out.to_stdout)) not_enforced(tracing, exporter, *node);
    }
    tracing.finish();
  }

  void read_metrics(MapReader& spec, MetricOptions& out) {
    // `metric` and `metrics` mean the same; the second, newer spelling wins.
    for (std::string_view key : {"metric", "metrics"}) {
      if (!spec.has(key)) continue;
      MapReader metric = inner(spec, key, UnknownKeys::kWarn);
      out.enabled = metric.boolean("enabled").value_or(out.enabled);
      MapReader http = inner(metric, "http", UnknownKeys::kWarn);
      out.http_paths = http.boolean("increasedCardinality").value_or(out.http_paths);
      out.http_methods_excluded = http.boolean("excludeVerbs").value_or(out.http_methods_excluded);
      if (const YamlNode* matching = http.get("pathMatching")) not_enforced(http, "pathMatching", *matching);
      http.finish();
      if (const YamlNode* rules = metric.get("rules")) not_enforced(metric, "rules", *rules);
      metric.get("recordErrorCodes");
      if (const YamlNode* buckets = metric.sequence("latencyDistributionBuckets")) {
        read_buckets(metric, *buckets, out.latency_buckets_ms);
      }
      metric.finish();
    }
  }

  void read_buckets(MapReader& metric, const YamlNode& list, std::vector<double>& out) {
    constexpr std::size_t kMaxBuckets = 200;
    std::vector<double> buckets;
    for (const auto& item : list.items) {
      ScalarValue value = resolve_scalar(*item);
      double bound = value.type == ScalarType::kNumber ? std::atof(value.json.c_str()) : -1;
      if (bound <= 0 || (!buckets.empty() && bound <= buckets.back()) || buckets.size() >= kMaxBuckets) {
        diagnostics_.error(metric.position(*item),
                           fmt::format("{} must be at most {} rising positive numbers of milliseconds",
                                       metric.path_of("latencyDistributionBuckets"), kMaxBuckets));
        return;
      }
      buckets.push_back(bound);
    }
    out = std::move(buckets);
  }

  std::vector<PipelineHandler> read_pipeline(MapReader& spec, std::string_view key) {
    std::vector<PipelineHandler> out;
    MapReader pipeline = inner(spec, key, UnknownKeys::kWarn);
    each(pipeline, "handlers", UnknownKeys::kWarn, [&](MapReader& handler) {
      handler.get("selector");
      std::string name = handler.required_text("name");
      std::string type = handler.required_text("type");
      out.push_back({std::move(name), std::move(type), handler.text_or("version", "v1"), handler.line()});
    });
    pipeline.finish();
    return out;
  }

  void read_features(MapReader& spec, Configuration& out) {
    each(spec, "features", UnknownKeys::kWarn, [&](MapReader& feature) {
      std::string name = feature.required_text("name");
      out.features[name] = feature.boolean("enabled").value_or(false);
    });
  }

  void read_logging(MapReader& spec, Configuration& out) {
    MapReader logging = inner(spec, "logging", UnknownKeys::kWarn);
    MapReader api = inner(logging, "apiLogging", UnknownKeys::kWarn);
    out.api_logging = api.boolean("enabled");
    out.api_logging_obfuscate_urls = api.boolean("obfuscateURLs").value_or(false);
    out.api_logging_omit_health_checks = api.boolean("omitHealthChecks").value_or(false);
    api.finish();
    logging.finish();
  }

  void read_api(MapReader& spec, Configuration& out) {
    MapReader api = inner(spec, "api", UnknownKeys::kWarn);
    for (auto [key, rules] : {std::pair{"allowed", &out.api_allowed}, std::pair{"denied", &out.api_denied}}) {
      each(api, key, UnknownKeys::kWarn, [&](MapReader& rule) {
        std::string name = rule.required_text("name");
        std::string version = rule.required_text("version");
        // Dapr passes over a rule without one.
        std::string protocol = rule.required_text("protocol").empty()
                                   ? std::string()
                                   : rule.choice("protocol", {"http", "grpc"}).value_or("");
        rules->push_back({std::move(name), std::move(version), std::move(protocol)});
      });
    }
    api.finish();
  }

  void read_secrets(MapReader& spec, Configuration& out) {
    MapReader secrets = inner(spec, "secrets", UnknownKeys::kWarn);
    each(secrets, "scopes", UnknownKeys::kWarn, [&](MapReader& reader) {
      SecretScope scope;
      scope.store_name = reader.required_text("storeName");
      scope.default_access = reader.choice("defaultAccess", {"allow", "deny"}).value_or("allow");
      scope.allowed = reader.texts("allowedSecrets");
      scope.denied = reader.texts("deniedSecrets");
      bool repeated = std::any_of(out.secret_scopes.begin(), out.secret_scopes.end(),
                                  [&](const SecretScope& other) { return other.store_name == scope.store_name; });
      if (repeated) {
        diagnostics_.error(reader.position(), fmt::format("spec.secrets.scopes names the store \"{}\" twice",
                                                          printable(scope.store_name)));
      }
      out.secret_scopes.push_back(std::move(scope));
    });
    secrets.finish();
  }

  void read_access_control(MapReader& spec, Configuration& out) {
    if (!spec.has("accessControl")) return;
    MapReader reader = inner(spec, "accessControl", UnknownKeys::kWarn);
    AccessControl control;
    control.trust_domain = reader.text_or("trustDomain", "public");
    const auto default_action = reader.choice("defaultAction", {"allow", "deny"});
    each(reader, "policies", UnknownKeys::kWarn, [&](MapReader& policy_reader) {
      AccessPolicy policy;
      policy.app_id = policy_reader.required_text("appId");
      policy.default_action = policy_reader.choice("defaultAction", {"allow", "deny"}).value_or("");
      policy.trust_domain = policy_reader.text_or("trustDomain", "public");
      policy.namespace_name = policy_reader.text_or("namespace", "default");
      each(policy_reader, "operations", UnknownKeys::kWarn, [&](MapReader& operation) {
        std::string name = operation.required_text("name");
        std::vector<std::string> verbs = operation.texts("httpVerb");
        policy.operations.push_back(
            {std::move(name), std::move(verbs), operation.choice("action", {"allow", "deny"}).value_or("")});
      });
      control.policies.push_back(std::move(policy));
    });
    // As in Dapr: one that says anything else, and not this, denies.
    const bool empty = control.policies.empty() && !reader.has("trustDomain");
    control.default_action = default_action.value_or(empty ? "allow" : "deny");
    reader.finish();
    out.access_control = std::move(control);
  }

  void read_name_resolution(MapReader& spec, Configuration& out) {
    if (!spec.has("nameResolution")) return;
    MapReader reader = inner(spec, "nameResolution", UnknownKeys::kWarn);
    NameResolution resolution{.line = reader.position().line};
    resolution.component = reader.text_or("component", "");
    resolution.version = reader.text_or("version", "");
    if (const YamlNode* free_form = reader.get("configuration")) resolution.configuration = to_json(*free_form);
    reader.finish();
    out.name_resolution = std::move(resolution);
  }

  const std::string& file_;
  Diagnostics& diagnostics_;
};

}  // namespace

Configuration read_configuration(const YamlNode& document, const std::string& file, Diagnostics& diagnostics) {
  return ConfigurationReader(file, diagnostics).read(document);
}

}  // namespace tandem::config
