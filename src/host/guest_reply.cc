#include "host/guest_reply.h"

#include <fmt/chrono.h>

#include <ctime>
#include <map>
#include <span>

#include "base/text.h"

namespace tandem::host {
namespace {

constexpr std::string_view kExpireTime = "ttlExpireTime";

// Bytes that Rust releases.
tdm_bytes lend(SharedBytes bytes) {
  if (bytes == nullptr || bytes->empty()) return {};
  auto* owner = new SharedBytes(std::move(bytes));
  return {(*owner)->data(), (*owner)->size(), owner, [](void* owner) { delete static_cast<SharedBytes*>(owner); }};
}

// The C form of an item, with what it points to. Does not move: the item points into it.
class ItemForm final {
 public:
  ItemForm() = default;
  ItemForm(const ItemForm&) = delete;

  tdm_item fill(state::GetResponse& response) {
    tdm_item item = {};
    item.value = lend(std::move(response.data));
    if (!response.etag.empty()) item.etag = span(response.etag);
    if (response.expires_at_ms) {
      expires_ = expire_time(*response.expires_at_ms);
      header_ = {span(kExpireTime), span(expires_)};
      item.metadata = &header_;
      item.metadata_count = 1;
    }
    return item;
  }

 private:
  std::string expires_;
  tdm_header header_;
};

}  // namespace

void GuestReply::error(const Error& error) {
  tdm_reply_error(take(), static_cast<int>(error.code), span(error.reason), span(error.message));
}

void GuestReply::done(const Status& result) {
  if (!result) return error(result.error());
  tdm_reply_done(take());
}

void GuestReply::value(Result<SharedBytes> result) {
  if (!result) return error(result.error());
  if (*result == nullptr) return tdm_reply_value(take(), nullptr);
  const tdm_bytes bytes = lend(std::move(*result));
  tdm_reply_value(take(), &bytes);
}

void GuestReply::item(Result<state::GetResponse> result) {
  if (!result) return error(result.error());
  if (result->data == nullptr) return tdm_reply_item(take(), nullptr);
  ItemForm form;
  const tdm_item item = form.fill(*result);
  tdm_reply_item(take(), &item);
}

void GuestReply::items(Result<std::vector<state::BulkGetItem>> result) {
  if (!result) return error(result.error());
  std::vector<ItemForm> forms(result->size());
  std::vector<tdm_bulk_item> items(result->size());
  for (std::size_t i = 0; i < items.size(); ++i) {
    state::BulkGetItem& from = (*result)[i];
    tdm_bulk_item& to = items[i];
    to.key = span(from.key);
    if (from.error) {
      to.error_code = static_cast<int>(from.error->code);
      to.error_reason = span(from.error->reason);
      to.error_message = span(from.error->message);
    } else if (from.value.data != nullptr) {
      to.found = true;
      to.item = forms[i].fill(from.value);
    }
  }
  tdm_reply_items(take(), items.data(), items.size());
}

void GuestReply::keys(Result<state::KeyPage> result) {
  if (!result) return error(result.error());
  std::vector<tdm_str> keys;
  keys.reserve(result->keys.size());
  for (const std::string& key : result->keys) keys.push_back(span(key));
  const tdm_str last = span(result->last ? std::string_view(*result->last) : std::string_view());
  tdm_reply_keys(take(), keys.data(), keys.size(), result->last.has_value(), last, result->next);
}

void GuestReply::failures(Result<std::vector<pubsub::BulkPublishFailure>> result) {
  if (!result) return error(result.error());
  std::vector<tdm_failed_entry> entries;
  entries.reserve(result->size());
  for (const pubsub::BulkPublishFailure& failure : *result) {
    entries.push_back({span(failure.entry_id), static_cast<int>(failure.error.code), span(failure.error.reason),
                       span(failure.error.message)});
  }
  tdm_reply_failures(take(), entries.data(), entries.size());
}

void GuestReply::response(Result<InvokeResponse> result) {
  if (!result) return error(result.error());
  std::vector<tdm_header> headers;
  headers.reserve(result->headers.size());
  for (const net::OwnedHeader& header : result->headers) headers.push_back({span(header.name), span(header.value)});
  tdm_reply_response(take(), static_cast<std::uint16_t>(result->status), headers.data(), headers.size(),
                     lend(std::move(result->body)));
}

void GuestReply::binding(Result<bindings::InvokeAnswer> result) {
  if (!result) return error(result.error());
  const std::vector<tdm_header> metadata = spans_of(result->metadata);
  if (result->failure) {
    const Error& failure = *result->failure;
    return tdm_reply_binding_error(take(), static_cast<int>(failure.code), span(failure.reason), span(failure.message),
                                   metadata.data(), metadata.size());
  }
  if (result->data == nullptr) return tdm_reply_binding(take(), nullptr, metadata.data(), metadata.size());
  const tdm_bytes data = lend(std::move(result->data));
  tdm_reply_binding(take(), &data, metadata.data(), metadata.size());
}

void GuestReply::pairs(Result<Metadata> result) {
  if (!result) return error(result.error());
  const std::vector<tdm_header> pairs = spans_of(*result);
  tdm_reply_pairs(take(), pairs.data(), pairs.size());
}

void GuestReply::groups(Result<secrets::Secrets> result) {
  if (!result) return error(result.error());
  std::vector<std::vector<tdm_header>> pairs;
  std::vector<tdm_pair_group> groups;
  pairs.reserve(result->size());
  groups.reserve(result->size());
  for (const auto& [name, secret] : *result) {
    const std::vector<tdm_header>& its = pairs.emplace_back(spans_of(secret));
    groups.push_back({span(name), its.data(), its.size()});
  }
  tdm_reply_groups(take(), groups.data(), groups.size());
}

void GuestReply::settings(Result<configuration::Items> result) {
  if (!result) return error(result.error());
  std::vector<std::vector<tdm_header>> metadata;
  std::vector<tdm_setting> settings;
  metadata.reserve(result->size());
  settings.reserve(result->size());
  for (const auto& [key, item] : *result) {
    const std::vector<tdm_header>& its = metadata.emplace_back(spans_of(item.metadata));
    settings.push_back({span(key), span(item.value), span(item.version), its.data(), its.size()});
  }
  tdm_reply_settings(take(), settings.data(), settings.size());
}

std::vector<tdm_header> spans_of(const Metadata& metadata) {
  std::vector<tdm_header> spans;
  spans.reserve(metadata.size());
  for (const auto& [name, value] : metadata) spans.push_back({span(name), span(value)});
  return spans;
}

Metadata metadata_of(const tdm_header* pairs, std::size_t count) {
  Metadata metadata;
  if (count == 0) return metadata;
  std::map<std::string, const tdm_header*> last;
  for (const tdm_header& pair : std::span(pairs, count)) last.insert_or_assign(to_lower(view(pair.name)), &pair);
  for (const auto& [_, pair] : last) metadata.emplace(view(pair->name), view(pair->value));
  return metadata;
}

std::string expire_time(std::int64_t unix_ms) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_ms / 1000)));
}

}  // namespace tandem::host
