#include "api/grpc/configuration_stream.h"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/configuration_methods.h"
#include "api/grpc/error_map.h"
#include "dapr/proto/runtime/v1/configuration.pb.h"
#include "net/grpc/passed_call.h"
#include "net/grpc/server_stream.h"

namespace tandem::api::grpc {
namespace {

namespace wire = ::dapr::proto::runtime::v1;
using Message = wire::SubscribeConfigurationResponse;

// Lives until the call has ended and the block holds it no more. Any thread.
class UpdateStream final : public net::grpc::ServerStream, public configuration::Listener {
 public:
  UpdateStream(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled)
      : ServerStream(std::move(call)),
        api_(api),
        context_(context_of(this->call().headers(), this->call().deadline(), api.app_id)),
        cancelled_(cancelled) {}

  void open() {
    begin();
    start_read();
  }

  void deliver(configuration::Update update, Completion<void> done) override {
    Message message;
    message.set_id(update.id);
    fill_items(update.items, *message.mutable_items());
    send(std::move(message), std::move(done));
  }
  void ended() override { end(::grpc::Status::OK); }

 private:
  struct Outgoing {
    Message message;
    Completion<void> done;
  };

  void subscribed(Result<std::string> id) {
    if (!id) return end(to_status(id.error()));
    Message message;
    message.set_id(*id);
    bool left = false;
    {
      const std::lock_guard lock(mutex_);
      id_ = std::move(*id);
      left = status_.has_value();
    }
    if (left) return unsubscribe();
    send(std::move(message), [](const Result<void>&) {});
  }

  void send(Message message, Completion<void> done) {
    {
      const std::lock_guard lock(mutex_);
      if (!status_) {
        outgoing_.push_back({std::move(message), std::move(done)});
        if (outgoing_.size() == 1) start_write(outgoing_.front().message.SerializeAsString());
        return;
      }
    }
    done(fail(Code::kCancelled, "the client has gone"));
  }

  // There is one message, the request; who sends no more has not left.
  void on_read(std::optional<std::string_view> message) override {
    if (!message) return end({::grpc::StatusCode::INTERNAL, "the call has no message"});
    wire::SubscribeConfigurationRequest request;
    if (!request.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
      return end({::grpc::StatusCode::INTERNAL, "grpc: failed to unmarshal the received message"});
    }
    std::vector<std::string> keys(request.keys().begin(), request.keys().end());
    const auto self = std::static_pointer_cast<UpdateStream>(shared_from_this());
    api_.configuration.subscribe({context_, worker()}, request.store_name(), std::move(keys),
                                 to_metadata(request.metadata()), self,
                                 [self](Result<std::string> id) { self->subscribed(std::move(id)); });
  }

  void on_written(bool ok) override {
    Completion<void> done;
    std::deque<Outgoing> unsent;
    {
      const std::lock_guard lock(mutex_);
      if (outgoing_.empty()) return;
      done = std::move(outgoing_.front().done);
      outgoing_.pop_front();
      if (status_) {
        unsent.swap(outgoing_);
        finish(*status_);
      } else if (!outgoing_.empty()) {
        start_write(outgoing_.front().message.SerializeAsString());
      }
    }
    for (Outgoing& one : unsent) one.done(fail(Code::kCancelled, "the client has gone"));
    if (!ok) return done(fail(Code::kCancelled, "the client has gone"));
    done({});
  }

  // The first reason counts. A message that is on its way goes first.
  void end(::grpc::Status status) {
    const std::lock_guard lock(mutex_);
    if (status_) return;
    status_ = status;
    if (outgoing_.empty()) finish(std::move(status));
  }

  void on_gone() override {
    cancelled_.fetch_add(1, std::memory_order_relaxed);
    end(::grpc::Status::CANCELLED);
    unsubscribe();
  }

  void unsubscribe() {
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      id = std::exchange(id_, {});
    }
    if (!id.empty())
      api_.configuration.unsubscribe({context_, worker()}, {}, std::move(id), [](const Result<void>&) {});
  }

  const ApiOptions& api_;
  const CallContext context_;
  std::atomic<std::size_t>& cancelled_;
  std::mutex mutex_;                      // of what follows
  std::deque<Outgoing> outgoing_;         // the first one is being written
  std::optional<::grpc::Status> status_;  // of the end
  std::string id_;
};

}  // namespace

void subscribe_configuration(const ApiOptions& api, net::grpc::IncomingCall call, std::atomic<std::size_t>& cancelled) {
  if (auto refused = check_access(call.headers(), call.method(), api.access, api.api_token)) {
    return net::grpc::refuse_call(std::move(call), *refused);
  }
  std::make_shared<UpdateStream>(api, std::move(call), cancelled)->open();
}

}  // namespace tandem::api::grpc
