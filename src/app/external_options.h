// How an app outside the process is reached over HTTP. Read once at start.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "net/http_client.h"

namespace tandem::app {

struct ExternalOptions {
  std::string app_id;
  std::string scheme = "http";  // or "https", with whatever certificate the app shows, as daprd
  net::ClientProtocol protocol = net::ClientProtocol::kHttp1;
  std::string host = "127.0.0.1";  // a name or an IP address
  std::uint16_t port = 0;
  std::string api_token;            // APP_API_TOKEN: sent as dapr-api-token with each call; empty: none
  std::size_t max_concurrency = 0;  // calls at once, the others wait; 0: no limit
  std::size_t max_waiting = 10'000;
  std::size_t max_head_bytes = 64 * 1024;  // of an answer
  // From the request to the end of the answer's head, and the longest pause in an answer. daprd has no limit of its
  // own.
  std::chrono::milliseconds request_timeout{std::chrono::hours(1)};
  std::string health_path = "/healthz";  // what a probe of its health asks for
};

}  // namespace tandem::app
