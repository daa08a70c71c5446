#include "api/http/state_routes.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "api/http/body.h"
#include "api/http/state_requests.h"
#include "api/http/target.h"
#include "base/json.h"
#include "blocks/state/expire_time.h"

namespace tandem::api::http {
namespace {

state::Caller caller_of(const ApiOptions& api, net::Exchange& exchange) { return {exchange.context(), api.worker}; }

std::optional<std::string> if_match(const net::Exchange& exchange) {
  const auto etag = net::find_header(exchange.head().headers, "if-match");
  if (!etag || etag->empty()) return std::nullopt;
  return std::string(*etag);
}

// Answers a write: 204, or the error with the key that caused it where that is known.
Completion<void> answer_write(const ApiOptions& api, SharedExchange exchange, std::string store, std::string key) {
  return [&api, exchange = std::move(exchange), store = std::move(store), key = std::move(key)](Result<void> result) {
    if (result) {
      reply_empty(*exchange);
    } else {
      reply_error(*exchange, result.error(), {.app_id = api.app_id, .component = store, .key = key});
    }
  };
}

// Dapr looks a store up before it reads the request. So what is wrong with a request is told only if the store is
// there: an operation without items asks the service that, and nothing of the store.
void reply_unless_no_store(const ApiOptions& api, SharedExchange exchange, std::string store, Error error) {
  const SharedExchange held = exchange;
  const std::string name = store;
  api.state.bulk_get(caller_of(api, *held), name, {}, nullptr,
                     [&api, exchange = std::move(exchange), store = std::move(store),
                      error = std::move(error)](const Result<std::vector<state::BulkGetItem>>& found) {
                       if (found) {
                         reply_error(*exchange, error);
                       } else {
                         reply_error(*exchange, found.error(), {.app_id = api.app_id, .component = store});
                       }
                     });
}

// The same where transactions must be supported as well.
void reply_unless_no_transactions(const ApiOptions& api, SharedExchange exchange, std::string store, Error error) {
  const SharedExchange held = exchange;
  const std::string name = store;
  api.state.transact(caller_of(api, *held), name, {},
                     [&api, exchange = std::move(exchange), store = std::move(store),
                      error = std::move(error)](const Result<void>& found) {
                       if (found) {
                         reply_error(*exchange, error);
                       } else {
                         reply_error(*exchange, found.error(), {.app_id = api.app_id, .component = store});
                       }
                     });
}

// The key that the service will refuse, if any, for the details of its error.
std::string illegal_key(std::string_view key) {
  return key.find("||") == std::string_view::npos ? std::string() : std::string(key);
}

// Where the store looks at the options of a write; everywhere, for one that is not there.
state::CheckedOptions checked_options(const ApiOptions& api, std::string_view store) {
  const std::optional<state::Features> features = api.state.features_of(store);
  return features ? features->checked_options : state::CheckedOptions();
}

Error save_failed(std::string_view store, std::string_view cause) {
  return {Code::kInternal, "ERR_STATE_SAVE", fmt::format("failed saving state in state store {}: {}", store, cause)};
}

Error transaction_failed(std::string_view cause) {
  return {Code::kInternal, "ERR_STATE_TRANSACTION", fmt::format("error while executing state transaction: {}", cause)};
}

void save_items(const ApiOptions& api, SharedExchange exchange, std::string store, std::vector<SetItem> items) {
  std::vector<state::SetRequest> requests;
  requests.reserve(items.size());
  std::string illegal;
  for (SetItem& item : items) {
    if (item.request.key.empty()) {
      reply_unless_no_store(api, std::move(exchange), std::move(store),
                            malformed_request("\"key\" is a required field"));
      return;
    }
    if (!item.refused.empty() && checked_options(api, store).set) {
      Error error = save_failed(store, item.refused);
      reply_unless_no_store(api, std::move(exchange), std::move(store), std::move(error));
      return;
    }
    if (illegal.empty()) illegal = illegal_key(item.request.key);
    requests.push_back(std::move(item.request));
  }
  const state::Caller caller = caller_of(api, *exchange);
  const SharedExchange held = exchange;
  auto done = answer_write(api, std::move(exchange), store, std::move(illegal));
  if (requests.size() == 1) {
    api.state.set(caller, store, std::move(requests.front()), std::move(done));
  } else {
    api.state.bulk_set(caller, store, std::move(requests), std::move(done));
  }
}

void append_bulk_item(std::string& out, const state::BulkGetItem& item) {
  out += "{\"key\":";
  append_json_string(out, item.key);
  const state::GetResponse& value = item.value;
  std::string problem = item.error ? item.error->message : std::string();
  if (problem.empty() && value.data != nullptr && !value.data->empty()) {
    // A value that was not written as JSON (through another door) cannot stand in a JSON answer.
    if (const auto json = parse_json(*value.data)) {
      out += ",\"data\":";
      out += *json;
    } else {
      problem = fmt::format("the value is not JSON: {}", json.error().message);
    }
  }
  if (!problem.empty()) {
    out += ",\"error\":";
    append_json_string(out, problem);
    out += '}';
    return;
  }
  if (!value.etag.empty()) {
    out += ",\"etag\":";
    append_json_string(out, value.etag);
  }
  if (value.expires_at_ms) {
    out += ",\"metadata\":";
    append_json_map(out, state::response_metadata(value));
  }
  out += '}';
}

void answer_bulk_get(net::Exchange& exchange, const std::vector<state::BulkGetItem>& items) {
  std::string body = "[";
  for (const state::BulkGetItem& item : items) {
    if (body.size() > 1) body += ',';
    append_bulk_item(body, item);
  }
  body += "]\n";
  reply_json(exchange, 200, body);
}

void run_transaction(const ApiOptions& api, SharedExchange exchange, std::string store, TransactionBody body) {
  std::vector<state::Operation> operations;
  operations.reserve(body.operations.size());
  std::optional<Error> refused;
  const auto looks_at = [&](const auto& write) {
    const state::CheckedOptions checked = checked_options(api, store);
    return std::is_same_v<std::decay_t<decltype(write)>, SetItem> ? checked.transacted_set : checked.transacted_remove;
  };
  for (TransactionItem& item : body.operations) {
    if (const auto* unknown = std::get_if<UnknownOperation>(&item)) {
      refused = Error{Code::kInvalidArgument, "ERR_NOT_SUPPORTED_STATE_OPERATION",
                      fmt::format("operation type {} not supported", unknown->name)};
      break;
    }
    std::visit(
        [&](auto& write) {
          if constexpr (requires { write.request; }) {
            if (!write.refused.empty() && !refused && looks_at(write)) refused = transaction_failed(write.refused);
            operations.emplace_back(std::move(write.request));
          }
        },
        item);
  }
  if (refused) {
    reply_unless_no_transactions(api, std::move(exchange), std::move(store), std::move(*refused));
    return;
  }
  const state::Caller caller = caller_of(api, *exchange);
  const SharedExchange held = exchange;
  // As daprd: of a transaction the details do not name the key.
  api.state.transact(caller, store, std::move(operations), answer_write(api, std::move(exchange), store, {}));
}

}  // namespace

void get_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string key,
               std::string_view query) {
  const Metadata metadata = query.empty() ? Metadata() : query_metadata(query);
  state::GetRequest request{.key = key, .metadata = metadata.empty() ? nullptr : &metadata};
  if (!query.empty()) {
    const auto word = query_value(query, "consistency");
    // Dapr's stores do not look at the word when they read.
    request.consistency = consistency_of(word.value_or("")).value_or(state::Consistency::kUnspecified);
  }
  const SharedExchange held = exchange;
  api.state.get(caller_of(api, *held), store, request,
                [&api, exchange = std::move(exchange), store, key](const Result<state::GetResponse>& response) {
                  if (!response) {
                    reply_error(*exchange, response.error(), {.app_id = api.app_id, .component = store, .key = key});
                    return;
                  }
                  if (response->data == nullptr) {
                    reply_empty(*exchange);
                    return;
                  }
                  std::array<net::Header, 3> headers = {net::Header{"Content-Type", "application/json"}};
                  std::size_t count = 1;
                  if (!response->etag.empty()) headers[count++] = {"ETag", response->etag};
                  std::string expires;
                  if (response->expires_at_ms) {
                    expires = state::expire_time(*response->expires_at_ms);
                    headers[count++] = {"metadata.ttlExpireTime", expires};
                  }
                  exchange->respond(200, net::Headers(headers).first(count), *response->data);
                });
}

