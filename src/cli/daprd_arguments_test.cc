#include "cli/daprd_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace tandem::cli {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;

class DaprdArgumentsTest : public testing::Test {
 protected:
  Result<RunArguments> parse(std::vector<std::string> arguments) {
    const auto flags = DaprdFlags::parse(arguments);
    if (!flags) return fail(flags.error());
    return daprd_arguments(*flags, [this](std::string_view name) {
      const auto at = environment_.find(name);
      return at == environment_.end() ? std::string() : at->second;
    });
  }
  RunArguments good(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--app-id", "mine"});
    auto parsed = parse(std::move(arguments));
    if (parsed) return std::move(*parsed);
    ADD_FAILURE() << parsed.error().message;
    RunArguments none;
    none.options.apps.emplace_back();
    return none;
  }
  config::AppSpec app(std::vector<std::string> arguments) { return good(std::move(arguments)).options.apps.front(); }
  std::string error(std::vector<std::string> arguments) {
    auto parsed = parse(std::move(arguments));
    return parsed ? "" : parsed.error().message;
  }

  std::map<std::string, std::string, std::less<>> environment_;
};

TEST_F(DaprdArgumentsTest, DefaultsAreThoseOfDaprd) {
  const RunArguments out = good({});
  const config::AppSpec& app = out.options.apps.front();
  EXPECT_TRUE(app.is_outside());
  EXPECT_EQ(app.app_port, 0);
  EXPECT_EQ(app.app_protocol, "http");
  EXPECT_EQ(app.app_channel_address, "127.0.0.1");
  EXPECT_EQ(app.dapr_http_port, 3500);
  EXPECT_EQ(app.dapr_grpc_port, 50001);
  EXPECT_EQ(app.app_max_concurrency, std::nullopt);
  EXPECT_EQ(app.dapr_http_max_request_size, 4u << 20);
  EXPECT_EQ(app.dapr_http_read_buffer_size, 4u << 10);
  EXPECT_FALSE(app.enable_app_health_check);
  EXPECT_EQ(app.app_health_check_path, "/healthz");
  EXPECT_EQ(app.app_health_probe_interval, 5s);
  EXPECT_EQ(app.app_health_probe_timeout, 500ms);
  EXPECT_EQ(app.app_health_threshold, 3);
  EXPECT_EQ(out.options.metrics_port, 9090);
  EXPECT_EQ(out.options.metrics_listen_address, "0.0.0.0");
  EXPECT_THAT(out.options.dapr_listen_address, testing::AnyOf("::", "0.0.0.0"));
  EXPECT_EQ(out.options.public_port, std::nullopt);
  EXPECT_EQ(out.options.shutdown_limit, 5s);
  EXPECT_EQ(out.options.without_folders, server::ProcessOptions::WithoutFolders::kNothing);
  EXPECT_EQ(out.hold_stop, std::nullopt);
  EXPECT_EQ(out.log_level, LogLevel::kInfo);
  EXPECT_TRUE(out.notes.empty());
  EXPECT_TRUE(out.warnings.empty());
}

TEST_F(DaprdArgumentsTest, EveryFormOfAFlag) {
  EXPECT_EQ(app({"--app-port", "8000"}).app_port, 8000);
  EXPECT_EQ(app({"--app-port=8000"}).app_port, 8000);
  EXPECT_EQ(app({"-app-port", "8000"}).app_port, 8000);
  EXPECT_EQ(app({"-app-port=8000"}).app_port, 8000);
  EXPECT_EQ(app({"--app-port", "1", "--app-port", "2"}).app_port, 2);
  // A switch takes no word after it.
  EXPECT_TRUE(app({"--enable-app-health-check", "false"}).enable_app_health_check);
  EXPECT_FALSE(app({"--enable-app-health-check=false"}).enable_app_health_check);
  EXPECT_EQ(app({"--", "--app-port", "8000"}).app_port, 0);
  EXPECT_EQ(good({"--enable-metrics=0"}).options.metrics_port, std::nullopt);
  EXPECT_THAT(app({"--resources-path", "a,b", "--resources-path=c"}).resources_paths, ElementsAre("a", "b", "c"));
  EXPECT_THAT(app({"--components-path", "old"}).resources_paths, ElementsAre("old"));
  EXPECT_THAT(app({"--components-path", "old", "--resources-path", "new"}).resources_paths, ElementsAre("new"));
  const config::AppSpec two = app({"--config", "a.yaml", "--config", "b.yaml"});
  EXPECT_EQ(two.config_file_path, "a.yaml");
  EXPECT_THAT(two.more_config_files, ElementsAre("b.yaml"));
}

