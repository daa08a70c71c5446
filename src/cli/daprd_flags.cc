#include "cli/daprd_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/flag_values.h"
#include "config/diagnostics.h"
#include "config/duration.h"
#include "config/text.h"

namespace tandem::cli {
namespace {

constexpr auto kText = DaprdType::kText;
constexpr auto kSwitch = DaprdType::kSwitch;
constexpr auto kInteger = DaprdType::kInteger;
constexpr auto kDuration = DaprdType::kDuration;
constexpr auto kTexts = DaprdType::kTexts;
constexpr auto kTaken = DaprdUse::kTaken;
constexpr auto kIdle = DaprdUse::kIdle;

constexpr std::string_view kNoControlPlane = "Tandem has no control plane";
constexpr std::string_view kNoActors = "Tandem has no actors";
constexpr std::string_view kNoJobs = "Tandem has no jobs and reminders";
constexpr std::string_view kNoProfiling = "Tandem has no profiling endpoint";

constexpr auto kFlags = std::to_array<DaprdFlag>({
    {"actors-disseminate-timeout", kDuration, "30s", kIdle, kNoActors},
    {"actors-service", kText, "", kIdle, kNoActors},
    {"allowed-origins", kText, "", kTaken, "origins for CORS at the HTTP API, separated by commas; * for all"},
    {"app-channel-address", kText, "127.0.0.1", kTaken, "where the app listens"},
    {"app-health-check-path", kText, "/healthz", kTaken, "what a health probe asks the app for"},
    {"app-health-probe-interval", kInteger, "5", kTaken, "seconds between two health probes"},
    {"app-health-probe-timeout", kInteger, "500", kTaken, "milliseconds that a health probe may take"},
    {"app-health-threshold", kInteger, "3", kTaken, "failed probes in a row that make the app unhealthy"},
    {"app-id", kText, "", kTaken, "the app's name; required"},
    {"app-max-concurrency", kInteger, "-1", kTaken, "calls in the app at once, the others wait; -1: no limit"},
    {"app-port", kText, "", kTaken, "the port that the app listens on"},
    {"app-protocol", kText, "http", kTaken, "how the app is spoken to: http, https, h2c, grpc or grpcs"},
    {"app-ssl", kSwitch, "false", kTaken, "deprecated: the same as --app-protocol https"},
    {"build-info", kSwitch, "false", kTaken, "print what was built and stop"},
    {"components-path", kText, "", kTaken, "deprecated: the same as --resources-path"},
    {"config", kTexts, "", kTaken, "a file with a Dapr Configuration; may be repeated, later ones come first"},
    {"control-plane-address", kText, "", kIdle, kNoControlPlane},
    {"control-plane-namespace", kText, "default", kIdle, kNoControlPlane},
    {"control-plane-trust-domain", kText, "localhost", kIdle, kNoControlPlane},
    {"dapr-block-shutdown-duration", kDuration, "", kTaken, "how long to serve on after a stop signal"},
    {"dapr-graceful-shutdown-seconds", kInteger, "5", kTaken, "how long requests in flight may take at a stop"},
    {"dapr-grpc-port", kText, "50001", kTaken, "port of the gRPC API"},
    {"dapr-http-max-request-size", kInteger, "4", kTaken, "deprecated: --max-body-size in MB"},
    {"dapr-http-port", kText, "3500", kTaken, "port of the HTTP API"},
    {"dapr-http-read-buffer-size", kInteger, "4", kTaken, "deprecated: --read-buffer-size in KB"},
    {"dapr-internal-grpc-listen-address", kText, "", kTaken, "where that port listens; empty: on all addresses"},
    {"dapr-internal-grpc-port", kText, "", kTaken, "port that other sidecars call; empty or 0: any free one"},
    {"dapr-listen-addresses", kText, "", kTaken, "where the APIs listen; empty: on all addresses"},
    {"dapr-public-listen-address", kText, "", kTaken, "where the public port listens; empty: on all addresses"},
    {"dapr-public-port", kText, "", kTaken, "port with health and metadata only, without a token"},
    {"disable-builtin-k8s-secret-store", kSwitch, "false", kIdle, "Tandem has no secret store of Kubernetes"},
    {"disable-init-endpoints", kTexts, "", kTaken, "what the app is not asked at its start: config, subscribe"},
    {"enable-api-logging", kSwitch, "false", kTaken, "a log line for each call of the APIs"},
    {"enable-app-health-check", kSwitch, "false", kTaken, "probe the app's health"},
    {"enable-metrics", kSwitch, "true", kTaken, "Prometheus's /metrics"},
    {"enable-mtls", kSwitch, "false", kTaken, "not supported: Tandem is no client of Dapr's Sentry"},
    {"enable-profiling", kSwitch, "false", kIdle, kNoProfiling},
    {"log-as-json", kSwitch, "false", kTaken, "log lines as JSON"},
    {"log-file", kText, "", kTaken, "a file that the log is appended to, instead of standard output"},
    {"log-level", kText, "info", kTaken, "debug, info, warn, error or fatal"},
    {"max-body-size", kText, "4Mi", kTaken, "of a request to the APIs"},
    {"metrics-listen-address", kText, "0.0.0.0", kTaken, "where /metrics listens"},
    {"metrics-port", kText, "9090", kTaken, "port of /metrics"},
    {"mode", kText, "standalone", kTaken, "standalone, the only one here"},
    {"placement-host-address", kText, "", kIdle, kNoActors},
    {"profile-port", kText, "7777", kIdle, kNoProfiling},
    {"read-buffer-size", kText, "4Ki", kTaken, "of a head: of requests to the HTTP API, of answers of the app"},
    {"reminders-service", kText, "", kIdle, kNoActors},
    {"resources-path", kTexts, "", kTaken, "a folder of Dapr's YAML; may be repeated; without one there are none"},
    {"scheduler-host-address", kTexts, "", kIdle, kNoJobs},
    {"scheduler-job-streams", kInteger, "3", kIdle, kNoJobs},
    {"sentry-address", kText, "", kIdle, kNoControlPlane},
    {"sentry-request-jwt-audiences", kTexts, "", kIdle, kNoControlPlane},
    {"unix-domain-socket", kText, "", kTaken, "a folder: the APIs listen on files in it, not on ports"},
    {"version", kSwitch, "false", kTaken, "print the version and stop"},
    {"wait", kSwitch, "false", kTaken, "wait until the sidecar at --dapr-http-port can call out, and stop"},
});

const DaprdFlag* find(std::string_view name) {
  const auto found = std::ranges::find(kFlags, name, &DaprdFlag::name);
  return found == kFlags.end() ? nullptr : &*found;
}

// Go's strconv.ParseInt with base 0, as pflag reads an int.
std::optional<long long> integer_of(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  }
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || text.front() == '-' || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return negative ? -static_cast<long long>(value) : value;
}

Status check_value(const DaprdFlag& flag, const std::string& value) {
  const auto wrong = [&](std::string_view what) {
    return fail(Code::kInvalidArgument,
                fmt::format("--{}: \"{}\" is not {}", flag.name, config::printable(value), what));
  };
  if (flag.type == kSwitch && !parse_boolean(value)) return wrong("true or false");
  if (flag.type == kInteger && !integer_of(value)) return wrong("a whole number");
  if (flag.type == kDuration && !config::parse_duration(value)) return wrong("a duration, as in 30s or 1m30s");
  return {};
}

std::string unknown(std::string_view name) {
  std::vector<std::string_view> names;
  for (const DaprdFlag& flag : kFlags) names.push_back(flag.name);
  const std::string_view close = config::closest_match(name, names);
  return fmt::format("unknown flag: --{}{} (tandem daprd --help lists what there is)", config::printable(name),
                     close.empty() ? "" : fmt::format("; did you mean --{}?", close));
}

}  // namespace

