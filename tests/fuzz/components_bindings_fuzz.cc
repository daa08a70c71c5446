// Fuzzes what bindings read: a cron schedule in the first line, then where a server redirects to.
//
// A schedule that is one has no time in the past; a redirection that is followed leads to a URL of http or https
// without anything that could end the request's first line.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "components/bindings/cron/cron_schedule.h"
#include "components/bindings/http/http_binding_request.h"
#include "config/http_endpoint.h"

namespace {

using namespace tandem::components;

void require(bool holds) {
  if (!holds) std::abort();
}

void read_schedule(std::string_view text) {
  // 2026-03-28, the day before the clocks change in Europe.
  const CronSchedule::WallTime now(std::chrono::seconds(1'774'700'000));
  const auto schedule = CronSchedule::parse(text);
  if (!schedule) return;
  const auto next = schedule->next_after(now);
  require(!next || *next > now || schedule->interval());
}

void redirect(std::string_view location) {
  HttpBindingOptions options{.url = "http://host/base"};
  HttpBindingRequest request{.method = "POST", .url = "http://host/base/path?query", .body = "body"};
  const auto followed = follow_redirect(options, 302, location, request);
  if (!followed || !*followed) return;
  require(request.method == "GET" && request.body.empty());
  require(tandem::config::parse_base_url(request.url).has_value());
  require(request.url.find_first_of(" \r\n#") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t line = input.find('\n');
  read_schedule(input.substr(0, line));
  if (line != std::string_view::npos) redirect(input.substr(line + 1));
  return 0;
}
