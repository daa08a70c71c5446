#include "blocks/state/state_service.h"

#include <algorithm>
#include <array>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/text.h"
#include "blocks/late_completion.h"
#include "blocks/registry.h"
#include "blocks/state/transaction_outbox.h"

namespace tandem::state {
namespace {

constexpr std::string_view kSeparator = "||";
constexpr std::size_t kKeysPerPage = 1000;

// What stands before a key: "" or "<first>||" or "<first>.<second>||".
struct Prefix {
  std::string_view first;
  std::string_view second;

  std::size_t size() const {
    if (first.empty()) return 0;
    return first.size() + (second.empty() ? 0 : second.size() + 1) + kSeparator.size();
  }
  // Writes size() characters and returns where they end.
  char* copy_to(char* to) const {
    if (first.empty()) return to;
    to = std::ranges::copy(first, to).out;
    if (!second.empty()) {
      *to++ = '.';
      to = std::ranges::copy(second, to).out;
    }
    return std::ranges::copy(kSeparator, to).out;
  }
  std::string text() const {
    std::string text(size(), '\0');
    copy_to(text.data());
    return text;
  }
};

// "orders||42" without a heap allocation for keys of ordinary length.
class PrefixedKey final {
 public:
  PrefixedKey(const Prefix& prefix, std::string_view key) {
    const std::size_t size = prefix.size() + key.size();
    char* to = buffer_.data();
    if (size > buffer_.size()) {
      long_.resize(size);
      to = long_.data();
    }
    std::ranges::copy(key, prefix.copy_to(to));
    view_ = {to, size};
  }
  PrefixedKey(const PrefixedKey&) = delete;
  PrefixedKey& operator=(const PrefixedKey&) = delete;

  std::string_view view() const { return view_; }

 private:
  std::array<char, 256> buffer_;
  std::string long_;
  std::string_view view_;
};

// An empty key is a key, as in Dapr; only a plain write must name one.
Status check_key(std::string_view key) {
  if (key.find(kSeparator) != std::string_view::npos) {
    return fail(Code::kInvalidArgument, "ERR_MALFORMED_REQUEST",
                "input key/keyPrefix '" + std::string(key) + "' can't contain '||'");
  }
  return {};
}

Status check_written_key(std::string_view key) {
  if (key.empty()) return fail(Code::kInvalidArgument, "ERR_MALFORMED_REQUEST", "\"key\" is a required field");
  return check_key(key);
}

// A store's failure of a write as Dapr shows it: the code survives only for an ETag failure.
Error write_error(Error error, std::string_view reason, std::string message) {
  const Code code = is_etag_mismatch(error) || is_etag_invalid(error) ? error.code : Code::kInternal;
  return {code, std::string(reason), message + error.message};
}

Error save_error(Error error, std::string_view store) {
  return write_error(std::move(error), "ERR_STATE_SAVE",
                     "failed saving state in state store " + std::string(store) + ": ");
}

Error delete_error(Error error, std::string_view key) {
  return write_error(std::move(error), "ERR_STATE_DELETE", "failed deleting state with key " + std::string(key) + ": ");
}

Error get_error(const Error& error, std::string_view key, std::string_view store) {
  return {Code::kInternal, "ERR_STATE_GET",
          "fail to get " + std::string(key) + " from state store " + std::string(store) + ": " + error.message};
}

Error transaction_error(const Error& error) {
  return {Code::kInternal, "ERR_STATE_TRANSACTION", "error while executing state transaction: " + error.message};
}

Error outbox_error(const Error& error) {
  return {Code::kInternal, "ERR_PUBLISH_OUTBOX", "error while publishing outbox message: " + error.message};
}

Status fill_ttl(SetRequest& request, const Store& store) {
  if (request.ttl_seconds || request.metadata.empty()) return {};
  const Features features = store.features();
  if (features.ttl_reader == Features::TtlReader::kStore) return {};
  Result<std::optional<std::int64_t>> ttl = parse_ttl(request.metadata, features.ttl_rules);
  if (!ttl) return fail(std::move(ttl.error()));
  request.ttl_seconds = *ttl;
  return {};
}

}  // namespace

Result<KeyPrefixChoice> parse_key_prefix(std::string_view text) {
  std::string lower = to_lower(text);
  if (lower.empty() || lower == "appid") return KeyPrefixChoice{KeyPrefix::kAppId, {}};
  if (lower == "namespace") return KeyPrefixChoice{KeyPrefix::kNamespace, {}};
  if (lower == "name") return KeyPrefixChoice{KeyPrefix::kName, {}};
  if (lower == "none") return KeyPrefixChoice{KeyPrefix::kNone, {}};
  if (Status status = check_key(lower); !status) return fail(std::move(status.error()));
  return KeyPrefixChoice{KeyPrefix::kCustom, std::move(lower)};
}

using Pinned = Registry<StoreEntry>::Pin;

struct StateService::Impl {
  explicit Impl(std::string name_space) : name_space(std::move(name_space)) {}

