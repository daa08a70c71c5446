#include "host/guest_pubsub.h"

#include <algorithm>
#include <span>
#include <utility>

#include "host/guest_caller.h"
#include "host/guest_reply.h"
#include "net/http.h"

namespace tandem::host {
namespace {

constexpr std::string_view kRawPayload = "rawPayload";

// The rawPayload among `metadata`, in whatever case it is written; end() when there is none.
Metadata::const_iterator find_raw_payload(const Metadata& metadata) {
  auto at = metadata.begin();
  while (at != metadata.end() && !net::equals_ignoring_case(at->first, kRawPayload)) ++at;
  return at;
}

void publish(void* user, tdm_str pubsub, tdm_str topic, const tdm_publish_entry* entry, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  pubsub::PublishCall call{.pubsub = std::string(view(pubsub)),
                           .topic = std::string(view(topic)),
                           .data = view(entry->data),
                           .content_type = std::string(view(entry->content_type)),
                           .metadata = metadata_of(entry->metadata, entry->metadata_count)};
  guest.services().pubsub.publish({guest.context(), guest.executor()}, std::move(call),
                                  [reply = GuestReply(reply)](Result<void> result) mutable { reply.done(result); });
}

void publish_many(void* user, tdm_str pubsub, tdm_str topic, const tdm_publish_entry* entries, std::size_t count,
                  tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  Result<BulkCall> call = bulk_call(entries, count);
  if (!call) return GuestReply(reply).error(call.error());
  guest.services().pubsub.publish_bulk(
      {guest.context(), guest.executor()}, std::string(view(pubsub)), std::string(view(topic)),
      std::move(call->entries), std::move(call->metadata),
      [reply = GuestReply(reply)](Result<std::vector<pubsub::BulkPublishFailure>> result) mutable {
        reply.failures(std::move(result));
      });
}

Result<std::string> pubsub_of(GuestCaller& guest, tdm_str identifier) {
  return find_pubsub(guest.services().pubsub, guest.context().app_id, view(identifier),
                     guest.settings().messaging_pubsub);
}

void send(void* user, tdm_str identifier, tdm_str topic, const tdm_publish_entry* entry, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  const Result<std::string> name = pubsub_of(guest, identifier);
  if (!name) return GuestReply(reply).error(name.error());
  if (entry->entry_id.ptr != nullptr) {
    return GuestReply(reply).error(
        {Code::kUnimplemented, {}, "reply-to is not supported: a message of Dapr's pub/sub has no reply"});
  }
  publish(user, span(*name), topic, entry, reply);
}

void find_pubsub_of(void* user, tdm_str identifier, tdm_reply* reply) noexcept {
  Result<std::string> name = pubsub_of(caller_of(user), identifier);
  if (!name) return GuestReply(reply).error(name.error());
  GuestReply(reply).value(share(std::move(*name)));
}

}  // namespace

Result<std::string> find_pubsub(const pubsub::PubsubService& service, std::string_view app_id,
                                std::string_view identifier, std::string_view preferred) {
  const std::vector<std::string> names = service.broker_names(app_id);
  const auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
  const bool wants_default = identifier.empty() || identifier == "default";
  if (has(identifier)) return std::string(identifier);
  if (wants_default && !preferred.empty()) {
    if (has(preferred)) return std::string(preferred);
    return fail(Code::kNotFound, "app " + std::string(app_id) + " has no pubsub called \"" + std::string(preferred) +
                                     "\", which its messagingPubsub names");
  }
  if (wants_default && !names.empty()) return names.front();
  return fail(Code::kNotFound,
              "app " + std::string(app_id) + " has no pubsub called \"" + std::string(identifier) + "\"");
}

Result<BulkCall> bulk_call(const tdm_publish_entry* entries, std::size_t count) {
  BulkCall call;
  call.entries.reserve(count);
  std::optional<std::string> first_raw;
  for (const tdm_publish_entry& entry : std::span(entries, count)) {
    pubsub::BulkEntry made{.entry_id = std::string(view(entry.entry_id)),
                           .data = view(entry.data),
                           .content_type = std::string(view(entry.content_type)),
                           .metadata = metadata_of(entry.metadata, entry.metadata_count)};
    const auto found = find_raw_payload(*made.metadata);
    const std::string raw = found == made.metadata->end() ? std::string() : found->second;
    if (raw != first_raw.value_or(raw)) {
      return fail(Code::kInvalidArgument, "ERR_PUBSUB_EVENTS_SER",
                  "entry " + made.entry_id + ": rawPayload must be the same for all entries of one call");
    }
    first_raw = raw;
    call.entries.push_back(std::move(made));
  }
  if (first_raw && !first_raw->empty()) call.metadata.emplace(kRawPayload, *first_raw);
  return call;
}

const tdm_pubsub_vtable& pubsub_vtable() {
  static constexpr tdm_pubsub_vtable kTable = {
      .publish = publish, .publish_many = publish_many, .send = send, .find_pubsub = find_pubsub_of};
  return kTable;
}

}  // namespace tandem::host
