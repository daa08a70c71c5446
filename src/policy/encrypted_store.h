// A state store whose values are encrypted: on the way in by the primary key, on the way out by the key that each value
// names. Keys, ETags and times stay as they are.
//
// A decorator: owned in place of the store that it owns. Threads and failures are those of the store behind it, and of
// StateCipher; a value that cannot be decrypted fails alone, also in a bulk read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "blocks/state/state_store.h"
#include "policy/state_cipher.h"

namespace tandem::policy {

class EncryptedStore final : public state::Store {
 public:
  EncryptedStore(std::unique_ptr<state::Store> store, StateCipher cipher)
      : store_(std::move(store)), cipher_(std::move(cipher)) {}

  state::Features features() const override { return store_->features(); }
  bool in_place() const override { return store_->in_place(); }
  void ping(const CallContext& context, Completion<void> done) override { store_->ping(context, std::move(done)); }
  void get(const CallContext& context, const state::GetRequest& request, Completion<state::GetResponse> done) override;
  void set(const CallContext& context, state::SetRequest request, Completion<void> done) override;
  void remove(const CallContext& context, state::DeleteRequest request, Completion<void> done) override {
    store_->remove(context, std::move(request), std::move(done));
  }
  void bulk_get(const CallContext& context, std::vector<std::string> keys,
                Completion<std::vector<state::BulkGetItem>> done) override;
  void bulk_set(const CallContext& context, std::vector<state::SetRequest> requests, Completion<void> done) override;
  void bulk_remove(const CallContext& context, std::vector<state::DeleteRequest> requests,
                   Completion<void> done) override {
    store_->bulk_remove(context, std::move(requests), std::move(done));
  }
  void transact(const CallContext& context, std::vector<state::Operation> operations, Completion<void> done) override;
  void list_keys(const CallContext& context, state::ListRequest request,
                 Completion<std::vector<std::string>> done) override {
    store_->list_keys(context, std::move(request), std::move(done));
  }
  void close(SteadyTime deadline) override { store_->close(deadline); }

 private:
  Status seal(state::SetRequest& request) const;
  Status open(state::GetResponse& response) const;

  const std::unique_ptr<state::Store> store_;
  const StateCipher cipher_;
};

// Puts an EncryptedStore around the store of a component that has encryption keys, its secrets resolved; any other
// store comes back as it is. Mistakes in the keys go to `diagnostics`, and the store must not be used then.
std::unique_ptr<state::Store> encrypt_values(std::unique_ptr<state::Store> store, const config::Component& component,
                                             config::Diagnostics& diagnostics);

}  // namespace tandem::policy
