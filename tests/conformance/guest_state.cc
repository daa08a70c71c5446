#include "guest_state.h"

#include <optional>
#include <utility>

#include "expiry.h"
#include "guest_door.h"
#include "store_under_test.h"
#include "wire.h"

namespace tandem::conformance {
namespace {

// Of one app; a worker has two each.
constexpr std::size_t kInstances = 4;

std::optional<std::string> concurrency(state::Concurrency choice) {
  switch (choice) {
    case state::Concurrency::kFirstWrite: return "first-write";
    case state::Concurrency::kLastWrite: return "last-write";
    case state::Concurrency::kUnspecified: break;
  }
  return std::nullopt;
}

void put(WireWriter& to, const state::SetRequest& request) {
  std::optional<std::string> ttl;
  if (request.ttl_seconds) ttl = std::to_string(*request.ttl_seconds);
  to.put(std::string_view(request.key)).put(std::string_view(*request.value)).put(request.etag);
  to.put(concurrency(request.concurrency)).put(ttl).put(request.metadata);
}

void put(WireWriter& to, const state::DeleteRequest& request) {
  to.put(std::string_view(request.key)).put(request.etag).put(concurrency(request.concurrency)).put(request.metadata);
}

// Whether the shortest form of the call says all of it.
bool is_plain(const state::SetRequest& request) {
  return !request.etag && !request.ttl_seconds && request.metadata.empty() && !concurrency(request.concurrency);
}

bool is_plain(const state::DeleteRequest& request) {
  return !request.etag && request.metadata.empty() && !concurrency(request.concurrency);
}

state::GetResponse read_item(WireReader& from) {
  state::GetResponse response;
  if (std::optional<std::string> value = from.optional()) response.data = share(std::move(*value));
  response.etag = from.optional().value_or("");
  if (const std::optional<std::string> time = from.optional()) response.expires_at_ms = parse_expiry(*time);
  return response;
}

class GuestClient final : public StateClient {
 public:
  GuestClient(GuestDoor& door, app::GuestApp& app, std::string store)
      : door_(door), app_(app), store_(std::move(store)) {}

  Result<state::GetResponse> get(std::string_view key) override {
    WireWriter arguments = named_store();
    arguments.put(key);
    const Result<std::string> answer = door_.call(app_, "get-item", arguments.take());
    if (!answer) return fail(answer.error());
    WireReader reader(*answer);
    return read_item(reader);
  }
  Result<void> set(state::SetRequest request) override {
    WireWriter arguments = named_store();
    if (is_plain(request)) {
      arguments.put(std::string_view(request.key)).put(std::string_view(*request.value));
      return done("set", arguments);
    }
    put(arguments, request);
    return done("set-item", arguments);
  }
  Result<void> remove(state::DeleteRequest request) override {
    WireWriter arguments = named_store();
    if (is_plain(request)) {
      arguments.put(std::string_view(request.key));
      return done("delete", arguments);
    }
    put(arguments, request);
    return done("delete-item", arguments);
  }
  Result<std::vector<state::BulkGetItem>> bulk_get(std::vector<std::string> keys) override {
    WireWriter arguments = named_store();
    arguments.put_count(keys.size());
    for (const std::string& key : keys) arguments.put(std::string_view(key));
    const Result<std::string> answer = door_.call(app_, "get-many", arguments.take());
    if (!answer) return fail(answer.error());
    WireReader reader(*answer);
    std::vector<state::BulkGetItem> items(reader.count());
    for (state::BulkGetItem& item : items) {
      item.key = reader.text();
      if (const std::optional<std::string> code = reader.optional()) {
        std::string reason = reader.text();
        item.error = Error{static_cast<Code>(std::stoi(*code)), std::move(reason), reader.text()};
      } else {
        item.value = read_item(reader);
      }
    }
    return items;
  }
  Result<void> bulk_set(std::vector<state::SetRequest> requests) override { return many("set-many", requests); }
  Result<void> bulk_remove(std::vector<state::DeleteRequest> requests) override {
    return many("delete-many", requests);
  }
  Result<void> transact(std::vector<state::Operation> operations) override {
    WireWriter arguments = named_store();
    arguments.put_count(operations.size());
    for (const state::Operation& operation : operations) {
      const bool is_set = std::holds_alternative<state::SetRequest>(operation);
      arguments.put(is_set ? std::string_view("upsert") : std::string_view("delete"));
      std::visit([&](const auto& request) { put(arguments, request); }, operation);
    }
    return done("transact", arguments);
  }

 private:
  WireWriter named_store() const {
    WireWriter arguments;
    arguments.put(std::string_view(store_));
    return arguments;
  }
  template <class Request>
  Result<void> many(std::string_view function, const std::vector<Request>& requests) {
    WireWriter arguments = named_store();
    arguments.put_count(requests.size());
    for (const Request& request : requests) put(arguments, request);
    return done(function, arguments);
  }
  Result<void> done(std::string_view function, WireWriter& arguments) {
    const Result<std::string> answer = door_.call(app_, function, arguments.take());
    if (!answer) return fail(answer.error());
    return {};
  }

  GuestDoor& door_;
  app::GuestApp& app_;
  const std::string store_;
};

class GuestState final : public StateDriver {
 public:
  GuestState(std::unique_ptr<StoreUnderTest> store, std::unique_ptr<GuestDoor> door)
      : store_(std::move(store)),
        services_{store_->service(), pubsub_, invoke_, bindings_, secrets_, configuration_},
        door_(std::move(door)) {}

  bool has(std::string_view capability) const override { return store_->has(capability); }
  std::unique_ptr<StateClient> client(std::string app_id) override {
    return std::make_unique<GuestClient>(*door_, door_->app(app_id, services_), store_->name());
  }

 private:
  const std::unique_ptr<StoreUnderTest> store_;
  pubsub::PubsubService pubsub_;
  invoke::InvokeService invoke_;
  bindings::BindingService bindings_{bindings::BindingService::Options{}};
  secrets::SecretService secrets_;
  configuration::ConfigurationService configuration_;
  host::HostServices services_;
  const std::unique_ptr<GuestDoor> door_;
};

}  // namespace

std::unique_ptr<StateDriver> make_guest_state(const std::string& folder) {
  std::unique_ptr<StoreUnderTest> store = StoreUnderTest::make(folder);
  std::unique_ptr<GuestDoor> door = GuestDoor::make(kInstances);
  return store && door ? std::make_unique<GuestState>(std::move(store), std::move(door)) : nullptr;
}

}  // namespace tandem::conformance
