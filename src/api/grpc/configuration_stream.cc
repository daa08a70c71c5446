#include "api/grpc/configuration_stream.h"

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "api/grpc/call_metadata.h"
#include "api/grpc/configuration_methods.h"
#include "api/grpc/error_map.h"

namespace tandem::api::grpc {
namespace {

using Message = wire::SubscribeConfigurationResponse;

// Lives until gRPC is done with it and the block holds it no more. Any thread.
class UpdateStream final : public ::grpc::ServerWriteReactor<Message>, public configuration::Listener {
 public:
  UpdateStream(const ApiOptions& api, Executor& late, CallContext context)
      : api_(api), late_(late), context_(std::move(context)) {}

  void begin(std::shared_ptr<UpdateStream> self, const wire::SubscribeConfigurationRequest& request) {
    self_ = self;
    std::vector<std::string> keys(request.keys().begin(), request.keys().end());
    api_.configuration.subscribe({context_, late_}, request.store_name(), std::move(keys),
                                 to_metadata(request.metadata()), self,
                                 [self](Result<std::string> id) { self->subscribed(std::move(id)); });
  }
  void refuse(std::shared_ptr<UpdateStream> self, ::grpc::Status status) {
    self_ = std::move(self);
    end(std::move(status));
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
    const Message* next = nullptr;
    {
      const std::lock_guard lock(mutex_);
      if (!status_) {
        outgoing_.push_back({std::move(message), std::move(done)});
        if (outgoing_.size() > 1) return;
        next = &outgoing_.front().message;
      }
    }
    if (next == nullptr) return done(fail(Code::kCancelled, "the client has gone"));
    StartWrite(next);
  }

  void OnWriteDone(bool ok) override {
    Completion<void> done;
    const Message* next = nullptr;
    std::optional<::grpc::Status> last;
    {
      const std::lock_guard lock(mutex_);
      done = std::move(outgoing_.front().done);
      outgoing_.pop_front();
      if (status_) {
        last = status_;
        outgoing_.clear();
      } else if (!outgoing_.empty()) {
        next = &outgoing_.front().message;
      }
    }
    if (last) {
      Finish(*last);
    } else if (next != nullptr) {
      StartWrite(next);
    }
    if (!ok) return done(fail(Code::kCancelled, "the client has gone"));
    done({});
  }

  // The first reason counts. A message that is on its way goes first.
  void end(::grpc::Status status) {
    {
      const std::lock_guard lock(mutex_);
      if (status_) return;
      status_ = status;
      if (!outgoing_.empty()) return;
    }
    Finish(std::move(status));
  }

  void OnCancel() override {
    end(::grpc::Status::CANCELLED);
    unsubscribe();
  }
  void OnDone() override { const std::shared_ptr<UpdateStream> last = std::move(self_); }

  void unsubscribe() {
    std::string id;
    {
      const std::lock_guard lock(mutex_);
      id = std::exchange(id_, {});
    }
    if (!id.empty()) api_.configuration.unsubscribe({context_, late_}, {}, std::move(id), [](const Result<void>&) {});
  }

  const ApiOptions& api_;
  Executor& late_;
  const CallContext context_;
  std::mutex mutex_;                      // of what follows
  std::deque<Outgoing> outgoing_;         // the first one is being written
  std::optional<::grpc::Status> status_;  // of the end
  std::string id_;
  std::shared_ptr<UpdateStream> self_;  // until OnDone()
};

}  // namespace

::grpc::ServerWriteReactor<wire::SubscribeConfigurationResponse>* subscribe_configuration(
    const ApiOptions& api, Executor& late, ::grpc::CallbackServerContext& server, std::string_view method,
    const wire::SubscribeConfigurationRequest& request) {
  const auto stream = std::make_shared<UpdateStream>(api, late, context_of(server, api.app_id));
  if (auto refused = check_access(server, method, api.access, api.api_token)) {
    stream->refuse(stream, std::move(*refused));
  } else {
    stream->begin(stream, request);
  }
  return stream.get();
}

}  // namespace tandem::api::grpc
