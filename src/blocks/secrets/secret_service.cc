#include "blocks/secrets/secret_service.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>
#include <utility>

#include "blocks/late_completion.h"

namespace tandem::secrets {
namespace {

bool visible(const StoreEntry& entry, std::string_view app_id) {
  return entry.scopes.empty() || std::ranges::find(entry.scopes, app_id) != entry.scopes.end();
}

}  // namespace

Status SecretService::add(StoreEntry entry) {
  if (entry.name.empty() || entry.store == nullptr) return fail(Code::kInvalidArgument, "a secret store needs a name");
  std::string name = entry.name;
  if (!stores_.emplace(name, std::move(entry)).second) {
    return fail(Code::kAlreadyExists, fmt::format("secret store {} is there already", name));
  }
  return {};
}

bool SecretService::visible_to(std::string_view name, std::string_view app_id) const {
  const auto found = stores_.find(name);
  return found != stores_.end() && visible(found->second, app_id);
}

const StoreEntry* SecretService::find(std::string_view name, std::string_view app_id, Error& error) const {
  const auto found = stores_.find(name);
  if (found != stores_.end() && visible(found->second, app_id)) return &found->second;
  if (std::ranges::any_of(stores_, [&](const auto& item) { return visible(item.second, app_id); })) {
    error = {Code::kInvalidArgument, "ERR_SECRET_STORE_NOT_FOUND",
             fmt::format("failed finding secret store with key {}", name)};
  } else {
    error = {Code::kFailedPrecondition, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured"};
  }
  return nullptr;
}

bool SecretService::allowed(std::string_view store, std::string_view secret) const {
  const auto scope = std::ranges::find(scopes_, store, &config::SecretScope::store_name);
  return scope == scopes_.end() || scope->allows(secret);
}

void SecretService::get(Caller caller, std::string_view store, std::string name, Metadata metadata,
                        Completion<Secret> done) {
  Error error;
  const StoreEntry* entry = find(store, caller.context.app_id, error);
  if (entry == nullptr) return done(fail(std::move(error)));
  if (!allowed(entry->name, name)) {
    return done(fail(Code::kPermissionDenied, "ERR_PERMISSION_DENIED",
                     fmt::format("access denied by policy to get \"{}\" from \"{}\"", name, entry->name)));
  }
  Completion<Secret> explained = [entry, name, done = std::move(done)](Result<Secret> secret) mutable {
    if (secret) return done(std::move(secret));
    done(fail(Code::kInternal, "ERR_SECRET_GET",
              fmt::format("failed getting secret with key {} from secret store {}: {}", name, entry->name,
                          secret.error().message)));
  };
  InPlaceScope scope;
  entry->store->get(caller.context, std::move(name), std::move(metadata),
                    bring_home<Secret>(scope, caller.executor, std::move(explained)));
}

void SecretService::bulk_get(Caller caller, std::string_view store, Metadata metadata, Completion<Secrets> done) {
  Error error;
  const StoreEntry* entry = find(store, caller.context.app_id, error);
  if (entry == nullptr) return done(fail(std::move(error)));
  Completion<Secrets> filtered = [this, entry, done = std::move(done)](Result<Secrets> secrets) mutable {
    if (!secrets) {
      return done(
          fail(Code::kInternal, "ERR_SECRET_GET",
               fmt::format("failed getting secrets from secret store {}: {}", entry->name, secrets.error().message)));
    }
    std::erase_if(*secrets, [&](const auto& item) { return !allowed(entry->name, item.first); });
    done(std::move(secrets));
  };
  InPlaceScope scope;
  entry->store->bulk_get(caller.context, std::move(metadata),
                         bring_home<Secrets>(scope, caller.executor, std::move(filtered)));
}

Result<std::string> SecretService::resolve(std::string_view store, const config::SecretKeyRef& ref,
                                           std::string_view name_space, SteadyTime deadline) const {
  const auto found = stores_.find(store);
  if (found == stores_.end()) return fail(Code::kNotFound, fmt::format("there is no secret store \"{}\"", store));
  CallContext context;
  context.deadline = deadline;
  const auto promise = std::make_shared<std::promise<Result<Secret>>>();
  std::future<Result<Secret>> answer = promise->get_future();
  found->second.store->get(context, ref.name, {{"namespace", std::string(name_space)}},
                           [promise](Result<Secret> secret) { promise->set_value(std::move(secret)); });
  if (answer.wait_until(deadline) != std::future_status::ready) {
    return fail(Code::kDeadlineExceeded,
                fmt::format("secret store \"{}\" has not answered in time (initTimeout)", store));
  }
  Result<Secret> secret = answer.get();
  if (!secret) return fail(secret.error().code, fmt::format("secret store \"{}\": {}", store, secret.error().message));
  const auto value = secret->find(ref.key.empty() ? ref.name : ref.key);
  if (value == secret->end()) {
    return fail(Code::kNotFound, fmt::format("secret \"{}\" of secret store \"{}\" has no key \"{}\"", ref.name, store,
                                             ref.key.empty() ? ref.name : ref.key));
  }
  if (value->second.empty()) {
    return fail(Code::kNotFound, fmt::format("secret \"{}\" of secret store \"{}\" is not there, or its key \"{}\" is "
                                             "empty",
                                             ref.name, store, value->first));
  }
  return std::move(value->second);
}

void SecretService::close(SteadyTime deadline) {
  for (auto& [name, entry] : stores_) entry.store->close(deadline);
}

}  // namespace tandem::secrets
