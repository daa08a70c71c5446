#include "cli/run_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace tandem::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kModule("\0asm\x0d\0\x01\0", 8);

class RunArgumentsTest : public testing::Test {
 protected:
  RunArgumentsTest() {
    std::string name = testing::TempDir() + "run_arguments_XXXXXX";
    folder_ = ::mkdtemp(name.data());
    module_ = write("shop.wasm", kModule);
  }
  ~RunArgumentsTest() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, std::string_view text) {
    std::string path = (folder_ / name).string();
    std::ofstream(path) << text;
    return path;
  }

  Result<std::variant<HelpText, RunArguments>> parse(const std::vector<std::string>& arguments) {
    return parse_run_arguments(arguments, [this](std::string_view name) {
      auto at = environment_.find(name);
      return at == environment_.end() ? std::string() : at->second;
    });
  }
  RunArguments good(const std::vector<std::string>& arguments) {
    auto parsed = parse(arguments);
    if (!parsed) {
      ADD_FAILURE() << parsed.error().message;
      return {};
    }
    return std::get<RunArguments>(*parsed);
  }
  config::AppSpec app(const std::vector<std::string>& arguments) {
    auto out = good(arguments);
    return out.options.apps.empty() ? config::AppSpec{} : out.options.apps.front();
  }
  std::string error(const std::vector<std::string>& arguments) {
    auto parsed = parse(arguments);
    return parsed ? "" : parsed.error().message;
  }

  std::filesystem::path folder_;
  std::string module_;
  std::map<std::string, std::string, std::less<>> environment_ = {{"HOME", "/home/someone"}};
};

TEST_F(RunArgumentsTest, OneModuleNeedsNothingElse) {
  RunArguments out = good({module_});
  ASSERT_EQ(out.options.apps.size(), 1u);
  EXPECT_EQ(out.options.apps[0].app_id, "shop");
  EXPECT_EQ(out.options.apps[0].module, module_);
  EXPECT_EQ(out.options.apps[0].app_port, std::nullopt);
  EXPECT_EQ(out.options.apps[0].dapr_http_port, std::nullopt);
  EXPECT_EQ(out.options.first_app_port, 8080);
  EXPECT_EQ(out.options.first_dapr_http_port, 3500);
  EXPECT_EQ(out.options.metrics_port, 9090);
  EXPECT_EQ(out.options.cache_folder, "/home/someone/.cache/tandem/modules");
  EXPECT_EQ(out.log_level, LogLevel::kInfo);
  EXPECT_EQ(out.log_format, LogFormat::kText);
  EXPECT_TRUE(out.warnings.empty());
}

TEST_F(RunArgumentsTest, EveryFlagReachesItsOption) {
  RunArguments out = good({"--app-id",
                           "orders",
                           "-p",
                           "9001",
                           "-H",
                           "9002",
                           "-d",
                           "/r1",
                           "--resources-path=/r2",
                           "--components-path",
                           "/r3",
                           "--config",
                           "c.yaml",
                           "--env",
                           "A=1",
                           "--env",
                           "B=x=y",
                           "--mount",
                           "/srv:/data:ro",
                           "--allow-outbound",
                           "https://example.com",
                           "--allow-outbound",
                           "http://127.0.0.1:81",
                           "--isolation",
                           "request",
                           "--instances",
                           "4",
                           "--app-max-concurrency",
                           "8",
                           "--memory-limit",
                           "128Mi",
                           "--request-timeout",
                           "2s",
                           "--max-body-size",
                           "16Mi",
                           "--dapr-http-read-buffer-size",
                           "8",
                           "--enable-api-logging",
                           "--log-level",
                           "debug",
                           "--log-as-json",
                           "--metrics-port",
                           "9003",
                           "--workers",
                           "3",
                           "--cache-folder",
                           "/cache",
                           "--shutdown-limit",
                           "1500ms",
                           "--allowed-origins",
                           "http://a,http://b",
                           "--dapr-listen-addresses",
                           "0.0.0.0",
                           "--app-listen-address",
                           "[::1]",
                           "--app-protocol",
                           "http",
                           module_});
  ASSERT_EQ(out.options.apps.size(), 1u);
  const config::AppSpec& app = out.options.apps[0];
  EXPECT_EQ(app.app_id, "orders");
  EXPECT_EQ(app.app_port, 9001);
  EXPECT_EQ(app.dapr_http_port, 9002);
  EXPECT_THAT(app.resources_paths, ElementsAre("/r1", "/r2", "/r3"));
  EXPECT_EQ(app.config_file_path, "c.yaml");
  EXPECT_THAT(app.env, ElementsAre(std::pair("A", "1"), std::pair("B", "x=y")));
  ASSERT_EQ(app.files.size(), 1u);
  EXPECT_TRUE(app.files[0].read_only);
  EXPECT_THAT(app.allowed_outbound_hosts, ElementsAre("https://example.com", "http://127.0.0.1:81"));
  EXPECT_EQ(app.isolation, config::Isolation::kRequest);
  EXPECT_EQ(app.max_instances, 4);
  EXPECT_EQ(app.app_max_concurrency, 8);
  EXPECT_EQ(app.memory_limit_bytes, 128u << 20);
  EXPECT_EQ(app.request_timeout, std::chrono::seconds(2));
  EXPECT_EQ(app.dapr_http_max_request_size, 16u << 20);
  EXPECT_EQ(app.dapr_http_read_buffer_size, 8u << 10);
  EXPECT_EQ(app.enable_api_logging, true);
  EXPECT_EQ(out.log_level, LogLevel::kDebug);
  EXPECT_EQ(out.log_format, LogFormat::kJson);
  EXPECT_EQ(out.options.metrics_port, 9003);
  EXPECT_EQ(out.options.workers, 3u);
  EXPECT_EQ(out.options.cache_folder, "/cache");
  EXPECT_EQ(out.options.shutdown_limit, std::chrono::milliseconds(1500));
  EXPECT_EQ(out.options.allowed_origins, "http://a,http://b");
  EXPECT_EQ(out.options.dapr_listen_address, "0.0.0.0");
  EXPECT_EQ(out.options.app_listen_address, "::1");
}

