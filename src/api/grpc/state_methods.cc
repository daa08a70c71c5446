#include "api/grpc/state_methods.h"

#include <fmt/format.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/error_map.h"
#include "base/json.h"
#include "base/json_normal.h"
#include "blocks/state/expire_time.h"

namespace tandem::api::grpc {
namespace {

using ::dapr::proto::common::v1::Etag;
using ::dapr::proto::common::v1::StateItem;
using ::dapr::proto::common::v1::StateOptions;

state::Consistency consistency_of(StateOptions::StateConsistency word) {
  switch (word) {
    case StateOptions::CONSISTENCY_EVENTUAL: return state::Consistency::kEventual;
    case StateOptions::CONSISTENCY_STRONG: return state::Consistency::kStrong;
    default: return state::Consistency::kUnspecified;
  }
}

state::Concurrency concurrency_of(StateOptions::StateConcurrency word) {
  switch (word) {
    case StateOptions::CONCURRENCY_FIRST_WRITE: return state::Concurrency::kFirstWrite;
    case StateOptions::CONCURRENCY_LAST_WRITE: return state::Concurrency::kLastWrite;
    default: return state::Concurrency::kUnspecified;
  }
}

// Dapr's stores take an empty ETag for none.
std::optional<std::string> etag_of(const Etag& etag) {
  return etag.value().empty() ? std::nullopt : std::optional(etag.value());
}

state::SetRequest set_request(const StateItem& item, std::string value) {
  return {.key = item.key(),
          .value = share(std::move(value)),
          .etag = etag_of(item.etag()),
          .concurrency = concurrency_of(item.options().concurrency()),
          .consistency = consistency_of(item.options().consistency()),
          .metadata = to_metadata(item.metadata())};
}

state::DeleteRequest delete_request(const StateItem& item) {
  return {.key = item.key(),
          .etag = etag_of(item.etag()),
          .concurrency = concurrency_of(item.options().concurrency()),
          .consistency = consistency_of(item.options().consistency()),
          .metadata = to_metadata(item.metadata())};
}

// The first key that the service refuses, for the details of its error.
template <class Items, class KeyOf>
std::string illegal_key(const Items& items, KeyOf key_of) {
  for (const auto& item : items) {
    const std::string& key = key_of(item);
    if (key.find("||") != std::string::npos) return key;
  }
  return {};
}

// Answers a write: nothing, or the error with the key that caused it where that is known.
Completion<void> answer_write(const SharedCall& call, std::string store, std::string key) {
  return [call, store = std::move(store), key = std::move(key)](Result<void> result) {
    if (result) {
      call->succeed();
    } else {
      call->fail(to_status(result.error(), {.component = store, .key = key}));
    }
  };
}

// daprd looks a store up before it reads a request: what is wrong with the request is told only if the store is there.
// An operation without items asks the service that, and nothing of the store.
void fail_unless_no_store(const ApiOptions& api, Executor& late, const SharedCall& call, const std::string& store,
                          Error error) {
  api.state.bulk_get({call->context(), late}, store, {}, nullptr,
                     [call, store, error = std::move(error)](const Result<std::vector<state::BulkGetItem>>& found) {
                       call->fail(to_status(found ? error : found.error(), {.component = store}));
                     });
}

// The same where transactions must be supported as well.
void fail_unless_no_transactions(const ApiOptions& api, Executor& late, const SharedCall& call,
                                 const std::string& store, Error error) {
  api.state.transact({call->context(), late}, store, {},
                     [call, store, error = std::move(error)](const Result<void>& found) {
                       call->fail(to_status(found ? error : found.error(), {.component = store}));
                     });
}

void fill(const state::GetResponse& value, auto& message) {
  if (value.data != nullptr) message.set_data(*value.data);
  message.set_etag(value.etag);
  for (auto& [name, text] : state::response_metadata(value)) (*message.mutable_metadata())[name] = text;
}

// The bytes to store: a value that says to be JSON is read, and written again as Go does.
Result<std::string> value_of(const StateItem& item) {
  const auto type = item.metadata().find("contentType");
  if (type == item.metadata().end() || type->second != "application/json") return item.value();
  const auto json = parse_json(item.value());
  auto value = json ? normal_json(*json) : std::unexpected(json.error());
  // daprd hands on what its JSON decoder says, without a code.
  if (!value) return fail(Code::kUnknown, value.error().message);
  return value;
}

}  // namespace

void get_state(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::GetStateRequest& request,
               wire::GetStateResponse& response) {
  const Metadata metadata = to_metadata(request.metadata());
  const state::GetRequest get{.key = request.key(),
                              .consistency = consistency_of(request.consistency()),
                              .metadata = metadata.empty() ? nullptr : &metadata};
  api.state.get({call->context(), late}, request.store_name(), get,
                [call, &request, &response](const Result<state::GetResponse>& value) {
                  call->answer([&](auto&) {
                    if (!value) {
                      return to_status(value.error(), {.component = request.store_name(), .key = request.key()});
                    }
                    if (value->data != nullptr) fill(*value, response);
                    return ::grpc::Status::OK;
                  });
                });
}

void get_bulk_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                    const wire::GetBulkStateRequest& request, wire::GetBulkStateResponse& response) {
  const Metadata metadata = to_metadata(request.metadata());
  std::vector<std::string> keys(request.keys().begin(), request.keys().end());
  api.state.bulk_get({call->context(), late}, request.store_name(), std::move(keys), &metadata,
                     [call, &request, &response](const Result<std::vector<state::BulkGetItem>>& items) {
                       call->answer([&](auto&) {
                         if (!items) {
                           const std::string key =
                               illegal_key(request.keys(), [](const std::string& k) -> auto& { return k; });
                           return to_status(items.error(), {.component = request.store_name(), .key = key});
                         }
                         for (const state::BulkGetItem& item : *items) {
                           auto& out = *response.add_items();
                           out.set_key(item.key);
                           if (item.error) {
                             out.set_error(item.error->message);
                           } else {
                             fill(item.value, out);
                           }
                         }
                         return ::grpc::Status::OK;
                       });
                     });
}

