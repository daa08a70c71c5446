// CloudEvents 1.0 envelopes as Dapr makes and reads them
// (https://docs.dapr.io/developing-applications/building-blocks/pubsub/pubsub-cloudevents/).
//
// Members stand in the order of their names, as daprd writes them. Pure functions over the system's clock and random
// ids; any thread; never throw.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/result.h"

namespace tandem::pubsub {

inline constexpr std::string_view kCloudEventType = "application/cloudevents+json";

using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;

struct EnvelopeInput {
  std::string_view source;  // the app id
  std::string_view pubsub;
  std::string_view topic;
  std::string_view data;
  std::string_view content_type;  // "" means text/plain
  const TraceContext& trace;
  const Metadata& metadata;  // cloudevent.<attribute>, ttlInSeconds
};

// Data wrapped into an envelope, or an envelope (application/cloudevents+json) with what it lacks. Fails with
// kInvalidArgument when the latter is not a JSON object.
Result<std::string> make_envelope(const EnvelopeInput& input, WallTime now);

// The envelope that the outbox keeps until the transaction is done: its id is the key of that, it has no topic yet, and
// each word of `metadata` but "id" and "data" is a member of it.
struct OutboxEventInput {
  std::string_view id;
  std::string_view source;
  std::string_view pubsub;
  std::string_view data;
  std::string_view content_type;  // "" means text/plain
  const TraceContext& trace;
  const Metadata& metadata;
};
std::string make_outbox_event(const OutboxEventInput& input, WallTime now);
// The same on its way to those who are subscribed. Fails when `envelope` is not a JSON object.
Result<std::string> address_event(std::string_view envelope, std::string_view pubsub, std::string_view topic);

// What Dapr hands to a subscriber of raw payloads. Of the message's metadata `traceid`, `traceparent` and `tracestate`
// go into the event.
std::string wrap_raw_payload(std::string_view data, std::string_view pubsub, std::string_view topic,
                             const Metadata& metadata);

// What delivery needs to know of an envelope.
struct EventFacts {
  std::string id;
  std::string content_type;  // of the data
  std::string expiration;    // "" for none
  TraceContext trace;
};
// Fails with kInvalidArgument when `envelope` is not a JSON object.
Result<EventFacts> read_envelope(std::string_view envelope);

// False also for what is no RFC 3339 time.
bool has_expired(std::string_view expiration, WallTime now);

// The `ttl` or `ttlInSeconds` of a publish request: a Go duration, or seconds above zero. None for anything else.
std::optional<std::chrono::nanoseconds> time_to_live(const Metadata& metadata);

// The `rawPayload` of metadata, false when it is not there. Fails with Dapr's text for what is not a Go boolean.
Result<bool> is_raw_payload(const Metadata& metadata);

// "2026-11-22T19:42:42Z"
std::string format_rfc3339(WallTime time);
std::optional<WallTime> parse_rfc3339(std::string_view text);

}  // namespace tandem::pubsub
