// The state building block: every operation once, for all three doors (HTTP, gRPC, guest).
//
// Looks up the store, checks the app's scope, applies the key prefix rule, counts metrics, and calls the store. One object
// a process, shared by all workers; add() is called before they start.
//
// Completions: when the store answers in place, so does the service, on the caller's stack (a guest's in-memory read never
// suspends). When it answers later, the completion is posted to `CallerExecutor` given with the call.
// Source: https://docs.dapr.io/reference/api/state_api/ (error reasons ERR_STATE_…).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/executor.h"
#include "blocks/state/state_store.h"

namespace tandem::state {

// Dapr's keyPrefix strategies (https://docs.dapr.io/developing-applications/building-blocks/state-management/howto-share-state/).
enum class KeyPrefix { kAppId, kNamespace, kName, kNone, kCustom };

// A store as the service knows it.
struct StoreEntry {
  std::string name;
  std::unique_ptr<Store> store;
  KeyPrefix prefix = KeyPrefix::kAppId;
  std::string custom_prefix;         // with kCustom
  std::vector<std::string> scopes;   // app ids that may use it; empty: all
};

// Who calls: the context, and where a late completion must run.
struct Caller {
  const CallContext& context;
  Executor& executor;
};

class StateService final {
 public:
  // `name_space` is the value of NAMESPACE, for kNamespace.
  explicit StateService(std::string name_space);
  ~StateService();

  Status add(StoreEntry entry);
  // Names of the stores that `app_id` may use, sorted.
  std::vector<std::string> store_names(std::string_view app_id) const;
  const Store* find(std::string_view name) const;

  // Fails with reason ERR_STATE_STORE_NOT_CONFIGURED (no stores at all) or ERR_STATE_STORE_NOT_FOUND (unknown or out of
  // scope), ERR_STATE_GET / ERR_STATE_SAVE / ERR_STATE_DELETE / ERR_STATE_BULK_GET / ERR_STATE_TRANSACTION for failures of
  // the store, ERR_MALFORMED_REQUEST for a key that contains "||" or is empty; codes and messages as Dapr 1.18 gives them.
  void get(Caller caller, std::string_view store, const GetRequest& request, Completion<GetResponse> done);
  void set(Caller caller, std::string_view store, SetRequest request, Completion<void> done);
  void remove(Caller caller, std::string_view store, DeleteRequest request, Completion<void> done);
  // Items come back in the order of `keys`, with the keys as the caller knows them (without prefix).
  void bulk_get(Caller caller, std::string_view store, std::vector<std::string> keys, const Metadata* metadata,
                Completion<std::vector<BulkGetItem>> done);
  void bulk_set(Caller caller, std::string_view store, std::vector<SetRequest> requests, Completion<void> done);
  void bulk_remove(Caller caller, std::string_view store, std::vector<DeleteRequest> requests, Completion<void> done);
  void transact(Caller caller, std::string_view store, std::vector<Operation> operations, const Metadata* metadata,
                Completion<void> done);

  // Pings every store; the completion runs on the caller's executor with the first failure.
  void ping_all(Caller caller, Completion<void> done);
  void close(SteadyTime deadline);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::state