  static bool visible(const StoreEntry& entry, std::string_view app_id) {
    return entry.scopes.empty() || std::ranges::find(entry.scopes, app_id) != entry.scopes.end();
  }

  // The store, or the error in `error` and none.
  Pinned find(std::string_view name, std::string_view app_id, Error& error) const {
    Pinned found = entries.find(name);
    if (found && visible(*found, app_id)) return found;
    const bool any =
        std::ranges::any_of(entries.all(), [&](const auto& item) { return visible(*item.second, app_id); });
    const std::string text = "state store " + std::string(name);
    if (any) {
      error = {Code::kInvalidArgument, "ERR_STATE_STORE_NOT_FOUND", text + " is not found"};
    } else {
      error = {Code::kFailedPrecondition, "ERR_STATE_STORE_NOT_CONFIGURED", text + " is not configured"};
    }
    return {};
  }

  // Views of the entry and of `app_id`.
  Prefix prefix_of(const StoreEntry& entry, std::string_view app_id) const {
    switch (entry.prefix) {
      case KeyPrefix::kNone: return {};
      case KeyPrefix::kName: return {entry.name, {}};
      case KeyPrefix::kCustom: return {entry.custom_prefix, {}};
      case KeyPrefix::kAppId: break;
      case KeyPrefix::kNamespace:
        if (!app_id.empty() && !name_space.empty()) return {name_space, app_id};
        break;
    }
    return {app_id, {}};
  }

  // Runs `call(store, completion)`; a failure passes through `explain(error, entry)`. The entry is held until then. An
  // in-place store needs nothing on the heap: what it completes with is still on this stack.
  template <class T, class Explain, class Call>
  static void run(Caller caller, Pinned entry, Completion<T> done, Explain explain, Call call) {
    Store& store = *entry->store;
    if (store.in_place()) {
      struct {
        Completion<T> done;
        Explain& explain;
        const StoreEntry& entry;
      } frame{std::move(done), explain, *entry};
      call(store, [&frame](Result<T> result) {
        if (!result) result = std::unexpected(frame.explain(std::move(result.error()), frame.entry));
        frame.done(std::move(result));
      });
      return;
    }
    Completion<T> explained = [done = std::move(done), explain = std::move(explain),
                               entry = std::move(entry)](Result<T> result) mutable {
      if (!result) result = std::unexpected(explain(std::move(result.error()), *entry));
      done(std::move(result));
    };
    InPlaceScope scope;
    call(store, bring_home<T>(scope, caller.executor, std::move(explained)));
  }

  static void run_transaction(Caller caller, Pinned entry, std::vector<Operation> operations, Completion<void> done) {
    run<void>(
        caller, std::move(entry), std::move(done),
        [](const Error& e, const StoreEntry&) { return transaction_error(e); },
        [&](Store& target, Completion<void> completion) {
          target.transact(caller.context, std::move(operations), std::move(completion));
        });
  }