TEST_F(RunArgumentsTest, ARepeatableFlagDoesNotTakeTheModule) {
  EXPECT_THAT(app({"--resources-path", "/r", module_}).resources_paths, ElementsAre("/r"));
  EXPECT_EQ(app({"--env", "A=1", module_}).module, module_);
}

TEST_F(RunArgumentsTest, MetricsCanBeOff) {
  EXPECT_EQ(good({module_, "--enable-metrics=false"}).options.metrics_port, std::nullopt);
  EXPECT_EQ(good({module_, "--no-metrics"}).options.metrics_port, std::nullopt);
  EXPECT_EQ(good({module_, "--enable-metrics"}).options.metrics_port, 9090);
  EXPECT_THAT(error({module_, "--enable-metrics=maybe"}), HasSubstr("--enable-metrics: \"maybe\""));
}

TEST_F(RunArgumentsTest, DaprsUnitsAreMegabytesKilobytesAndSeconds) {
  EXPECT_EQ(app({module_, "--dapr-http-max-request-size", "16"}).dapr_http_max_request_size, 16u << 20);
  EXPECT_EQ(good({module_, "--dapr-graceful-shutdown-seconds", "7"}).options.shutdown_limit, std::chrono::seconds(7));
  EXPECT_EQ(app({module_, "--app-max-concurrency", "-1"}).app_max_concurrency, std::nullopt);
}

TEST_F(RunArgumentsTest, TheEnvironmentGivesDefaults) {
  environment_.insert({{"APP_ID", "from-env"},
                       {"APP_PORT", "9100"},
                       {"DAPR_HTTP_PORT", "9101"},
                       {"DAPR_METRICS_PORT", "9102"},
                       {"DAPR_GRPC_PORT", "9103"},
                       {"DAPR_API_TOKEN", "secret"},
                       {"NAMESPACE", "prod"},
                       {"DAPR_COMPONENTS_SOCKETS_FOLDER", "/run/sockets"},
                       {"XDG_CACHE_HOME", "/xdg"}});
  RunArguments out = good({module_, "--dapr-http-port", "9200"});
  ASSERT_EQ(out.options.apps.size(), 1u);
  EXPECT_EQ(out.options.apps[0].app_id, "from-env");
  EXPECT_EQ(out.options.apps[0].app_port, 9100);
  EXPECT_EQ(out.options.apps[0].dapr_http_port, 9200);
  EXPECT_EQ(out.options.metrics_port, 9102);
  EXPECT_EQ(out.options.first_dapr_grpc_port, 9103);
  EXPECT_EQ(good({module_, "-G", "9203"}).options.first_dapr_grpc_port, 9203);
  EXPECT_THAT(error({module_, "--dapr-grpc-port", "9200", "--dapr-http-port", "9200"}),
              HasSubstr("--dapr-http-port and --dapr-grpc-port are both 9200"));
  EXPECT_EQ(out.options.dapr_api_token, "secret");
  EXPECT_EQ(out.options.name_space, "prod");
  EXPECT_EQ(out.options.components_sockets_folder, "/run/sockets");
  EXPECT_EQ(out.options.cache_folder, "/xdg/tandem/modules");
  environment_["DAPR_HTTP_PORT"] = "http";
  EXPECT_THAT(error({module_}), HasSubstr("DAPR_HTTP_PORT (environment): \"http\" is not a port"));
}

