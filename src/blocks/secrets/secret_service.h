// The secrets building block: every operation once, for all doors, and for the components whose YAML names secrets.
//
// Looks up the store, checks the app's scope and the Configuration's spec.secrets.scopes, and calls the store. get()
// and bulk_get() from any thread, also while stores come and go (blocks/registry.h). Completions: as StateService
// (blocks/state/state_service.h). Source: https://docs.dapr.io/reference/api/secrets_api/ and
// https://docs.dapr.io/operations/configuration/secret-scope/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "blocks/registry.h"
#include "blocks/secrets/secret_store.h"
#include "blocks/state/state_service.h"
#include "config/component.h"
#include "config/configuration.h"

namespace tandem::secrets {

using state::Caller;

struct StoreEntry {
  std::string name;
  std::unique_ptr<Store> store;
  std::vector<std::string> scopes;  // app ids that may use it; empty: all
};

class SecretService final {
 public:
  // `scopes`: which secrets of which store apps may read; a store that is not named gives all of them.
  explicit SecretService(std::vector<config::SecretScope> scopes = {}) : scopes_(std::move(scopes)) {}

  Status add(StoreEntry entry);
  // As StateService's.
  void put(StoreEntry entry);
  void remove_store(std::string_view name) { stores_.remove(name); }
  bool sweep(SteadyTime deadline);
  bool has_store(std::string_view name) const { return stores_.contains(name); }
  // Whether `app_id` may use the store of that name, which is there.
  bool visible_to(std::string_view name, std::string_view app_id) const;

  // Fails with Dapr's reasons, codes and messages:
  //   ERR_SECRET_STORES_NOT_CONFIGURED  kFailedPrecondition  the app may use no store at all
  //   ERR_SECRET_STORE_NOT_FOUND        kInvalidArgument     unknown store, or out of the app's scope
  //   ERR_PERMISSION_DENIED             kPermissionDenied    by spec.secrets.scopes
  //   ERR_SECRET_GET                    kInternal            the store failed, or has no such secret
  void get(Caller caller, std::string_view store, std::string name, Metadata metadata, Completion<Secret> done);
  // Secrets that spec.secrets.scopes takes away are left out.
  void bulk_get(Caller caller, std::string_view store, Metadata metadata, Completion<Secrets> done);

  // The value behind a component's secretKeyRef, while components are made. Scopes of secrets do not count: they are
  // about apps. Blocks until the store has answered or `deadline`: not on a worker. An empty value is kNotFound.
  Result<std::string> resolve(std::string_view store, const config::SecretKeyRef& ref, std::string_view name_space,
                              SteadyTime deadline) const;

  void close(SteadyTime deadline);

 private:
  using Pinned = Registry<StoreEntry>::Pin;

  // The store, or the error in `error` and none.
  Pinned find(std::string_view name, std::string_view app_id, Error& error) const;
  bool allowed(std::string_view store, std::string_view secret) const;

  const std::vector<config::SecretScope> scopes_;
  Registry<StoreEntry> stores_;
};

}  // namespace tandem::secrets