  const std::string name_space;
  TransactionOutbox* outbox = nullptr;
  Registry<StoreEntry> entries;
};

StateService::StateService(std::string name_space) : impl_(std::make_unique<Impl>(std::move(name_space))) {}
StateService::~StateService() = default;

Status StateService::add(StoreEntry entry) {
  if (entry.name.empty() || entry.store == nullptr) return fail(Code::kInvalidArgument, "a state store needs a name");
  std::string name = entry.name;
  if (!impl_->entries.add(name, std::move(entry))) {
    return fail(Code::kAlreadyExists, "state store " + name + " is there already");
  }
  return {};
}

void StateService::put(StoreEntry entry) {
  std::string name = entry.name;
  impl_->entries.put(std::move(name), std::move(entry));
}

void StateService::remove_store(std::string_view name) { impl_->entries.remove(name); }

bool StateService::sweep(SteadyTime deadline) {
  for (const auto& unused : impl_->entries.sweep()) unused->store->close(deadline);
  return impl_->entries.has_retired();
}

std::vector<std::string> StateService::store_names(std::string_view app_id) const {
  std::vector<std::string> names;
  for (const auto& [name, entry] : impl_->entries.all()) {
    if (Impl::visible(*entry, app_id)) names.push_back(name);
  }
  return names;
}

bool StateService::has_store(std::string_view name) const { return impl_->entries.contains(name); }

std::optional<Features> StateService::features_of(std::string_view name) const {
  const Pinned found = impl_->entries.find(name);
  if (!found) return std::nullopt;
  return found->store->features();
}

void StateService::get(Caller caller, std::string_view store, const GetRequest& request, Completion<GetResponse> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  if (Status status = check_key(request.key); !status) return done(fail(std::move(status.error())));

  const PrefixedKey key(impl_->prefix_of(*entry, caller.context.app_id), request.key);
  GetRequest prefixed = request;
  prefixed.key = key.view();
  const auto call = [&](Store& target, Completion<GetResponse> completion) {
    target.get(caller.context, prefixed, std::move(completion));
  };
  if (entry->store->in_place()) {
    Impl::run<GetResponse>(
        caller, std::move(entry), std::move(done),
        [&](const Error& e, const StoreEntry& from) { return get_error(e, request.key, from.name); }, call);
  } else {
    Impl::run<GetResponse>(
        caller, std::move(entry), std::move(done),
        [key = std::string(request.key)](const Error& e, const StoreEntry& from) {
          return get_error(e, key, from.name);
        },
        call);
  }
}

void StateService::set(Caller caller, std::string_view store, SetRequest request, Completion<void> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  if (Status status = check_written_key(request.key); !status) return done(fail(std::move(status.error())));
  if (Status status = fill_ttl(request, *entry->store); !status)
    return done(fail(save_error(std::move(status.error()), entry->name)));
  request.key.insert(0, impl_->prefix_of(*entry, caller.context.app_id).text());
  Impl::run<void>(
      caller, std::move(entry), std::move(done),
      [](Error e, const StoreEntry& to) { return save_error(std::move(e), to.name); },
      [&](Store& target, Completion<void> completion) {
        target.set(caller.context, std::move(request), std::move(completion));
      });
}

void StateService::remove(Caller caller, std::string_view store, DeleteRequest request, Completion<void> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  if (Status status = check_key(request.key); !status) return done(fail(std::move(status.error())));
  std::string key = request.key;
  request.key.insert(0, impl_->prefix_of(*entry, caller.context.app_id).text());
  Impl::run<void>(
      caller, std::move(entry), std::move(done),
      [key = std::move(key)](Error e, const StoreEntry&) { return delete_error(std::move(e), key); },
      [&](Store& target, Completion<void> completion) {
        target.remove(caller.context, std::move(request), std::move(completion));
      });
}

void StateService::bulk_get(Caller caller, std::string_view store, std::vector<std::string> keys,
                            const Metadata* metadata, Completion<std::vector<BulkGetItem>> done) {
  using Items = std::vector<BulkGetItem>;
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  for (const std::string& key : keys) {
    if (Status status = check_key(key); !status) return done(fail(std::move(status.error())));
  }
  if (keys.empty()) return done(Items());

  const std::string prefix = impl_->prefix_of(*entry, caller.context.app_id).text();
  for (std::string& key : keys) key.insert(0, prefix);
  Completion<Items> strip = [done = std::move(done), length = prefix.size()](Result<Items> items) mutable {
    if (items) {
      for (BulkGetItem& item : *items) item.key.erase(0, length);
    }
    done(std::move(items));
  };
  Impl::run<Items>(
      caller, std::move(entry), std::move(strip),
      [](const Error& e, const StoreEntry&) { return Error{Code::kInternal, "ERR_STATE_BULK_GET", e.message}; },
      [&](Store& target, Completion<Items> completion) {
        target.bulk_get(caller.context, std::move(keys), std::move(completion));
      });
}

void StateService::list_keys(Caller caller, std::string_view store, std::string_view after, std::size_t skip,
                             Completion<KeyPage> done) {
  using Keys = std::vector<std::string>;
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  const std::string prefix = impl_->prefix_of(*entry, caller.context.app_id).text();
  ListRequest request{.prefix = prefix, .skip = skip, .limit = kKeysPerPage};
  if (!after.empty()) request.after = prefix + std::string(after);
  Completion<Keys> strip = [done = std::move(done), length = prefix.size(), skip](Result<Keys> keys) mutable {
    if (!keys) return done(fail(std::move(keys.error())));
    KeyPage page;
    if (keys->size() == kKeysPerPage) {
      page.last = keys->back().substr(length);
      page.next = skip + keys->size();
    }
    for (std::string& key : *keys) {
      key.erase(0, length);
      // Without a prefix of one's own, what has one is another app's.
      if (key.find(kSeparator) == std::string::npos) page.keys.push_back(std::move(key));
    }
    done(std::move(page));
  };
  Impl::run<Keys>(
      caller, std::move(entry), std::move(strip),
      [](const Error& e, const StoreEntry& from) {
        return Error{e.code == Code::kUnimplemented ? e.code : Code::kInternal, "ERR_STATE_STORE_NOT_SUPPORTED",
                     "failed listing the keys of state store " + from.name + ": " + e.message};
      },
      [&](Store& target, Completion<Keys> completion) {
        target.list_keys(caller.context, std::move(request), std::move(completion));
      });
}

void StateService::bulk_set(Caller caller, std::string_view store, std::vector<SetRequest> requests,
                            Completion<void> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  for (SetRequest& request : requests) {
    if (Status status = check_written_key(request.key); !status) return done(fail(std::move(status.error())));
    if (Status status = fill_ttl(request, *entry->store); !status)
      return done(fail(save_error(std::move(status.error()), entry->name)));
  }
  if (requests.empty()) return done({});
  const std::string prefix = impl_->prefix_of(*entry, caller.context.app_id).text();
  for (SetRequest& request : requests) request.key.insert(0, prefix);
  Impl::run<void>(
      caller, std::move(entry), std::move(done),
      [](Error e, const StoreEntry& to) { return save_error(std::move(e), to.name); },
      [&](Store& target, Completion<void> completion) {
        if (requests.size() == 1) {
          target.set(caller.context, std::move(requests.front()), std::move(completion));
        } else {
          target.bulk_set(caller.context, std::move(requests), std::move(completion));
        }
      });
}

void StateService::bulk_remove(Caller caller, std::string_view store, std::vector<DeleteRequest> requests,
                               Completion<void> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  for (const DeleteRequest& request : requests) {
    if (Status status = check_key(request.key); !status) return done(fail(std::move(status.error())));
  }
  if (requests.empty()) return done({});
  const std::string prefix = impl_->prefix_of(*entry, caller.context.app_id).text();
  for (DeleteRequest& request : requests) request.key.insert(0, prefix);
  Impl::run<void>(
      caller, std::move(entry), std::move(done),
      [](Error e, const StoreEntry& from) {
        return write_error(std::move(e), "ERR_STATE_BULK_DELETE",
                           "failed deleting state in state store " + from.name + ": ");
      },
      [&](Store& target, Completion<void> completion) {
        target.bulk_remove(caller.context, std::move(requests), std::move(completion));
      });
}

void StateService::transact(Caller caller, std::string_view store, std::vector<Operation> operations,
                            Completion<void> done) {
  Error error;
  Pinned entry = impl_->find(store, caller.context.app_id, error);
  if (!entry) return done(fail(std::move(error)));
  if (!entry->store->features().transactional) {
    return done(fail(Code::kUnimplemented, "ERR_STATE_STORE_NOT_SUPPORTED",
                     "state store " + entry->name + " doesn't support transactions"));
  }
  if (operations.empty()) return done({});
  const std::string prefix = impl_->prefix_of(*entry, caller.context.app_id).text();
  for (Operation& operation : operations) {
    Status status = std::visit(
        [&](auto& request) -> Status {
          if (Status checked = check_key(request.key); !checked) return checked;
          request.key.insert(0, prefix);
          if constexpr (std::is_same_v<std::decay_t<decltype(request)>, SetRequest>) {
            if (Status ttl = fill_ttl(request, *entry->store); !ttl) return fail(transaction_error(ttl.error()));
          }
          return {};
        },
        operation);
    if (!status) return done(fail(std::move(status.error())));
  }
  if (impl_->outbox == nullptr || !impl_->outbox->takes(entry->name)) {
    return Impl::run_transaction(caller, std::move(entry), std::move(operations), std::move(done));
  }
  const std::string name = entry->name;
  impl_->outbox->prepare(caller, name, std::move(operations),
                         [context = caller.context, &executor = caller.executor, entry = std::move(entry),
                          done = std::move(done)](Result<std::vector<Operation>> prepared) mutable {
                           if (!prepared) return done(fail(outbox_error(prepared.error())));
                           Impl::run_transaction({context, executor}, std::move(entry), std::move(*prepared),
                                                 std::move(done));
                         });
}

void StateService::get_own(Caller caller, std::string_view store, std::string_view key, Completion<GetResponse> done) {
  Pinned entry = impl_->entries.find(store);
  if (!entry) return done(fail(Code::kNotFound, "state store " + std::string(store) + " not found"));
  Impl::run<GetResponse>(
      caller, std::move(entry), std::move(done), [](const Error& e, const StoreEntry&) { return e; },
      [&](Store& target, Completion<GetResponse> completion) {
        target.get(caller.context, {.key = key}, std::move(completion));
      });
}

void StateService::remove_own(Caller caller, std::string_view store, std::string key, Completion<void> done) {
  Pinned entry = impl_->entries.find(store);
  if (!entry) return done(fail(Code::kNotFound, "state store " + std::string(store) + " not found"));
  Impl::run<void>(
      caller, std::move(entry), std::move(done), [](const Error& e, const StoreEntry&) { return e; },
      [&](Store& target, Completion<void> completion) {
        target.remove(caller.context, {.key = std::move(key)}, std::move(completion));
      });
}

void StateService::set_outbox(TransactionOutbox& outbox) { impl_->outbox = &outbox; }

void StateService::close(SteadyTime deadline) {
  for (const auto& [name, entry] : impl_->entries.all()) entry->store->close(deadline);
  for (const auto& entry : impl_->entries.retired()) entry->store->close(deadline);
}

}  // namespace tandem::state
