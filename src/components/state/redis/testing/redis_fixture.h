// For tests: a state.redis on two workers with calls that wait.
#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "components/redis/testing/other_client.h"
#include "components/state/redis/redis_state_store.h"
#include "net/worker.h"

namespace tandem::components {

// A store on two workers, and calls that wait.
class RedisFixture {
 public:
  RedisFixture() : workers_(2) { workers_.start(); }
  ~RedisFixture() { store_.reset(); }

  Status open(RedisStateOptions options) {
    Result<std::unique_ptr<RedisStateStore>> store =
        RedisStateStore::open(std::move(options), workers_, std::chrono::steady_clock::now() + std::chrono::seconds(5));
    if (!store) return fail(std::move(store.error()));
    store_ = std::move(*store);
    return {};
  }
  Status open(RedisOptions options) { return open(RedisStateOptions{.redis = std::move(options)}); }

  // `call(done)` on a worker, as a request would.
  template <class T, class Call>
  Result<T> ask(Call call, std::size_t worker = 0) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> answer = promise->get_future();
    workers_[worker].post([call = std::move(call), promise]() mutable {
      call(Completion<T>([promise](Result<T> result) { promise->set_value(std::move(result)); }));
    });
    if (answer.wait_for(std::chrono::seconds(20)) != std::future_status::ready)
      return fail(Code::kUnknown, "nobody has answered");
    return answer.get();
  }
  Status set(state::SetRequest request, std::size_t worker = 0) {
    return ask<void>([this, request = std::move(request)](
                         auto done) mutable { store_->set(context_, std::move(request), std::move(done)); },
                     worker);
  }
  Status set(std::string key, std::string value) {
    return set({.key = std::move(key), .value = share(std::move(value))});
  }
  Status remove(state::DeleteRequest request) {
    return ask<void>([this, request = std::move(request)](auto done) mutable {
      store_->remove(context_, std::move(request), std::move(done));
    });
  }
  Status transact(std::vector<state::Operation> operations) {
    return ask<void>([this, operations = std::move(operations)](auto done) mutable {
      store_->transact(context_, std::move(operations), std::move(done));
    });
  }
  Result<state::GetResponse> get(std::string key, const Metadata& metadata = {}) {
    return ask<state::GetResponse>([this, key = std::move(key), &metadata](auto done) {
      store_->get(context_, {.key = key, .metadata = &metadata}, std::move(done));
    });
  }
  Status ping() {
    return ask<void>([this](auto done) { store_->ping(context_, std::move(done)); });
  }
  // "(none)" for a missing key.
  std::string value(std::string key) {
    const Result<state::GetResponse> response = get(std::move(key));
    if (!response) return "error: " + response.error().message;
    return response->data == nullptr ? "(none)" : *response->data;
  }

  RedisStateStore& store() { return *store_; }
  net::Workers& workers() { return workers_; }

 private:
  net::Workers workers_;
  CallContext context_;
  std::unique_ptr<RedisStateStore> store_;
};

}  // namespace tandem::components
