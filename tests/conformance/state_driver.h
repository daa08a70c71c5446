// How the state suite reaches a store. The suite knows only these interfaces, so that the same cases run through every
// door: the service itself (service_state.h), the HTTP API (http_state.h), the gRPC API (grpc_state.h), a guest's host
// functions (guest_state.h).
//
// Calls block until the answer is there; each client belongs to one thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "blocks/state/state_store.h"

namespace tandem::conformance {

// One app's access to the store under test. Errors carry Dapr's code and reason.
class StateClient {
 public:
  virtual ~StateClient() = default;

  virtual Result<state::GetResponse> get(std::string_view key) = 0;
  virtual Result<void> set(state::SetRequest request) = 0;
  virtual Result<void> remove(state::DeleteRequest request) = 0;
  virtual Result<std::vector<state::BulkGetItem>> bulk_get(std::vector<std::string> keys) = 0;
  virtual Result<void> bulk_set(std::vector<state::SetRequest> requests) = 0;
  virtual Result<void> bulk_remove(std::vector<state::DeleteRequest> requests) = 0;
  virtual Result<void> transact(std::vector<state::Operation> operations) = 0;
};

// A call that a door may not have.
enum class StateCall { kBulkRemove };

// A door with the store behind it, fresh and empty.
class StateDriver {
 public:
  virtual ~StateDriver() = default;

  // The store's capability, as its metadata.yaml says ("etag", "transactional", "ttl").
  virtual bool has(std::string_view capability) const = 0;
  // Why the door cannot express a call; empty: it can.
  virtual std::string lacks(StateCall) const { return ""; }
  // Any thread.
  virtual std::unique_ptr<StateClient> client(std::string app_id) = 0;
};

}  // namespace tandem::conformance
