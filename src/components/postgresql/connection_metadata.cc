#include "components/postgresql/connection_metadata.h"

#include <chrono>
#include <string>
#include <utility>

namespace tandem::components::postgresql {
namespace {

std::chrono::milliseconds milliseconds(const config::MetadataReader& metadata, std::string_view key) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(metadata.get_duration(key));
}

}  // namespace

Result<ConnectionOptions> read_connection_options(const config::MetadataReader& metadata) {
  const std::pair<std::string_view, std::string_view> clouds[] = {{"useAzureAD", "Azure AD"}, {"useAWSIAM", "AWS IAM"}};
  for (const auto& [key, name] : clouds) {
    if (!metadata.get_bool(key)) continue;
    return fail(Code::kInvalidArgument, std::string(key) + ": tokens of " + std::string(name) +
                                            " are not supported; log in with a password or a certificate");
  }
  return ConnectionOptions{.connection_string = metadata.get_string("connectionString"),
                           .host = metadata.get_string("host"),
                           .host_address = metadata.get_string("hostaddr"),
                           .port = metadata.get_string("port"),
                           .database = metadata.get_string("database"),
                           .user = metadata.get_string("user"),
                           .password = metadata.get_string("password"),
                           .ssl_root_cert = metadata.get_string("sslRootCert"),
                           .query_exec_mode = metadata.get_string("queryExecMode"),
                           .max_connections = metadata.get_int("maxConns"),
                           .max_idle = milliseconds(metadata, "connectionMaxIdleTime"),
                           .timeout = milliseconds(metadata, "timeout")};
}

}  // namespace tandem::components::postgresql
