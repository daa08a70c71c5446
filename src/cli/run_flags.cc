#include "cli/run_flags.h"

#include <array>

#include "cli/cache_folder.h"

namespace tandem::cli {
namespace {

constexpr auto kSwitch = FlagKind::kSwitch;
constexpr auto kValue = FlagKind::kValue;
constexpr auto kValues = FlagKind::kValues;
constexpr auto kUnsupported = FlagKind::kUnsupported;

constexpr std::string_view kApp = "The app";
constexpr std::string_view kDapr = "Dapr";
constexpr std::string_view kGrants = "What the guest may reach (nothing else)";
constexpr std::string_view kLimits = "Limits";
constexpr std::string_view kProcess = "The process";

constexpr std::string_view kNoHealthPort = "is not supported: a guest's health is asked for at its own handler";
constexpr std::string_view kNoProfiling = "is not supported yet: this version has no profiling endpoint";
constexpr std::string_view kNoControlPlane =
    "is not supported: Tandem has no control plane (actors, workflows, mTLS and discovery are Dapr's)";
constexpr std::string_view kNoPlace = "has no meaning for Tandem: it runs the app itself, inside its own process";

constexpr auto kFlags = std::to_array<Flag>({
    {kValue, "-f,--run-file", "PATH", "a tandem.yaml or dapr.yaml, or a folder with one", kApp},
    {kValue, "-a,--app-id", "ID", "the app's name (default: the file's, without .wasm) [APP_ID]", kApp},
    {kValue, "-p,--app-port", "PORT", "port that serves the app; 0: any free one (default 8080) [APP_PORT]", kApp},
    {kValue, "--app-listen-address", "ADDRESS", "where that port listens (default 127.0.0.1)", kApp},
    {kValue, "-P,--app-protocol", "PROTOCOL", "http, the only one in this version", kApp},
    {kValue, "--isolation", "instance|request", "reuse instances (default), or a fresh one a request", kApp},
    {kSwitch, "--watch", "", "a module that changes takes the place of the one that runs, without a failed request",
     kApp},
    {kSwitch, "--enable-app-health-check", "", "probe the app: while it is not healthy, Dapr does not call it", kApp},
    {kValue, "--app-health-check-path", "PATH", "what a probe asks the app for (default /healthz)", kApp},
    {kValue, "--app-health-probe-interval", "SECONDS", "between two probes (default 5)", kApp},
    {kValue, "--app-health-probe-timeout", "MILLISECONDS", "for a probe (default 500)", kApp},
    {kValue, "--app-health-threshold", "COUNT", "failures in a row that make it unhealthy (default 3)", kApp},

    {kValue, "-H,--dapr-http-port", "PORT", "port of the Dapr API; 0: any free one (default 3500) [DAPR_HTTP_PORT]",
     kDapr},
    {kValue, "-G,--dapr-grpc-port", "PORT",
     "port of the Dapr API over gRPC; 0: any free one (default 50001) [DAPR_GRPC_PORT]", kDapr},
    {kValue, "--dapr-listen-addresses", "ADDRESSES",
     "where the Dapr API listens, separated by commas (default 127.0.0.1)", kDapr},
    {kValue, "-u,--unix-domain-socket", "FOLDER",
     "the Dapr API listens on files here, dapr-ID-http.socket and dapr-ID-grpc.socket, and not on ports", kDapr},
    {kValue, "-I,--dapr-internal-grpc-port", "PORT", "port that other sidecars call; 0: any free one (default)", kDapr},
    {kValue, "--dapr-internal-grpc-listen-address", "ADDRESS",
     "where that port listens (default 127.0.0.1); nobody has to prove who he is there", kDapr},
    {kValues, "-d,--resources-path", "FOLDER", "Dapr's YAML: components, subscriptions; may be repeated", kDapr},
    {kValue, "-c,--config", "FILE", "a Dapr Configuration", kDapr},
    {kValue, "--allowed-origins", "ORIGINS",
     "for CORS at the Dapr API, separated by commas; * for all (default: no CORS)", kDapr},
    {kSwitch, "--enable-api-logging", "", "a log line for each call of the Dapr API", kDapr},

    {kValues, "--env", "KEY=VALUE", "a variable in the guest's environment; may be repeated", kGrants},
    {kValues, "--mount", "HOST:GUEST[:ro]", "a folder that the guest sees; may be repeated", kGrants},
    {kValues, "--allow-outbound", "HOST", "a host for the guest's own requests, as https://example.com; repeatable",
     kGrants},

    {kValue, "--instances", "COUNT", "copies of the guest that live at once", kLimits},
    {kValue, "--app-max-concurrency", "COUNT", "requests in the guest at once; -1: no limit", kLimits},
    {kValue, "--memory-limit", "BYTES", "memory of a copy, as 256Mi", kLimits},
    {kValue, "--total-memory-limit", "BYTES",
     "memory of all guests together (default: three quarters of the machine's or container's)", kLimits},
    {kValue, "--request-timeout", "TIME", "how long a request may take, as 60s", kLimits},
    {kValue, "--max-body-size", "BYTES", "of a request to the Dapr API (default 4Mi)", kLimits},
    {kValue, "--dapr-http-max-request-size", "MB", "the same in MB", kLimits},
    {kValue, "--read-buffer-size", "BYTES", "of the head of a request to the Dapr API", kLimits},
    {kValue, "--dapr-http-read-buffer-size", "KB", "the same in KB", kLimits},

    {kValue, "--log-level", "LEVEL", "debug, info, warn, error or fatal (default info)", kProcess},
    {kSwitch, "--log-as-json", "", "log lines as JSON", kProcess},
    {kValue, "-M,--metrics-port", "PORT", "port of /metrics; 0: any free one (default 9090) [DAPR_METRICS_PORT]",
     kProcess},
    {kSwitch, "--enable-metrics", "", "on by default; --enable-metrics=false: no /metrics", kProcess},
    {kSwitch, "--no-metrics", "", "the same as --enable-metrics=false", kProcess},
    {kValue, "--workers", "COUNT", "threads that serve; 0: one a core (default)", kProcess},
    kCacheFolderFlag,
    kNoCacheFlag,
    {kValue, "--shutdown-limit", "TIME",
     "for requests in flight after a stop signal (default 5s); what is cut then makes the exit status 1", kProcess},
    {kValue, "--dapr-graceful-shutdown-seconds", "SECONDS", "the same in seconds", kProcess},
    {kValue, "--dapr-block-shutdown-duration", "TIME",
     "before that: no more events, all else is served until this time is over or the app is not healthy", kProcess},

    // The old name of --resources-path.
    {kValues, "--components-path", "", "", ""},
    {kUnsupported, "--app-ssl", "", "is not supported: the app is no server of its own that could speak TLS", ""},
    {kUnsupported, "--app-channel-address", "", kNoPlace, ""},
    {kUnsupported, "--enable-profiling", "", kNoProfiling, ""},
    {kUnsupported, "--profile-port", "", kNoProfiling, ""},
    {kUnsupported, "--dapr-public-port", "", "is not supported yet: health and metadata are on --dapr-http-port", ""},
    {kUnsupported, "--app-health-port", "", kNoHealthPort, ""},
    {kUnsupported, "--placement-host-address", "", kNoControlPlane, ""},
    {kUnsupported, "--scheduler-host-address", "", kNoControlPlane, ""},
    {kUnsupported, "--sentry-address", "", kNoControlPlane, ""},
    {kUnsupported, "--control-plane-address", "", kNoControlPlane, ""},
    {kUnsupported, "--control-plane-trust-domain", "", kNoControlPlane, ""},
    {kUnsupported, "--control-plane-namespace", "", kNoControlPlane, ""},
    {kUnsupported, "--enable-mtls", "", kNoControlPlane, ""},
    {kUnsupported, "--actors-service", "", kNoControlPlane, ""},
    {kUnsupported, "--reminders-service", "", kNoControlPlane, ""},
    {kUnsupported, "--mode", "", "has no meaning for Tandem: it is always what Dapr calls standalone", ""},
    {kUnsupported, "-k,--kubernetes", "", kNoPlace, ""},
    {kUnsupported, "--image", "", kNoPlace, ""},
    {kUnsupported, "--runtime-path", "", kNoPlace, ""},
});

constexpr auto kAppFlags = std::to_array<AppFlag>({
    {"--app-id", "appID"},
    {"--app-port", "appPort"},
    {"--app-protocol", "appProtocol"},
    {"--isolation", "isolation"},
    {"--enable-app-health-check", "enableAppHealthCheck"},
    {"--app-health-check-path", "appHealthCheckPath"},
    {"--app-health-probe-interval", "appHealthProbeInterval"},
    {"--app-health-probe-timeout", "appHealthProbeTimeout"},
    {"--app-health-threshold", "appHealthThreshold"},
    {"--dapr-http-port", "daprHTTPPort"},
    {"--dapr-grpc-port", "daprGRPCPort"},
    {"--dapr-internal-grpc-port", "daprInternalGRPCPort"},
    {"--resources-path", "resourcesPaths"},
    {"--components-path", "resourcesPaths"},
    {"--config", "configFilePath"},
    {"--enable-api-logging", "enableApiLogging"},
    {"--env", "env"},
    {"--mount", "files"},
    {"--allow-outbound", "allowedOutboundHosts"},
    {"--instances", "instances"},
    {"--app-max-concurrency", "appMaxConcurrency"},
    {"--memory-limit", "memoryLimit"},
    {"--request-timeout", "requestTimeout"},
    {"--max-body-size", "maxBodySize"},
    {"--dapr-http-max-request-size", "daprHTTPMaxRequestSize"},
    {"--read-buffer-size", "readBufferSize"},
    {"--dapr-http-read-buffer-size", "daprHTTPReadBufferSize"},
});

constexpr CommandText kText = {
    .usage = "tandem run [FLAGS] app.wasm | tandem run [FLAGS] -f tandem.yaml",
    .summary =
        "Serves one WebAssembly app, or all those of a tandem.yaml, until Ctrl-C or SIGTERM.\n"
        "Without either it takes the tandem.yaml of this folder. A second signal, one second after the first\n"
        "or later, stops it at once.",
    .closing =
        "Also from the environment, where a flag does not say otherwise: [NAME] above; DAPR_API_TOKEN, which\n"
        "callers of the Dapr API must then send; NAMESPACE; DAPR_COMPONENTS_SOCKETS_FOLDER, where pluggable "
        "components\n"
        "have their sockets.\n"
        "\n"
        "Examples:\n"
        "  tandem run app.wasm\n"
        "  tandem run app.wasm --app-id orders --resources-path ./resources --allow-outbound https://example.com\n"
        "  tandem run app.wasm --app-port 0 --dapr-http-port 0 --dapr-grpc-port 0 --no-metrics\n"
        "  tandem run -f examples/shop\n",
};

}  // namespace

std::span<const Flag> run_flags() { return kFlags; }
const CommandText& run_text() { return kText; }
std::span<const AppFlag> app_flags() { return kAppFlags; }

}  // namespace tandem::cli