TEST_F(DaprdArgumentsTest, ValuesReachTheirOptions) {
  environment_ = {{"DAPR_API_TOKEN", "theirs"},
                  {"APP_API_TOKEN", "ours"},
                  {"NAMESPACE", "shop"},
                  {"DAPR_HOST_IP", "192.0.2.7"},
                  {"DAPR_COMPONENTS_SOCKETS_FOLDER", "/run/sockets"}};
  const RunArguments out = good({"--app-protocol",
                                 "HTTPS",
                                 "--app-channel-address",
                                 "app.local",
                                 "--app-max-concurrency",
                                 "7",
                                 "--max-body-size",
                                 "1.5Mi",
                                 "--read-buffer-size",
                                 "16Ki",
                                 "--enable-app-health-check",
                                 "--app-health-check-path",
                                 "/live",
                                 "--app-health-probe-interval",
                                 "2",
                                 "--app-health-probe-timeout",
                                 "100",
                                 "--app-health-threshold",
                                 "9",
                                 "--dapr-listen-addresses",
                                 "[::1]",
                                 "--dapr-public-port",
                                 "3501",
                                 "--dapr-public-listen-address",
                                 "127.0.0.1",
                                 "--metrics-port",
                                 "0",
                                 "--dapr-graceful-shutdown-seconds",
                                 "12",
                                 "--dapr-block-shutdown-duration",
                                 "1m30s",
                                 "--disable-init-endpoints",
                                 "config, subscribe",
                                 "--log-level",
                                 "warn",
                                 "--log-as-json",
                                 "--log-file",
                                 "/tmp/log"});
  const config::AppSpec& app = out.options.apps.front();
  EXPECT_EQ(app.app_protocol, "https");
  EXPECT_EQ(app.app_channel_address, "app.local");
  EXPECT_EQ(app.app_max_concurrency, 7);
  EXPECT_EQ(app.dapr_http_max_request_size, 3u << 19);
  EXPECT_EQ(app.dapr_http_read_buffer_size, 16u << 10);
  EXPECT_TRUE(app.enable_app_health_check);
  EXPECT_EQ(app.app_health_check_path, "/live");
  EXPECT_EQ(app.app_health_probe_interval, 2s);
  EXPECT_EQ(app.app_health_probe_timeout, 100ms);
  EXPECT_EQ(app.app_health_threshold, 9);
  EXPECT_FALSE(app.ask_for_config);
  EXPECT_FALSE(app.ask_for_subscriptions);
  EXPECT_EQ(out.options.dapr_listen_address, "::1");
  EXPECT_EQ(out.options.public_port, 3501);
  EXPECT_EQ(out.options.public_listen_address, "127.0.0.1");
  EXPECT_EQ(out.options.metrics_port, 0);
  EXPECT_EQ(out.options.shutdown_limit, 12s);
  EXPECT_EQ(out.hold_stop, 90s);
  EXPECT_EQ(out.options.dapr_api_token, "theirs");
  EXPECT_EQ(out.options.components_sockets_folder, "/run/sockets");
  EXPECT_EQ(out.options.app_api_token, "ours");
  EXPECT_EQ(out.options.name_space, "shop");
  EXPECT_EQ(out.options.host_address, "192.0.2.7");
  EXPECT_EQ(out.log_level, LogLevel::kWarn);
  EXPECT_EQ(out.log_format, LogFormat::kJson);
  EXPECT_EQ(out.log_file, "/tmp/log");
}

TEST_F(DaprdArgumentsTest, OldFlagsAndOddNumbersAreReadAsDaprdDoes) {
  EXPECT_EQ(app({"--dapr-http-max-request-size", "8"}).dapr_http_max_request_size, 8u << 20);
  EXPECT_EQ(app({"--dapr-http-max-request-size", "8", "--max-body-size", "1Mi"}).dapr_http_max_request_size, 1u << 20);
  EXPECT_EQ(app({"--max-body-size", "-1"}).dapr_http_max_request_size, 4u << 20);
  EXPECT_EQ(app({"--max-body-size", "0"}).dapr_http_max_request_size, std::uint64_t{1} << 40);
  EXPECT_EQ(app({"--dapr-http-read-buffer-size", "-1"}).dapr_http_read_buffer_size, 4u << 10);
  EXPECT_EQ(app({"--app-health-probe-interval", "0"}).app_health_probe_interval, 5s);
  EXPECT_EQ(app({"--app-health-threshold", "-3"}).app_health_threshold, 3);
  EXPECT_EQ(good({"--dapr-graceful-shutdown-seconds", "-1"}).options.shutdown_limit, 5s);
  const RunArguments ssl = good({"--app-ssl"});
  EXPECT_EQ(ssl.options.apps.front().app_protocol, "https");
  EXPECT_EQ(ssl.warnings.size(), 1u);
}