TEST_F(RunArgumentsTest, WithoutAHomeThereIsNoCacheAndAWarning) {
  environment_.clear();
  RunArguments out = good({module_});
  EXPECT_EQ(out.options.cache_folder, "");
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("HOME is not set")));
  environment_["XDG_CACHE_HOME"] = "relative";
  EXPECT_EQ(good({module_}).options.cache_folder, "");
  out = good({module_, "--no-cache"});
  EXPECT_EQ(out.options.cache_folder, "");
  EXPECT_TRUE(out.warnings.empty());
}

TEST_F(RunArgumentsTest, ThePortForOtherSidecars) {
  EXPECT_EQ(good({module_}).options.first_dapr_internal_grpc_port, 0);
  EXPECT_EQ(good({module_}).options.internal_listen_address, "127.0.0.1");
  EXPECT_EQ(good({module_, "--dapr-internal-grpc-port", "50002"}).options.first_dapr_internal_grpc_port, 50002);
  EXPECT_EQ(good({module_, "-I", "50002"}).options.first_dapr_internal_grpc_port, 50002);
  EXPECT_EQ(good({module_, "--dapr-internal-grpc-listen-address", "0.0.0.0"}).options.internal_listen_address,
            "0.0.0.0");
  EXPECT_THAT(error({module_, "-I", "3500", "--dapr-http-port", "3500"}),
              HasSubstr("--dapr-http-port and --dapr-internal-grpc-port are both 3500"));
}

TEST_F(RunArgumentsTest, WhatIsNotSupportedIsRefusedByName) {
  EXPECT_THAT(error({module_, "--enable-profiling"}), HasSubstr("--enable-profiling is not supported yet"));
  EXPECT_THAT(error({module_, "--app-protocol", "grpc"}), HasSubstr("--app-protocol: \"grpc\" is not supported yet"));
  EXPECT_THAT(error({module_, "--placement-host-address", "x:1"}), HasSubstr("--placement-host-address is not"));
}

TEST_F(RunArgumentsTest, AGuestsHealthMayBeProbed) {
  environment_["APP_API_TOKEN"] = "ours";
  const RunArguments out =
      good({module_, "--enable-app-health-check", "--app-health-check-path", "/live", "--app-health-probe-interval",
            "7", "--app-health-probe-timeout", "20", "--app-health-threshold", "2"});
  const config::AppSpec& app = out.options.apps.front();
  EXPECT_TRUE(app.enable_app_health_check);
  EXPECT_EQ(app.app_health_check_path, "/live");
  EXPECT_EQ(app.app_health_probe_interval, std::chrono::seconds(7));
  EXPECT_EQ(app.app_health_probe_timeout, std::chrono::milliseconds(20));
  EXPECT_EQ(app.app_health_threshold, 2);
  EXPECT_EQ(out.options.app_api_token, "ours");
  EXPECT_THAT(error({module_, "--app-health-probe-interval", "1", "--app-health-probe-timeout", "1001"}),
              HasSubstr("must not be longer"));
}

TEST_F(RunArgumentsTest, AnUnknownFlagIsAnsweredWithTheNearest) {
  EXPECT_THAT(error({module_, "--app-prot", "80"}), HasSubstr("no flag \"--app-prot\"; did you mean \"--app-port\"?"));
  EXPECT_THAT(error({module_, "--resource-path=x"}), HasSubstr("did you mean \"--resources-path\"?"));
  EXPECT_THAT(error({module_, "--qqqqqqqqqqq"}), Not(HasSubstr("did you mean")));
  EXPECT_THAT(error({module_, "-z"}), HasSubstr("no flag \"-z\""));
  EXPECT_THAT(error({module_, "--app-port"}), HasSubstr("--app-port needs a value"));
  EXPECT_THAT(error({module_, "--app-port", "1", "--app-port", "2"}), HasSubstr("--app-port is given 2 times"));
}

