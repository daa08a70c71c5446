// A line in the log for each call of the HTTP API, as daprd writes it with --enable-api-logging: msg "HTTP API Called",
// and the fields method, code, size (of the answer's body), duration (in milliseconds) and useragent.
//
// One for each app, made by the server, outlives every exchange that it was given. Called on the exchange's worker;
// never throws. Its lines do not depend on --log-level, as in daprd. A call that shows no API token, where one is asked
// for, leaves no line there, so that a stranger cannot fill the disk.
// Source: daprd's HTTP middleware useAPILogging.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/http/target.h"
#include "base/log.h"
#include "net/http.h"

namespace tandem::api::http {

class ApiLog final {
 public:
  enum class Method {
    kPath,      // "GET /v1.0/state/store/key"
    kEndpoint,  // "GetState": spec.logging.apiLogging.obfuscateURLs
  };
  enum class HealthChecks { kLogged, kOmitted };

  ApiLog(const Logger& log, Method method, HealthChecks health_checks);

  // What answers a request.
  enum class By { kEndpoint, kInvocation, kNobody };
  // The exchange, whose answer will be a line, unless it is a health check of which there is to be none.
  std::unique_ptr<net::Exchange> watch(std::unique_ptr<net::Exchange> exchange, const Target& target, By by) const;

 private:
  class Watched;

  const Logger log_;
  const Method method_;
  const HealthChecks health_checks_;
};

// daprd's name for what a request of the API asks for, "GetState"; empty: none. For a request that a route answers.
std::string endpoint_name(std::string_view method, const Target& target);

}  // namespace tandem::api::http