void save_state(const ApiOptions& api, Executor& late, const SharedCall& call, const wire::SaveStateRequest& request) {
  const std::string& store = request.store_name();
  std::vector<state::SetRequest> items;
  items.reserve(request.states().size());
  for (const StateItem& item : request.states()) {
    if (item.key().empty()) {
      return fail_unless_no_store(api, late, call, store,
                                  {Code::kInvalidArgument, "ERR_STATE_SAVE", "state key cannot be empty"});
    }
    auto value = value_of(item);
    if (!value) return fail_unless_no_store(api, late, call, store, std::move(value.error()));
    items.push_back(set_request(item, std::move(*value)));
  }
  const state::Caller caller{call->context(), late};
  auto done = answer_write(call, store, illegal_key(request.states(), [](auto& item) -> auto& { return item.key(); }));
  if (items.size() == 1) {
    api.state.set(caller, store, std::move(items.front()), std::move(done));
  } else {
    api.state.bulk_set(caller, store, std::move(items), std::move(done));
  }
}

void delete_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                  const wire::DeleteStateRequest& request) {
  state::DeleteRequest item{.key = request.key(),
                            .etag = etag_of(request.etag()),
                            .concurrency = concurrency_of(request.options().concurrency()),
                            .consistency = consistency_of(request.options().consistency()),
                            .metadata = to_metadata(request.metadata())};
  api.state.remove({call->context(), late}, request.store_name(), std::move(item),
                   answer_write(call, request.store_name(), request.key()));
}

void delete_bulk_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                       const wire::DeleteBulkStateRequest& request) {
  std::vector<state::DeleteRequest> items;
  items.reserve(request.states().size());
  for (const StateItem& item : request.states()) items.push_back(delete_request(item));
  auto key = illegal_key(request.states(), [](auto& item) -> auto& { return item.key(); });
  api.state.bulk_remove({call->context(), late}, request.store_name(), std::move(items),
                        answer_write(call, request.store_name(), std::move(key)));
}

void execute_transaction(const ApiOptions& api, Executor& late, const SharedCall& call,
                         const wire::ExecuteStateTransactionRequest& request) {
  const std::string& store = request.storename();
  std::vector<state::Operation> operations;
  operations.reserve(request.operations().size());
  for (const wire::TransactionalStateOperation& operation : request.operations()) {
    if (operation.operationtype() == "upsert") {
      operations.emplace_back(set_request(operation.request(), operation.request().value()));
    } else if (operation.operationtype() == "delete") {
      operations.emplace_back(delete_request(operation.request()));
    } else {
      return fail_unless_no_transactions(api, late, call, store,
                                         {Code::kUnimplemented, "ERR_NOT_SUPPORTED_STATE_OPERATION",
                                          fmt::format("operation type {} not supported", operation.operationtype())});
    }
  }
  auto key = illegal_key(request.operations(), [](auto& item) -> auto& { return item.request().key(); });
  // As in daprd, the metadata of the whole transaction is no operation's.
  api.state.transact({call->context(), late}, store, std::move(operations), answer_write(call, store, std::move(key)));
}

void query_state(const ApiOptions& api, Executor& late, const SharedCall& call,
                 const wire::QueryStateRequest& request) {
  fail_unless_no_store(api, late, call, request.store_name(),
                       {Code::kInternal, "ERR_STATE_STORE_NOT_SUPPORTED", "state store does not support querying"});
}

}  // namespace tandem::api::grpc