TEST_F(RunArgumentsTest, EveryWrongValueIsNamedAtOnce) {
  const std::string text = error({module_, "--app-port", "x", "--memory-limit", "y", "--env", "z", "--allow-outbound",
                                  "nonsense", "--log-level", "loud", "--workers", "-3"});
  for (const char* flag :
       {"--app-port: ", "--memory-limit: ", "--env: ", "--allow-outbound: ", "--log-level: ", "--workers: "}) {
    EXPECT_THAT(text, HasSubstr(flag));
  }
}

TEST_F(RunArgumentsTest, FlagsThatSayTheSameAreRefused) {
  EXPECT_THAT(error({module_, "--max-body-size", "1Mi", "--dapr-http-max-request-size", "1"}), HasSubstr("give one"));
  EXPECT_THAT(error({module_, "--cache-folder", "/c", "--no-cache"}), HasSubstr("give one"));
  EXPECT_THAT(error({module_, "--app-port", "3500", "--dapr-http-port", "3500"}), HasSubstr("are both 3500"));
  EXPECT_THAT(error({module_, "--app-port", "9090"}), HasSubstr("--app-port and --metrics-port are both 9090"));
  EXPECT_EQ(error({module_, "--app-port", "0", "--dapr-http-port", "0", "--metrics-port", "0"}), "");
}

TEST_F(RunArgumentsTest, WhatCannotBeTheModuleIsSaid) {
  EXPECT_THAT(error({(folder_ / "none.wasm").string()}), HasSubstr("none.wasm: No such file or directory"));
  EXPECT_THAT(error({folder_.string(), "--app-id", "a"}), HasSubstr("is a folder; for the tandem.yaml in it"));
  EXPECT_THAT(error({write("apps.yaml", ""), "--app-id", "a"}), HasSubstr("tandem run -f"));
  EXPECT_THAT(error({write("text.wasm", "hello")}), HasSubstr("text.wasm is not WebAssembly"));
  EXPECT_THAT(error({write("empty.wasm", "")}), HasSubstr("empty.wasm is not WebAssembly"));
  EXPECT_EQ(error({write("text.wat", "(component)")}), "");
  EXPECT_THAT(error({module_, "--", "python", "app.py"}), HasSubstr("\"python\" is left over"));
  EXPECT_THAT(error({write("my.app.wasm", kModule)}), HasSubstr("give --app-id"));
}

TEST_F(RunArgumentsTest, HelpListsFlagsAndExamples) {
  auto parsed = parse({"--app-port", "x", "--help"});
  ASSERT_TRUE(parsed);
  const auto* help = std::get_if<HelpText>(&*parsed);
  ASSERT_NE(help, nullptr);
  EXPECT_THAT(help->text, HasSubstr("Usage: tandem run"));
  EXPECT_THAT(help->text, HasSubstr("-p, --app-port PORT"));
  EXPECT_THAT(help->text, HasSubstr("Examples:"));
  EXPECT_THAT(help->text, Not(HasSubstr("--placement-host-address")));
  EXPECT_THAT(help->text, Not(HasSubstr("--components-path")));
}

class RunFileTest : public RunArgumentsTest {
 protected:
  RunFileTest() {
    for (const char* name : {"a.wasm", "b.wasm"}) write(name, kModule);
  }
  std::string file(std::string_view apps, std::string_view common = "") {
    return write("tandem.yaml", std::string("version: 1\n") + std::string(common) + "apps:\n" + std::string(apps));
  }
};

TEST_F(RunFileTest, AppsComeFromTheFileAndTheProcessFromFlags) {
  const std::string path = file("  - {appID: a, module: a.wasm, appPort: 9001}\n  - {appID: b, module: b.wasm}\n");
  environment_["APP_ID"] = "other";
  RunArguments out = good({"-f", path, "--workers", "2", "--log-as-json", "--metrics-port", "0"});
  ASSERT_EQ(out.options.apps.size(), 2u);
  EXPECT_EQ(out.options.apps[0].app_id, "a");
  EXPECT_EQ(out.options.apps[0].app_port, 9001);
  EXPECT_EQ(out.options.apps[1].app_id, "b");
  EXPECT_EQ(out.options.workers, 2u);
  EXPECT_EQ(out.options.metrics_port, 0);
  EXPECT_EQ(good({"-f", folder_.string()}).options.apps.size(), 2u);
}

TEST_F(RunFileTest, FlagsOfOneAppAreRefusedWithTheKeyThatSaysIt) {
  const std::string path = file("  - {appID: a, module: a.wasm}\n");
  const std::string text = error({"-f", path, "--app-port", "80", "--env", "A=1"});
  EXPECT_THAT(text, HasSubstr("--app-port describes one app and does not go with -f: set appPort"));
  EXPECT_THAT(text, HasSubstr("set env of the app in"));
  EXPECT_THAT(error({"-f", path, module_}), HasSubstr("not both"));
}

