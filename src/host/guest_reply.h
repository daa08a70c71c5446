// GuestReply: the one answer that a guest's call waits for, as a block's Completion gives it.
//
// Owns a tdm_reply. Exactly one of the functions below answers it; a GuestReply that goes away unanswered (its executor
// has stopped) answers kCancelled. Any thread, also after the guest is gone. A value goes to the guest without a copy:
// the Rust side holds the SharedBytes until it has been written into the guest's memory.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "blocks/bindings/output_binding.h"
#include "blocks/configuration/configuration_store.h"
#include "blocks/pubsub/pubsub_broker.h"
#include "blocks/secrets/secret_store.h"
#include "blocks/state/state_service.h"
#include "blocks/state/state_store.h"
#include "engine/runtime.h"
#include "net/response_sink.h"
#include "tandem_wit.h"

namespace tandem::host {

using engine::span;
using engine::view;

// What tandem:dapr/invoke answers.
struct InvokeResponse {
  int status = 0;
  net::OwnedHeaders headers;
  SharedBytes body;
};

class GuestReply final {
 public:
  explicit GuestReply(tdm_reply* reply) : reply_(reply) {}
  GuestReply(GuestReply&& other) noexcept : reply_(std::exchange(other.reply_, nullptr)) {}
  GuestReply& operator=(GuestReply&&) = delete;
  ~GuestReply() {
    if (reply_ != nullptr) error({Code::kCancelled, {}, "the call was dropped: its worker is stopping"});
  }

  void error(const Error& error);
  void done(const Status& result);
  // Null bytes are no value.
  void value(Result<SharedBytes> result);
  // Null `data` is no item.
  void item(Result<state::GetResponse> result);
  void items(Result<std::vector<state::BulkGetItem>> result);
  void keys(Result<state::KeyPage> result);
  void failures(Result<std::vector<pubsub::BulkPublishFailure>> result);
  void response(Result<InvokeResponse> result);
  void binding(Result<bindings::InvokeAnswer> result);
  void pairs(Result<Metadata> result);
  void groups(Result<secrets::Secrets> result);
  void settings(Result<configuration::Items> result);

 private:
  tdm_reply* take() { return std::exchange(reply_, nullptr); }

  tdm_reply* reply_;
};

// An absent string of tandem_wit.h is none.
inline std::optional<std::string> optional_of(tdm_str text) {
  if (text.ptr == nullptr) return std::nullopt;
  return std::string(view(text));
}

// Valid while `metadata` does not change.
std::vector<tdm_header> spans_of(const Metadata& metadata);

// Names that differ only in case are one name; the last one counts.
Metadata metadata_of(const tdm_header* pairs, std::size_t count);

// RFC 3339 in UTC, whole seconds, as Dapr writes `ttlExpireTime`.
std::string expire_time(std::int64_t unix_ms);

}  // namespace tandem::host
