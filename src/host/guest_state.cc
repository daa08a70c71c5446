#include "host/guest_state.h"

#include <algorithm>
#include <span>
#include <utility>

#include "host/guest_caller.h"
#include "host/guest_reply.h"

namespace tandem::host {
namespace {

constexpr std::string_view kContentType = "contentType";

state::Caller as_caller(GuestCaller& guest) { return {guest.context(), guest.executor()}; }

Completion<void> answer_done(tdm_reply* reply) {
  return [reply = GuestReply(reply)](Result<void> result) mutable { reply.done(result); };
}

Completion<state::GetResponse> answer_value(tdm_reply* reply) {
  return [reply = GuestReply(reply)](Result<state::GetResponse> result) mutable {
    if (!result) return reply.error(result.error());
    reply.value(std::move(result->data));
  };
}

state::Concurrency concurrency(int choice) {
  switch (choice) {
    case TDM_FIRST_WRITE: return state::Concurrency::kFirstWrite;
    case TDM_LAST_WRITE: return state::Concurrency::kLastWrite;
    default: return state::Concurrency::kUnspecified;
  }
}

// Makes a request of each entry; the first that cannot be one fails the call.
template <class Request, class Make>
Result<std::vector<Request>> requests(const tdm_state_entry* entries, std::size_t count, Make make) {
  std::vector<Request> made;
  made.reserve(count);
  for (const tdm_state_entry& entry : std::span(entries, count)) {
    Result<Request> request = make(entry);
    if (!request) return fail(std::move(request.error()));
    made.push_back(std::move(*request));
  }
  return made;
}

void get(void* user, tdm_str store, tdm_str key, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().state.get(as_caller(guest), view(store), {.key = view(key)}, answer_value(reply));
}

void get_item(void* user, tdm_str store, tdm_str key, std::int32_t choice, const tdm_header* pairs, std::size_t count,
              tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  const Metadata metadata = metadata_of(pairs, count);
  const state::GetRequest request{
      .key = view(key), .consistency = consistency(choice), .metadata = metadata.empty() ? nullptr : &metadata};
  guest.services().state.get(
      as_caller(guest), view(store), request,
      [reply = GuestReply(reply)](Result<state::GetResponse> result) mutable { reply.item(std::move(result)); });
}

void set(void* user, tdm_str store, tdm_str key, tdm_str value, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  state::SetRequest request{.key = std::string(view(key)), .value = share(std::string(view(value)))};
  guest.services().state.set(as_caller(guest), view(store), std::move(request), answer_done(reply));
}

void set_item(void* user, tdm_str store, const tdm_state_entry* entry, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  Result<state::SetRequest> request = set_request(*entry);
  if (!request) return GuestReply(reply).error(request.error());
  guest.services().state.set(as_caller(guest), view(store), std::move(*request), answer_done(reply));
}

void remove(void* user, tdm_str store, tdm_str key, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  state::DeleteRequest request{.key = std::string(view(key))};
  guest.services().state.remove(as_caller(guest), view(store), std::move(request), answer_done(reply));
}

void remove_item(void* user, tdm_str store, const tdm_state_entry* entry, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().state.remove(as_caller(guest), view(store), delete_request(*entry), answer_done(reply));
}

void get_many(void* user, tdm_str store, const tdm_str* names, std::size_t count, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  std::vector<std::string> keys;
  keys.reserve(count);
  for (const tdm_str& key : std::span(names, count)) keys.emplace_back(view(key));
  guest.services().state.bulk_get(as_caller(guest), view(store), std::move(keys), nullptr,
                                  [reply = GuestReply(reply)](Result<std::vector<state::BulkGetItem>> result) mutable {
                                    reply.items(std::move(result));
                                  });
}

void set_many(void* user, tdm_str store, const tdm_state_entry* entries, std::size_t count, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  auto made = requests<state::SetRequest>(entries, count, set_request);
  if (!made) return GuestReply(reply).error(made.error());
  guest.services().state.bulk_set(as_caller(guest), view(store), std::move(*made), answer_done(reply));
}

void remove_many(void* user, tdm_str store, const tdm_state_entry* entries, std::size_t count,
                 tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  auto made = requests<state::DeleteRequest>(entries, count, delete_request);
  guest.services().state.bulk_remove(as_caller(guest), view(store), std::move(*made), answer_done(reply));
}

void transact(void* user, tdm_str store, const tdm_state_entry* operations, std::size_t count,
              tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  auto made = requests<state::Operation>(operations, count, operation);
  if (!made) return GuestReply(reply).error(made.error());
  guest.services().state.transact(as_caller(guest), view(store), std::move(*made), answer_done(reply));
}

void list_keys(void* user, tdm_str store, tdm_str after, std::uint64_t skip, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  guest.services().state.list_keys(
      as_caller(guest), view(store), view(after), skip,
      [reply = GuestReply(reply)](Result<state::KeyPage> page) mutable { reply.keys(std::move(page)); });
}

void find_store_of(void* user, tdm_str identifier, tdm_reply* reply) noexcept {
  GuestCaller& guest = caller_of(user);
  Result<std::string> name = find_store(guest.services().state, guest.context().app_id, view(identifier));
  if (!name) return GuestReply(reply).error(name.error());
  GuestReply(reply).value(share(std::move(*name)));
}

}  // namespace

state::Consistency consistency(int choice) {
  switch (choice) {
    case TDM_EVENTUAL: return state::Consistency::kEventual;
    case TDM_STRONG: return state::Consistency::kStrong;
    default: return state::Consistency::kUnspecified;
  }
}

Result<state::SetRequest> set_request(const tdm_state_entry& entry) {
  state::SetRequest request{.key = std::string(view(entry.key)),
                            .value = share(std::string(view(entry.value))),
                            .etag = optional_of(entry.etag),
                            .concurrency = concurrency(entry.concurrency),
                            .consistency = consistency(entry.consistency),
                            .metadata = metadata_of(entry.metadata, entry.metadata_count)};
  if (entry.has_ttl) {
    if (entry.ttl_seconds < 1 && entry.ttl_seconds != -1) {
      return fail(Code::kInvalidArgument, "ERR_MALFORMED_REQUEST",
                  "ttl-seconds of key " + request.key + " is " + std::to_string(entry.ttl_seconds) +
                      ": it must be 1 or more, or -1 for a value that never expires");
    }
    request.ttl_seconds = entry.ttl_seconds;
  }
  if (entry.content_type.ptr != nullptr) {
    request.metadata.insert_or_assign(std::string(kContentType), std::string(view(entry.content_type)));
  }
  return request;
}

state::DeleteRequest delete_request(const tdm_state_entry& entry) {
  return {.key = std::string(view(entry.key)),
          .etag = optional_of(entry.etag),
          .concurrency = concurrency(entry.concurrency),
          .consistency = consistency(entry.consistency),
          .metadata = metadata_of(entry.metadata, entry.metadata_count)};
}

Result<state::Operation> operation(const tdm_state_entry& entry) {
  if (entry.operation == TDM_DELETE) return delete_request(entry);
  Result<state::SetRequest> request = set_request(entry);
  if (!request) return fail(std::move(request.error()));
  return std::move(*request);
}

Result<std::string> find_store(const state::StateService& service, std::string_view app_id,
                               std::string_view identifier) {
  const std::vector<std::string> names = service.store_names(app_id);
  if (std::ranges::find(names, identifier) != names.end()) return std::string(identifier);
  if (service.has_store(identifier)) {
    return fail(Code::kPermissionDenied,
                "app " + std::string(app_id) + " is not in the scopes of state store " + std::string(identifier));
  }
  const bool wants_default = identifier.empty() || identifier == "default";
  if (wants_default && !names.empty()) return names.front();
  return fail(Code::kNotFound,
              "app " + std::string(app_id) + " has no state store called \"" + std::string(identifier) + "\"");
}

const tdm_state_vtable& state_vtable() {
  static constexpr tdm_state_vtable kTable = {
      .get = get,
      .get_item = get_item,
      .set = set,
      .set_item = set_item,
      .remove = remove,
      .remove_item = remove_item,
      .get_many = get_many,
      .set_many = set_many,
      .remove_many = remove_many,
      .transact = transact,
      .list_keys = list_keys,
      .find_store = find_store_of,
  };
  return kTable;
}

}  // namespace tandem::host
