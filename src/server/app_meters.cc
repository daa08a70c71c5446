#include "server/app_meters.h"

#include <charconv>

#include "blocks/invoke/caller_headers.h"

namespace tandem::server {
namespace {

// As Dapr has it: the request is as large as its head announces. A body without a length counts nothing.
telemetry::HttpCall with_request_bytes(telemetry::HttpCall call, const net::RequestHead& head) {
  if (const auto text = net::find_header(head.headers, "content-length")) {
    std::from_chars(text->data(), text->data() + text->size(), call.request_bytes);
  }
  return call;
}

std::optional<std::string_view> caller_of(const net::RequestHead& head) {
  return net::find_header(head.headers, invoke::kCallerAppId);
}

}  // namespace

void AppPortObserver::request_finished(const net::RequestRecord& record) noexcept {
  metrics_.record({.method = record.method,
                   .target = record.target,
                   .status = record.status,
                   .request_bytes = record.bytes_in,
                   .response_bytes = record.bytes_out,
                   .elapsed = record.duration});
}

void ApiMeter::finished(const net::RequestHead& head, const telemetry::HttpCall& call) noexcept {
  http_.record(with_request_bytes(call, head));
}

void ChannelMeter::started(const net::RequestHead& head) noexcept {
  if (const auto caller = caller_of(head)) invocations_.record_request(*caller);
}

void ChannelMeter::finished(const net::RequestHead& head, const telemetry::HttpCall& call) noexcept {
  http_.record(with_request_bytes(call, head));
  if (const auto caller = caller_of(head)) invocations_.record_response(*caller, call.status, call.elapsed);
}

}  // namespace tandem::server
