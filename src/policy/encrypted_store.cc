#include "policy/encrypted_store.h"

#include <utility>
#include <variant>

namespace tandem::policy {

Status EncryptedStore::seal(state::SetRequest& request) const {
  Result<std::string> sealed = cipher_.encrypt(request.value == nullptr ? std::string_view() : *request.value);
  if (!sealed) return fail(std::move(sealed.error()));
  request.value = share(std::move(*sealed));
  request.form = state::ValueForm::kBytes;  // nobody's JSON any more
  return {};
}

Status EncryptedStore::open(state::GetResponse& response) const {
  if (response.data == nullptr) return {};
  Result<std::string> value = cipher_.decrypt(*response.data);
  if (!value) return fail(std::move(value.error()));
  response.data = share(std::move(*value));
  return {};
}

void EncryptedStore::get(const CallContext& context, const state::GetRequest& request,
                         Completion<state::GetResponse> done) {
  store_->get(context, request, [this, done = std::move(done)](Result<state::GetResponse> response) mutable {
    if (response) {
      if (Status opened = open(*response); !opened) response = fail(std::move(opened.error()));
    }
    done(std::move(response));
  });
}

void EncryptedStore::set(const CallContext& context, state::SetRequest request, Completion<void> done) {
  if (Status sealed = seal(request); !sealed) return done(std::move(sealed));
  store_->set(context, std::move(request), std::move(done));
}

void EncryptedStore::bulk_get(const CallContext& context, std::vector<std::string> keys,
                              Completion<std::vector<state::BulkGetItem>> done) {
  store_->bulk_get(context, std::move(keys),
                   [this, done = std::move(done)](Result<std::vector<state::BulkGetItem>> items) mutable {
                     if (items) {
                       for (state::BulkGetItem& item : *items) {
                         if (item.error) continue;
                         if (Status opened = open(item.value); !opened) {
                           item.error = std::move(opened.error());
                           item.value = {};
                         }
                       }
                     }
                     done(std::move(items));
                   });
}

void EncryptedStore::bulk_set(const CallContext& context, std::vector<state::SetRequest> requests,
                              Completion<void> done) {
  for (state::SetRequest& request : requests) {
    if (Status sealed = seal(request); !sealed) return done(std::move(sealed));
  }
  store_->bulk_set(context, std::move(requests), std::move(done));
}

void EncryptedStore::transact(const CallContext& context, std::vector<state::Operation> operations,
                              Completion<void> done) {
  for (state::Operation& operation : operations) {
    auto* write = std::get_if<state::SetRequest>(&operation);
    if (write == nullptr) continue;
    if (Status sealed = seal(*write); !sealed) return done(std::move(sealed));
  }
  store_->transact(context, std::move(operations), std::move(done));
}

std::unique_ptr<state::Store> encrypt_values(std::unique_ptr<state::Store> store, const config::Component& component,
                                             config::Diagnostics& diagnostics) {
  auto keys = read_encryption_keys(component, diagnostics);
  if (!keys) return store;
  return std::make_unique<EncryptedStore>(std::move(store), StateCipher(std::move(*keys), component.name));
}

}  // namespace tandem::policy