void delete_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string key,
                  std::string_view query) {
  const std::string consistency_word = query_value(query, "consistency").value_or("");
  const std::string concurrency_word = query_value(query, "concurrency").value_or("");
  const auto consistency = consistency_of(consistency_word);
  const auto concurrency = concurrency_of(concurrency_word);
  if ((!consistency || !concurrency) && checked_options(api, store).remove) {
    const bool which = !consistency;
    Error error{Code::kInternal, "ERR_STATE_DELETE",
                fmt::format("failed deleting state with key {}: unrecognized {} model '{}'", key,
                            which ? "consistency" : "concurrency", which ? consistency_word : concurrency_word)};
    reply_unless_no_store(api, std::move(exchange), std::move(store), std::move(error));
    return;
  }
  state::DeleteRequest request{.key = key,
                               .etag = if_match(*exchange),
                               .concurrency = concurrency.value_or(state::Concurrency::kUnspecified),
                               .consistency = consistency.value_or(state::Consistency::kUnspecified),
                               .metadata = query_metadata(query)};
  const SharedExchange held = exchange;
  api.state.remove(caller_of(api, *held), store, std::move(request),
                   answer_write(api, std::move(exchange), store, std::move(key)));
}

void save_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query) {
  collect_body(std::move(exchange), api.max_body_bytes,
               [&api, store = std::move(store), query](SharedExchange owner, Result<std::string_view> body) mutable {
                 auto items = body ? read_set_items(*body, query_metadata(query)) : std::unexpected(body.error());
                 if (!items) {
                   reply_unless_no_store(api, std::move(owner), std::move(store),
                                         malformed_request(std::move(items.error().message)));
                 } else if (items->empty()) {
                   const SharedExchange held = owner;
                   auto done = answer_write(api, std::move(owner), store, {});
                   api.state.bulk_set(caller_of(api, *held), store, {}, std::move(done));
                 } else {
                   save_items(api, std::move(owner), std::move(store), std::move(*items));
                 }
               });
}

