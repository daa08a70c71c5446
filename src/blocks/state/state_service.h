// The state building block: every operation once, for all three doors (HTTP, gRPC, guest).
//
// Looks up the store, checks the app's scope, applies the key prefix rule, and calls the store. One object a process,
// shared by all workers. Stores may come and go while they are used (blocks/registry.h): an operation ends on the store
// that it began on.
//
// Completions: when the store answers in place, so does the service, on the caller's stack (a guest's in-memory read
// never suspends). When it answers later, the completion is posted to `CallerExecutor` given with the call. Source:
// https://docs.dapr.io/reference/api/state_api/ (error reasons ERR_STATE_…).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/executor.h"
#include "blocks/state/state_store.h"

namespace tandem::state {

// Dapr's keyPrefix strategies
// (https://docs.dapr.io/developing-applications/building-blocks/state-management/howto-share-state/).
enum class KeyPrefix { kAppId, kNamespace, kName, kNone, kCustom };

// The strategy that a component's `keyPrefix` names ("" is "appid"); any other word is a prefix of the user's own.
// Fails with kInvalidArgument, reason ERR_MALFORMED_REQUEST, when it contains "||".
struct KeyPrefixChoice {
  KeyPrefix prefix = KeyPrefix::kAppId;
  std::string custom;
};
Result<KeyPrefixChoice> parse_key_prefix(std::string_view text);

// A store as the service knows it.
struct StoreEntry {
  std::string name;
  std::unique_ptr<Store> store;
  KeyPrefix prefix = KeyPrefix::kAppId;
  std::string custom_prefix;        // with kCustom
  std::vector<std::string> scopes;  // app ids that may use it; empty: all
  // What the metadata API says of it, where the component says so itself; nullopt: by its features.
  std::optional<std::vector<std::string>> capabilities;
};

// Who calls: the context, and where a late completion must run.
struct Caller {
  const CallContext& context;
  Executor& executor;
};

// Keys as the app knows them. Keys of other apps are left out, so a page may be shorter than the store had it.
struct KeyPage {
  std::vector<std::string> keys;
  // Of the next page: as `after`, or as `skip`. Empty: this is the last page.
  std::optional<std::string> last;
  std::size_t next = 0;
};

class TransactionOutbox;

class StateService final {
 public:
  // `name_space` is the value of NAMESPACE, for kNamespace.
  explicit StateService(std::string name_space);
  ~StateService();

  // Before the first operation; outlives the last.
  void set_outbox(TransactionOutbox& outbox);

  // Fails when the name is taken.
  Status add(StoreEntry entry);
  // In the place of the store of that name, if there is one.
  void put(StoreEntry entry);
  void remove_store(std::string_view name);
  // Closes the stores that were replaced or removed and that no operation uses any more; true when there are others.
  // One thread's at a time, which may wait until `deadline`.
  bool sweep(SteadyTime deadline);

  // Names of the stores that `app_id` may use, sorted.
  std::vector<std::string> store_names(std::string_view app_id) const;
  // Whether there is a store of that name, in whoever's scope.
  bool has_store(std::string_view name) const;
  // What that store can do; none: there is no such store.
  std::optional<Features> features_of(std::string_view name) const;

  // Fails, before the store is asked, with reason
  //   ERR_STATE_STORE_NOT_CONFIGURED  kFailedPrecondition  the app may use no store at all
  //   ERR_STATE_STORE_NOT_FOUND       kInvalidArgument     unknown store, or out of the app's scope
  //   ERR_MALFORMED_REQUEST           kInvalidArgument     a key that contains "||"; an empty one in set, bulk_set
  //   ERR_STATE_STORE_NOT_SUPPORTED   kUnimplemented       a transaction on a store without them
  //   ERR_PUBLISH_OUTBOX              kInternal            the outbox cannot send the events of a transaction
  // and for a failure of the store with ERR_STATE_GET, ERR_STATE_SAVE, ERR_STATE_DELETE, ERR_STATE_BULK_GET,
  // ERR_STATE_BULK_DELETE or ERR_STATE_TRANSACTION: kInternal, except that a write keeps the codes of an ETag failure
  // (kAborted, kInvalidArgument). Messages are Dapr 1.18's.
  void get(Caller caller, std::string_view store, const GetRequest& request, Completion<GetResponse> done);
  void set(Caller caller, std::string_view store, SetRequest request, Completion<void> done);
  void remove(Caller caller, std::string_view store, DeleteRequest request, Completion<void> done);
  // Items come back in the order of `keys`, with the keys as the caller knows them (without prefix).
  void bulk_get(Caller caller, std::string_view store, std::vector<std::string> keys, const Metadata* metadata,
                Completion<std::vector<BulkGetItem>> done);
  void bulk_set(Caller caller, std::string_view store, std::vector<SetRequest> requests, Completion<void> done);
  void bulk_remove(Caller caller, std::string_view store, std::vector<DeleteRequest> requests, Completion<void> done);
  void transact(Caller caller, std::string_view store, std::vector<Operation> operations, Completion<void> done);

  // For what the host keeps in a store itself: `key` is the store's own, without a prefix, and scopes do not count.
  // Fails with kNotFound when there is no such store, else as the store does.
  void get_own(Caller caller, std::string_view store, std::string_view key, Completion<GetResponse> done);
  void remove_own(Caller caller, std::string_view store, std::string key, Completion<void> done);

  // A page of the keys behind `after`, then behind `skip` more. Fails with kUnimplemented where the store cannot.
  void list_keys(Caller caller, std::string_view store, std::string_view after, std::size_t skip,
                 Completion<KeyPage> done);

  void close(SteadyTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
