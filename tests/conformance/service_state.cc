#include "service_state.h"

#include <chrono>
#include <future>
#include <utility>

#include "blocks/state/state_service.h"
#include "store_under_test.h"

namespace tandem::conformance {
namespace {

constexpr std::chrono::seconds kPatience{20};

class ServiceClient final : public StateClient {
 public:
  ServiceClient(state::StateService& service, std::string store, std::string app_id)
      : service_(service), store_(std::move(store)) {
    context_.app_id = std::move(app_id);
  }

  Result<state::GetResponse> get(std::string_view key) override {
    return wait<state::GetResponse>([&](auto done) { service_.get(caller(), store_, {.key = key}, std::move(done)); });
  }
  Result<void> set(state::SetRequest request) override {
    return wait<void>([&](auto done) { service_.set(caller(), store_, std::move(request), std::move(done)); });
  }
  Result<void> remove(state::DeleteRequest request) override {
    return wait<void>([&](auto done) { service_.remove(caller(), store_, std::move(request), std::move(done)); });
  }
  Result<std::vector<state::BulkGetItem>> bulk_get(std::vector<std::string> keys) override {
    return wait<std::vector<state::BulkGetItem>>(
        [&](auto done) { service_.bulk_get(caller(), store_, std::move(keys), nullptr, std::move(done)); });
  }
  Result<void> bulk_set(std::vector<state::SetRequest> requests) override {
    return wait<void>([&](auto done) { service_.bulk_set(caller(), store_, std::move(requests), std::move(done)); });
  }
  Result<void> bulk_remove(std::vector<state::DeleteRequest> requests) override {
    return wait<void>([&](auto done) { service_.bulk_remove(caller(), store_, std::move(requests), std::move(done)); });
  }
  Result<void> transact(std::vector<state::Operation> operations) override {
    return wait<void>([&](auto done) { service_.transact(caller(), store_, std::move(operations), std::move(done)); });
  }

 private:
  state::Caller caller() { return {context_, loop_}; }

  template <class T, class Call>
  Result<T> wait(Call call) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    std::future<Result<T>> future = promise->get_future();
    call(Completion<T>([promise](Result<T> result) { promise->set_value(std::move(result)); }));
    if (future.wait_for(kPatience) != std::future_status::ready) {
      return fail(Code::kDeadlineExceeded, "the store has not answered");
    }
    return future.get();
  }

  state::StateService& service_;
  const std::string store_;
  CallContext context_;
  ThreadLoop loop_;
};

class ServiceState final : public StateDriver {
 public:
  explicit ServiceState(std::unique_ptr<StoreUnderTest> store) : store_(std::move(store)) {}

  bool has(std::string_view capability) const override { return store_->has(capability); }
  std::unique_ptr<StateClient> client(std::string app_id) override {
    return std::make_unique<ServiceClient>(store_->service(), store_->name(), std::move(app_id));
  }

 private:
  const std::unique_ptr<StoreUnderTest> store_;
};

}  // namespace

std::unique_ptr<StateDriver> make_service_state(const std::string& folder) {
  std::unique_ptr<StoreUnderTest> store = StoreUnderTest::make(folder);
  return store ? std::make_unique<ServiceState>(std::move(store)) : nullptr;
}

}  // namespace tandem::conformance