TEST_F(DaprdArgumentsTest, WhatHasNoUseIsALineEach) {
  const RunArguments out = good(
      {"--placement-host-address", "localhost:50005", "--enable-profiling", "--placement-host-address=other:50005"});
  ASSERT_EQ(out.notes.size(), 2u);
  EXPECT_THAT(out.notes[0], HasSubstr("--enable-profiling is accepted and has no effect"));
  EXPECT_THAT(out.notes[1], HasSubstr("--placement-host-address is accepted and has no effect"));
}

TEST_F(DaprdArgumentsTest, MistakesAreSaid) {
  EXPECT_THAT(error({"--app-idd", "x"}), HasSubstr("unknown flag: --app-idd; did you mean --app-id?"));
  EXPECT_THAT(error({"-k"}), HasSubstr("unknown flag: --k"));
  EXPECT_THAT(error({"--app-id"}), HasSubstr("flag needs an argument: --app-id"));
  EXPECT_THAT(error({"--app-max-concurrency", "1.5"}),
              HasSubstr("--app-max-concurrency: \"1.5\" is not a whole number"));
  EXPECT_THAT(error({"--app-ssl=maybe"}), HasSubstr("--app-ssl: \"maybe\" is not true or false"));
  EXPECT_THAT(error({"--dapr-block-shutdown-duration", "5"}), HasSubstr("is not a duration"));
  EXPECT_THAT(error({}), HasSubstr("app-id cannot be empty"));
  EXPECT_THAT(error({"--app-id", "a.b"}), HasSubstr("cannot contain dots"));
  const std::string all =
      error({"--app-id", "a", "--app-port", "3500", "--dapr-grpc-port", "99999", "--app-protocol", "smtp", "--mode",
             "kubernetes", "--enable-mtls", "--log-level", "loud", "--max-body-size", "much",
             "--disable-init-endpoints", "all", "--app-health-probe-timeout", "6000"});
  for (const char* text : {"conflicts with 'app-port'", "--dapr-grpc-port: ", "invalid value for 'app-protocol': smtp",
                           "--mode kubernetes is not supported", "--enable-mtls is not supported",
                           "invalid value for --log-level: loud", "invalid value for 'max-body-size' option",
                           "--disable-init-endpoints: invalid value: all", "'health-probe-timeout' must be smaller"}) {
    EXPECT_THAT(all, HasSubstr(text));
  }
}

TEST_F(DaprdArgumentsTest, WhatNeedsAControlPlaneIsRefusedWithAWayOut) {
  EXPECT_THAT(error({"--app-id", "a", "--mode", "kubernetes"}), HasSubstr("start it with --mode standalone"));
  EXPECT_THAT(error({"--app-id", "a", "--enable-mtls"}), HasSubstr("or use Dapr's own daprd"));
  EXPECT_THAT(error({"--app-id", "a", "--mode", "x"}), HasSubstr("\"x\" is not standalone"));
}

TEST_F(DaprdArgumentsTest, ApiLoggingHasThreeStates) {
  EXPECT_EQ(app({}).enable_api_logging, std::nullopt);
  EXPECT_EQ(app({"--enable-api-logging"}).enable_api_logging, true);
  EXPECT_EQ(app({"--enable-api-logging=false"}).enable_api_logging, false);
}

TEST_F(DaprdArgumentsTest, HelpNamesEveryFlag) {
  const std::string help = daprd_help();
  for (const DaprdFlag& flag : daprd_flags()) EXPECT_THAT(help, HasSubstr("  --" + std::string(flag.name) + " "));
  EXPECT_TRUE(DaprdFlags::parse(std::vector<std::string>{"--app-id", "a", "--help", "--nonsense"})->wants_help());
}

}  // namespace
}  // namespace tandem::cli