std::span<const DaprdFlag> daprd_flags() { return kFlags; }

std::string daprd_help() {
  constexpr std::size_t kColumn = 42;
  std::string out =
      "Stands beside a program as its Dapr sidecar: daprd's flags, APIs and app channel. The program is started by\n"
      "somebody else. The same binary does this when it is called daprd.\n\n"
      "Usage: tandem daprd --app-id ID [FLAGS]\n\n"
      "Also from the environment: DAPR_API_TOKEN, which callers of the APIs must then send; APP_API_TOKEN, which the\n"
      "app is sent; NAMESPACE; DAPR_HOST_IP, the address by which other sidecars reach this one;\n"
      "DAPR_COMPONENTS_SOCKETS_FOLDER, where pluggable components have their sockets.\n\nFlags:\n";
  for (const DaprdFlag& flag : kFlags) {
    std::string left = fmt::format("  --{}", flag.name);
    if (flag.type != kSwitch) left += flag.type == kInteger ? " COUNT" : flag.type == kDuration ? " TIME" : " VALUE";
    std::string text =
        flag.use == kIdle ? fmt::format("accepted, without effect: {}", flag.text) : std::string(flag.text);
    if (!flag.initial.empty() && flag.use == kTaken) text += fmt::format(" (default {})", flag.initial);
    out += fmt::format("{:<{}}{}\n", left, kColumn, text);
  }
  return out + fmt::format("{:<{}}{}\n", "  -h, --help", kColumn, "print this");
}

Result<DaprdFlags> DaprdFlags::parse(Arguments arguments) {
  DaprdFlags flags;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    std::string_view word = arguments[i];
    if (word == "--") break;
    if (word.size() < 2 || word.front() != '-') continue;
    if (word == "-h" || word == "--help" || word == "-help") {
      flags.wants_help_ = true;
      return flags;
    }
    word.remove_prefix(word.starts_with("--") ? 2 : 1);
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const DaprdFlag* flag = find(name);
    if (flag == nullptr) return fail(Code::kInvalidArgument, unknown(name));
    std::string value;
    if (equals != std::string_view::npos) {
      value = word.substr(equals + 1);
    } else if (flag->type == kSwitch) {
      value = "true";
    } else if (i + 1 < arguments.size()) {
      value = arguments[++i];
    } else {
      return fail(Code::kInvalidArgument, fmt::format("flag needs an argument: --{}", name));
    }
    if (Status good = check_value(*flag, value); !good) return fail(std::move(good.error()));
    flags.given_[flag->name].push_back(std::move(value));
  }
  return flags;
}

std::string DaprdFlags::text(std::string_view name) const {
  if (const auto found = given_.find(name); found != given_.end()) return found->second.back();
  const DaprdFlag* flag = find(name);
  return flag ? std::string(flag->initial) : std::string();
}

bool DaprdFlags::is_on(std::string_view name) const { return parse_boolean(text(name)).value_or(false); }

long long DaprdFlags::integer(std::string_view name) const { return integer_of(text(name)).value_or(0); }

std::vector<std::string> DaprdFlags::texts(std::string_view name) const {
  std::vector<std::string> out;
  const auto found = given_.find(name);
  if (found == given_.end()) return out;
  for (const std::string& value : found->second) {
    for (std::string& one : config::split_and_trim(value, ',')) out.push_back(std::move(one));
  }
  return out;
}

std::vector<const DaprdFlag*> DaprdFlags::idle() const {
  std::vector<const DaprdFlag*> out;
  for (const DaprdFlag& flag : kFlags) {
    if (flag.use == kIdle && given(flag.name)) out.push_back(&flag);
  }
  return out;
}

}  // namespace tandem::cli
