#include "api/grpc/internal/remote_apps.h"

#include <unordered_set>
#include <utility>

#include "api/grpc/internal/remote_call.h"

namespace tandem::api::grpc {
namespace {

constexpr std::chrono::milliseconds kLook{500};  // how often it is looked for callers that have left

}  // namespace

// One worker's calls.
class RemoteApps::Lane final : public net::Handler {
 public:
  explicit Lane(RemoteParts parts) : parts_(std::move(parts)) {}

  void handle(std::unique_ptr<net::Exchange> exchange) override {
    auto call = std::make_shared<RemoteCall>(parts_, std::move(exchange),
                                             [this](RemoteCall& one) { calls_.erase(one.shared_from_this()); });
    calls_.insert(call);
    call->begin();
    if (!std::exchange(looking_, true)) look();
  }

  // With the worker stopped.
  void drop_calls() { calls_.clear(); }
  CallCounter& counter() { return *parts_.counter; }

 private:
  void look() {
    if (calls_.empty()) {
      looking_ = false;
      return;
    }
    parts_.worker.post_after(kLook, [this] {
      const std::vector<std::shared_ptr<RemoteCall>> calls(calls_.begin(), calls_.end());
      for (const auto& call : calls) call->look_for_caller();
      look();
    });
  }

  RemoteParts parts_;
  std::unordered_set<std::shared_ptr<RemoteCall>> calls_;
  bool looking_ = false;
};

RemoteApps::RemoteApps(net::Workers& workers, invoke::NameResolver& resolver, RemoteOptions options)
    : workers_(workers), resolver_(resolver), name_space_(options.name_space), channels_(options.max_message_bytes) {
  const auto counter = std::make_shared<CallCounter>();
  for (std::size_t i = 0; i < workers.size(); ++i) {
    lanes_.push_back(std::make_unique<Lane>(RemoteParts{.worker = workers[i],
                                                        .resolver = resolver,
                                                        .channels = channels_,
                                                        .counter = counter,
                                                        .name_space = options.name_space,
                                                        .host_address = options.host_address,
                                                        .host_name = options.host_name,
                                                        .retry_delay = options.retry_delay,
                                                        .has_policies = options.has_policies}));
  }
}

RemoteApps::~RemoteApps() {
  for (const auto& lane : lanes_) lane->drop_calls();
  // gRPC's threads post to the workers until then.
  if (!lanes_.empty()) lanes_.front()->counter().wait();
}

void RemoteApps::find_route(std::string_view app_id, std::string_view name_space, std::size_t worker,
                            Completion<net::grpc::CallRoute> done) {
  // A resolver may complete in place, and channels end inside get(): neither on a thread of gRPC's.
  workers_[worker].post([this, worker, app_id = std::string(app_id),
                         name_space = name_space.empty() ? name_space_ : std::string(name_space),
                         done = std::move(done)]() mutable {
    resolver_.resolve(
        app_id, name_space, workers_[worker],
        [this, app_id, done = std::move(done)](Result<std::string> address) mutable {
          if (!address) return done(fail(std::move(address.error())));
          PeerChannel channel = channels_.get(*address);
          auto broken = [this, app_id, address = *address, channel] {
            channels_.drop(address, channel);
            resolver_.forget(app_id, address);
          };
          done(net::grpc::CallRoute{.app_id = app_id, .channel = std::move(channel), .broken = std::move(broken)});
        });
  });
}

net::Handler& RemoteApps::handler(std::size_t worker) { return *lanes_[worker]; }

}  // namespace tandem::api::grpc