void bulk_get_state(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query) {
  collect_body(
      std::move(exchange), api.max_body_bytes,
      [&api, store = std::move(store), query](SharedExchange owner, Result<std::string_view> body) mutable {
        auto request = body ? read_bulk_get(*body, query_metadata(query)) : std::unexpected(body.error());
        if (!request) {
          reply_unless_no_store(api, std::move(owner), std::move(store), malformed_body(request.error().message));
          return;
        }
        std::string illegal;
        for (const std::string& key : request->keys) {
          if (illegal.empty()) illegal = illegal_key(key);
        }
        const SharedExchange held = owner;
        auto done = [&api, owner = std::move(owner), store,
                     illegal = std::move(illegal)](const Result<std::vector<state::BulkGetItem>>& items) {
          if (items) {
            answer_bulk_get(*owner, *items);
          } else {
            reply_error(*owner, items.error(), {.app_id = api.app_id, .component = store, .key = illegal});
          }
        };
        api.state.bulk_get(caller_of(api, *held), store, std::move(request->keys), &request->metadata, std::move(done));
      });
}

void state_transaction(const ApiOptions& api, SharedExchange exchange, std::string store, std::string_view query) {
  collect_body(std::move(exchange), api.max_body_bytes,
               [&api, store = std::move(store), query](SharedExchange owner, Result<std::string_view> body) mutable {
                 auto request = body ? read_transaction(*body, query_metadata(query)) : std::unexpected(body.error());
                 if (!request) {
                   reply_unless_no_transactions(api, std::move(owner), std::move(store),
                                                malformed_body(request.error().message));
                 } else {
                   run_transaction(api, std::move(owner), std::move(store), std::move(*request));
                 }
               });
}

void query_state(const ApiOptions& api, SharedExchange exchange, std::string store) {
  const SharedExchange held = exchange;
  const std::string name = store;
  api.state.bulk_get(
      caller_of(api, *held), name, {}, nullptr,
      [exchange = std::move(exchange), store = std::move(store)](const Result<std::vector<state::BulkGetItem>>& found) {
        const Error unsupported{Code::kInternal, "ERR_STATE_STORE_NOT_SUPPORTED",
                                "state store does not support querying"};
        // As daprd: of a query that finds no store the details do not name the app.
        reply_error(*exchange, found ? unsupported : found.error(), {.component = store});
      });
}

}  // namespace tandem::api::http
