// The bodies of the state API, read from checked JSON (api/http/json.h).
//
// Values become what Go would write of them (base/json_normal.h). As in Dapr, what follows a body's JSON is not looked
// at, member names match without regard to case and unknown members are skipped. Plain functions, any thread; they fail
// with kInvalidArgument and what is wrong, for malformed_request().
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "blocks/state/state_store.h"

namespace tandem::api::http {

// A write that is well-formed JSON may still ask for what no store does (a consistency that nobody knows).
// Most of Dapr's stores refuse that as they refuse any write (state::CheckedOptions); `refused` says why and is empty
// otherwise. Those that do not look take the request as it is.
struct SetItem {
  state::SetRequest request;
  std::string refused;
};
struct DeleteItem {
  state::DeleteRequest request;
  std::string refused;
};

// `query` is the metadata of the query string; it overrides that of the body.
Result<SetItem> read_set_item(std::string_view object, const Metadata& query);
Result<DeleteItem> read_delete_item(std::string_view object, const Metadata& query);

Result<std::vector<SetItem>> read_set_items(std::string_view body, const Metadata& query);

struct BulkGetBody {
  std::vector<std::string> keys;
  Metadata metadata;
};
Result<BulkGetBody> read_bulk_get(std::string_view body, const Metadata& query);

// An operation that Dapr does not know, by its name.
struct UnknownOperation {
  std::string name;
};
using TransactionItem = std::variant<SetItem, DeleteItem, UnknownOperation>;
struct TransactionBody {
  std::vector<TransactionItem> operations;
};
Result<TransactionBody> read_transaction(std::string_view body, const Metadata& query);

// The options of a query string or body by Dapr's words; nullopt for an unknown word.
std::optional<state::Consistency> consistency_of(std::string_view word);
std::optional<state::Concurrency> concurrency_of(std::string_view word);

}  // namespace tandem::api::http
