// What a state store plug-in implements. One object a Component, shared by every app that may use it.
//
// Source: https://docs.dapr.io/reference/api/state_api/ and the store contract of Dapr's components-contrib.
// Keys arrive with their prefix ("orders||42", see state_service.h); a store adds nothing to them. An ETag is an opaque
// string of the store's own.
//
// Threads: called from any worker at once. A completion runs on the calling thread before the call returns, or later on
// the thread of the Executor that the store was made with; StateService brings it back to the caller's worker.
// Views in a request live until the call returns: a store that completes later copies what it needs.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/call_context.h"
#include "base/completion.h"
#include "base/result.h"

namespace tandem::state {

enum class Concurrency { kUnspecified, kFirstWrite, kLastWrite };
enum class Consistency { kUnspecified, kEventual, kStrong };
// What a value is: bytes that nobody looks into, or one JSON value, which a store that knows JSON may keep as such. It
// comes back as equal JSON then, perhaps with other white space and another order of members.
enum class ValueForm { kBytes, kJson };

// How Dapr's store of the same name reads `ttlInSeconds`, and what it says of one that it does not take.
struct TtlRules {
  std::string_view before = "error parsing TTL: incorrect value for metadata 'ttlInSeconds': ";
  std::string_view parser = "strconv.ParseInt";
  // Of numbers below zero: -1 alone is taken, and means for ever; or all of them mean for ever.
  enum class Negative { kMinusOneOnly, kForEver } negative = Negative::kMinusOneOnly;
};

// The writes for which Dapr's store of the same name looks whether it knows the words of `consistency` and
// `concurrency`, which some do not do everywhere. Where it does not look, an unknown word means nothing.
struct CheckedOptions {
  bool set = true;
  bool remove = true;
  bool transacted_set = true;
  bool transacted_remove = true;
};

// What a store can do beyond get, set and delete; the names are the capabilities that Dapr's metadata API lists.
struct Features {
  bool etag = false;
  bool transactional = false;
  bool ttl = false;
  TtlRules ttl_rules;
  // kStore: `ttlInSeconds` is read by the store itself, out of a request's metadata; the rules say nothing.
  enum class TtlReader { kService, kStore } ttl_reader = TtlReader::kService;
  CheckedOptions checked_options;
};

struct GetRequest {
  std::string_view key;
  Consistency consistency = Consistency::kUnspecified;
  const Metadata* metadata = nullptr;  // null: none
};

// A missing or expired key is a success with null `data`.
struct GetResponse {
  SharedBytes data;
  std::string etag;
  // Unix time in milliseconds at which the value expires; none: it does not.
  std::optional<std::int64_t> expires_at_ms;
};

struct SetRequest {
  std::string key;
  SharedBytes value;
  ValueForm form = ValueForm::kBytes;
  // Write only while the stored ETag is this one. Reason ERR_STATE_ETAG_MISMATCH style failures use kAborted (mismatch)
  // and kInvalidArgument (not an ETag of this store).
  std::optional<std::string> etag;
  // With kFirstWrite and no ETag the key must not exist yet.
  Concurrency concurrency = Concurrency::kUnspecified;
  Consistency consistency = Consistency::kUnspecified;
  // Seconds from now; none, 0 and -1: never expires. StateService fills it in from `metadata` when it is not set,
  // unless the store reads them itself.
  std::optional<std::int64_t> ttl_seconds;
  // What a value of an event is, where the request says so beside its metadata; for the outbox alone.
  std::string content_type;
  Metadata metadata;
};

struct DeleteRequest {
  std::string key;
  std::optional<std::string> etag;
  Concurrency concurrency = Concurrency::kUnspecified;
  Consistency consistency = Consistency::kUnspecified;
  Metadata metadata;
};

// A page of keys, in the order of their bytes.
struct ListRequest {
  std::string prefix;     // of all keys wanted
  std::string after;      // only keys behind this one, with the prefix; empty: from the first
  std::size_t skip = 0;   // so many of them first
  std::size_t limit = 0;  // at most so many
};

using Operation = std::variant<SetRequest, DeleteRequest>;

struct BulkGetItem {
  std::string key;
  GetResponse value;
  std::optional<Error> error;  // this key alone failed
};

// How an ETag failure is told apart: mismatch is HTTP 409 and gRPC ABORTED, invalid is 400 and INVALID_ARGUMENT. The
// tests hold for a store's error and for what StateService makes of it, except for a transaction, where Dapr hides the
// cause. `detail` follows Dapr's text after a colon; empty: none.
Error etag_mismatch(std::string_view detail);
Error etag_invalid(std::string_view detail);
bool is_etag_mismatch(const Error& error);
bool is_etag_invalid(const Error& error);

// The `ttlInSeconds` of a request's metadata. Fails with Dapr's text for what the rules do not take.
Result<std::optional<std::int64_t>> parse_ttl(const Metadata& metadata, const TtlRules& rules);

class Store {
 public:
  virtual ~Store() = default;

  virtual Features features() const = 0;
  // True promises that every completion runs before its call returns: nothing is allocated to bring a late one home.
  virtual bool in_place() const { return false; }
  // Whether the store answers; ends within the deadline of the context.
  virtual void ping(const CallContext& context, Completion<void> done) = 0;

  virtual void get(const CallContext& context, const GetRequest& request, Completion<GetResponse> done) = 0;
  virtual void set(const CallContext& context, SetRequest request, Completion<void> done) = 0;
  // Deleting a missing key succeeds, unless an ETag was given.
  virtual void remove(const CallContext& context, DeleteRequest request, Completion<void> done) = 0;

  // Keys whose values have not expired; fewer than the limit: there are no more. Not a part of Dapr's API, and no store
  // has to be able to: wasi:keyvalue's `list-keys` asks for it. Default: kUnimplemented.
  virtual void list_keys(const CallContext& context, ListRequest request, Completion<std::vector<std::string>> done);

  // The defaults call the single operation for each item. A bulk write is not atomic: it stops at nothing, and fails
  // with the first error (an ETag failure before any other) after all items were tried.
  virtual void bulk_get(const CallContext& context, std::vector<std::string> keys,
                        Completion<std::vector<BulkGetItem>> done);
  virtual void bulk_set(const CallContext& context, std::vector<SetRequest> requests, Completion<void> done);
  virtual void bulk_remove(const CallContext& context, std::vector<DeleteRequest> requests, Completion<void> done);

  // All or nothing, in order. Default: kUnimplemented.
  virtual void transact(const CallContext& context, std::vector<Operation> operations, Completion<void> done);

  // Finishes what was accepted and closes; nothing is called after it. Blocks at most until `deadline`.
  virtual void close(SteadyTime deadline) {}
};

}  // namespace tandem::state
