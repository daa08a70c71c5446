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
  if (!stores_.add(name, std::move(entry))) {
    return fail(Code::kAlreadyExists, fmt::format("secret store {} is there already", name));
  }
  return {};
}

void SecretService::put(StoreEntry entry) {
  std::string name = entry.name;
  stores_.put(std::move(name), std::move(entry));
}

bool SecretService::sweep(SteadyTime deadline) {
  for (const auto& unused : stores_.sweep()) unused->store->close(deadline);
  return stores_.has_retired();
}

bool SecretService::visible_to(std::string_view name, std::string_view app_id) const {
  const Pinned found = stores_.find(name);
  return found && visible(*found, app_id);
}

SecretService::Pinned SecretService::find(std::string_view name, std::string_view app_id, Error& error) const {
  Pinned found = stores_.find(name);
  if (found && visible(*found, app_id)) return found;
  if (std::ranges::any_of(stores_.all(), [&](const auto& item) { return visible(*item.second, app_id); })) {
    error = {Code::kInvalidArgument, "ERR_SECRET_STORE_NOT_FOUND",
             fmt::format("failed finding secret store with key {}", name)};
  } else {
    error = {Code::kFailedPrecondition, "ERR_SECRET_STORES_NOT_CONFIGURED", "secret store is not configured"};
  }
  return {};
}

bool SecretService::allowed(std::string_view store, std::string_view secret) const {
  const auto scope = std::ranges::find(scopes_, store, &config::SecretScope::store_name);
  return scope == scopes_.end() || scope->allows(secret);
}

void SecretService::get(Caller caller, std::string_view store, std::string name, Metadata metadata,
                        Completion<Secret> done) {
  Error error;
  Pinned entry = find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  if (!allowed(entry->name, name)) {
    return done(fail(Code::kPermissionDenied, "ERR_PERMISSION_DENIED",
                     fmt::format("access denied by policy to get \"{}\" from \"{}\"", name, entry->name)));
  }
  Store& asked = *entry->store;
  Completion<Secret> explained = [entry = std::move(entry), name,
                                  done = std::move(done)](Result<Secret> secret) mutable {
    if (secret) return done(std::move(secret));
    done(fail(Code::kInternal, "ERR_SECRET_GET",
              fmt::format("failed getting secret with key {} from secret store {}: {}", name, entry->name,
                          secret.error().message)));
  };
  InPlaceScope scope;
  asked.get(caller.context, std::move(name), std::move(metadata),
            bring_home<Secret>(scope, caller.executor, std::move(explained)));
}

void SecretService::bulk_get(Caller caller, std::string_view store, Metadata metadata, Completion<Secrets> done) {
  Error error;
  Pinned entry = find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  Store& asked = *entry->store;
  Completion<Secrets> filtered = [this, entry = std::move(entry),
                                  done = std::move(done)](Result<Secrets> secrets) mutable {
    if (!secrets) {
      return done(
          fail(Code::kInternal, "ERR_SECRET_GET",
               fmt::format("failed getting secrets from secret store {}: {}", entry->name, secrets.error().message)));
    }
    std::erase_if(*secrets, [&](const auto& item) { return !allowed(entry->name, item.first); });
    done(std::move(secrets));
  };
  InPlaceScope scope;
  asked.bulk_get(caller.context, std::move(metadata), bring_home<Secrets>(scope, caller.executor, std::move(filtered)));
}

Result<std::string> SecretService::resolve(std::string_view store, const config::SecretKeyRef& ref,
                                           std::string_view name_space, SteadyTime deadline) const {
  const Pinned found = stores_.find(store);
  if (!found) return fail(Code::kNotFound, fmt::format("there is no secret store \"{}\"", store));
  CallContext context;
  context.deadline = deadline;
  const auto promise = std::make_shared<std::promise<Result<Secret>>>();
  std::future<Result<Secret>> answer = promise->get_future();
  found->store->get(context, ref.name, {{"namespace", std::string(name_space)}},
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
  for (const auto& [name, entry] : stores_.all()) entry->store->close(deadline);
  for (const auto& entry : stores_.retired()) entry->store->close(deadline);
}

}  // namespace tandem::secrets