TEST_F(RunFileTest, FlagsThatContradictTheFileAreRefused) {
  const std::string path =
      file("  - {appID: a, module: a.wasm, metricsPort: 9500}\n  - {appID: b, module: b.wasm, logLevel: debug}\n");
  EXPECT_THAT(error({"-f", path, "--metrics-port", "9501"}), HasSubstr("--metrics-port contradicts " + path + ":3"));
  EXPECT_THAT(error({"-f", path, "--no-metrics"}), HasSubstr("--no-metrics contradicts"));
  EXPECT_THAT(error({"-f", path, "--log-level", "error"}), HasSubstr("--log-level contradicts " + path + ":4"));
  EXPECT_EQ(error({"-f", path, "--metrics-port", "9500", "--log-level", "debug"}), "");
}

TEST_F(RunFileTest, AProcessHasOneMetricsPortAndOneLevel) {
  const std::string path = file(
      "  - {appID: a, module: a.wasm, metricsPort: 9500}\n"
      "  - {appID: b, module: b.wasm, metricsPort: 9501, logLevel: debug, daprGRPCPort: 50001}\n");
  RunArguments out = good({"-f", path});
  EXPECT_EQ(out.options.metrics_port, 9500);
  EXPECT_EQ(out.log_level, LogLevel::kDebug);
  EXPECT_THAT(out.warnings, ElementsAre(HasSubstr("metricsPort 9501"), HasSubstr("logLevel differ")));
  EXPECT_EQ(out.options.apps[1].dapr_grpc_port, 50001);
}

TEST_F(RunFileTest, AllMistakesOfTheFileComeWithTheirLines) {
  const std::string path = file(
      "  - {appID: a.b, module: a.wasm}\n  - {appID: c, modul: c.wasm}\n"
      "  - {appID: d, module: d.wasm, appProtocol: grpc}\n");
  const std::string text = error({"-f", path});
  EXPECT_THAT(text, HasSubstr(path + ":3: "));
  EXPECT_THAT(text, HasSubstr(path + ":4: "));
  EXPECT_THAT(text, HasSubstr(path + ":5: appProtocol grpc"));
  EXPECT_THAT(error({"-f", (folder_ / "none.yaml").string()}), HasSubstr("none.yaml"));
}

TEST_F(RunFileTest, AnAppOutsideHasAPortAndNoModule) {
  const std::string path = file(
      "  - {appID: a, appPort: 8000, appProtocol: https, enableAppHealthCheck: true, appHealthCheckPath: /live}\n");
  const RunArguments out = good({"-f", path});
  ASSERT_EQ(out.options.apps.size(), 1u);
  EXPECT_TRUE(out.options.apps[0].is_outside());
  EXPECT_EQ(out.options.apps[0].app_protocol, "https");
  EXPECT_TRUE(out.options.apps[0].enable_app_health_check);
  const std::string wrong = file(
      "  - {appID: b, module: b.wasm, appProtocol: grpcs}\n"
      "  - {appID: c, appPort: 8001, appHealthProbeInterval: 1, appHealthProbeTimeout: 1001}\n");
  const std::string text = error({"-f", wrong});
  EXPECT_THAT(text, HasSubstr(":3: appProtocol grpcs of \"b\" is not supported yet"));
  EXPECT_THAT(text, HasSubstr(":4: appHealthProbeTimeout of \"c\" is longer than its appHealthProbeInterval"));
}

TEST_F(RunFileTest, WhatCannotBeAModuleIsSaidInOneLine) {
  write("a.wasm", "#!/bin/sh\nexec app\n");
  const std::string one = file("  - {appID: good, module: b.wasm}\n  - appID: bad\n    module: a.wasm\n");
  EXPECT_EQ(error({"-f", one}), one + ":4: module of \"bad\": " + (folder_ / "a.wasm").string() +
                                    " is not WebAssembly: it does not start with \\0asm; give the .wasm that the build "
                                    "of the guest makes (the text form is named .wat)");
  const std::string both = file("  - {appID: bad, module: a.wasm}\n  - {appID: none, module: none.wasm}\n");
  EXPECT_THAT(error({"-f", both}), HasSubstr("2 mistakes:"));
  EXPECT_THAT(error({"-f", both}), HasSubstr(both + ":4: module of \"none\": cannot read "));
}

}  // namespace
}  // namespace tandem::cli
